"""A whole agent in a process of its own, so that it can be killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
from fake_server import TOKEN, FakeServer

PROGRAM = """
import logging, os, sys, msgspec
from procession.agent.main import run_agent
from procession.agent.settings import AgentSettings
logging.basicConfig(level="INFO", format="%(asctime)s %(name)s %(message)s")
run_agent(msgspec.convert(
    msgspec.json.decode(sys.argv[1]) | {"token": os.environ["PROCESSION_TOKEN"]}, AgentSettings
))
"""


@contextlib.asynccontextmanager
async def started_agent(
    server: FakeServer, state: Path, **changes: Any
) -> AsyncIterator[asyncio.subprocess.Process]:
    """An agent program; ended with SIGTERM unless it is gone."""
    settings = {
        "server": server.url,
        "token": TOKEN,
        "agent_id": "agent-1",
        "state_dir": str(state),
        "lanes_without_phone": ["p1", "p2"],
        "drain_ms": 300,
    } | changes
    program = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        PROGRAM,
        msgspec.json.encode(settings).decode(),
        env=dict(os.environ) | {"PROCESSION_TOKEN": TOKEN},
    )
    try:
        yield program
    finally:
        if program.returncode is None:
            program.terminate()
        try:
            await asyncio.wait_for(program.wait(), 20)
        except TimeoutError:
            program.kill()
            raise
