"""Streams: of one process, and of all that changes in a workspace."""

from __future__ import annotations

import asyncio

from procession import operations
from procession.core.errors import NotFound, Unauthenticated
from procession.core.process import Process
from procession.engine import Engine
from procession.faces.endpoint import Answer, Endpoint, Request
from procession.faces.stamps import stamp
from procession.faces.stream import CONTENT_TYPE, Mailbox, Streams, last_event_id
from procession.faces.workspace.answers import Full, StreamToken
from procession.faces.workspace.declared import read, write
from procession.faces.workspace.gate import Gate, caller_of
from procession.faces.workspace.messages import StreamQuery, TrayQuery
from procession.faces.workspace.processes import ONE, Processes
from procession.faces.workspace.tray import Trays
from procession.faces.workspace.workspaces import Workspaces
from procession.people import Sessions, session_topic


class Watching:
    """Opens streams, and ends them with the session they were opened by."""

    def __init__(
        self,
        engine: Engine,
        *,
        gate: Gate,
        sessions: Sessions,
        processes: Processes,
        workspaces: Workspaces,
        streams: Streams,
        trays: Trays,
    ) -> None:
        self._engine = engine
        self._gate = gate
        self._sessions = sessions
        self._processes = processes
        self._workspaces = workspaces
        self._streams = streams
        self._trays = trays
        self._ending: set[asyncio.Task[None]] = set()

    async def one(self, request: Request) -> Answer:
        """Admits by itself: a token in the query is of this one stream."""
        query: StreamQuery = request.query
        if query.token:
            person, claims = await self._sessions.find(query.token)
            request.caller = caller_of(person, claims.jti)
        else:
            request.caller = await self._gate.admit(request, "jobs:read")
        process = await self._processes.find(request)
        if query.token and claims.process != process.process_id:
            raise Unauthenticated

        async def now() -> Process:
            return await operations.find(self._engine, request.caller, process.process_id)

        answer = await self._streams.open(
            process.process_id, now, last_event_id(request.header(b"last-event-id"))
        )
        return await self._ending_with_session(request, answer)

    async def all(self, request: Request) -> Answer:
        query: TrayQuery = request.query
        workspace = await self._workspaces.chosen(request.caller, query.workspace_id)
        answer = await self._trays.open(request.caller.tenant_id, workspace.namespace)
        return await self._ending_with_session(request, answer)

    async def token(self, request: Request) -> Answer:
        """An API token needs none: what can send it can send headers."""
        process = await self._processes.find(request)
        signed = await self._gate.signed_in(request)
        if signed is None:
            raise NotFound
        token, until_ms = await self._sessions.stream_token(signed.claims, process.process_id)
        url = f"/api/processes/{process.number}/stream?token={token}"
        return Answer(body=StreamToken(token, stamp(until_ms), url))

    async def _ending_with_session(self, request: Request, answer: Answer) -> Answer:
        """Signing out ends the stream at once, on this server and, by a notice, on the others.

        Raises Unauthenticated.
        """
        session_id = request.caller.session_id
        if not session_id:
            return answer
        mailbox: Mailbox = answer.body
        topics = [session_topic(session_id)]
        wakeup = self._engine.wakeup

        def end(_: object) -> None:
            # A notice that names nobody wakes everybody: the session itself decides.
            task = asyncio.get_running_loop().create_task(self._end_if_over(session_id, mailbox))
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)

        wakeup.listen(topics, end)
        mailbox.on_close(lambda: wakeup.unlisten(topics, end))
        try:
            # Who signed out before this was listening has sent the notice already.
            if not await self._sessions.is_live(session_id):
                raise Unauthenticated
        except BaseException:
            mailbox.close()
            raise
        return answer

    async def _end_if_over(self, session_id: str, mailbox: Mailbox) -> None:
        if not await self._sessions.is_live(session_id):
            mailbox.close()

    def endpoints(self) -> list[Endpoint]:
        kind = CONTENT_TYPE.decode()
        return [
            read(
                f"{ONE}/stream",
                self.one,
                "The states of a process as server-sent events, 25 s at most",
                Full,
                404,
                query=StreamQuery,
                content_type=kind,
                scope=None,
            ),
            read(
                "/api/processes/stream",
                self.all,
                "Every change in a workspace as server-sent events, 25 s at most",
                Full,
                404,
                query=TrayQuery,
                content_type=kind,
            ),
            write(
                f"{ONE}/stream-token",
                self.token,
                "A token for this one stream, for clients that cannot send headers",
                StreamToken,
                404,
                scope="jobs:read",
            ),
        ]
