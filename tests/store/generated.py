"""Core values of every form the schema accepts, drawn by hypothesis."""

from __future__ import annotations

import json

from hypothesis import strategies as st
from msgspec import Raw

from procession.core.process import (
    CancelOrder,
    Error,
    Event,
    Item,
    Process,
    Request,
    Standing,
)
from procession.core.states import FINAL, ITEM_ACTIVE, ITEM_FINAL, ItemState, State

PROCESS_ID = "018bcfe5-6800-7000-8000-000000000000"
ITEM_ID = "018bcfe5-6800-7000-8000-000000000001"

times = st.integers(0, 2**53)
maybe_times = st.none() | times
characters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
words = st.text(characters, min_size=1, max_size=12)
texts = st.text(characters, max_size=12)
maybe_words = st.none() | words
percents = st.none() | st.floats(0, 100)
objects = st.dictionaries(
    texts, st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts, max_size=3
)
raws = objects.map(lambda value: Raw(json.dumps(value, ensure_ascii=False).encode()))
errors = st.none() | st.builds(Error, message=texts, category=words)
orders = st.builds(
    CancelOrder,
    strategy=st.sampled_from(("soft", "hard", "soft_then_force")),
    reason=texts,
    requested_ms=times,
    force_at_ms=maybe_times,
    forced_ms=maybe_times,
)
tallies = st.dictionaries(
    words,
    st.dictionaries(st.sampled_from(ItemState), st.integers(1, 10_000), max_size=4),
    max_size=2,
)
requests = st.builds(
    Request,
    face=words,
    inputs=raws,
    requested_by=raws,
    target=raws,
    callback_url=texts,
    callback_origin=texts,
    callback_metadata=raws,
    mode=words,
    fingerprint=texts,
    attempts_max=st.integers(1, 9),
    lost_max=st.integers(0, 9),
    time_limit_ms=times,
    on_interrupted=words,
    queue_limit_ms=times,
)


@st.composite
def standings(draw: st.DrawFn) -> Standing:
    state = draw(st.sampled_from(State))
    return Standing(
        state=state,
        accepted_ms=draw(maybe_times),
        queued_ms=draw(maybe_times),
        executing_ms=draw(maybe_times),
        retrying_ms=draw(maybe_times),
        cancel_requested_ms=draw(maybe_times),
        finished_ms=draw(times) if state in FINAL else None,
        tally=draw(tallies),
        phone_id=draw(maybe_words),
        account_id=draw(maybe_words),
        percent=draw(percents),
        message=draw(texts),
        attempt=draw(st.integers(0, 99)),
        error=draw(errors),
        result=draw(raws),
        cancel=draw(st.none() | orders),
    )


processes = st.builds(
    Process,
    process_id=st.just(PROCESS_ID),
    tenant_id=st.integers(1, 2**31 - 1),
    namespace=words,
    process_type=words,
    system=words,
    request_id=words,
    created_ms=times,
    request=requests,
    version=st.integers(1, 2**31 - 1),
    due_ms=maybe_times,
    standing=standings(),
)


@st.composite
def items(draw: st.DrawFn) -> Item:
    state = draw(st.sampled_from(ItemState))
    leased = state in ITEM_ACTIVE or draw(st.booleans())
    return Item(
        item_id=ITEM_ID,
        process_id=PROCESS_ID,
        tenant_id=draw(st.integers(1, 2**31 - 1)),
        capability=draw(words),
        queue=draw(words),
        step=draw(words),
        state=state,
        attempt=draw(st.integers(0, 99)),
        attempts_max=draw(st.integers(1, 99)),
        lost=draw(st.integers(0, 99)),
        due_ms=draw(times if leased else maybe_times),
        lease_ms=draw(times) if leased else None,
        run_until_ms=draw(maybe_times),
        order=draw(st.sampled_from(("none", "soft", "hard"))),
        phone_id=draw(words if leased else maybe_words),
        account_id=draw(maybe_words),
        agent_id=draw(maybe_words),
        percent=draw(percents),
        claimed_ms=draw(maybe_times),
        started_ms=draw(maybe_times),
        finished_ms=draw(times) if state in ITEM_FINAL else None,
        inputs=draw(st.none() | raws),
        error=draw(errors),
        result=draw(raws),
    )


events: st.SearchStrategy[Event] = st.builds(
    Event,
    process_id=st.just(PROCESS_ID),
    seq=st.integers(1, 2**31 - 1),
    name=words,
    at_ms=times,
    data=objects,
    standing=standings(),
)
