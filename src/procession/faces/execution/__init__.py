"""The execution face: upstream systems send work to phones and follow it."""

from __future__ import annotations

from collections.abc import Callable

from procession.engine import Engine
from procession.faces.access import Access
from procession.faces.endpoint import Endpoint, Face, Load
from procession.faces.execution.about import About
from procession.faces.execution.fleet import Fleet
from procession.faces.execution.legacy import AssetCheck, Legacy
from procession.faces.execution.processes import Processes
from procession.faces.execution.stopping import Stopping
from procession.faces.execution.submitting import CheckUrl, Submitting
from procession.faces.execution.views import encoded, update_of
from procession.faces.execution.work import Work
from procession.faces.problem import problem_of
from procession.faces.stream import Streams

__all__ = ["execution_face", "execution_streams", "update_of"]


def execution_streams(engine: Engine) -> Streams:
    """The face's open streams; close them before the server stops."""
    return Streams(engine, lambda process: encoded(engine, process))


def execution_face(
    engine: Engine,
    access: Access,
    *,
    check_url: CheckUrl,
    asset_check: AssetCheck,
    streams: Streams,
    streams_open: Callable[[], int],
    load: Load,
) -> Face:
    """The face; `load` is the one its App counts with."""
    endpoints: list[Endpoint] = []
    parts = (
        Submitting(engine, check_url),
        Processes(engine, streams),
        Stopping(engine),
        Work(engine),
        Legacy(engine, check_url, asset_check),
        Fleet(engine),
        About(engine, access.admit, load, streams_open, lambda: endpoints),
    )
    for part in parts:
        endpoints += part.endpoints()
    return Face(name="execution", endpoints=endpoints, refuse=problem_of, admit=access.admit)
