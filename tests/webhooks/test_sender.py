import asyncio
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace

import pytest
from callback_receiver import Received, Receiver, hang, reply, wait_until
from dict_outbox import DictOutbox
from sending import NOW_MS, QUICK, H, S, make, step

from procession.webhooks.delivery import ONCE, STANDARD, Delivery, DeliveryState, Outcome
from procession.webhooks.sender import Sender
from procession.webhooks.visit import LOST_MARGIN_MS, Limits


async def running(
    outbox: DictOutbox,
    until: Callable[[], object],
    act: Callable[[Sender], Awaitable[None]] | None = None,
    limits: Limits = QUICK,
) -> None:
    """Run the sender's own loop until a condition holds."""
    async with make(outbox, limits=limits) as sender:
        loop = asyncio.create_task(sender.run(lambda: NOW_MS))
        if act is not None:
            await act(sender)
        await asyncio.to_thread(wait_until, until)
        await sender.close()
        await loop


def test_a_host_that_nobody_listens_on_is_a_failure() -> None:
    outbox = DictOutbox()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    outbox.add(f"http://127.0.0.1:{port}/")
    assert step(outbox) == 1
    assert outbox.outcomes[0].state == DeliveryState.PENDING


def test_a_hanging_host_delays_no_other_host() -> None:
    let_go = threading.Event()
    slow, quick, outbox = Receiver(replies=[hang(let_go)]), Receiver(), DictOutbox()
    slow_limits = replace(QUICK, total_ms=30_000, page_max=8, batches_max=4, idle_ms=60_000)
    with slow.listening() as there, quick.listening() as here:
        for seq in range(50):
            outbox.add(there, process_id=f"slow{seq}")
        for seq in range(20):
            outbox.add(here, seq=seq, process_id="z", next_ms=1)
        began = time.monotonic()
        asyncio.run(running(outbox, lambda: len(quick.received) == 20, limits=slow_limits))
        assert time.monotonic() - began < 10
        let_go.set()
    assert len(slow.received) == 1
    assert {outbox.rows[o.delivery_id].delivery.process_id for o in outbox.outcomes} == {"z"}


def test_one_callback_is_in_flight_per_host() -> None:
    def slowly(connection: socket.socket, request: Received) -> None:
        time.sleep(0.01)
        reply(200)(connection, request)

    receiver, outbox = Receiver(replies=[slowly]), DictOutbox()
    with receiver.listening() as address:
        for number in range(30):
            outbox.add(f"{address}/{number}", process_id=f"p{number}")
        asyncio.run(running(outbox, lambda: len(outbox.outcomes) == 30))
    assert receiver.concurrent_max == 1
    assert len(receiver.received) == 30
    assert receiver.connections == 1, "the connection is kept"


def test_passes_at_the_same_time_share_one_place_per_host() -> None:
    def slowly(connection: socket.socket, request: Received) -> None:
        time.sleep(0.01)
        reply(200)(connection, request)

    receiver, outbox = Receiver(replies=[slowly]), DictOutbox()
    due = outbox.due

    async def due_later(origin: str, now_ms: int, limit: int) -> list[Delivery]:
        found = await due(origin, now_ms, limit)
        await asyncio.sleep(0)
        return found

    async def two_passes() -> None:
        outbox.due = due_later  # type: ignore[method-assign]
        async with make(outbox) as sender:
            await asyncio.gather(sender.step(NOW_MS), sender.step(NOW_MS))

    with receiver.listening() as address:
        for number in range(20):
            outbox.add(address, process_id=f"p{number}")
        asyncio.run(two_passes())
    assert receiver.concurrent_max == 1
    assert len(receiver.received) == len(outbox.outcomes) == 20


def test_hosts_at_the_same_time_are_bounded() -> None:
    let_go = threading.Event()
    receivers, outbox = [Receiver(replies=[hang(let_go)]) for _ in range(6)], DictOutbox()
    limits = replace(QUICK, total_ms=10_000, hosts_max=3)

    def arrived() -> int:
        return sum(len(receiver.received) for receiver in receivers)

    async def watch() -> int:
        async with make(outbox, limits=limits) as sender:
            loop = asyncio.create_task(sender.run(lambda: NOW_MS))
            await asyncio.to_thread(wait_until, lambda: arrived() == 3)
            passes = outbox.calls
            sender.kick()
            await asyncio.sleep(0.1)
            most = arrived()
            assert outbox.calls == passes, "no place is free, so nothing is looked for"
            let_go.set()
            await asyncio.to_thread(wait_until, lambda: len(outbox.outcomes) == 6)
            await sender.close()
            await loop
            return most

    with ExitStack() as stack:
        for receiver in receivers:
            outbox.add(stack.enter_context(receiver.listening()))
        assert asyncio.run(watch()) == 3


