"""Runs an agent as a program: signals, the secret put out of reach, the event loop."""

from __future__ import annotations

import asyncio
import signal

import uvloop

from procession.agent import processes
from procession.agent.agent import Agent
from procession.agent.life import Life
from procession.agent.secret import blot_out
from procession.agent.settings import AgentSettings
from procession.client import Client


def run_agent(settings: AgentSettings) -> None:
    """Run an agent until it has drained.

    SIGTERM and SIGINT drain, a second one ends runs at once; SIGHUP lifts quarantines. Raises
    AlreadyRunning, OrphansRemain, and Refused when the server will not have this agent.
    """
    blot_out(settings.token)
    processes.hide_memory()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_live(settings))


async def _live(settings: AgentSettings) -> None:
    life = await asyncio.to_thread(Life, settings.state_path())
    try:
        async with Client(settings.server, settings.token) as client:
            agent = Agent(settings, client, life)
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGTERM, agent.drain)
            loop.add_signal_handler(signal.SIGINT, agent.drain)
            loop.add_signal_handler(signal.SIGHUP, agent.phones.lift_quarantines)
            await agent.serve()
    finally:
        life.close()
