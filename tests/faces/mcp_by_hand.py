"""A model's client: the SDK's own, over real HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from living_server import OURS, Living
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client

from procession import tokens
from procession.engine import Engine
from procession.store.turn import Turn

MODES = ("auto", "legacy")
"""The protocol without a handshake, and the older one with it."""
TIMEOUT_S = 30.0


@asynccontextmanager
async def model(
    port: int, token: str = OURS, mode: str = "auto", query: str = "", **headers: str
) -> AsyncIterator[Client]:
    """A connected client; header names take `_` for `-`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    named["Authorization"] = f"Bearer {token}"
    url = f"http://127.0.0.1:{port}/mcp{query}"
    async with (
        httpx2.AsyncClient(headers=named, timeout=TIMEOUT_S, trust_env=False) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode) as client,
    ):
        yield client


async def done(client: Client, name: str, /, **arguments: Any) -> dict[str, Any]:
    """What a tool answered; it must have done what it was asked."""
    result = await client.call_tool(name, arguments)
    assert not result.is_error, result.content
    found: dict[str, Any] = result.structured_content
    return found


async def refused(client: Client, name: str, /, **arguments: Any) -> str:
    """What a tool said that did not do what it was asked."""
    result = await client.call_tool(name, arguments)
    assert result.is_error, result.structured_content
    assert result.structured_content is None
    (content,) = result.content
    assert content.type == "text"
    return content.text


async def names_of(client: Client) -> set[str]:
    return {tool.name for tool in (await client.list_tools()).tools}


def give_token(server: Living, token: str, scopes: Sequence[str], tenant: str = "ours") -> str:
    """A token with these scopes."""

    async def make(engine: Engine) -> None:
        async def run(turn: Turn) -> None:
            await tokens.create_token(
                turn, token=token, token_id=token[:20], tenant=tenant, name="m", scopes=[*scopes]
            )

        await engine.ledger.errand(run)

    server.call(make)
    return token
