import asyncio
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

from procession.webhooks.delivery import DeliveryState
from procession.webhooks.sender import LOST_MARGIN_MS, Limits, Outcome, Sender, Start

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

    async def begin(self, starts: Sequence[Start], now_ms: int) -> set[int]:
        ours = await super().begin(starts, now_ms)
        self.save()
        return ours

    async def record(self, outcomes: Sequence[Outcome], now_ms: int) -> None:
        await super().record(outcomes, now_ms)
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
        lost_ms = NOW_MS + LIMITS.total_ms + LOST_MARGIN_MS
        assert send(outbox, lost_ms - 1) == 0
        assert send(outbox, lost_ms) == 1
    assert outbox.rows[1].state == DeliveryState.DELIVERED
    assert [request.headers["content-length"] for request in receiver.received] == ["9", "9"]


if __name__ == "__main__":
    from test_killed_sender import FileOutbox as Outbox

    child_outbox = Outbox(Path(sys.argv[1]))
    child_outbox.load()
    send(child_outbox, NOW_MS)
