"""How soon one server shows what another was told."""

from __future__ import annotations

import http.client
import itertools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from api import Api, new_request_id
from deadline import until

from procession.protocol import PATH, PROTOCOL_VERSION

_agents = itertools.count(1)


class Hand:
    """An agent of one phone, played by hand through one server."""

    def __init__(self, api: Api) -> None:
        self.number = next(_agents)
        self.phone, self.agent_id = f"by_hand_{self.number}", f"hand-{self.number}"
        self.api = api
        phones = [{"phone_id": self.phone}]
        facts = {"version": "0", "capabilities": ["echo"], "phones": phones}
        self.say("register", protocol=PROTOCOL_VERSION, **facts)

    def say(self, verb: str, **message: Any) -> Any:
        return self.api.post(f"{PATH}/{verb}", {"agent_id": self.agent_id, **message})

    def claim(self, wait_ms: int = 10_000) -> Any:
        """The one item that waits for the phone; None when none did."""
        items = self.say("claim", phones=[self.phone], wait_ms=wait_ms)["items"]
        return items[0] if items else None

    def beat(self, item: Any, **facts: Any) -> list[Any]:
        """A sign of life; the orders it is answered with."""
        run = {"item_id": item["item_id"], "attempt": item["attempt"], **facts}
        orders: list[Any] = self.say("heartbeat", runs=[run])["orders"]
        return orders

    def finish(self, item: Any) -> Any:
        run = {"item_id": item["item_id"], "attempt": item["attempt"], "outcome": "completed"}
        return self.say("finish", results=[run])


def echo(api: Api, phone: str) -> str:
    """A process for one phone."""
    reply = api.enqueue(new_request_id(), "echo", {"text": "hello"}, phone=phone)
    assert reply.status == 202, reply
    process_id: str = reply.body["process_id"]
    return process_id


def cancel(api: Api, process_id: str) -> None:
    body = {"reason": "enough", "requested_by": {}, "strategy": "hard"}
    api.post(f"/processes/{process_id}/cancel", body)


def claim_delay_s(there: Api, here: Api) -> float:
    """From the answer to a submission there until a claim that waited here is answered."""
    hand = Hand(here)
    with ThreadPoolExecutor(1) as pool:
        claiming = pool.submit(lambda: (hand.claim(), time.monotonic()))
        until(lambda: waiting(here) > 0, 10, "the claim waits")
        echo(there, hand.phone)
        told_s = time.monotonic()
        item, seen_s = claiming.result()
    assert item is not None
    hand.finish(item)
    return max(0.0, seen_s - told_s)


def poll_delay_s(there: Api, here: Api, phone: str) -> float:
    """The same of a cancel there and a long poll here."""

    def poll(process_id: str, version: int) -> float:
        path = f"/processes/{process_id}?wait=20&version={version}"
        assert here.call("GET", path).body["status"] == "cancelled"
        return time.monotonic()

    return _delay_s(there, here, phone, poll)


def stream_delay_s(there: Api, here: Api, phone: str) -> float:
    """The same of a stream here."""

    def watch(process_id: str, version: int) -> float:
        connection = http.client.HTTPConnection("127.0.0.1", here.port, timeout=30)
        headers = {"Authorization": f"Bearer {here.token}", "Accept": "text/event-stream"}
        connection.request("GET", f"/processes/{process_id}/stream", headers=headers)
        assert b'"cancelled"' in connection.getresponse().read()
        connection.close()
        return time.monotonic()

    return _delay_s(there, here, phone, watch)


def _delay_s(there: Api, here: Api, phone: str, watch: Callable[[str, int], float]) -> float:
    process_id = echo(there, phone)
    version = until(lambda: here.record(process_id), 10)["version"]
    with ThreadPoolExecutor(1) as pool:
        watching = pool.submit(watch, process_id, version)
        until(lambda: waiting(here) > 0, 10, "somebody watches")
        cancel(there, process_id)
        told_s = time.monotonic()
        return max(0.0, watching.result() - told_s)


def waiting(api: Api) -> int:
    """How many long polls and streams one server holds, by its own numbers."""
    connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=10)
    connection.request("GET", "/metrics")
    lines = connection.getresponse().read().decode().splitlines()
    connection.close()
    names = ("procession_requests_waiting ", "procession_streams_open ")
    return sum(int(float(line.split()[1])) for line in lines if line.startswith(names))
