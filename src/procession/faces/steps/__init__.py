"""The steps-and-tasks face: multi-step work that others report on, with people in it."""

from __future__ import annotations

from procession.engine import Engine
from procession.faces.access import Access
from procession.faces.endpoint import Endpoint, Face
from procession.faces.steps.declared import PREFIX
from procession.faces.steps.refusals import refusal_of

__all__ = ["steps_face"]


def steps_face(engine: Engine, access: Access) -> Face:
    """The JSON part of the face."""
    endpoints: list[Endpoint] = []
    return Face(
        name="steps",
        prefix=f"{PREFIX}/",
        endpoints=endpoints,
        refuse=refusal_of,
        admit=access.admit,
    )
