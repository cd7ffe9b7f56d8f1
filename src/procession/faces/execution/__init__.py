"""The execution face: upstream systems send work to phones and follow it."""

from __future__ import annotations

from functools import partial

from procession.engine import Engine
from procession.faces.access import Access
from procession.faces.endpoint import Endpoint, Face
from procession.faces.execution.about import About
from procession.faces.execution.fleet import Fleet
from procession.faces.execution.legacy import AssetCheck, Legacy
from procession.faces.execution.processes import Processes
from procession.faces.execution.stopping import Stopping
from procession.faces.execution.submitting import CheckUrl, Submitting
from procession.faces.execution.views import record_body
from procession.faces.execution.work import Work
from procession.faces.problem import problem_of
from procession.faces.stream import Streams
from procession.webhooks.assets import head_asset
from procession.webhooks.guard import AddressGuard

__all__ = ["execution_face", "record_body"]


def execution_face(
    engine: Engine,
    access: Access,
    guard: AddressGuard,
    streams: Streams,
    asset_check: AssetCheck | None = None,
) -> Face:
    """The face; `asset_check` is the guarded HEAD request unless another is given."""
    endpoints: list[Endpoint] = []
    parts = (
        Submitting(engine, guard.check_url),
        Processes(engine, streams),
        Stopping(engine),
        Work(engine),
        Legacy(engine, guard.check_url, asset_check or partial(head_asset, guard)),
        Fleet(engine),
        About(engine, access.admit, streams, lambda: endpoints),
    )
    for part in parts:
        endpoints += part.endpoints()
    return Face(name="execution", endpoints=endpoints, refuse=problem_of, admit=access.admit)
