"""A process as its read-only page shows it."""

from __future__ import annotations

from typing import TypeVar, get_args

from msgspec import UNSET, Raw, UnsetType
from msgspec.json import decode

from procession.core.errors import NotFound
from procession.engine import Engine
from procession.faces.endpoint import Answer
from procession.faces.stamps import second_stamp
from procession.faces.steps.page_answers import page
from procession.faces.steps.processes_answers import Entry
from procession.faces.steps.processes_views import shown
from procession.forms.page import render_process
from procession.forms.views import ProcessView, Status, StepView
from procession.links import LinkRead

SUMMARY_CHARS_MAX = 2_000

_STATUSES: dict[str, Status] = {word: word for word in get_args(Status)}

T = TypeVar("T")


async def process_page(engine: Engine, link: LinkRead) -> Answer:
    """Raises NotFound."""
    process = await engine.store.process(link.process_id)
    if process is None or process.tenant_id != link.tenant_id:
        raise NotFound
    seen = await shown(engine, process)
    now_ms = engine.now_ms()

    def render(csp_nonce: str) -> str:
        return render_process(
            ProcessView(
                name=seen.name,
                status=_STATUSES[seen.status],
                timeline=[_step(entry) for entry in seen.timeline],
                address=f"/t/{link.link_id}",
                seen_at=second_stamp(now_ms),
                csp_nonce=csp_nonce,
                description=_known(seen.description),
                started_at=seen.started_at,
                completed_at=_known(seen.completed_at),
                error=_known(seen.error),
                summary=_text(seen.summary),
            )
        )

    return page(render)


def _step(entry: Entry) -> StepView:
    return StepView(
        label=entry.label,
        status=_STATUSES[entry.status],
        human=entry.human,
        duration_ms=_known(entry.duration_ms),
        detail=_known(entry.detail),
        progress_message=_known(entry.progress_message),
        progress_percent=_known(entry.progress_percent),
        error=_known(entry.error),
    )


def _known(value: T | UnsetType) -> T | None:
    return None if value is UNSET else value


def _text(summary: Raw | UnsetType) -> str | None:
    """A summary that is text; any other JSON is for programs."""
    if summary is UNSET:
        return None
    found = decode(summary)
    return found[:SUMMARY_CHARS_MAX] if isinstance(found, str) else None
