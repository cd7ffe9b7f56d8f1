"""`procession mcp`: a real child that a model's client starts, before a real server."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import pytest
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from run_program import PROGRAM, TOKEN, Running, environment, run, serve

END_S_MAX = 10.0


class There(NamedTuple):
    """A server, and its address."""

    server: Running
    address: str


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[There]:
    server, address = serve(tmp_path_factory.mktemp("mcp"))
    yield There(server, address)
    server.close()


@asynccontextmanager
async def model(
    address: str, log: Path, *words: str, mode: str = "auto", **variables: str
) -> AsyncIterator[Client]:
    """A client of a child that it started; what the child logs is a file."""
    given = environment(server=address, token=TOKEN, **variables)
    child = StdioServerParameters(command=PROGRAM, args=["mcp", *words], env=given)
    with log.open("a") as errors:
        async with Client(stdio_client(child, errlog=errors), mode=mode) as client:
            yield client


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_a_child_offers_what_the_server_does(there: There, tmp_path: Path, mode: str) -> None:
    notes: list[float] = []

    async def heard(progress: float, _: float | None, __: str | None) -> None:
        notes.append(progress)

    async def use() -> None:
        async with model(there.address, tmp_path / "log", mode=mode) as client:
            names = {tool.name for tool in (await client.list_tools()).tools}
            assert {"ask_question", "wait_for_task", "submit_process"} <= names
            asked: dict[str, Any] = {"question": "Shall we?", "wait_seconds": 1}
            result = await client.call_tool("ask_question", asked, progress_callback=heard)
            found = result.structured_content
            assert (found["status"], found["timed_out"]) == ("pending", True)
            assert found["url"].startswith(f"{there.address}/t/")
            assert notes
            said = await client.call_tool("get_task", {"task_id": "x"})
            assert said.is_error and said.content[0].text == "Task not found"

    asyncio.run(use())
    assert (tmp_path / "log").read_text() == ""


def test_a_call_that_is_cancelled_leaves_the_child_at_work(there: There, tmp_path: Path) -> None:
    async def use() -> None:
        async with model(there.address, tmp_path / "log") as client:
            task = (await client.call_tool("ask_question", {"question": "Q"})).structured_content
            told = anyio.Event()

            async def heard(*_: Any) -> None:
                told.set()

            async with anyio.create_task_group() as group:

                async def wait() -> None:
                    given = {"task_id": task["task_id"]}
                    await client.call_tool("wait_for_task", given, progress_callback=heard)

                group.start_soon(wait)
                with anyio.fail_after(10):
                    await told.wait()
                group.cancel_scope.cancel()
            seen = await client.call_tool("get_task", {"task_id": task["task_id"]})
            assert seen.structured_content["status"] == "pending"

    asyncio.run(use())


def test_a_read_only_child_offers_only_what_changes_nothing(there: There, tmp_path: Path) -> None:
    async def use() -> None:
        async with model(there.address, tmp_path / "log", read_only="1") as client:
            tools = (await client.list_tools()).tools
            assert tools and all(tool.annotations.read_only_hint for tool in tools)
            said = await client.call_tool("ask_question", {"question": "Q"})
            assert said.is_error and "this is read-only" in said.content[0].text

    asyncio.run(use())


def test_nothing_but_the_protocol_comes_out_and_it_ends_with_its_input(there: There) -> None:
    hello = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        },
    }
    with subprocess.Popen(
        [PROGRAM, "mcp"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(server=there.address, token=TOKEN),
    ) as child:
        assert child.stdin is not None and child.stdout is not None and child.stderr is not None
        child.stdin.write(f"nonsense\n{json.dumps(hello)}\n")
        child.stdin.flush()
        answer = child.stdout.readline()
        while json.loads(answer).get("id") != 1:
            answer = child.stdout.readline()
        assert json.loads(answer)["result"]["serverInfo"]["name"] == "procession"
        child.stdin.close()
        for line in child.stdout:
            assert json.loads(line)["jsonrpc"] == "2.0"
        assert child.wait(END_S_MAX) == 0
        assert "Traceback" not in child.stderr.read()


@pytest.mark.parametrize(
    ("variables", "status", "said"),
    [
        ({"server": "http://127.0.0.1:9"}, 1, "cannot reach http://127.0.0.1:9/mcp"),
        ({"token": "y" * 40}, 1, "answered 401: Invalid token"),
        ({"token": ""}, 2, "a token is needed"),
        ({"server": "ftp://x"}, 2, "does not start with http"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    there: There, variables: dict[str, str], status: int, said: str
) -> None:
    ran = run("mcp", **({"server": there.address, "token": TOKEN} | variables))
    assert (ran.status, ran.out) == (status, "")
    assert said in ran.complaint


def test_a_server_that_is_gone_fails_calls_until_it_is_back(tmp_path: Path) -> None:
    server, address = serve(tmp_path)
    servers = [server]

    async def use() -> None:
        async with model(address, tmp_path / "log") as client:
            asked = await client.call_tool("ask_question", {"question": "Q"})
            assert await asyncio.to_thread(server.end) == 0
            result = await client.call_tool("list_tasks", {})
            assert result.is_error and "cannot reach" in result.content[0].text
            port = address.rpartition(":")[2]
            servers.append((await asyncio.to_thread(serve, tmp_path, port=port))[0])
            result = await client.call_tool("list_tasks", {})
            (task,) = result.structured_content["tasks"]
            assert task["task_id"] == asked.structured_content["task_id"]

    try:
        asyncio.run(use())
    finally:
        for one in servers:
            one.close()
