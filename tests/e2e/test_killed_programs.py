"""kill -9 of server, agent or run in the middle of work: nothing is lost, nothing ends twice."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from typing import Any

import pytest
from api import Api, new_request_id
from deadline import until
from history import Stay, item_of, stays, verify_log, verify_phones
from world import World

PHONES = ["phone_07", "phone_08", "phone_09", "phone_10"]


def begun(world: World, process_id: str, attempt: int = 1) -> Any:
    """The line a run left at its beginning."""
    return until(lambda: world.book.begun(process_id, attempt=attempt), 20, "a run's beginning")


def keep_submitting(api: Api, stop: threading.Event) -> dict[str, str]:
    """Submit until told to stop, again after a failure; request to process id, as accepted."""
    accepted: dict[str, str] = {}
    while not stop.is_set():
        request_id = new_request_id()
        while not stop.is_set():
            try:
                reply = api.enqueue(request_id, "echo", {"request": request_id})
            except (OSError, HTTPException):
                stop.wait(0.02)
                continue
            assert reply.status in (200, 202), reply
            accepted[request_id] = reply.body["process_id"]
            break
    return accepted


def verify_all(world: World, process_ids: list[str]) -> None:
    """Every log is whole, every process has ended, no phone had two runs."""
    every: list[Stay] = []
    for process_id in process_ids:
        every += stays(process_id, verify_log(world.api, process_id))
    verify_phones(every)
    world.book.verify()


def test_a_killed_server_loses_nothing_it_accepted(make_world: Callable[..., World]) -> None:
    world = make_world()
    world.start_agent("lasting", PHONES)
    runs = [world.api.submit("witness", world.book.inputs(2.0), phone=phone) for phone in PHONES]
    for process_id in runs:
        begun(world, process_id)
    stop = threading.Event()
    with ThreadPoolExecutor(4) as pool:
        streams = [pool.submit(keep_submitting, world.api, stop) for _ in range(4)]
        try:
            until(lambda: len(world.api.get("/processes?limit=200")["processes"]) > 100)
            world.server.kill()
            # The runs end while nobody can be told.
            ended = {item_of(process_id) for process_id in runs}
            until(lambda: ended <= {n["item_id"] for n in world.book.lines() if n["what"] == "end"})
            world.start_server()
            before = len(world.api.get("/processes?limit=200")["processes"])
            assert before > 100
            newest = world.api.submit("echo", {"after": "the restart"})
        finally:
            stop.set()
        accepted = {name: made for one in streams for name, made in one.result().items()}
    for process_id in runs:
        record = world.api.completed(process_id)
        assert record["result"] == {"attempt": 1}, "its run outlived the outage"
        assert world.api.item(process_id)["leases_lost"] == 0
    world.api.completed(newest, 60)
    for request_id, process_id in accepted.items():
        assert world.api.completed(process_id, 60)["request_id"] == request_id
    verify_all(world, [*runs, *accepted.values(), newest])


@pytest.mark.parametrize("ignore_stop", [False, True])
def test_a_killed_agent_leaves_no_run_beside_the_next(
    make_world: Callable[..., World], ignore_stop: bool
) -> None:
    world = make_world()
    agent = world.start_agent("mortal", PHONES)
    inputs = world.book.inputs(1.0, ignore_stop=ignore_stop)
    policies = ["witness", "witness_fail", "witness_ask"]
    runs = [world.api.submit(policies[n], inputs, phone=PHONES[n]) for n in range(3)]
    pids = [begun(world, process_id)["pid"] for process_id in runs]
    after = [world.api.submit("witness", world.book.inputs(0.1), phone=phone) for phone in PHONES]
    world.api.completed(after.pop())
    agent.program.kill()
    agent.start()
    again, failed, asked = runs
    assert world.api.completed(again)["result"] == {"attempt": 2}
    assert not any(os.path.exists(f"/proc/{pid}") for pid in pids)
    record = world.api.ended(failed)
    assert (record["status"], record["error"]["category"]) == ("failed_terminal", "lease_lost")
    assert world.api.item(failed)["attempt"] == 1
    record = world.api.until_status(asked, "executing")
    events = until(lambda: [e for e in world.api.events(asked) if e["name"] == "waiting_review"])
    assert events[0]["data"]["attempt"] == 1
    path = f"/processes/{asked}/items/{item_of(asked)}/answer"
    world.api.post(path, {"decision": "retry"})
    assert world.api.completed(asked)["result"] == {"attempt": 2}
    for process_id in after:
        world.api.completed(process_id)
    verify_all(world, [*runs, *after])


def test_a_killed_run_fails_with_its_reason_and_frees_its_phone(
    make_world: Callable[..., World],
) -> None:
    world = make_world()
    world.start_agent("lasting", PHONES[:1])
    killed = world.api.submit("witness", world.book.inputs(60), phone=PHONES[0])
    following = world.api.submit("witness", world.book.inputs(0.1), phone=PHONES[0])
    os.kill(begun(world, killed)["pid"], signal.SIGKILL)
    record = world.api.ended(killed, 10)
    assert record["status"] == "failed_terminal"
    assert "signal 9" in record["error"]["message"]
    assert world.api.item(killed)["attempt"] == 1
    world.api.completed(following, 10)
    assert world.api.phone(PHONES[0])["lease"] is None
    verify_all(world, [killed, following])


def test_an_outage_is_no_end_for_an_agent_that_starts_into_it(
    make_world: Callable[..., World],
) -> None:
    world = make_world()
    agent = world.start_agent("patient", PHONES[:2])
    process_id = world.api.submit("witness", world.book.inputs(1.0), phone=PHONES[0])
    begun(world, process_id)
    world.server.kill()
    agent.program.kill()
    agent.start()
    until(lambda: "refused: " in agent.program.log.read_text(), 20, "a refused connection")
    world.start_server()
    assert world.api.completed(process_id)["result"] == {"attempt": 2}
    verify_all(world, [process_id])
