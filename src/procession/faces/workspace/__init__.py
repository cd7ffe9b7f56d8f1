"""The workspace face: a product's front end starts, follows and reviews its background jobs."""

from __future__ import annotations

from procession.core.process import Process
from procession.engine import Engine
from procession.faces.access import Access
from procession.faces.endpoint import Endpoint, Face
from procession.faces.stream import Streams
from procession.faces.workspace.about import About
from procession.faces.workspace.audit import Audit
from procession.faces.workspace.gate import Gate
from procession.faces.workspace.people import People
from procession.faces.workspace.processes import Processes
from procession.faces.workspace.refusals import refusal_of
from procession.faces.workspace.streams import Watching
from procession.faces.workspace.tray import Trays
from procession.faces.workspace.uploads import UploadRoutes
from procession.faces.workspace.views import encoded
from procession.faces.workspace.workspaces import Workspaces
from procession.people import Sessions
from procession.uploads import uploads_of

__all__ = ["WorkspaceStreams", "workspace_face"]

PREFIX = "/api/"


class WorkspaceStreams:
    """The face's open streams; close them before the server stops."""

    def __init__(self, engine: Engine) -> None:
        self.workspaces = Workspaces(engine)

        async def encode(process: Process) -> bytes:
            return await encoded(engine, process, await self.workspaces.id_of(process))

        self.one = Streams(engine, encode)
        self.all = Trays(engine, encode)

    @property
    def count(self) -> int:
        """How many streams are open."""
        return self.one.count + self.all.count

    def close_all(self) -> None:
        self.one.close_all()
        self.all.close_all()


def workspace_face(engine: Engine, access: Access, streams: WorkspaceStreams) -> Face:
    """The face with its own way to let people in."""
    sessions = Sessions(engine)
    gate = Gate(access, sessions)
    processes = Processes(engine, streams.workspaces)
    watching = Watching(
        engine,
        gate=gate,
        sessions=sessions,
        processes=processes,
        workspaces=streams.workspaces,
        streams=streams.one,
        trays=streams.all,
    )
    endpoints: list[Endpoint] = []
    people = People(engine, gate, sessions)
    about = About(lambda: endpoints)
    files = UploadRoutes(uploads_of(engine))
    for part in (processes, watching, streams.workspaces, people, files, about):
        endpoints += part.endpoints()
    return Face(
        name="workspace",
        prefix=PREFIX,
        endpoints=endpoints,
        refuse=refusal_of,
        admit=gate.admit,
        after=Audit(engine).after,
    )
