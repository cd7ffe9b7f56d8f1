"""The official SDK's server over our tools. Importing this takes a second: only who needs it does.

An HTTP request is served on its own, with nothing kept from one to the next, so that any server
of an installation can answer any of them.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.shared.exceptions import MCPError
from msgspec.json import decode

from procession.engine import Engine
from procession.faces.mcp.calling import Outcome, ToolUnknown, outcome_of, visible
from procession.faces.mcp.posted import POSTED, Posted
from procession.faces.mcp.tools import Call, Tool, schema_of
from procession.faces.router import AsgiApp, Receive, Scope, Send

NAME = "procession"
INSTRUCTIONS = (
    "Ask people and track work. The ask_ tools put a question to a person, who answers in a form"
    " at the url you get; follow a task with wait_for_task. Processes show people how work in"
    " several steps goes."
)
LIST_FRESH_MS = 60_000
Context = ServerRequestContext[Any, Any]


def make_sdk_app(engine: Engine) -> AsgiApp:
    """An ASGI application for one POST each; its scope holds a Posted under POSTED."""
    shown = {}

    async def list_tools(context: Context, _: Any) -> types.ListToolsResult:
        posted = _posted(context)
        tools = visible(posted.caller, posted.read_only)
        for tool in tools:
            if tool.name not in shown:
                shown[tool.name] = _shown(tool)
        return types.ListToolsResult(
            tools=[shown[tool.name] for tool in tools],
            ttl_ms=LIST_FRESH_MS,
            cache_scope="private",
        )

    async def call_tool(
        context: Context, params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        posted = _posted(context)
        call = Call(
            engine,
            posted.caller,
            posted.address,
            posted.file_address,
            context.session.report_progress,
        )
        try:
            outcome = await outcome_of(call, params.name, params.arguments or {}, posted.read_only)
        except ToolUnknown as unknown:
            raise MCPError(types.INVALID_PARAMS, str(unknown)) from None
        return _result(outcome)

    server = Server(
        NAME,
        version=version(NAME),
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        get_tool_input_schema=lambda _: None,
    )

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        manager = StreamableHTTPSessionManager(server, stateless=True)
        async with manager.run():
            await manager.handle_request(scope, receive, send)

    return serve


def _posted(context: Context) -> Posted:
    assert context.request is not None
    posted: Posted = context.request.scope[POSTED]
    return posted


def _shown(tool: Tool) -> types.Tool:
    return types.Tool(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=schema_of(tool.takes),
        output_schema=schema_of(tool.gives),
        annotations=types.ToolAnnotations(
            title=tool.title,
            read_only_hint=tool.read_only,
            destructive_hint=tool.destructive,
            idempotent_hint=tool.idempotent,
            open_world_hint=tool.open_world,
        ),
    )


def _result(outcome: Outcome) -> types.CallToolResult:
    content: list[types.ContentBlock] = [types.TextContent(type="text", text=outcome.text)]
    if outcome.is_error:
        return types.CallToolResult(content=content, is_error=True)
    return types.CallToolResult(content=content, structured_content=decode(outcome.text))
