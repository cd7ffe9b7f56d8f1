"""Runs that misbehave, each in a real process, and the ladder that ends them."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest
from nest import Nest, nest, until

from procession.agent import processes
from procession.agent.child import AT_ONCE, HARD, ONLY_TELL, Ladder
from procession.agent.output import GAP


def in_nest(tmp_path: Path, story: Callable[[Nest], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with nest(tmp_path) as one:
            await story(one)

    asyncio.run(whole())


def test_a_result_comes_back_and_the_seat_serves_the_next_run(tmp_path: Path) -> None:
    async def story(one: Nest) -> None:
        for number in range(3):
            ended = await one.run("echo", {"number": number})
            assert ended.said and ended.said.ending == "completed"
            assert msgspec.json.decode(ended.said.result)["number"] == number
            assert (ended.status, ended.signalled, ended.strays) == (0, False, 0)

    in_nest(tmp_path, story)


def test_a_run_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    async def story(one: Nest) -> None:
        child, ending = await one.start("deaf")
        pid = await one.noted("main")
        begun = time.monotonic()
        await child.stop(HARD)
        ended = await ending
        assert ended and ended.signalled and ended.status == -signal.SIGKILL
        assert time.monotonic() - begun < 10
        assert not processes.alive(pid)

    in_nest(tmp_path, story)


@pytest.mark.parametrize("then", ["", "exec"])
def test_a_daemon_of_a_killed_run_is_dead_before_the_run_is(tmp_path: Path, then: str) -> None:
    async def story(one: Nest) -> None:
        child, ending = await one.start("daemonize", {"then": then})
        daemon, main = await one.noted("grandchild"), await one.noted("main")
        assert os.getsid(daemon) != os.getsid(main)
        await child.stop(AT_ONCE)
        ended = await ending
        assert ended and ended.signalled
        assert not processes.alive(daemon) and not processes.alive(main)

    in_nest(tmp_path, story)


@pytest.mark.parametrize("then", ["", "exec"])
def test_a_daemon_left_by_a_completed_run_is_dead_before_its_result_counts(
    tmp_path: Path, then: str
) -> None:
    async def story(one: Nest) -> None:
        ended = await one.run("escape", {"then": then})
        assert ended.said and ended.said.ending == "completed"
        assert ended.strays == 1
        assert not processes.alive(await one.noted("grandchild"))

    in_nest(tmp_path, story)


def test_a_stopped_process_is_killed(tmp_path: Path) -> None:
    async def story(one: Nest) -> None:
        child, ending = await one.start("stopped")
        pid = await one.noted("main")
        await until(lambda: processes.state(pid) == "T")
        await child.stop(AT_ONCE)
        assert await ending
        assert not processes.alive(pid)

    in_nest(tmp_path, story)


def test_a_run_that_closes_its_files_is_still_held_and_killed(tmp_path: Path) -> None:
    async def story(one: Nest) -> None:
        child, ending = await one.start("mute")
        pid = await one.noted("main")
        await until(lambda: len(os.listdir(f"/proc/{pid}/fd")) == 0)
        await child.stop(ONLY_TELL)
        assert not ending.done() and processes.alive(pid)
        await child.stop(HARD)
        ended = await ending
        assert ended and ended.said is None
        assert not processes.alive(pid)

    in_nest(tmp_path, story)


def test_output_is_kept_at_both_ends_and_bounded(tmp_path: Path) -> None:
    async def story(one: Nest) -> None:
        ended = await one.run("flood")
        assert ended.said and ended.said.ending == "completed"
        assert ended.output_truncated and len(ended.output) < 65_536
        assert ended.output.startswith(b"the beginning\nxxx")
        assert GAP in ended.output
        assert ended.output.endswith(b"the end\n")

    in_nest(tmp_path, story)


def test_memory_past_the_limit_fails_the_run_alone(tmp_path: Path) -> None:
    async def story(one: Nest) -> None:
        ended = await one.run("glutton", memory_mb=200)
        assert ended.said and ended.said.message == "Over the limit of 200 MB of memory."
        after = await one.run("echo")
        assert after.said and after.said.ending == "completed"

    in_nest(tmp_path, story)


def test_wait_and_flag_obey_a_soft_stop(tmp_path: Path) -> None:
    async def story(one: Nest) -> None:
        child, ending = await one.start("sleep", {"seconds": 60})
        await until(lambda: bool(one.progress))
        await child.stop(ONLY_TELL)
        ended = await asyncio.wait_for(ending, 5)
        assert ended and ended.said and ended.said.ending == "stopped"
        assert not ended.signalled

        child, ending = await one.start("watch_flag")
        await child.stop(ONLY_TELL)
        ended = await asyncio.wait_for(ending, 5)
        assert ended and ended.said and ended.said.result == b'{"saw":"the flag"}'

    in_nest(tmp_path, story)


def test_a_ladder_climbs_only_as_far_as_needed(tmp_path: Path) -> None:
    async def story(one: Nest) -> None:
        child, ending = await one.start("sleep", {"seconds": 60})
        await child.stop(Ladder(told_s=5, term_s=5))
        ended = await ending
        assert ended and not ended.signalled

        child, ending = await one.start("deaf")
        await one.noted("main")
        await child.stop(Ladder(told_s=0.1, term_s=0.1))
        ended = await ending
        assert ended and ended.status == -signal.SIGKILL

    in_nest(tmp_path, story)


def test_a_keeper_kills_by_itself_what_nobody_renews(tmp_path: Path) -> None:
    async def story(one: Nest) -> None:
        child, ending = await one.start("deaf", lease_s=0.6)
        begun = time.monotonic()
        child.renew(processes.now_s() + 1.2)
        ended = await asyncio.wait_for(ending, 5)
        assert ended and ended.lapsed and ended.signalled
        assert time.monotonic() - begun > 1.1

    in_nest(tmp_path, story)


def test_a_run_whose_lease_is_over_already_never_begins(tmp_path: Path) -> None:
    async def story(one: Nest) -> None:
        _, ending = await one.start("deaf", lease_s=-0.001)
        ended = await asyncio.wait_for(ending, 30)
        assert ended and ended.lapsed and ended.said is None
        assert (await one.run("echo")).said
        assert not (one.notes / "main").exists()

    in_nest(tmp_path, story)


def test_a_lost_keeper_takes_its_run_with_it_and_is_replaced(tmp_path: Path) -> None:
    async def story(one: Nest) -> None:
        _, ending = await one.start("daemonize")
        daemon, main = await one.noted("grandchild"), await one.noted("main")
        assert one.seat
        os.kill(one.seat.pid, signal.SIGKILL)
        assert await asyncio.wait_for(ending, 10) is None
        assert not processes.alive(daemon) and not processes.alive(main)
        one.seat = None
        assert (await one.run("echo")).said

    in_nest(tmp_path, story)


def test_a_lost_zygote_is_replaced_and_its_keepers_work_on(tmp_path: Path) -> None:
    async def story(one: Nest) -> None:
        child, ending = await one.start("daemonize")
        daemon = await one.noted("grandchild")
        former = one.nursery.zygote_pid
        assert former and one.seat
        os.kill(former, signal.SIGKILL)
        await until(lambda: not processes.alive(former))
        other = await one.nursery.hire()
        assert one.nursery.zygote_pid != former
        await child.stop(AT_ONCE)
        assert await ending
        assert not processes.alive(daemon)
        await asyncio.wait_for(one.nursery.until_swept(one.seat), 10)
        await asyncio.wait_for(one.nursery.until_swept(other), 10)

    in_nest(tmp_path, story)


def test_everything_ends_with_the_nursery(tmp_path: Path) -> None:
    seen: list[int] = []

    async def story(one: Nest) -> None:
        await one.start("daemonize")
        seen.extend([await one.noted("grandchild"), await one.noted("main")])
        assert one.seat and one.nursery.zygote_pid
        seen.extend([one.seat.pid, one.nursery.zygote_pid])

    in_nest(tmp_path, story)
    assert not any(processes.alive(pid) for pid in seen)


@pytest.mark.parametrize(
    ("kind", "word"), [("nul", "NUL"), ("long", "longer than"), ("object", "not JSON")]
)
def test_a_result_that_cannot_be_reported_fails_the_run(
    tmp_path: Path, kind: str, word: str
) -> None:
    async def story(one: Nest) -> None:
        ended = await one.run("odd_result", {"kind": kind})
        assert ended.said and ended.said.ending == "failed"
        assert word in ended.said.message

    in_nest(tmp_path, story)


def test_an_unknown_capability_and_a_wrong_input_are_said_plainly(tmp_path: Path) -> None:
    async def story(one: Nest) -> None:
        unknown = await one.run("no_such_thing")
        assert unknown.said and "no_such_thing" in unknown.said.message
        wrong = await one.run("sleep", {"seconds": "long"})
        assert wrong.said and "seconds" in wrong.said.message

    in_nest(tmp_path, story)


def test_runs_leave_no_files_behind(tmp_path: Path) -> None:
    async def story(one: Nest) -> None:
        await one.run("echo")
        assert list((tmp_path / "runs").iterdir()) == []

    in_nest(tmp_path, story)
