"""Submit: what a request becomes, whom it is refused for, and what a repeated one answers."""

from __future__ import annotations

import asyncio

import pytest
from msgspec import Raw
from settable_engine import OPERATOR, STRANGER, Site
from situations import on

from procession import fleet, operations
from procession.capabilities.errors import CapabilityBlocked, CapabilityRefusal, CapabilityUnknown
from procession.core.errors import AccountUnknown, Invalid, NotFound, PhoneUnknown
from procession.core.process import item_id_of
from procession.core.states import State
from procession.store.claiming import QUEUE_ANY
from procession.store.store import Filter
from procession.targets import Target

GROUP = Target("group", phone_ids=("p",))
INPUTS = '{"text":"größer","n":[1,2.5,null]}'


async def people(site: Site) -> None:
    """Accounts `own` (phone p), `free` and `gone`; phones p and q, q labelled lab."""
    await site.register("b", "q")
    await fleet.edit_phone(site.engine, OPERATOR, "q", labels=["lab"], paused=None)
    await site.add_account("own", phone_id="p", labels=["crew"])
    await site.add_account("free", labels=["crew", "spare"])
    await site.add_account("gone", active=False, labels=["crew"])


@pytest.mark.parametrize(
    ("target", "places"),
    [
        (Target("direct", "free", "q"), [("phone/q", "q", "free")]),
        (Target("direct", "own", "q"), [("phone/q", "q", "own")]),
        (Target("queue"), [(QUEUE_ANY, None, None)]),
        (Target("queue", "own"), [("phone/p", "p", "own")]),
        (Target("queue", "free"), [(QUEUE_ANY, None, "free")]),
        (Target("queue", "free", phone_group="LAB"), [("phones/lab", None, "free")]),
        (Target("queue", phone_group="lab"), [("phones/lab", None, None)]),
        (Target("queue", account_group="spare"), [(QUEUE_ANY, None, "free")]),
        (
            Target("group", account_ids=("free", "own", "free")),
            [(QUEUE_ANY, None, "free"), ("phone/p", "p", "own")],
        ),
        (
            Target("group", phone_ids=("q", "p", "q")),
            [("phone/q", "q", None), ("phone/p", "p", None)],
        ),
        (
            Target("group", account_group="Crew"),
            [(QUEUE_ANY, None, "free"), ("phone/p", "p", "own")],
        ),
        (Target("group", phone_group="lab"), [("phone/q", "q", None)]),
    ],
)
def test_a_target_becomes_items_in_their_queues(
    target: Target, places: list[tuple[str, str | None, str | None]]
) -> None:
    async def act(site: Site) -> None:
        await people(site)
        process = (await site.submit(target)).process
        items = await operations.items(site.engine, OPERATOR, process.process_id, "", 100)
        assert [(item.queue, item.phone_id, item.account_id) for item in items] == places
        assert [item.item_id for item in items] == [
            item_id_of(process.process_id, position) for position in range(len(places))
        ]
        assert process.items_total == len(places) and process.state is State.QUEUED

    on(act)


@pytest.mark.parametrize(
    ("target", "refusal"),
    [
        (Target("direct", "nobody", "p"), AccountUnknown),
        (Target("direct", "gone", "p"), AccountUnknown),
        (Target("direct", "own", "nothing"), PhoneUnknown),
        (Target("queue", "gone"), AccountUnknown),
        (Target("queue", account_group="nobodies"), Invalid),
        (Target("queue", phone_group="nothings"), Invalid),
        (Target("group", account_ids=("own", "gone")), AccountUnknown),
        (Target("group", phone_ids=("p", "nothing")), PhoneUnknown),
        (Target("group", account_group="nobodies"), Invalid),
        (Target("group", phone_group="nothings"), Invalid),
        (Target("group", phone_group="l%b"), Invalid),
        (Target("group", account_group='crew","spare'), Invalid),
    ],
)
def test_a_target_that_is_not_there_is_refused_and_nothing_is_kept(
    target: Target, refusal: type[Exception]
) -> None:
    async def act(site: Site) -> None:
        await people(site)
        with pytest.raises(refusal):
            await site.submit(target)
        assert await listed(site) == []

    on(act)


def test_a_target_of_another_tenant_is_unknown() -> None:
    async def act(site: Site) -> None:
        await people(site)
        with pytest.raises(AccountUnknown):
            await site.submit(Target("queue", "own"), caller=STRANGER)
        with pytest.raises(PhoneUnknown):
            await site.submit(Target("group", phone_ids=("p",)), caller=STRANGER)

    on(act)


@pytest.mark.parametrize(
    ("values", "refusal"),
    [
        ({"capability": "juggle"}, CapabilityUnknown),
        ({"capability": "fyp_warmup", "mode": "unattended"}, CapabilityBlocked),
        ({"capability": "sleep", "inputs": '{"seconds":-1}'}, CapabilityRefusal),
        (
            {"capability": "maintenance", "target": Target("group", phone_ids=("p",))},
            CapabilityRefusal,
        ),
    ],
)
def test_what_a_capability_cannot_do_is_refused(
    values: dict[str, object], refusal: type[Exception]
) -> None:
    async def act(site: Site) -> None:
        with pytest.raises(refusal):
            await site.submit(**values)
        assert await listed(site) == []

    on(act)


