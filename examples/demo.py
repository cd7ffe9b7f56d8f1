"""Everything at work on this machine: server, agent, simulated phones, a receiver of callbacks.

    make demo            runs until Ctrl-C
    make demo ONCE=1     ends by itself; exit status 0 only if everything ended as it should

It starts the programs an installation has, submits ten requests of all kinds, stops two of them,
retries one, and shows how they go on; beside them a background job imports a CSV file.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import secrets
import shutil
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import adbutils
from demo_job import Import
from demo_requests import PLANS, Clip, Plan, submit_all
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table

from procession.client import Client

PHONES = 6
START_S_MAX = 60.0
END_S_MAX = 180.0
CALLBACKS_S_MAX = 30.0
PROCESSION = str(Path(sys.executable).with_name("procession"))
RECEIVER = str(Path(__file__).with_name("receiver.py"))
FINAL = {"completed", "failed_terminal", "cancelled"}

console = Console()


def free_port() -> int:
    """A port outside the range the system gives to connections, which adb can count on."""
    while True:
        port = random.randint(15_000, 31_999)  # noqa: S311
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port


@asynccontextmanager
async def program(
    name: str, *command: str, home: Path, env: dict[str, str], stdout: Any = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A child that is told to end with the demo; its log lies in the demo's folder."""
    log = (home / f"{name}.log").open("ab")
    child = await asyncio.create_subprocess_exec(
        *command, env=os.environ | env, stdout=stdout or log, stderr=log, start_new_session=True
    )
    try:
        yield child
    finally:
        log.close()
        if child.returncode is None:
            child.terminate()
            try:
                await asyncio.wait_for(child.wait(), 15)
            except TimeoutError:
                child.kill()
                await child.wait()


async def first_line(name: str, child: asyncio.subprocess.Process, home: Path) -> str:
    assert child.stdout is not None
    line = await asyncio.wait_for(child.stdout.readline(), START_S_MAX)
    if not line:
        log = (home / f"{name}.log").read_text(errors="replace")
        raise SystemExit(f"{name} did not start; its log says:\n{log[-2_000:]}")
    return line.decode().strip()


