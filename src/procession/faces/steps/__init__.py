"""The steps-and-tasks face: multi-step work that others report on, with people in it."""

from __future__ import annotations

from procession.engine import Engine
from procession.faces.access import Access
from procession.faces.endpoint import Endpoint, Face
from procession.faces.steps.about import About
from procession.faces.steps.addresses import Addresses
from procession.faces.steps.declared import PREFIX
from procession.faces.steps.files import Files
from procession.faces.steps.members import Members
from procession.faces.steps.pages import pages_face
from procession.faces.steps.processes import Processes
from procession.faces.steps.processes_links import ProcessLinks
from procession.faces.steps.refusals import refusal_of
from procession.faces.steps.streams import OrgStreams, StreamRoutes
from procession.faces.steps.task_links import TaskLinkRoutes
from procession.faces.steps.tasks import Tasks
from procession.mailing import Mailing
from procession.people import Sessions

__all__ = ["OrgStreams", "pages_face", "steps_face"]


def steps_face(engine: Engine, access: Access, streams: OrgStreams) -> Face:
    """The JSON part of the face."""
    endpoints: list[Endpoint] = []
    members = Members(access, Sessions(engine))
    addresses = Addresses(engine)
    files = Files(engine, addresses)
    tasks = Tasks(engine, addresses, files)
    links = TaskLinkRoutes(engine, addresses, tasks, Mailing(engine))
    processes, shares = Processes(engine), ProcessLinks(engine, addresses)
    about = About(lambda: endpoints)
    watching = StreamRoutes(streams, members.admit)
    for part in (processes, shares, watching, tasks, links, files, about):
        endpoints += part.endpoints()
    return Face(
        name="steps",
        prefix=f"{PREFIX}/",
        endpoints=endpoints,
        refuse=refusal_of,
        admit=members.admit,
    )
