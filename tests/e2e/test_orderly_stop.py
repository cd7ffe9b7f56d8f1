"""SIGTERM ends server and agent in order and soon, whoever is connected and whatever runs."""

from __future__ import annotations

import http.client
import signal
import time
from concurrent.futures import ThreadPoolExecutor

from api import Api, Reply
from deadline import until
from history import verify_log
from stories import Told
from world import World

END_S_MAX = 10.0
STREAMS = 5


def read_stream(api: Api, process_id: str) -> bytes:
    """Everything a process's stream says until the server ends it."""
    connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=60)
    try:
        headers = {"Authorization": f"Bearer {api.token}", "Accept": "text/event-stream"}
        connection.request("GET", f"/processes/{process_id}/stream", headers=headers)
        response = connection.getresponse()
        assert response.status == 200
        return response.read()
    finally:
        connection.close()


def long_poll(api: Api, process_id: str) -> Reply:
    version = api.record(process_id)["version"]
    return api.call("GET", f"/processes/{process_id}?wait=25&version={version + 100}", within_s=60)


def server_ends_with_everybody_connected(world: World) -> None:
    (phone,) = world.own_phones(1)
    agent = world.start_agent("lasting", [phone])
    process_id = world.api.submit("witness", world.book.inputs(4.0), phone=phone)
    world.book.until_begun(process_id)
    with ThreadPoolExecutor(2 * STREAMS) as pool:
        streams = [pool.submit(read_stream, world.api, process_id) for _ in range(STREAMS)]
        polls = [pool.submit(long_poll, world.api, process_id) for _ in range(STREAMS)]
        until(lambda: connected(world) >= 2 * STREAMS, 10, "streams and polls open")
        begun_s = time.monotonic()
        world.server.send(signal.SIGTERM)
        assert world.server.wait(END_S_MAX) == 0
        assert time.monotonic() - begun_s < END_S_MAX
        assert all(b'"executing"' in stream.result() for stream in streams)
        assert {poll.result().status for poll in polls} <= {200, 304, 503}
    assert agent.program.status is None
    world.start_server()
    assert world.api.completed(process_id)["result"] == {"attempt": 1}
    verify_log(world.api, process_id)


def connected(world: World) -> int:
    """Established connections to the server's port, as the kernel lists them."""
    wanted = f":{world.port:04X}"
    with open("/proc/net/tcp") as file:
        rows = [line.split() for line in file.readlines()[1:]]
    return sum(row[1].endswith(wanted) and row[3] == "01" for row in rows)


def agent_finishes_its_run_and_takes_no_more(world: World) -> None:
    (phone,) = world.own_phones(1)
    agent = world.start_agent("leaving", [phone])
    running = world.api.submit("witness", world.book.inputs(1.5), phone=phone)
    world.book.until_begun(running)
    waiting = world.api.submit("witness", world.book.inputs(0.1), phone=phone)
    agent.program.send(signal.SIGTERM)
    assert agent.program.wait() == 0
    assert world.api.record(running)["result"] == {"attempt": 1}
    assert world.api.record(waiting)["status"] == "queued"
    assert world.api.phone(phone)["lease"] is None
    agent.start()
    world.api.completed(waiting)
    for process_id in (running, waiting):
        verify_log(world.api, process_id)


def agent_stops_a_run_that_outlasts_the_drain(world: World) -> None:
    (phone,) = world.own_phones(1)
    agent = world.start_agent("hasty", [phone], agent_drain_ms=300)
    process_id = world.api.submit("witness", world.book.inputs(1.0), phone=phone)
    world.book.until_begun(process_id)
    agent.program.send(signal.SIGTERM)
    assert agent.program.wait() == 0
    assert world.api.happened(process_id, "retrying")
    assert world.api.phone(phone)["lease"] is None
    agent.start()
    assert world.api.completed(process_id)["result"] == {"attempt": 2}
    verify_log(world.api, process_id)


STORIES = [
    server_ends_with_everybody_connected,
    agent_finishes_its_run_and_takes_no_more,
    agent_stops_a_run_that_outlasts_the_drain,
]


def test_a_server_ends_in_time_with_streams_polls_and_agents_connected(told: Told) -> None:
    told(server_ends_with_everybody_connected)


def test_an_agent_told_to_end_finishes_its_run_and_takes_no_more(told: Told) -> None:
    told(agent_finishes_its_run_and_takes_no_more)


def test_an_agent_told_to_end_stops_a_run_that_lasts_too_long(told: Told) -> None:
    told(agent_stops_a_run_that_outlasts_the_drain)
