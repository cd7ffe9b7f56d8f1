"""Which namespace a request looks at, by the number people know it by."""

from __future__ import annotations

from msgspec.json import encode

from procession import people
from procession.caller import Caller
from procession.core.errors import NotFound
from procession.core.process import Process
from procession.engine import Engine
from procession.faces.endpoint import Answer, Endpoint, Request
from procession.faces.workspace.answers import WorkspaceView
from procession.faces.workspace.declared import read
from procession.people import Workspace

KNOWN_MAX = 1_000


class Workspaces:
    """The workspaces of each tenant; they are few, and read once until one is missing."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: dict[int, list[Workspace]] = {}

    async def chosen(self, caller: Caller, workspace_id: int | None) -> Workspace:
        """The one named, else the one of the caller's own namespace. Raises NotFound."""
        for known in (self._known.get(caller.tenant_id, []), None):
            found = known if known is not None else await self._read(caller.tenant_id)
            for one in found:
                own = workspace_id is None and one.namespace == caller.namespace
                if own or one.workspace_id == workspace_id:
                    return one
        if workspace_id is None:
            # A token may be of a namespace that nobody has named yet.
            return Workspace(0, caller.namespace, caller.namespace)
        raise NotFound

    async def id_of(self, process: Process) -> int | None:
        """The workspace a process is in; None where its namespace has none."""
        found = self._known.get(process.tenant_id) or await self._read(process.tenant_id)
        ids = (one.workspace_id for one in found if one.namespace == process.namespace)
        return next(ids, None)

    async def page(self, request: Request) -> Answer:
        found = await self._read(request.caller.tenant_id)
        return Answer(body=encode([WorkspaceView(*one) for one in found]))

    async def _read(self, tenant_id: int) -> list[Workspace]:
        if len(self._known) >= KNOWN_MAX:
            self._known.clear()
        found = self._known[tenant_id] = await people.workspaces(self._engine, tenant_id)
        return found

    def endpoints(self) -> list[Endpoint]:
        return [
            read(
                "/api/workspaces",
                self.page,
                "The workspaces of your organization",
                list[WorkspaceView],
            ),
        ]
