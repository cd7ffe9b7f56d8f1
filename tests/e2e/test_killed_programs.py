"""kill -9 of server, agent or run in the middle of work: nothing is lost, nothing ends twice."""

from __future__ import annotations

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException

from api import Api, new_request_id
from deadline import until
from history import Stay, item_of, stays, verify_log, verify_phones
from programs import parent_of
from stories import Told
from world import LEASE_MS, World


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


def killed_server_loses_nothing(world: World) -> None:
    phones = world.own_phones(4)
    world.start_agent("lasting", phones)
    long_s = 2 * LEASE_MS / 1000
    runs = [world.api.submit("witness", world.book.inputs(long_s), phone=phone) for phone in phones]
    for process_id in runs:
        world.book.until_begun(process_id)
    stop = threading.Event()
    with ThreadPoolExecutor(4) as pool:
        streams = [pool.submit(keep_submitting, world.api, stop) for _ in range(4)]
        try:
            until(lambda: len(world.api.get("/processes?limit=200")["processes"]) > 100)
            world.server.kill()
            # The runs outlive their leases, and end while nobody can be told.
            ended = {item_of(process_id) for process_id in runs}
            until(lambda: ended <= {n["item_id"] for n in world.book.lines() if n["what"] == "end"})
            world.start_server()
            newest = world.api.submit("echo", {"after": "the restart"})
        finally:
            stop.set()
        accepted = {name: made for one in streams for name, made in one.result().items()}
    assert len(accepted) > 100
    for process_id in runs:
        record = world.api.completed(process_id)
        assert record["result"] == {"attempt": 1}, "its run outlived the outage"
        assert world.api.item(process_id)["leases_lost"] == 0
        world.receiver.until_told(process_id, record["version"])
        told = world.receiver.milestones(process_id)
        assert told == ["accepted", "planned", "executing", "completed"]
    for request_id, process_id in accepted.items():
        assert world.api.completed(process_id, 60)["request_id"] == request_id
    verify_all(world, [*runs, *accepted.values(), newest])


def killed_agent_leaves_no_run_beside_the_next(world: World) -> None:
    phones = world.own_phones(4)
    agent = world.start_agent("mortal", phones)
    policies = ["witness", "witness_fail", "witness_ask"]
    deaf = world.book.inputs(4.0, ignore_stop=True)
    runs = [world.api.submit(policies[n], deaf, phone=phones[n]) for n in range(3)]
    pids = [world.book.until_begun(process_id) for process_id in runs]
    after = [world.api.submit("witness", world.book.inputs(0.1), phone=phone) for phone in phones]
    world.api.completed(after[-1])
    # The first run's keeper cannot end it with the agent: that is left to the next life.
    os.kill(parent_of(pids[0]), signal.SIGSTOP)
    agent.program.kill()
    agent.start()
    again, failed, asked = runs
    assert world.api.completed(again)["result"] == {"attempt": 2}
    assert not any(os.path.exists(f"/proc/{pid}") for pid in pids)
    record = world.api.ended(failed)
    assert (record["status"], record["error"]["category"]) == ("failed_terminal", "lease_lost")
    assert world.api.item(failed)["attempt"] == 1
    until(lambda: world.api.happened(asked, "waiting_review"))
    assert world.api.item(asked)["attempt"] == 1
    path = f"/processes/{asked}/items/{item_of(asked)}/answer"
    world.api.post(path, {"decision": "retry"})
    assert world.api.completed(asked)["result"] == {"attempt": 2}
    for process_id in after:
        world.api.completed(process_id)
    verify_all(world, [*runs, *after])


def killed_run_fails_and_frees_its_phone(world: World) -> None:
    (phone,) = world.own_phones(1)
    world.start_agent("lasting", [phone])
    killed = world.api.submit("witness", world.book.inputs(60), phone=phone)
    following = world.api.submit("witness", world.book.inputs(0.1), phone=phone)
    os.kill(world.book.until_begun(killed), signal.SIGKILL)
    record = world.api.ended(killed, 10)
    assert record["status"] == "failed_terminal"
    assert "signal 9" in record["error"]["message"]
    assert world.api.item(killed)["attempt"] == 1
    world.api.completed(following, 10)
    assert world.api.phone(phone)["lease"] is None
    verify_all(world, [killed, following])


def agent_starts_into_an_outage(world: World) -> None:
    (phone,) = world.own_phones(1)
    agent = world.start_agent("patient", [phone])
    process_id = world.api.submit("witness", world.book.inputs(1.0), phone=phone)
    world.book.until_begun(process_id)
    world.server.kill()
    agent.program.kill()
    agent.start()
    until(lambda: "refused: " in agent.program.log.read_text(), 20, "a refused connection")
    world.start_server()
    assert world.api.completed(process_id)["result"] == {"attempt": 2}
    told = [event["data"].get("why") for event in world.api.events(process_id)]
    assert "The agent was restarted during the run." in told, "no lease had to run out for it"
    verify_all(world, [process_id])


STORIES = [
    killed_server_loses_nothing,
    killed_agent_leaves_no_run_beside_the_next,
    killed_run_fails_and_frees_its_phone,
    agent_starts_into_an_outage,
]


def test_a_killed_server_loses_nothing_it_accepted(told: Told) -> None:
    told(killed_server_loses_nothing)


def test_a_killed_agent_leaves_no_run_beside_the_next(told: Told) -> None:
    told(killed_agent_leaves_no_run_beside_the_next)


def test_a_killed_run_fails_with_its_reason_and_frees_its_phone(told: Told) -> None:
    told(killed_run_fails_and_frees_its_phone)


def test_an_agent_that_starts_into_an_outage_tells_what_it_lost(told: Told) -> None:
    told(agent_starts_into_an_outage)