def test_what_was_asked_for_is_kept_byte_for_byte() -> None:
    async def act(site: Site) -> None:
        given = Raw(b'{"routing" : "queue", "extra": 1}')
        submitted = await site.submit(
            inputs=INPUTS,
            target_given=given,
            callback_url="https://example.com/cb",
            callback_origin="https://example.com",
            callback_metadata=Raw(b'{"a":1}'),
            fingerprint="f",
        )
        found = await site.process(submitted.process)
        request = found.request
        assert bytes(request.inputs).decode() == INPUTS
        assert bytes(request.target) == bytes(given)
        assert request.callback_url == "https://example.com/cb"
        assert bytes(request.callback_metadata) == b'{"a":1}'
        assert request.fingerprint == "f" and request.mode == "manual"
        [run] = await site.claim("a", "p")
        assert bytes(run.inputs).decode() == INPUTS
        rows = await site.connection.fetch("list_deliveries", process_id=found.process_id)
        assert [row[2] for row in rows] == ["accepted", "planned", "executing"]

    on(act)


def test_without_a_callback_nothing_waits_to_be_sent() -> None:
    async def act(site: Site) -> None:
        process = (await site.submit()).process
        assert not await site.connection.fetch("list_deliveries", process_id=process.process_id)

    on(act)


def test_the_same_request_again_is_the_same_process_as_it_is_now() -> None:
    async def act(site: Site) -> None:
        first = await site.submit(request_id="same", fingerprint="one")
        run = await site.run_of(first.process, "a", "p")
        await site.finish("a", run)
        second = await site.submit(request_id="same", fingerprint="two", inputs='{"b":2}')
        assert not first.duplicate and second.duplicate
        assert second.process == await site.process(first.process)
        assert second.process.request.fingerprint == "one"
        assert len(await listed(site)) == 1

    on(act)


def test_many_equal_requests_at_once_make_one_process() -> None:
    async def act(site: Site) -> None:
        answers = await asyncio.gather(*(site.submit(request_id="same") for _ in range(50)))
        assert len({answer.process.process_id for answer in answers}) == 1
        assert sum(not answer.duplicate for answer in answers) == 1

    on(act)


@pytest.mark.parametrize("way", ["inputs", "account"])
def test_what_was_accepted_once_stays_accepted_whatever_changed_since(way: str) -> None:
    async def act(site: Site) -> None:
        await people(site)
        first = await site.submit(Target("queue", "own"), request_id="same")
        if way == "account":
            await fleet.edit_account(site.engine, OPERATOR, "own", {"active": False})
            again = await site.submit(Target("queue", "own"), request_id="same")
        else:
            again = await site.submit(Target("queue", "nobody"), request_id="same")
        assert again.duplicate and again.process.process_id == first.process.process_id
        with pytest.raises(AccountUnknown):
            await site.submit(Target("queue", "nobody"), request_id="other")

    on(act)


def test_the_key_belongs_to_its_tenant_and_system() -> None:
    async def act(site: Site) -> None:
        answers = [
            await site.submit(request_id="same"),
            await site.submit(request_id="same", system="other"),
            await site.submit(request_id="same", caller=STRANGER),
            await site.submit(request_id="same", capability="fail"),
        ]
        assert not any(answer.duplicate for answer in answers)
        assert len({answer.process.process_id for answer in answers}) == 4

    on(act)


def test_a_process_of_another_tenant_is_as_unknown_as_none_at_all() -> None:
    async def act(site: Site) -> None:
        process = (await site.submit(caller=STRANGER)).process
        for read in (
            operations.find(site.engine, OPERATOR, process.process_id),
            operations.events(site.engine, OPERATOR, process.process_id, 0, 10),
            operations.items(site.engine, OPERATOR, process.process_id, "", 10),
            operations.outputs(site.engine, OPERATOR, process.process_id, "x"),
            operations.wait_for(site.engine, OPERATOR, process.process_id, 0, 0),
        ):
            with pytest.raises(NotFound):
                await read
        assert await listed(site) == []

    on(act)


def test_thousands_of_items_are_one_process_with_one_tally() -> None:
    async def act(site: Site) -> None:
        phones = [f"phone{n}" for n in range(500)]
        for n in range(0, 2_000, 500):
            await site.register(f"agent{n}", *(f"{phone}-{n}" for phone in phones))
        targets = tuple(f"{phone}-{n}" for n in range(0, 2_000, 500) for phone in phones)
        process = (await site.submit(Target("group", phone_ids=targets))).process
        assert process.items_total == 2_000
        done = await site.cancel(process)
        assert done.process.state is State.CANCELLED
        assert len(done.cancelled_item_ids) == 2_000

    on(act)


async def listed(site: Site) -> list[str]:
    wanted = Filter()
    found = await operations.list_processes(site.engine, OPERATOR, wanted, 2**62, 100)
    return [process.process_id for process in found]
