"""What a run can reach of its agent: not the token."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import msgspec
from fake_server import TOKEN, FakeServer
from nest import until
from subprocess_agent import started_agent

ALLOWED = {
    "HOME",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "PATH",
    "PROCESSION_ATTEMPT",
    "PROCESSION_ITEM_ID",
    "PROCESSION_LIFE",
    "PROCESSION_PROCESS_ID",
    "TMPDIR",
    "TZ",
}


def looked_around(tmp_path: Path) -> dict[str, Any]:
    async def story() -> dict[str, Any]:
        async with FakeServer() as server, started_agent(server, tmp_path / "state") as agent:
            result = await server.result_of(await server.give("p1", "look_around"))
            assert result.outcome == "completed", result.error
            seen: dict[str, Any] = msgspec.json.decode(bytes(result.result))
            for name in ("cmdline", "environ"):
                own = Path(f"/proc/{agent.pid}/{name}").read_bytes()
                assert TOKEN.encode() not in own
            state = (tmp_path / "state").rglob("*")
            assert not any(TOKEN.encode() in file.read_bytes() for file in state if file.is_file())
            return seen

    return asyncio.run(story())


def test_a_run_sees_no_token_and_only_what_is_on_the_list(tmp_path: Path) -> None:
    seen = looked_around(tmp_path)
    assert TOKEN not in msgspec.json.encode(seen).decode()
    assert seen["env"].keys() <= ALLOWED
    assert seen["env"]["PROCESSION_ITEM_ID"]
    assert seen["env"]["HOME"].startswith(str(tmp_path / "state" / "runs"))
    # Standard files, its channel, and the one that lists this directory.
    assert seen["fds"] == [0, 1, 2, 3, 4]
    assert seen["session"] is True
    assert "zygote" in seen["ancestors"][-1]["cmdline"]


def test_a_token_on_the_command_line_is_blotted_out(tmp_path: Path) -> None:
    program = (
        "import sys; from procession.agent.secret import blot_out; blot_out(sys.argv[1]);"
        "print('ready', flush=True); sys.stdin.read()"
    )

    async def story() -> None:
        import sys

        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            program,
            TOKEN,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=dict(os.environ) | {"ANY_NAME": TOKEN},
        )
        assert child.stdout and await child.stdout.readline() == b"ready\n"
        for name in ("cmdline", "environ"):
            assert TOKEN.encode() not in Path(f"/proc/{child.pid}/{name}").read_bytes()
        child.send_signal(signal.SIGKILL)
        await child.wait()

    asyncio.run(story())


def test_the_agents_own_files_are_for_its_user_only(tmp_path: Path) -> None:
    async def story() -> None:
        async with FakeServer() as server, started_agent(server, tmp_path / "state"):
            await server.until_heard("register", 1)
            await until((tmp_path / "state" / "spool.jsonl").exists)
            for path in (tmp_path / "state", tmp_path / "state" / "runs"):
                assert path.stat().st_mode & 0o077 == 0
            assert (tmp_path / "state" / "spool.jsonl").stat().st_mode & 0o077 == 0

    asyncio.run(story())
