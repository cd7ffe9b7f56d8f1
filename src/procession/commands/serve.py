"""`procession serve`."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Mapping
from typing import Any

import typer

from procession.commands.importing import without_collections
from procession.commands.options import (
    JsonOption,
    LogFormat,
    LogFormatOption,
    command,
    setting_parameters,
)
from procession.commands.outcome import CommandFailed, UsageWrong, say, say_json
from procession.settings import SettingInvalid, Settings, read_settings

SECRET = frozenset(
    {
        "bootstrap_token",
        "callback_secrets",
        "session_secret",
        "file_secret",
        "files_key_secret",
        "nats_url",
        "smtp_url",
    }
)
PARAMETERS = setting_parameters(Settings)

Ready = Callable[[str, str | None], None]

_PASSWORD = re.compile(r"(://[^:@/?]*:|[?&]password=)[^@&]*(?=@|&|$)")
_RULE = re.compile(r"settings: (?P<rule>.*?)(?: - at `\$\.(?P<name>\w+)`)?", re.DOTALL)


def register(app: typer.Typer) -> None:
    command(app, "serve", PARAMETERS)(serve)


def serve(*, json: JsonOption = False, log_format: LogFormatOption = "auto", **given: Any) -> None:
    """Run the server. Prints its address once it answers; ends at SIGTERM or Ctrl-C."""
    settings = settings_of(given)
    with without_collections():
        from procession.commands.logs import start_logging

    start_logging(settings.log_level, log_format)
    serving = _serve_many if settings.workers > 1 else _serve_alone
    with database_failures(settings.database):
        try:
            serving(settings, log_format, lambda address, token: _announce(address, token, json))
        except SettingInvalid as error:
            raise UsageWrong(str(error)) from None


def _serve_alone(settings: Settings, _: LogFormat, ready: Ready) -> None:
    with without_collections():
        from procession.server import run
    run(settings, ready)


def _serve_many(settings: Settings, log_format: LogFormat, ready: Ready) -> None:
    import asyncio

    from procession.opening import is_shared
    from procession.workers import WorkersFailed, serve_many

    if not is_shared(settings.database):
        raise SettingInvalid(
            f"workers: {settings.workers} processes need PostgreSQL; SQLite is served by one"
        )
    try:
        asyncio.run(serve_many(settings, log_format, ready))
    except WorkersFailed as error:
        raise CommandFailed(str(error)) from None


def settings_of(given: Mapping[str, Any]) -> Settings:
    """The server's settings from values whose source is already settled. Raises UsageWrong."""
    try:
        return read_settings(given, environment={})
    except SettingInvalid as error:
        raise UsageWrong(invalid_line(str(error), given)) from None


def invalid_line(message: str, given: Mapping[str, Any]) -> str:
    """One line that names setting, value and rule; a secret's value is left out."""
    found = _RULE.fullmatch(message)
    if not found or not found["name"]:
        return message
    name, rule = found["name"], found["rule"]
    value = "" if name in SECRET else f" {given.get(name)!r}"
    return f"setting {name}{value}: {rule[:1].lower()}{rule[1:]}"


def shown(database: str) -> str:
    """A database's address without its password, as messages and logs may have it."""
    return _PASSWORD.sub(r"\1***", database)


@contextlib.contextmanager
def database_failures(database: str) -> Any:
    """A database that cannot be used, told in one line. Raises CommandFailed."""
    import sqlite3

    from procession.core.errors import Overloaded
    from procession.store.migrate import DatabaseRefused

    try:
        yield
    except (sqlite3.Error, DatabaseRefused, Overloaded, OSError) as error:
        raise CommandFailed(f"database {shown(database)}: {error}") from None


def _announce(address: str, token: str | None, json: bool) -> None:
    # Whoever started the server may have stopped reading; that is no reason not to serve.
    with contextlib.suppress(BrokenPipeError):
        if json:
            say_json({"address": address} | ({"token": token} if token else {}))
            return
        say(f"listening on {address}")
        if token:
            say(f"token {token} (every scope; shown only now)")
