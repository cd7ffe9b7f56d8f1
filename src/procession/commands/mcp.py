"""`procession mcp`."""

from __future__ import annotations

import signal
from typing import Annotated

import typer

from procession.commands.calls import SERVER, ServerOption, TokenOption
from procession.commands.importing import without_collections
from procession.commands.options import command
from procession.commands.outcome import CommandFailed, UsageWrong

ReadOnlyOption = Annotated[
    bool, typer.Option("--read-only", help="Offer only tools that change nothing.")
]


def register(app: typer.Typer) -> None:
    command(app, "mcp")(mcp)


def mcp(
    *, server: ServerOption = SERVER, token: TokenOption = "", read_only: ReadOnlyOption = False
) -> None:
    """Speak the Model Context Protocol on standard input and output, for a model's client.

    Its tools are those of the server's /mcp, as the token may use them. Ends with its input.
    """
    if not token:
        raise UsageWrong("a token is needed: set PROCESSION_TOKEN, or give --token")
    if not server.startswith(("http://", "https://")):
        raise UsageWrong(f"--server {server!r} does not start with http:// or https://")
    with without_collections():
        import asyncio

        from procession.relay import ServerLost, relay

    # A read of standard input that has begun cannot be called off.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        asyncio.run(relay(server, token, read_only=read_only))
    except ServerLost as lost:
        raise CommandFailed(str(lost)) from None
