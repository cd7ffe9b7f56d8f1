"""The Model Context Protocol on standard input and output, answered by a server's `/mcp`.

Everything is decided there: which tools there are, who may use them, what they do. What is said
here is handed on call by call; a call that is cancelled here ends there too.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import httpx2
import mcp_types as types
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.server.stdio import stdio_server
from mcp.shared.exceptions import MCPError

NAME = "procession"
CONNECT_TIMEOUT_S = 5.0
SILENT_S_MAX = 60.0
"""A server that answers later sends a ping every 15 s meanwhile."""

UNREACHED = "x-procession-unreached"

Context = ServerRequestContext[Any, Any]


class ServerLost(Exception):
    """The server cannot be reached, or refuses this token."""


class Reaching(httpx2.AsyncHTTPTransport):
    """Answers for a server that cannot be reached: the SDK's client ends with the first failure."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        try:
            answer = await super().handle_async_request(request)
            if not answer.headers.get("content-type", "").startswith("text/event-stream"):
                await answer.aread()
            return answer
        except httpx2.TransportError as error:
            said = f"cannot reach {request.url}: {error or type(error).__name__}"
            fault = {"code": types.INTERNAL_ERROR, "message": said}
            body = {"jsonrpc": "2.0", "id": None, "error": fault}
            return httpx2.Response(503, headers={UNREACHED: "1"}, json=body)


async def relay(address: str, token: str, *, read_only: bool) -> None:
    """Serve until standard input ends. Raises ServerLost when the server is not there at first."""
    headers = {"Authorization": f"Bearer {token}"}
    if read_only:
        headers["X-Procession-Read-Only"] = "true"
    timeout = httpx2.Timeout(SILENT_S_MAX, connect=CONNECT_TIMEOUT_S)
    async with httpx2.AsyncClient(headers=headers, timeout=timeout, transport=Reaching()) as http:
        url = f"{address.rstrip('/')}/mcp"
        await _knock(http, url)
        async with Client(streamable_http_client(url, http_client=http)) as client:
            await _serve(client)


async def _knock(http: httpx2.AsyncClient, url: str) -> None:
    """Raises ServerLost with what a person can do something about."""
    ping = {"jsonrpc": "2.0", "id": 0, "method": "ping"}
    accept = {"Accept": "application/json, text/event-stream"}
    try:
        answer = await http.post(url, json=ping, headers=accept)
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
        raise ServerLost(f"{url} is no address of a server: {error}") from None
    if answer.headers.get(UNREACHED):
        raise ServerLost(_told(answer))
    if answer.status_code != httpx2.codes.OK:
        raise ServerLost(f"{url} answered {answer.status_code}: {_told(answer)}")


def _told(answer: httpx2.Response) -> str:
    try:
        return str(answer.json()["error"]["message"])
    except (ValueError, LookupError, TypeError):
        return answer.reason_phrase


def _failed(said: str) -> types.CallToolResult:
    """A failure that a model is told, and may try again."""
    return types.CallToolResult(content=[types.TextContent(type="text", text=said)], is_error=True)


async def _serve(client: Client) -> None:
    async def list_tools(_: Context, __: Any) -> types.ListToolsResult:
        return await client.list_tools()

    async def call_tool(
        context: Context, params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        try:
            return await client.call_tool(
                params.name, params.arguments, progress_callback=context.session.report_progress
            )
        except MCPError as error:
            if error.code == types.INVALID_PARAMS:
                raise
            return _failed(error.message)

    server = Server(
        NAME,
        version=version(NAME),
        instructions=client.instructions,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())
