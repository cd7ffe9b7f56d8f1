"""A whole agent in the test's own event loop, against a fake server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fake_server import TOKEN, FakeServer

from procession.agent.agent import Agent
from procession.agent.life import Life
from procession.agent.settings import AgentSettings
from procession.client import Client


def settings_for(server: FakeServer, state: Path, **changes: Any) -> AgentSettings:
    values: dict[str, Any] = {
        "server": server.url,
        "token": TOKEN,
        "agent_id": "agent-1",
        "state_dir": str(state),
        "lanes_without_phone": ["p1", "p2"],
        "drain_ms": 500,
    }
    return AgentSettings(**(values | changes))


@asynccontextmanager
async def living_agent(server: FakeServer, state: Path, **changes: Any) -> AsyncIterator[Agent]:
    """An agent at work; drained at the end."""
    settings = settings_for(server, state, **changes)
    life = Life(settings.state_path())
    async with Client(settings.server, settings.token) as client:
        agent = Agent(settings, client, life)
        serving = asyncio.create_task(agent.serve())
        try:
            yield agent
        finally:
            agent.drain()
            try:
                await asyncio.wait_for(serving, 30)
            finally:
                life.close()
