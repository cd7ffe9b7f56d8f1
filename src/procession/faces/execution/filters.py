"""From the face's filter to the store's."""

from __future__ import annotations

from procession.core.errors import Invalid
from procession.faces.execution.messages import ProcessFilter
from procession.faces.execution.words import STATES
from procession.store.store import Filter


def filter_of(given: ProcessFilter, pointer: str) -> Filter:
    """Raises Invalid for a status this face does not know."""
    states: list[str] = []
    for word in filter(None, (part.strip() for part in given.status.split(","))):
        if word not in STATES:
            raise Invalid(pointer, f"{word!r} is not one of {', '.join(STATES)}")
        states += STATES[word]
    return Filter(
        states=tuple(dict.fromkeys(states)),
        process_type=given.process_type,
        phone_id=given.phone_id,
        account_id=given.account_id,
        request_id=given.request_id,
        namespace=given.namespace,
        search=given.search,
    )
