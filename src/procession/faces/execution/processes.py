"""Routes that follow processes: by id, by list, by log, by stream."""

from __future__ import annotations

from msgspec import Raw

from procession import operations
from procession.core.process import Process
from procession.engine import Engine
from procession.faces.endpoint import Answer, Endpoint, Request
from procession.faces.execution.answers import Events, EventView, Page, Record
from procession.faces.execution.cursor import cursor_of, number_of
from procession.faces.execution.declared import read
from procession.faces.execution.filters import filter_of
from procession.faces.execution.messages import VERSION_MAX, EventsQuery, GetQuery, ListQuery
from procession.faces.execution.views import record_of, shown
from procession.faces.stamps import etag, stamp, version_seen
from procession.faces.stream import CONTENT_TYPE, Streams, last_event_id

WAIT_S_MAX = 25
_NOT_MODIFIED = 304


class Processes:
    """Reads, lists and streams."""

    def __init__(self, engine: Engine, streams: Streams) -> None:
        self._engine = engine
        self._streams = streams

    async def get(self, request: Request) -> Answer:
        query: GetQuery = request.query
        process_id = request.params["process_id"]
        seen = version_seen(request)
        if query.wait:
            version = query.version if query.version is not None else seen or 0
            process = await self._wait(request, process_id, min(version, VERSION_MAX))
            if process is None:
                return Answer(_NOT_MODIFIED, headers=((b"etag", b'"v%d"' % version),))
        else:
            process = await operations.find(self._engine, request.caller, process_id)
        if seen == process.version or request.headers.get(b"if-none-match") == b"*":
            return Answer(_NOT_MODIFIED, headers=(etag(process),))
        return await shown(self._engine, process)

    async def _wait(self, request: Request, process_id: str, version: int) -> Process | None:
        wait_ms = min(request.query.wait, WAIT_S_MAX) * 1_000
        with request.parked():
            return await operations.wait_for(
                self._engine, request.caller, process_id, version, wait_ms
            )

    async def page(self, request: Request) -> Answer:
        query: ListQuery = request.query
        engine, caller, wanted = self._engine, request.caller, filter_of(query, "/status")
        found = await operations.page_processes(
            engine, caller, wanted, number_of(query.cursor), query.limit
        )
        records = [record_of(await operations.sight(engine, one)) for one in found.processes]
        cursor = None if found.below is None else cursor_of(found.below)
        if not query.total:
            return Answer(body=Page(records, cursor))
        total, exact = await operations.count_processes(engine, caller, wanted)
        return Answer(body=Page(records, cursor, total, exact))

    async def events(self, request: Request) -> Answer:
        query: EventsQuery = request.query
        found = await operations.events(
            self._engine, request.caller, request.params["process_id"], query.after, query.limit
        )
        lines = [EventView(e.seq, e.name, stamp(e.at_ms), Raw(e.data.encode())) for e in found]
        return Answer(body=Events(lines))

    async def stream(self, request: Request) -> Answer:
        process_id = request.params["process_id"]
        return await self._streams.open(
            process_id,
            lambda: operations.find(self._engine, request.caller, process_id),
            last_event_id(request.header(b"last-event-id")),
        )

    def endpoints(self) -> list[Endpoint]:
        one = "/processes/{process_id}"
        success, kind = (200, _NOT_MODIFIED), CONTENT_TYPE.decode()
        return [
            read(
                one,
                self.get,
                "A process, at once or when it is newer than a version",
                Record,
                404,
                query=GetQuery,
                success=success,
            ),
            read("/processes", self.page, "Processes, newest first", Page, query=ListQuery),
            read(
                f"{one}/events", self.events, "The log of a process", Events, 404, query=EventsQuery
            ),
            read(
                f"{one}/stream",
                self.stream,
                "The states of a process as server-sent events",
                Record,
                404,
                content_type=kind,
            ),
        ]
