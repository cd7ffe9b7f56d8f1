import asyncio
import json
import socket
import threading
from contextlib import ExitStack
from dataclasses import replace

from callback_receiver import GUARD, Receiver, hang, reply, wait_until
from dict_outbox import DictOutbox
from sending import NOW_MS, QUICK, S, make, step

from procession.webhooks.delivery import STANDARD, DeliveryState
from procession.webhooks.hosts import REST_MS_MIN
from procession.webhooks.sender import PAUSE_S_MAX, PAUSE_TIMES, Sender


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


def test_a_dead_host_gets_one_try_a_rest_and_everything_in_order_once_it_is_back() -> None:
    port, outbox, receiver = closed_port(), DictOutbox(), Receiver()
    for seq in range(1_000):
        outbox.add(f"http://127.0.0.1:{port}/", seq=seq, next_ms=NOW_MS)

    async def run() -> int:
        async with make(outbox) as sender:
            for ms in range(0, 120_000, 250):
                await sender.step(NOW_MS + ms)
            tries = len(outbox.outcomes)
            with receiver.listening(port=port):
                while outbox.waiting():
                    await sender.step(NOW_MS + 3_600_000)
            return tries

    tries = asyncio.run(run())
    assert 7 <= tries <= 10, "0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5, 63.5 s"
    untouched = [one.delivery.delivery_id for one in outbox.rows.values() if one.recorded == 1]
    assert len(untouched) >= 1_000 - tries
    bodies = [json.loads(request.body)["seq"] for request in receiver.received]
    assert len(bodies) == 1_000
    first = [seq for seq in bodies if seq + 1 in set(untouched)]
    assert first == sorted(first)
    assert receiver.concurrent_max == 1


def test_what_waits_for_a_resting_host_is_not_written() -> None:
    outbox = DictOutbox()
    for seq in range(5):
        outbox.add(f"http://127.0.0.1:{closed_port()}/", origin="one", seq=seq, next_ms=NOW_MS)

    async def run() -> None:
        async with make(outbox) as sender:
            assert await sender.step(NOW_MS) == 1
            assert await sender.step(NOW_MS + REST_MS_MIN - 1) == 0
            assert await sender.step(NOW_MS + 2 * REST_MS_MIN) == 1

    asyncio.run(run())
    assert [row.delivery.attempt for row in outbox.rows.values()] == [1, 1, 0, 0, 0]
    assert [row.next_ms for row in outbox.rows.values()][2:] == [NOW_MS] * 3
    assert len(outbox.starts) == 2


def test_a_dead_host_delays_no_other() -> None:
    outbox, receiver = DictOutbox(), Receiver()
    with receiver.listening() as address:
        for seq in range(100):
            outbox.add(f"http://127.0.0.1:{closed_port()}/", origin="dead", process_id="d", seq=seq)
            outbox.add(address, process_id="a", seq=seq)
        assert step(outbox) == 101
    assert len(receiver.received) == 100
    assert len([row for row in outbox.waiting() if row.delivery.attempt == 0]) == 99


def test_an_error_is_an_answer_and_ends_the_rest() -> None:
    port, outbox = closed_port(), DictOutbox()
    for seq in range(3):
        outbox.add(f"http://127.0.0.1:{port}/", process_id=f"p{seq}", next_ms=NOW_MS)
    receiver = Receiver(replies=[reply(500), reply(200)])

    async def run() -> None:
        async with make(outbox) as sender:
            assert await sender.step(NOW_MS) == 1
            with receiver.listening(port=port):
                assert await sender.step(NOW_MS + S) == 2

    asyncio.run(run())
    assert [outcome.answer.status for outcome in outbox.outcomes] == [None, 500, 200]


def test_lifting_rests_tries_a_silent_host_at_once() -> None:
    port, outbox, receiver = closed_port(), DictOutbox(), Receiver()
    for seq in range(3):
        outbox.add(f"http://127.0.0.1:{port}/", seq=seq, next_ms=NOW_MS)

    async def run() -> None:
        async with make(outbox) as sender:
            assert await sender.step(NOW_MS) == 1
            with receiver.listening(port=port):
                assert await sender.step(NOW_MS) == 0
                sender.lift_rests()
                assert await sender.step(NOW_MS) == 2

    asyncio.run(run())


