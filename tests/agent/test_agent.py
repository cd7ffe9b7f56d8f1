"""The agent's loop against a server: claims, orders, heartbeats, results, the drain."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from fake_server import FakeServer
from living import living_agent
from nest import until

from procession.agent import processes
from procession.agent.agent import Agent
from procession.client import Refused
from procession.protocol import Assignment, RunOrder

Story = Callable[[FakeServer, Agent], Awaitable[None]]


def live(tmp_path: Path, story: Story, lease_ms: int = 5_000, **settings: Any) -> FakeServer:
    (tmp_path / "notes").mkdir()

    async def whole() -> FakeServer:
        async with FakeServer(lease_ms) as server:
            async with living_agent(server, tmp_path / "state", **settings) as agent:
                await story(server, agent)
            return server

    return asyncio.run(whole())


async def noted(tmp_path: Path, word: str) -> int:
    path = tmp_path / "notes" / word
    await until(lambda: path.exists() and path.read_text() != "")
    return int(path.read_text())


def notes(tmp_path: Path) -> dict[str, str]:
    return {"notes": str(tmp_path / "notes")}


def ran(server: FakeServer, given: Assignment) -> Callable[[], bool]:
    """Whether the server was told that the run is alive and has started."""
    return lambda: any(r.item_id == given.item_id and r.started for r in server.reports)


def test_an_item_is_claimed_run_and_answered(tmp_path: Path) -> None:
    async def story(server: FakeServer, agent: Agent) -> None:
        given = await server.give("p1", "echo", {"said": "hello"})
        result = await server.result_of(given)
        assert result.outcome == "completed" and result.started
        assert msgspec.json.decode(bytes(result.result)) == {"said": "hello"}

    server = live(tmp_path, story)
    registered = server.heard("register")[0]
    assert registered.agent_id == "agent-1" and "echo" in registered.capabilities
    assert [phone.phone_id for phone in registered.phones] == ["p1", "p2"]
    assert len(server.heard("drain")) == 1


def test_a_busy_lane_needs_no_claim_for_its_next_item(tmp_path: Path) -> None:
    async def story(server: FakeServer, agent: Agent) -> None:
        given = [await server.give("p1", "echo", {"n": n}) for n in range(20)]
        for one in given:
            await server.result_of(one)

    server = live(tmp_path, story)
    assert len(server.results) == 20
    assert len(server.heard("claim")) < 6


def test_idle_phones_share_one_poll(tmp_path: Path) -> None:
    async def story(server: FakeServer, agent: Agent) -> None:
        await server.until(lambda: bool(server.heard("claim")))

    server = live(tmp_path, story, lanes_without_phone=[f"p{n}" for n in range(50)])
    assert len(server.heard("claim")) == 1
    assert len(server.heard("claim")[0].phones) == 50


def test_a_start_is_reported_and_accepted_before_the_run_begins(tmp_path: Path) -> None:
    async def story(server: FakeServer, agent: Agent) -> None:
        server.statuses["report"] = 503
        given = await server.give("p1", "deaf", notes(tmp_path), start_required=True)
        await server.until(lambda: len(server.heard("report")) >= 2)
        assert not (tmp_path / "notes" / "main").exists()
        del server.statuses["report"]
        await noted(tmp_path, "main")
        await server.order(given, "hard")
        await server.result_of(given)

    live(tmp_path, story)


def test_a_run_stopped_before_its_start_was_accepted_never_begins(tmp_path: Path) -> None:
    async def story(server: FakeServer, agent: Agent) -> None:
        given = await server.give("p1", "deaf", notes(tmp_path), start_required=True)
        server.orders[(given.item_id, 1)] = "hard"
        result = await server.result_of(given)
        assert result.outcome == "cancelled" and not result.started
        after = await server.give("p1", "echo")
        await server.result_of(after)
        assert not (tmp_path / "notes" / "main").exists()

    live(tmp_path, story)


def test_a_soft_order_stops_a_willing_run_at_once(tmp_path: Path) -> None:
    async def story(server: FakeServer, agent: Agent) -> None:
        given = await server.give("p1", "sleep", {"seconds": 60})
        await server.until(ran(server, given))
        begun = time.monotonic()
        await server.order(given, "soft")
        result = await server.result_of(given)
        assert result.outcome == "cancelled" and not result.forced
        assert result.error and result.error.category == "cancelled"
        assert time.monotonic() - begun < 10

    live(tmp_path, story)


def test_a_soft_order_does_not_end_an_unwilling_run_but_a_hard_one_does(tmp_path: Path) -> None:
    async def story(server: FakeServer, agent: Agent) -> None:
        given = await server.give("p1", "deaf", notes(tmp_path))
        pid = await noted(tmp_path, "main")
        await server.order(given, "soft")
        soft = RunOrder(given.item_id, 1, "soft")
        await server.until(lambda: any(soft in beat.seen for beat in server.heard("heartbeat")))
        assert processes.alive(pid)
        begun = time.monotonic()
        await server.order(given, "hard")
        result = await server.result_of(given)
        assert time.monotonic() - begun < 10
        assert result.outcome == "cancelled" and result.forced
        assert not processes.alive(pid)

    live(tmp_path, story)


def test_a_lost_run_is_killed_and_nothing_is_told_of_it(tmp_path: Path) -> None:
    async def story(server: FakeServer, agent: Agent) -> None:
        given = await server.give("p1", "deaf", notes(tmp_path))
        pid = await noted(tmp_path, "main")
        begun = time.monotonic()
        await server.order(given, "lost")
        await until(lambda: not processes.alive(pid))
        assert time.monotonic() - begun < 4
        after = await server.give("p1", "echo")
        await server.result_of(after)
        assert [result.item_id for result in server.results] == [after.item_id]

    live(tmp_path, story)


def test_heartbeats_name_a_long_run_again_and_again_within_a_fifth_of_its_lease(
    tmp_path: Path,
) -> None:
    async def story(server: FakeServer, agent: Agent) -> None:
        given = await server.give("p1", "sleep", {"seconds": 3})
        named = lambda: [r for r in server.reports if r.item_id == given.item_id]  # noqa: E731
        await server.until(lambda: len(named()) >= 4)
        result = await server.result_of(given)
        assert result.outcome == "completed"

    live(tmp_path, story, lease_ms=2_000)


def test_progress_is_told_coalesced(tmp_path: Path) -> None:
    async def story(server: FakeServer, agent: Agent) -> None:
        given = await server.give("p1", "chatter", {"seconds": 1.5})
        await server.result_of(given)
        told = [r for report in server.heard("report") for r in report.runs]
        shown = [r.percent for r in told if r.percent is not None]
        assert 2 <= len(shown) <= 9
        assert shown == sorted(shown)

    live(tmp_path, story)


def test_a_time_limit_ends_a_run_as_a_timeout(tmp_path: Path) -> None:
    async def story(server: FakeServer, agent: Agent) -> None:
        given = await server.give("p1", "deaf", notes(tmp_path), time_limit_ms=300)
        result = await server.result_of(given)
        assert result.outcome == "failed" and result.forced
        assert result.error and result.error.category == "timeout"

    live(tmp_path, story)


def test_a_late_result_is_refused_and_the_lane_goes_on(tmp_path: Path) -> None:
    async def story(server: FakeServer, agent: Agent) -> None:
        given = await server.give("p1", "echo", item_id="late")
        server.refusals[("late", 1)] = "lease_lost"
        await server.result_of(given)
        after = await server.give("p1", "echo")
        await server.result_of(after)
        assert [result.item_id for result in server.results] == ["late", after.item_id]

    live(tmp_path, story)


def test_a_result_whose_answer_was_lost_is_sent_again_unchanged(tmp_path: Path) -> None:
    async def story(server: FakeServer, agent: Agent) -> None:
        server.answers_lost = 1
        given = await server.give("p1", "flood")
        await server.until(lambda: len(server.results) == 2)
        first, second = server.results
        assert first.item_id == given.item_id and first == second
        after = await server.give("p1", "echo")
        await server.result_of(after)

    live(tmp_path, story)


def test_a_result_the_server_will_not_take_does_not_hold_up_others(tmp_path: Path) -> None:
    async def story(server: FakeServer, agent: Agent) -> None:
        server.statuses["finish"] = 422
        given = await server.give("p1", "echo")
        await server.until(lambda: len(server.heard("finish")) == 2)
        told = server.heard("finish")[1].results[0]
        assert told.error and told.error.category == "rejected"
        del server.statuses["finish"]
        after = await server.give("p1", "echo")
        await server.result_of(after)
        assert given.item_id not in {result.item_id for result in server.results}

    live(tmp_path, story)


def test_a_phone_never_gets_a_second_run_even_if_the_server_asks(tmp_path: Path) -> None:
    async def story(server: FakeServer, agent: Agent) -> None:
        first = await server.give("p1", "sleep", {"seconds": 60})
        await server.until(ran(server, first))
        # The item for p1 comes as the answer to another phone's finish.
        second = await server.give("p2", "echo")
        intruder = await server.give("p2", "echo", phone_id="p2", item_id="intruder")
        intruder.phone_id = "p1"
        await server.result_of(second)
        result = await server.result_of(intruder)
        assert result.outcome == "failed" and not result.started
        assert result.error and result.error.infrastructure and "busy" in result.error.message
        await server.order(first, "hard")
        await server.result_of(first)

    live(tmp_path, story)


def test_infrastructure_failures_in_a_row_put_the_phone_into_quarantine(tmp_path: Path) -> None:
    async def story(server: FakeServer, agent: Agent) -> None:
        for _ in range(3):
            await server.result_of(await server.give("p1", "phone_fault"))
        await server.until(
            lambda: any(
                phone.phone_id == "p1" and phone.state == "quarantined"
                for beat in server.heard("heartbeat")
                for phone in beat.phones
            )
        )
        fourth = await server.give("p1", "echo")
        await server.result_of(await server.give("p2", "echo"))
        assert fourth in server.work["p1"]
        agent.phones.lift_quarantines()
        assert (await server.result_of(fourth)).outcome == "completed"

    live(tmp_path, story)


def test_a_drain_lets_runs_end_then_stops_them_and_claims_nothing(tmp_path: Path) -> None:
    async def story(server: FakeServer, agent: Agent) -> None:
        short = await server.give("p1", "sleep", {"seconds": 0.8})
        long = await server.give("p2", "deaf", notes(tmp_path))
        await noted(tmp_path, "main")
        await server.until(lambda: not server.work["p1"])
        agent.drain()
        await server.give("p1", "echo", item_id="too-late")
        assert (await server.result_of(short)).outcome == "completed"
        stopped = await server.result_of(long)
        assert stopped.outcome == "failed" and stopped.forced
        assert stopped.error and stopped.error.retry and stopped.error.infrastructure
        assert "too-late" not in {result.item_id for result in server.results}
        assert server.work["p1"]

    live(tmp_path, story, drain_ms=1_000)


def test_a_wrong_token_ends_the_agent(tmp_path: Path) -> None:
    async def whole() -> None:
        async with FakeServer() as server:
            with pytest.raises(Refused) as caught:
                async with living_agent(server, tmp_path, token="another-token"):
                    await server.until(lambda: server.turned_away > 0)
            assert caught.value.status == 401

    asyncio.run(whole())


def test_an_agent_the_server_forgot_registers_again(tmp_path: Path) -> None:
    async def story(server: FakeServer, agent: Agent) -> None:
        server.statuses["heartbeat"] = 404
        await server.until(lambda: len(server.heard("register")) >= 2)
        del server.statuses["heartbeat"]
        await server.result_of(await server.give("p1", "echo"))

    live(tmp_path, story, lease_ms=1_000)