def test_milestones_arrive_in_order_and_a_failed_one_does_not_block() -> None:
    receiver, outbox = Receiver(replies=[reply(200), reply(500), reply(200)]), DictOutbox()
    with receiver.listening() as address:
        for seq in (1, 2, 3, 4):
            outbox.add(address, seq=seq)
        assert step(outbox) == 4
        arrived = [request.body for request in receiver.received]
        assert arrived == [b'{"seq":%d}' % seq for seq in (1, 2, 3, 4)]
        (failed,) = outbox.waiting()
        assert failed.next_ms >= NOW_MS + 5 * S
        assert step(outbox, failed.next_ms - 1) == 0
        assert step(outbox, failed.next_ms) == 1
    assert receiver.received[-1].body == b'{"seq":2}'
    assert receiver.received[-1].headers["host"] == address.removeprefix("http://")


def test_a_kick_sends_at_once() -> None:
    receiver, outbox = Receiver(), DictOutbox()
    lazy = replace(QUICK, idle_ms=60_000)
    with receiver.listening() as address:

        async def add(sender: Sender) -> None:
            await asyncio.to_thread(wait_until, lambda: outbox.calls == 1)
            outbox.add(address)
            sender.kick()

        asyncio.run(running(outbox, lambda: outbox.outcomes, add, lazy))
    assert len(receiver.received) == 1


def test_a_lost_kick_costs_only_the_idle_time() -> None:
    receiver, outbox = Receiver(), DictOutbox()
    with receiver.listening() as address:

        async def add(_: Sender) -> None:
            await asyncio.to_thread(wait_until, lambda: outbox.calls >= 1)
            outbox.add(address)

        asyncio.run(running(outbox, lambda: outbox.outcomes, add))


def test_two_servers_send_each_callback_once() -> None:
    receivers, outbox = [Receiver() for _ in range(3)], DictOutbox()

    async def both() -> None:
        async with make(outbox) as one, make(outbox) as two:
            loops = [asyncio.create_task(s.run(lambda: NOW_MS)) for s in (one, two)]
            await asyncio.to_thread(wait_until, lambda: len(outbox.outcomes) == 60)
            await one.close()
            await two.close()
            await asyncio.gather(*loops)

    with ExitStack() as stack:
        for number, receiver in enumerate(receivers):
            address = stack.enter_context(receiver.listening())
            for seq in range(20):
                outbox.add(address, seq=seq, process_id=f"p{number}")
        asyncio.run(both())
    for receiver in receivers:
        bodies = [request.body for request in receiver.received]
        assert bodies == [b'{"seq":%d}' % seq for seq in range(20)]


def test_a_try_that_another_server_has_begun_is_not_ours() -> None:
    receiver, outbox = Receiver(), DictOutbox()
    with receiver.listening() as address:
        outbox.add(address, seq=1)
        outbox.add(address, seq=2)
        stale = outbox.rows[1].delivery
        outbox.rows[1].delivery = replace(stale, attempt=1)

        async def stale_page(origin: str, now_ms: int, limit: int) -> list[Delivery]:
            return [stale, outbox.rows[2].delivery]

        outbox.due = stale_page  # type: ignore[method-assign]
        assert step(outbox) == 0
    assert outbox.rows[2].delivery.attempt == 0
    assert receiver.received == [], "the second must not overtake what another server sends"


def test_hosts_in_another_servers_hands_are_not_looked_for_in_circles() -> None:
    class OthersHands(DictOutbox):
        async def due(self, origin: str, now_ms: int, limit: int) -> list[Delivery]:
            await steps(20)
            return []

    async def steps(count: int) -> None:
        for _ in range(count):
            await asyncio.sleep(0)

    async def story(outbox: DictOutbox) -> None:
        async with make(outbox, limits=replace(QUICK, idle_ms=60_000)) as sender:
            loop = asyncio.create_task(sender.run(lambda: NOW_MS))
            outbox.add("http://a/")
            await steps(10)
            outbox.add("http://b/", process_id="p2")
            sender.kick()
            await steps(5_000)
            await sender.close()
            await loop

    outbox = OthersHands()
    asyncio.run(story(outbox))
    assert outbox.calls < 20


