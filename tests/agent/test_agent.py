"""The agent's loop against a server: from claim to answer."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
from fake_server import FakeServer
from living import living_agent


def test_an_item_is_claimed_run_and_answered(tmp_path: Path) -> None:
    async def story() -> None:
        async with FakeServer() as server, living_agent(server, tmp_path):
            given = await server.give("p1", "echo", {"said": "hello"})
            result = await server.result_of(given)
            assert result.outcome == "completed"
            assert msgspec.json.decode(bytes(result.result)) == {"said": "hello"}
            assert [m.agent_id for m in server.heard("register")] == ["agent-1"]

    asyncio.run(story())
