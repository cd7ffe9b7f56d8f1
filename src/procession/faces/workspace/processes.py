"""Routes that start, follow and control processes."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from hashlib import blake2b

from msgspec.json import encode

from procession import operations, starting
from procession.core import stopping
from procession.core.errors import Invalid, NotFound, RequestReused, WrongState
from procession.core.process import Change, Item, Process
from procession.core.states import ITEM_FINAL
from procession.engine import Engine
from procession.faces.endpoint import Answer, Endpoint, Request
from procession.faces.stamps import etag, stamp, version_seen
from procession.faces.workspace.answers import EventLine, Full, Listed
from procession.faces.workspace.declared import read, write
from procession.faces.workspace.gate import person_id_of
from procession.faces.workspace.messages import (
    NUMBER_MAX,
    EventsQuery,
    ListQuery,
    Review,
    Start,
)
from procession.faces.workspace.views import full, listed
from procession.faces.workspace.words import STATES, STATUS, message_of
from procession.faces.workspace.workspaces import Workspaces
from procession.jobs.job import Decision
from procession.store.store import LATEST, Filter

ONE = "/api/processes/{id}"
SYSTEM = "workspace"
CANCELLED = "Cancelled by request."
FINGERPRINT_BYTES = 16


class Processes:
    """Lists, reads, starts, retries, cancels and reviews."""

    def __init__(self, engine: Engine, workspaces: Workspaces) -> None:
        self._engine = engine
        self._workspaces = workspaces

    async def page(self, request: Request) -> Answer:
        query: ListQuery = request.query
        workspace = await self._workspaces.chosen(request.caller, query.workspace_id)
        wanted = Filter(states=_states(query.status), namespace=workspace.namespace)
        found: list[Process] = []
        below: int | None = query.before_id or LATEST
        # A page may be short; the contract's array has no word for "to be continued".
        while below is not None and len(found) < query.limit:
            page = await operations.page_processes(
                self._engine, request.caller, wanted, below, query.limit - len(found)
            )
            found += page.processes
            below = page.below
        return Answer(body=encode([listed(process) for process in found]))

    async def get(self, request: Request) -> Answer:
        process = await self.find(request)
        if version_seen(request) == process.version:
            return Answer(304, headers=(etag(process),))
        return await self._shown(process)

    async def events(self, request: Request) -> Answer:
        query: EventsQuery = request.query
        process = await self.find(request)
        store, process_id = self._engine.store, process.process_id
        lines = await store.events(process_id, after=query.after, limit=query.limit)
        after = await store.standings(process_id, after=query.after, limit=query.limit)
        return Answer(
            body=encode(
                [
                    EventLine(
                        line.seq,
                        STATUS[now.standing.state],
                        message_of(line.name, line.data, now.standing),
                        stamp(line.at_ms),
                    )
                    for line, now in zip(lines, after, strict=False)
                ]
            )
        )

    async def start(self, request: Request) -> Answer:
        message: Start = request.message
        if bytes(message.input)[:1] != b"{":
            raise Invalid("/input", "must be a JSON object")
        workspace = await self._workspaces.chosen(request.caller, message.workspace_id)
        fingerprint = blake2b(request.canonical, digest_size=FINGERPRINT_BYTES).hexdigest()
        started = await starting.start_job(
            self._engine,
            request.caller,
            starting.JobRequest(
                job_type=message.type,
                namespace=workspace.namespace,
                system=SYSTEM,
                request_id=message.request_id or secrets.token_hex(16),
                inputs=message.input,
                requested_by=request.caller.asking_through(
                    SYSTEM, user_id=person_id_of(request.caller)
                ),
                fingerprint=fingerprint,
            ),
        )
        # The number is the database's to give.
        process = await operations.find(self._engine, request.caller, started.process.process_id)
        if started.duplicate and process.request.fingerprint != fingerprint:
            raise RequestReused("the request_id was used for another job")
        shown = await self._shown(process)
        location = (b"location", f"/api/processes/{process.number}".encode())
        return Answer(202, shown.body, (*shown.headers, location))

    async def retry(self, request: Request) -> Answer:
        process = await self.find(request)
        retried = await operations.retry(self._engine, request.caller, process.process_id)
        return await self._shown(retried)

    async def cancel(self, request: Request) -> Answer:
        process = await self.find(request)

        def decide(process: Process, items: Sequence[Item], now_ms: int) -> Change:
            open_items = [item for item in items if item.state not in ITEM_FINAL]
            return stopping.cancel_at_once(process, open_items, reason=CANCELLED, now_ms=now_ms)

        change = await self._engine.ledger.change(process.process_id, decide, item_ids=None)
        return await self._shown(change.process)

    async def review(self, request: Request) -> Answer:
        message: Review = request.message
        process = await self.find(request)
        if process.items_total != 1:
            raise WrongState("the process waits for no review")
        reviewed = await starting.review_job(
            self._engine,
            request.caller,
            process.process_id,
            Decision(message.decision, message.edits),
        )
        return await self._shown(reviewed)

    async def find(self, request: Request) -> Process:
        """The process the path names. Raises NotFound, also for what is no number."""
        number = request.params["id"]
        if not (number.isascii() and number.isdigit() and len(number) <= len(str(NUMBER_MAX))):
            raise NotFound
        return await operations.find_number(self._engine, request.caller, int(number))

    async def _shown(self, process: Process) -> Answer:
        body = await full(self._engine, process, await self._workspaces.id_of(process))
        return Answer(200, body, (etag(process),))

    def endpoints(self) -> list[Endpoint]:
        return [
            read(
                "/api/processes",
                self.page,
                "Processes of a workspace, newest first",
                list[Listed],
                404,
                query=ListQuery,
            ),
            read(ONE, self.get, "The full state of a process", Full, 404, success=(200, 304)),
            read(
                f"{ONE}/events",
                self.events,
                "What happened, oldest first",
                list[EventLine],
                404,
                query=EventsQuery,
            ),
            write(
                "/api/processes",
                self.start,
                "Start a job",
                Full,
                404,
                409,
                body=Start,
                success=(202,),
            ),
            write(f"{ONE}/retry", self.retry, "Try a failed process again", Full, 404, 409),
            write(f"{ONE}/cancel", self.cancel, "Cancel a process at once", Full, 404, 409),
            write(
                f"{ONE}/review", self.review, "Decide about a draft", Full, 404, 409, body=Review
            ),
        ]


def _states(status: str) -> tuple[str, ...]:
    """Raises Invalid for a status this face does not know."""
    states: list[str] = []
    for word in filter(None, (part.strip() for part in status.split(","))):
        if word not in STATES:
            raise Invalid("/status", f"{word!r} is not one of {', '.join(STATES)}")
        states += STATES[word]
    return tuple(dict.fromkeys(states))