def test_what_is_cut_off_by_the_end_of_the_server_is_sent_again_by_schedule() -> None:
    let_go = threading.Event()
    receiver, outbox = Receiver(replies=[hang(let_go), reply(200)]), DictOutbox()
    limits = replace(QUICK, total_ms=30_000, close_ms=50)
    lost_ms = limits.total_ms + LOST_MARGIN_MS

    async def end_in_the_middle() -> float:
        sender = make(outbox, limits=limits)
        async with sender:
            loop = asyncio.create_task(sender.run(lambda: NOW_MS))
            await asyncio.to_thread(wait_until, lambda: receiver.received)
            began = time.monotonic()
            await sender.close()
            await loop
        return time.monotonic() - began

    with receiver.listening() as address:
        outbox.add(address)
        assert asyncio.run(end_in_the_middle()) < 2
        let_go.set()
        assert outbox.outcomes == []
        again_ms = outbox.rows[1].next_ms
        assert again_ms >= NOW_MS + lost_ms
        assert step(outbox, again_ms - 1) == 0
        assert step(outbox, again_ms) == 1
    assert outbox.outcomes[0].attempt == 2
    assert outbox.outcomes[0].state == DeliveryState.DELIVERED
    ids = {request.headers.get("webhook-id") for request in receiver.received}
    assert len(receiver.received) == 2
    assert len(ids) == 1


def test_an_answer_that_could_not_be_recorded_is_asked_for_again() -> None:
    receiver, outbox = Receiver(), DictOutbox()
    record = outbox.record

    async def fail(
        outcomes: Sequence[Outcome], now_ms: int, untried: Sequence[Delivery] = ()
    ) -> None:
        raise OSError("the disk is full")

    with receiver.listening() as address:
        outbox.add(address)
        outbox.record = fail  # type: ignore[method-assign]
        with pytest.raises(OSError, match="disk is full"):
            step(outbox)
        outbox.record = record  # type: ignore[method-assign]
        assert step(outbox, NOW_MS + 1 * H) == 1
    assert [outcome.attempt for outcome in outbox.outcomes] == [2]


def test_a_last_try_that_was_cut_off_ends_as_failed() -> None:
    receiver, outbox = Receiver(), DictOutbox()
    with receiver.listening() as address:
        outbox.add(address)
        outbox.rows[1].delivery = replace(outbox.rows[1].delivery, attempt=1)
        assert step(outbox, schedule=ONCE) == 0
    assert receiver.connections == 0
    assert outbox.rows[1].state == DeliveryState.FAILED
    assert "stopped" in (outbox.outcomes[0].answer.error or "")


def test_a_callback_is_given_up_after_the_last_try() -> None:
    receiver, outbox = Receiver(replies=[reply(500)]), DictOutbox()
    now_ms = NOW_MS
    with receiver.listening() as address:
        outbox.add(address)
        while outbox.rows[1].state == DeliveryState.PENDING:
            now_ms = max(now_ms, outbox.rows[1].next_ms)
            assert step(outbox, now_ms) == 1
    assert outbox.rows[1].state == DeliveryState.FAILED
    assert len(receiver.received) == STANDARD.attempts_max == 10
    assert now_ms - NOW_MS >= sum(STANDARD.delays_ms)


def test_the_next_try_is_written_before_the_post() -> None:
    outbox, seen = DictOutbox(), []

    def look(connection: socket.socket, request: Received) -> None:
        seen.append((outbox.rows[1].delivery.attempt, outbox.rows[1].next_ms))
        reply(200)(connection, request)

    receiver = Receiver(replies=[look])
    with receiver.listening() as address:
        outbox.add(address)
        step(outbox)
    ((attempt, next_ms),) = seen
    assert attempt == 1
    assert next_ms >= NOW_MS + QUICK.total_ms + LOST_MARGIN_MS


def test_the_loop_outlives_an_outbox_that_fails_for_a_while() -> None:
    receiver, outbox = Receiver(), DictOutbox()
    origins, failures = outbox.origins, 0

    async def failing(after: str, limit: int) -> list[tuple[str, int]]:
        nonlocal failures
        failures += 1
        if failures <= 3:
            raise OSError("the database is away")
        return await origins(after, limit)

    outbox.origins = failing  # type: ignore[method-assign]
    with receiver.listening() as address:
        outbox.add(address)
        asyncio.run(running(outbox, lambda: outbox.outcomes))
    assert failures > 3


def test_closing_waits_for_what_is_nearly_done() -> None:
    let_go = threading.Event()
    receiver, outbox = Receiver(replies=[hang(let_go)]), DictOutbox()
    limits = replace(QUICK, total_ms=20_000, close_ms=20_000)

    async def close_in_the_middle() -> None:
        async with make(outbox, limits=limits) as sender:
            loop = asyncio.create_task(sender.run(lambda: NOW_MS))
            await asyncio.to_thread(wait_until, lambda: receiver.received)
            closing = asyncio.create_task(sender.close())
            await asyncio.sleep(0)
            let_go.set()
            await closing
            await loop

    with receiver.listening() as address:
        outbox.add(address, seq=1)
        outbox.add(address, seq=2)
        asyncio.run(close_in_the_middle())
    assert [outcome.delivery_id for outcome in outbox.outcomes] == [1]
    assert len(receiver.received) == 1, "nothing new begins"
