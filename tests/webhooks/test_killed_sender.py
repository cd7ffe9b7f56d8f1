import asyncio
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from callback_receiver import GUARD, Receiver, hang, reply, wait_until
from dict_outbox import DictOutbox

from procession.webhooks.delivery import Delivery, DeliveryState, Outcome, Start
from procession.webhooks.sender import Sender
from procession.webhooks.visit import LOST_MARGIN_MS, Limits

NOW_MS = 1_774_168_200_000
LIMITS = Limits(total_ms=30_000)


class FileOutbox(DictOutbox):
    """Every promise reaches the file before it is given."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def save(self) -> None:
        fresh = self.path.with_suffix(".new")
        fresh.write_bytes(pickle.dumps(self.rows))
        fresh.replace(self.path)

    def load(self) -> None:
        self.rows = pickle.loads(self.path.read_bytes())

    async def begin(self, starts: Sequence[Start]) -> set[int]:
        ours = await super().begin(starts)
        self.save()
        return ours

    async def record(
        self, outcomes: Sequence[Outcome], now_ms: int, untried: Sequence[Delivery] = ()
    ) -> None:
        await super().record(outcomes, now_ms, untried)
        self.save()


def send(outbox: FileOutbox, now_ms: int) -> int:
    async def once() -> int:
        async with Sender(outbox, GUARD, chance=lambda: 0, limits=LIMITS) as sender:
            return await sender.step(now_ms)

    return asyncio.run(once())


def test_a_server_killed_between_begin_and_record_sends_again_by_schedule(tmp_path: Path) -> None:
    let_go = threading.Event()
    receiver = Receiver(replies=[hang(let_go), reply(200)])
    outbox = FileOutbox(tmp_path / "outbox")
    with receiver.listening() as address:
        outbox.add(address)
        outbox.save()
        child = subprocess.Popen(
            [sys.executable, __file__, str(outbox.path)],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
        )
        try:
            wait_until(lambda: receiver.received)
        finally:
            child.send_signal(signal.SIGKILL)
            child.wait(10)
        let_go.set()
        outbox.load()
        assert outbox.rows[1].delivery.attempt == 1
        lost_ms = outbox.rows[1].next_ms
        # The child's clock runs on from its start until it begins the try.
        begun_ms = lost_ms - LIMITS.total_ms - LOST_MARGIN_MS
        assert NOW_MS <= begun_ms <= NOW_MS + 10_000
        assert send(outbox, lost_ms - 1) == 0
        assert send(outbox, lost_ms) == 1
    assert outbox.rows[1].state == DeliveryState.DELIVERED
    assert [request.headers["content-length"] for request in receiver.received] == ["9", "9"]


def test_a_server_killed_in_the_middle_of_a_batch_loses_none_and_keeps_the_order(
    tmp_path: Path,
) -> None:
    let_go = threading.Event()
    replies = [reply(200)] * 9 + [hang(let_go), reply(200)]
    receiver, outbox = Receiver(replies=replies), FileOutbox(tmp_path / "outbox")
    with receiver.listening() as address:
        for seq in range(20):
            outbox.add(address, seq=seq)
        outbox.save()
        child = subprocess.Popen(
            [sys.executable, __file__, str(outbox.path)],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
        )
        try:
            wait_until(lambda: len(receiver.received) == 10)
        finally:
            child.send_signal(signal.SIGKILL)
            child.wait(10)
        let_go.set()
        outbox.load()
        begun = [row for row in outbox.waiting() if row.delivery.attempt == 1]
        assert len(begun) == 8, "batches of 1, 2 and 4 were recorded, one of 8 was cut off"
        assert send(outbox, NOW_MS) == 0, "nobody takes what may still be under way"
        later = max(row.next_ms for row in begun)
        assert later <= NOW_MS + LIMITS.batch_ms_max + LIMITS.total_ms + LOST_MARGIN_MS + 10_000
        assert send(outbox, later) == 13
    assert outbox.waiting() == []
    arrived = [json.loads(request.body)["seq"] for request in receiver.received]
    assert arrived[:10] == list(range(10))
    assert sorted(set(arrived)) == list(range(20))
    assert [seq for seq in arrived[10:] if seq < 15] == list(range(7, 15))


if __name__ == "__main__":
    from test_killed_sender import FileOutbox as Outbox

    child_outbox = Outbox(Path(sys.argv[1]))
    child_outbox.load()
    send(child_outbox, NOW_MS)
