"""`procession mcp`: a real child that a model's client starts, before a real server."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import httpx2
import pytest
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from run_program import PROGRAM, TOKEN, Running, environment, run, serve

from procession.faces.mcp.catalogue import TOOLS

PAGE = Path(__file__).parents[2] / "docs" / "mcp.md"
END_S_MAX = 10.0


class There(NamedTuple):
    """A server, and its address."""

    server: Running
    address: str
    home: Path


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[There]:
    home = tmp_path_factory.mktemp("mcp")
    server, address = serve(home)
    yield There(server, address, home)
    server.close()


@asynccontextmanager
async def model(address: str, log: Path, **variables: str) -> AsyncIterator[Client]:
    """A client of a child that it started; what the child logs is a file."""
    given = environment(server=address, token=TOKEN, **variables)
    child = StdioServerParameters(command=PROGRAM, args=["mcp"], env=given)
    with log.open("a") as errors:
        async with Client(stdio_client(child, errlog=errors)) as client:
            yield client


def test_a_child_does_what_the_server_does(there: There, tmp_path: Path) -> None:
    notes: list[float] = []

    async def heard(progress: float, _: float | None, __: str | None) -> None:
        notes.append(progress)

    async def use() -> None:
        async with model(there.address, tmp_path / "log") as client:
            asked: dict[str, Any] = {"question": "Shall we?", "wait_seconds": 1}
            result = await client.call_tool("ask_question", asked, progress_callback=heard)
            task = result.structured_content
            assert (task["status"], task["timed_out"]) == ("pending", True)
            assert task["url"].startswith(f"{there.address}/t/")
            assert notes
            said = await client.call_tool("get_task", {"task_id": "x"})
            assert said.is_error and said.content[0].text == "Task not found"
            with pytest.raises(MCPError, match="there is no tool"):
                await client.call_tool("format_disk", {})
            await cancelled_wait(client, task["task_id"])
            seen = await client.call_tool("get_task", {"task_id": task["task_id"]})
            assert seen.structured_content["status"] == "pending"

    asyncio.run(use())
    assert (tmp_path / "log").read_text() == ""


async def cancelled_wait(client: Client, task_id: str) -> None:
    """A wait that its client calls off once it is under way."""
    told = anyio.Event()

    async def heard(*_: Any) -> None:
        told.set()

    async with anyio.create_task_group() as group:

        async def wait() -> None:
            given = {"task_id": task_id}
            await client.call_tool("wait_for_task", given, progress_callback=heard)

        group.start_soon(wait)
        with anyio.fail_after(10):
            await told.wait()
        group.cancel_scope.cancel()


def test_the_page_shows_what_can_be_run(there: There, tmp_path: Path) -> None:
    page = PAGE.read_text()
    (line,) = (line for line in page.splitlines() if line.startswith("    procession token"))
    made = run(*line.split()[1:], database=f"sqlite:///{there.home / 'procession.db'}")
    assert made.status == 0, made.err
    token = re.search(r"htk_[0-9a-f]{64}", made.out)
    assert token is not None
    configs = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", page, re.DOTALL)]
    started, called = (config["mcpServers"]["procession"] for config in configs)
    words = [word.replace("http://127.0.0.1:8700", there.address) for word in started["args"]]
    child = StdioServerParameters(
        command=str(Path(PROGRAM).with_name(started["command"])),
        args=words,
        env=environment() | dict.fromkeys(started["env"], token[0]),
    )
    headers = {name: value.replace("htk_…", token[0]) for name, value in called["headers"].items()}
    url = called["url"].replace("http://127.0.0.1:8700", there.address)
    rows = re.findall(r"^\| `(\w+)` \| `([a-z:]+)` \| (yes|no) \|", page, re.MULTILINE)
    shown = {row[0] for row in rows if row[1] != "processes:write"}

    async def use() -> None:
        with (tmp_path / "log").open("w") as errors:
            async with Client(stdio_client(child, errlog=errors)) as client:
                assert {tool.name for tool in (await client.list_tools()).tools} == shown
        async with (
            httpx2.AsyncClient(headers=headers, trust_env=False) as http,
            Client(streamable_http_client(url, http_client=http)) as client,
        ):
            assert {tool.name for tool in (await client.list_tools()).tools} == shown

    asyncio.run(use())
    assert rows == [
        (tool.name, tool.scope, "no" if tool.read_only else "yes") for tool in TOOLS.values()
    ]


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
