"""The demo's ten requests: what is asked, what is done about it, how it should end."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from procession.client import Client

Act = Callable[[Client, "Plan"], Awaitable[None]]
BIO = "Kept by a procession of polite robots"
KEYWORDS = ["street food", "night trains"]
ACCOUNTS = ["account_ada", "account_bo", "account_cy", "account_di"]


@dataclass
class Plan:
    """One request. `seen_on_phone` looks into the app it worked on and says what is wrong."""

    name: str
    capability: str
    body: dict[str, Any]
    ends: str = "completed"
    path: str = "/capability-requests/enqueue"
    then: Act | None = None
    seen_on_phone: Callable[[dict[str, Any]], str] | None = None
    process_id: str = ""

    async def act(self, client: Client) -> None:
        if self.then is not None:
            await self.then(client, self)


class Clip:
    """A small clip, served over HTTP for as long as it is needed."""

    def __init__(self) -> None:
        self.content = secrets.token_bytes(200_000)
        self.sha256 = hashlib.sha256(self.content).hexdigest()

    def posted(self, state: dict[str, Any]) -> str:
        """What is wrong with the app that should show the clip; empty when nothing is."""
        return "" if self.sha256 in str(state) else "the clip does not show in the app"

    @asynccontextmanager
    async def served(self) -> AsyncIterator[str]:
        content = self.content

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "video/mp4")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()

            def do_GET(self) -> None:
                self.do_HEAD()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """The demo's screen is not a log."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/clip.mp4"
        finally:
            server.shutdown()
            server.server_close()


async def _until(client: Client, plan: Plan, statuses: set[str]) -> dict[str, Any]:
    while True:
        _, _, record = await client.get(f"/processes/{plan.process_id}")
        if record["status"] in statuses:
            found: dict[str, Any] = record
            return found
        await asyncio.sleep(0.1)


def _cancel(strategy: str, force_after_seconds: int) -> Act:
    async def act(client: Client, plan: Plan) -> None:
        await _until(client, plan, {"executing"})
        await asyncio.sleep(1)
        body = {
            "reason": f"shown by the demo: {strategy}",
            "requested_by": {"system": "demo"},
            "strategy": strategy,
            "force_after_seconds": force_after_seconds,
        }
        status, _, answer = await client.post(f"/processes/{plan.process_id}/cancel", body)
        assert status == 200, answer

    return act


async def _retry_once_failed(client: Client, plan: Plan) -> None:
    await _until(client, plan, {"failed_terminal"})
    status, _, answer = await client.post(f"/processes/{plan.process_id}/retry")
    assert status == 200, answer


def _searched(state: dict[str, Any]) -> str:
    return "" if all(word in str(state) for word in KEYWORDS) else "the keywords were not typed"


def _edited(state: dict[str, Any]) -> str:
    return "" if BIO in str(state) else "the profile was not edited"


def _request(inputs: dict[str, Any], **target: Any) -> dict[str, Any]:
    return {"mode": "manual", "target": target, "inputs": inputs}


def _direct(number: int) -> dict[str, str]:
    return {
        "routing": "direct",
        "phone_id": f"phone_{number:02}",
        "account_id": ACCOUNTS[number - 1],
    }


PLANS = [
    Plan(
        "warm up by keywords",
        "keyword_warmup",
        _request({"keywords": KEYWORDS, "minutes_per_keyword": 0.1}, **_direct(1)),
        seen_on_phone=_searched,
    ),
    Plan(
        "look through the feed",
        "fyp_warmup",
        _request({"minutes": 0.1}, routing="queue", account_id=ACCOUNTS[1]),
    ),
    Plan(
        "edit a profile",
        "maintenance",
        {
            "account_id": ACCOUNTS[2],
            "inputs": {
                "steps": [{"action": "edit_profile", "params": {"bio": BIO}}],
                "metadata": {},
            },
        },
        path="/maintenance/requests",
        seen_on_phone=_edited,
    ),
    Plan(
        "check a phone's health",
        "maintenance",
        _request(
            {
                "steps": [
                    {"action": "health_check", "params": {}},
                    {"action": "screenshot", "params": {}},
                ],
                "metadata": {},
            },
            **_direct(4),
        ),
    ),
    Plan("post a clip", "post_video", {}, path="/ingest"),
    Plan("an echo", "echo", _request({"hello": "world"}, routing="queue")),
    Plan(
        "stopped softly",
        "sleep",
        _request({"seconds": 120}, routing="queue"),
        ends="cancelled",
        then=_cancel("soft", 0),
    ),
    Plan(
        "stopped by force",
        "sleep",
        _request({"seconds": 120, "ignore_stop": True}, routing="queue"),
        ends="cancelled",
        then=_cancel("soft_then_force", 2),
    ),
    Plan(
        "fails, then retried",
        "fail",
        _request({"message": "as asked", "times": 3}, routing="queue"),
        then=_retry_once_failed,
    ),
    Plan(
        "one on each of four",
        "echo",
        _request({"n": 4}, routing="group", phone_ids=[f"phone_{n:02}" for n in (1, 2, 3, 4)]),
    ),
]


async def submit_all(client: Client, callback_url: str, clip: Clip, clip_url: str) -> list[Plan]:
    """Make the accounts, submit every plan; each plan knows its process afterwards."""
    for number, account_id in enumerate(ACCOUNTS, 1):
        body = {"account_id": account_id, "phone_id": f"phone_{number:02}"}
        status, _, answer = await client.post("/accounts", body)
        assert status == 201, answer
    life = secrets.token_hex(4)
    for number, plan in enumerate(PLANS):
        if plan.path == "/ingest":
            plan.seen_on_phone = clip.posted
        plan.process_id = await _submit(
            client, plan, f"demo-{life}-{number}", callback_url, clip_url
        )
    return PLANS


async def _submit(
    client: Client, plan: Plan, request_id: str, callback_url: str, clip_url: str
) -> str:
    if plan.path == "/ingest":
        body: dict[str, Any] = {
            "content_id": request_id,
            "account_id": ACCOUNTS[1],
            "video_path": clip_url,
            "caption": "A clip from the demo",
            "hashtags": ["demo"],
            "callback_url": callback_url,
        }
    else:
        common = {
            "request_id": request_id,
            "callback": {"url": callback_url, "metadata": {"demo": True}},
            "requested_by": {"system": "demo", "user": None, "metadata": {}},
        }
        body = plan.body | common
        if plan.path != "/maintenance/requests":
            body["capability"] = plan.capability
    status, _, answer = await client.post(plan.path, body)
    assert status == 202, answer
    if plan.path == "/ingest":
        _, _, found = await client.get(
            f"/processes?account_id={ACCOUNTS[1]}&process_type=post_video"
        )
        process_id: str = found["processes"][0]["process_id"]
        return process_id
    return str(answer["process_id"])
