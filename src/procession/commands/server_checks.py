"""What `doctor` looks at across the network: the server, the token, the clocks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from procession.client import Client, Unreachable
from procession.commands.findings import Finding, note, ok, wrong

CLOCKS_APART_S_MAX = 5.0
TIMEOUT_S = 10.0

PROBES = {
    "execution:read": ("GET", "/processes?limit=1"),
    "execution:write": ("POST", "/capability-requests/enqueue"),
    "fleet:write": ("POST", "/accounts"),
    "worker": ("POST", "/worker/v1/drain"),
}
"""Requests that are refused for want of a scope, or for their empty body, and so change nothing."""


def server(url: str, token: str) -> list[Finding]:
    """The server, and what the token may do there."""
    try:
        return asyncio.run(_look(url, token))
    except ValueError as error:
        return [wrong("server", f"{url}: {error}", "correct --server and --token")]


async def _look(url: str, token: str) -> list[Finding]:
    async with Client(url, token) as client:
        try:
            status, headers, _ = await client.get("/healthz", timeout_s=TIMEOUT_S)
            if status != 200:
                return [wrong("server", f"{url} answers {status}", "see the server's log")]
            return [ok("server", url), clock(headers, time.time()), await _token(client, token)]
        except Unreachable as error:
            remedy = "start it with `procession serve`, or name it with --server"
            return [wrong("server", f"{url}: {error}", remedy)]


def clock(headers: Mapping[str, str], now_s: float) -> Finding:
    """The server's clock against ours, as well as the whole seconds of HTTP tell."""
    try:
        told_s = parsedate_to_datetime(headers["Date"]).timestamp()
    except (KeyError, ValueError):
        return note("clock", "the server does not tell its time", "compare the clocks by hand")
    apart_s = abs(now_s - told_s)
    if apart_s > CLOCKS_APART_S_MAX:
        return wrong("clock", f"{apart_s:.0f} s apart from the server", "run NTP on both machines")
    return ok("clock", "agrees with the server's")


async def _token(client: Client, token: str) -> Finding:
    if not token:
        return note("token", "none given", "set PROCESSION_TOKEN to have it checked")
    scopes = []
    for scope, (method, path) in PROBES.items():
        status, body = await _probe(client, method, path)
        if status == 401:
            remedy = "make one: `procession token create`, on the server's machine"
            return wrong("token", "unknown or revoked", remedy)
        if status in {429, 503}:
            return note("token", f"not checked: {status} {body}", "try again")
        if status != 403:
            scopes.append(scope)
    if not scopes:
        return note("token", "valid, for other faces only", "make one with the scopes you need")
    return ok("token", "valid, may " + ", ".join(scopes))


async def _probe(client: Client, method: str, path: str) -> tuple[int, Any]:
    if method == "GET":
        status, _, body = await client.get(path, timeout_s=TIMEOUT_S)
    else:
        status, _, body = await client.post(path, {}, timeout_s=TIMEOUT_S)
    return status, body
