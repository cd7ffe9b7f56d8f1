"""Logging: every line to standard error, never to standard output."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog

from procession.commands.options import LogFormat


def start_logging(level: str, form: LogFormat) -> None:
    """JSON lines, or lines for people; `auto` means people where standard error is a terminal.

    Takes what the standard library's loggers say too.
    """
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    people = form == "console" or (form == "auto" and sys.stderr.isatty())
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.PositionalArgumentsFormatter()],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_renderers(people),
            ],
        )
    )
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # These tell of every connection and request what the product's own lines already say.
    for name in ("asyncio", "aiohttp", "urllib3", "mcp"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _renderers(people: bool) -> list[Any]:
    """Tracebacks without local variables: those may hold tokens."""
    if people:
        plain = structlog.dev.plain_traceback
        return [structlog.dev.ConsoleRenderer(exception_formatter=plain)]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