def test_what_waited_for_a_silent_host_as_long_as_the_schedule_lasts_is_given_up() -> None:
    outbox, late_ms = DictOutbox(), NOW_MS + STANDARD.wait_ms_max + 1
    for seq in range(40):
        outbox.add(f"http://127.0.0.1:{closed_port()}/", origin="dead", seq=seq, next_ms=NOW_MS)
    outbox.add(f"http://127.0.0.1:{closed_port()}/", origin="dead", seq=99, next_ms=NOW_MS + S)

    async def run() -> None:
        async with make(outbox) as sender:
            assert await sender.step(late_ms - S) == 1
            assert await sender.step(late_ms) == 1

    asyncio.run(run())
    states = [row.state for row in outbox.rows.values()]
    assert states == [DeliveryState.PENDING, *[DeliveryState.FAILED] * 39, DeliveryState.PENDING]
    assert outbox.rows[2].delivery.attempt == 0
    assert outbox.outcomes[-1].delivery_id == 41, "what is not over is still tried"


def test_a_batch_that_gets_slow_is_broken_off_and_the_rest_given_back() -> None:
    let_go = threading.Event()
    outbox, receiver = DictOutbox(), Receiver(replies=[*[reply(200)] * 8, hang(let_go)])
    limits = replace(QUICK, total_ms=20_000, batch_ms_max=50)

    async def run() -> None:
        async with make(outbox, limits=limits) as sender:
            stepping = asyncio.create_task(sender.step(NOW_MS))
            await asyncio.to_thread(wait_until, lambda: len(receiver.received) == 9)
            began = [start.next_ms for start in outbox.starts[7:15]]
            await asyncio.sleep(0.06)
            receiver.replies = [reply(200)]
            let_go.set()
            await stepping
            assert len(began) == 8
            assert began[1] == began[0] + 50, "a later place is looked for later, within a bound"

    with receiver.listening() as address:
        for seq in range(20):
            outbox.add(address, seq=seq, next_ms=NOW_MS - 5)
        asyncio.run(run())
    assert outbox.released == list(range(10, 16))
    assert outbox.waiting() == []
    assert {outcome.attempt for outcome in outbox.outcomes} == {1}, "none was counted twice"
    bodies = [json.loads(request.body)["seq"] for request in receiver.received]
    assert bodies == list(range(20))


def test_silence_in_a_batch_gives_the_rest_of_it_back() -> None:
    outbox, receiver = DictOutbox(), Receiver()
    with receiver.listening() as address:
        for seq in range(6):
            outbox.add(address, seq=seq)
        for number in (5, 6):
            bad = outbox.rows[number].delivery
            outbox.rows[number].delivery = replace(bad, url=f"http://127.0.0.1:{closed_port()}/")
        assert step(outbox) == 5
    assert outbox.released == [6]
    assert outbox.rows[6].delivery.attempt == 0


def test_callbacks_give_way_while_there_is_more_urgent_work() -> None:
    outbox, receiver, paused = DictOutbox(), Receiver(), list[float]()
    urgent = [True]

    async def pause(seconds: float) -> None:
        paused.append(seconds)
        urgent[0] = len(paused) < 20

    async def run() -> None:
        async with Sender(
            outbox, GUARD, chance=lambda: 0, busy=lambda: urgent[0], pause=pause
        ) as sender:
            assert await sender.step(NOW_MS) == 50

    with receiver.listening() as address:
        for seq in range(50):
            outbox.add(address, seq=seq)
        asyncio.run(run())
    assert len(paused) == 20, "one after each try, none once there is time"
    spent_ms = sum(outcome.answer.duration_ms for outcome in outbox.outcomes[:20])
    assert sum(paused) * 1_000 >= PAUSE_TIMES * (spent_ms - 20)
    assert max(paused) <= PAUSE_S_MAX


def test_hosts_share_what_callbacks_may_take() -> None:
    outbox, paused = DictOutbox(), list[float]()
    let_go = threading.Event()
    receivers = [Receiver(replies=[hang(let_go)]) for _ in range(4)]

    async def pause(seconds: float) -> None:
        paused.append(seconds)

    async def run() -> None:
        async with Sender(
            outbox, GUARD, chance=lambda: 0, busy=lambda: True, pause=pause
        ) as sender:
            stepping = asyncio.create_task(sender.step(NOW_MS))
            await asyncio.to_thread(wait_until, lambda: all(one.received for one in receivers))
            await asyncio.sleep(0.2)
            let_go.set()
            await stepping

    with ExitStack() as stack:
        for receiver in receivers:
            outbox.add(stack.enter_context(receiver.listening()))
        asyncio.run(run())
    assert paused == [PAUSE_S_MAX] * 4