class Stage:
    """What was started, and where it is."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.token = f"htk_{secrets.token_hex(32)}"
        self.secret = f"whsec_{secrets.token_hex(24)}"
        self.adb_port = free_port()
        self.server = ""
        self.receiver = ""
        self.control_port = 0
        self.job = Import(home)

    async def start(self, stack: AsyncExitStack) -> None:
        """Receiver, server, worker, phones, agent, in this order."""
        pipe = asyncio.subprocess.PIPE
        receiver = await stack.enter_async_context(
            program(
                "receiver",
                *(sys.executable, RECEIVER, "--port", "0", "--secret", self.secret, "--json"),
                home=self.home,
                env={},
                stdout=pipe,
            )
        )
        self.receiver = json.loads(await first_line("receiver", receiver, self.home))["url"]
        stack.push_async_callback(_stopped, asyncio.create_task(_swallow(receiver)))
        server = await stack.enter_async_context(
            program(
                "server",
                *(PROCESSION, "serve", "--port", "0"),
                *("--database", f"sqlite:///{self.home / 'procession.db'}"),
                home=self.home,
                env={
                    "PROCESSION_BOOTSTRAP_TOKEN": self.token,
                    "PROCESSION_CALLBACK_ALLOW": "127.0.0.0/8",
                    "PROCESSION_CALLBACK_SECRETS": self.secret,
                },
                stdout=pipe,
            )
        )
        self.server = next(
            word
            for word in (await first_line("server", server, self.home)).split()
            if "://" in word
        )
        await stack.enter_async_context(
            program(
                "worker",
                *(PROCESSION, "worker", "--server", self.server, "--name", "demo-worker"),
                *("--lanes", "1", "--state-dir", str(self.home / "worker")),
                home=self.home,
                env=self.job.worker_settings | {"PROCESSION_TOKEN": self.token},
            )
        )
        await self._start_phones(stack)

    async def _start_phones(self, stack: AsyncExitStack) -> None:
        adb = {"ANDROID_ADB_SERVER_PORT": str(self.adb_port)}
        stack.push_async_callback(self._stop_adb)
        phones = await stack.enter_async_context(
            program(
                "simulator",
                *(PROCESSION, "simulate", "--phones", str(PHONES), "--json"),
                *("--adb-port", str(self.adb_port)),
                home=self.home,
                env=adb,
                stdout=asyncio.subprocess.PIPE,
            )
        )
        self.control_port = json.loads(await first_line("simulator", phones, self.home))[
            "control_port"
        ]
        await stack.enter_async_context(
            program(
                "agent",
                *(PROCESSION, "agent", "--server", self.server, "--agent-id", "demo"),
                *("--adb-port", str(self.adb_port), "--state-dir", str(self.home / "agent")),
                home=self.home,
                env=adb | {"PROCESSION_TOKEN": self.token},
            )
        )

    async def _stop_adb(self) -> None:
        """The demo's own adb server, on its own port."""
        adb = str(adbutils.adb_path())
        command = (adb, "-P", str(self.adb_port), "kill-server")
        ending = await asyncio.create_subprocess_exec(
            *command, stderr=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL
        )
        await asyncio.wait_for(ending.wait(), 10)

    async def app_state(self, phone_id: str) -> dict[str, Any]:
        """What the demo app on a phone has seen, straight from the simulator."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.control_port)
        writer.write(json.dumps({"phone": phone_id, "state": True}).encode() + b"\n")
        state: dict[str, Any] = json.loads(await reader.readline())
        writer.close()
        return state


async def _swallow(child: asyncio.subprocess.Process) -> None:
    """Read what a child prints, so that it never waits for a full pipe."""
    assert child.stdout is not None
    while await child.stdout.readline():
        pass


async def _stopped(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


async def until_phones(client: Client) -> None:
    """Wait until the agent has shown all phones to the server."""
    async with asyncio.timeout(START_S_MAX):
        while True:
            _, _, answer = await client.get("/phones")
            if sum(phone["state"] == "available" for phone in answer["phones"]) == PHONES:
                return
            await asyncio.sleep(0.2)


async def records(client: Client, plans: list[Plan]) -> dict[str, dict[str, Any]]:
    found = {}
    for plan in plans:
        status, _, record = await client.get(f"/processes/{plan.process_id}")
        assert status == 200, record
        found[plan.name] = record
    return found


def screen(stage: Stage, plans: list[Plan], now: dict[str, dict[str, Any]]) -> Group:
    table = Table(title="Procession demo", expand=True)
    for column in ("request", "capability", "status", "phone", "progress", "note"):
        table.add_column(column)
    for plan in plans:
        record = now.get(plan.name, {})
        progress = record.get("partial_progress", {})
        percent = progress.get("percent")
        table.add_row(
            plan.name,
            plan.capability,
            record.get("status", "…"),
            record.get("target", {}).get("phone_id") or "",
            "" if percent is None else f"{percent:.0f} %",
            (record.get("error") or {}).get("message", "")[:60] or progress.get("message", ""),
        )
    job = stage.job.record
    table.add_row(
        *("import", "csv_import", job.get("status", "…"), "", f"{job.get('progress', 0)} %"),
        stage.job.note,
    )
    lines = [
        f"server    {stage.server}   API description: {stage.server}/openapi.json",
        f"token     {stage.token}",
        f"callbacks {stage.receiver}counts",
        f"logs      {stage.home}",
    ]
    return Group(table, *lines)


async def play(stage: Stage, client: Client, live: Live) -> tuple[list[Plan], dict[str, Any]]:
    """Submit everything and follow it to its end."""
    clip = Clip()
    async with clip.served() as clip_url:
        plans = await submit_all(client, stage.receiver, clip, clip_url)
        acts = [asyncio.create_task(plan.act(client)) for plan in plans]
        job = stage.job.act(client, stage.server, stage.token)
        acts.append(asyncio.create_task(job))
        async with asyncio.timeout(END_S_MAX):
            while True:
                now = await records(client, plans)
                live.update(screen(stage, plans, now))
                if all(act.done() for act in acts) and all(
                    record["status"] in FINAL for record in now.values()
                ):
                    break
                await asyncio.sleep(0.2)
        for act in acts:
            act.result()
    return plans, now


async def callbacks_arrived(stage: Stage, client: Client, plans: list[Plan]) -> str:
    """Empty when every delivery was made and verified; else what is wrong."""
    async with Client(stage.receiver, "") as receiver:
        for _ in range(int(CALLBACKS_S_MAX / 0.2)):
            states = []
            for plan in plans:
                _, _, answer = await client.get(f"/processes/{plan.process_id}/deliveries")
                states += [one["status"] for one in answer["deliveries"]]
            if all(state == "delivered" for state in states):
                _, _, counts = await receiver.get("/counts")
                if counts["verified"] >= len(states) and not counts["refused"]:
                    return ""
            await asyncio.sleep(0.2)
        return f"callbacks: {states.count('delivered')} of {len(states)} delivered, {counts}"


async def faults_found(
    stage: Stage, client: Client, plans: list[Plan], now: dict[str, Any]
) -> list[str]:
    """Everything that did not end as it should."""
    faults = [
        f"{plan.name}: {now[plan.name]['status']} instead of {plan.ends}: {now[plan.name]['error']}"
        for plan in plans
        if now[plan.name]["status"] != plan.ends
    ]
    for plan in plans:
        if plan.seen_on_phone is not None and plan.name in now:
            phone_id = now[plan.name]["target"]["phone_id"]
            if fault := plan.seen_on_phone(await stage.app_state(phone_id)):
                faults.append(f"{plan.name}: {fault}")
    if fault := stage.job.fault():
        faults.append(fault)
    if fault := await callbacks_arrived(stage, client, plans):
        faults.append(fault)
    return faults


async def demo(once: bool) -> int:
    home = Path(tempfile.mkdtemp(prefix="procession-demo-"))
    stage = Stage(home)
    async with AsyncExitStack() as stack:
        if once:
            stack.callback(shutil.rmtree, home, ignore_errors=True)
        console.print("starting server, agent and simulated phones …")
        await stage.start(stack)
        client = await stack.enter_async_context(Client(stage.server, stage.token))
        await until_phones(client)
        with Live(console=console, refresh_per_second=5) as live:
            plans, now = await play(stage, client, live)
        faults = await faults_found(stage, client, plans, now)
        for fault in faults:
            console.print(f"[red]{fault}")
        if not faults:
            console.print(f"[green]all {len(PLANS)} requests and the job ended as they should")
        if not once:
            console.print("still serving; Ctrl-C ends everything")
            await asyncio.Event().wait()
        return 1 if faults else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--once", action="store_true", help="end by itself and say if all went well"
    )
    try:
        return asyncio.run(demo(parser.parse_args().once))
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    sys.exit(main())
