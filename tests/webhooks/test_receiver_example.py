import asyncio
import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import time
from typing import Any

import pytest
from callback_receiver import GUARD
from dict_outbox import DictOutbox

from procession.webhooks.delivery import DeliveryState
from procession.webhooks.sender import Sender
from procession.webhooks.signing import Secret, sign

RECEIVER = Path(__file__).parents[2] / "examples" / "receiver.py"
SECRET = "whsec_c2VjcmV0LW9mLXRoZS1kZW1v"
BODY = b'{"milestone":"accepted","process":{"process_id":"p1"}}'


@dataclass
class Running:
    url: str
    lines: list[dict[str, Any]]
    process: "subprocess.Popen[str]"

    def counts(self) -> dict[str, Any]:
        with urllib.request.urlopen(self.url + "counts", timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
            return found

    def post(self, headers: dict[str, str], body: bytes = BODY) -> int:
        request = urllib.request.Request(self.url, body, headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as refused:
            refused.close()
            return refused.code

    def next_line(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        found: dict[str, Any] = json.loads(self.process.stdout.readline())
        return found


@contextmanager
def running(*options: str) -> Iterator[Running]:
    command = [sys.executable, str(RECEIVER), "--port", "0", "--json", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            receiver = Running("", [], process)
            receiver.url = receiver.next_line()["url"]
            yield receiver
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0


def signed(secrets: Sequence[str], webhook_id: str = "p1_1", age_s: int = 0) -> dict[str, str]:
    return sign([Secret(text) for text in secrets], webhook_id, int(time()) - age_s, BODY)


@pytest.mark.parametrize("secret", [SECRET, "a-plain-secret"])
def test_the_example_verifies_what_the_sender_sends(secret: str) -> None:
    outbox = DictOutbox()

    async def send(now_ms: int) -> None:
        async with Sender(outbox, GUARD, chance=lambda: 0, secrets=[Secret(secret)]) as sender:
            await sender.step(now_ms)

    with running("--secret", secret, "--fail-first", "1") as receiver:
        outbox.add(receiver.url, seq=1)
        outbox.add(receiver.url, seq=2)
        now_ms = int(time() * 1_000)
        asyncio.run(send(now_ms))
        asyncio.run(send(now_ms + 60_000))
        counts = receiver.counts()
    assert [row.state for row in outbox.rows.values()] == [DeliveryState.DELIVERED] * 2
    assert [outcome.answer.status for outcome in outbox.outcomes] == [500, 200, 200]
    assert (counts["received"], counts["verified"], counts["failed_on_purpose"]) == (3, 2, 1)


def test_the_example_prints_one_line_per_callback() -> None:
    with running("--secret", SECRET) as receiver:
        assert receiver.post(signed([SECRET])) == 200
        line = receiver.next_line()
        assert (line["process_id"], line["milestone"]) == ("p1", "accepted")
        assert line["verified"] is True
        assert receiver.post(signed([SECRET])) == 200
        assert receiver.next_line()["is_repeat"] is True
        assert receiver.counts()["milestones"] == {"accepted": 1}


def test_the_example_refuses_what_is_not_ours() -> None:
    forged = {**signed([SECRET]), "X-PhoneFarm-Signature": "0" * 64}
    half = {**signed([SECRET]), "webhook-signature": "v1,AAAA"}
    refused = [{}, signed(["another"]), signed([SECRET], age_s=600), forged, half]
    with running("--secret", SECRET) as receiver:
        assert [receiver.post(headers) for headers in refused] == [401] * len(refused)
        assert receiver.post(signed([SECRET]), BODY + b" ") == 401
        assert receiver.counts()["refused"] == len(refused) + 1


def test_the_example_follows_a_rotation() -> None:
    with running("--secret", "old-secret", "--secret", "new-secret") as receiver:
        assert receiver.post(signed(["new-secret", "old-secret"])) == 200
        assert receiver.post(signed(["old-secret"])) == 200


def test_the_example_takes_unsigned_callbacks_only_without_a_secret() -> None:
    with running() as receiver:
        assert receiver.post({}) == 200
        assert receiver.next_line()["verified"] is None
        assert receiver.post({}, b"not json") == 200
