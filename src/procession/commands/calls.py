"""Calls to the server: who is asked, as whom, and what a refusal looks like to people."""

from __future__ import annotations

import getpass
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from urllib.parse import quote, urlencode

import typer

from procession.commands.outcome import CommandFailed, UsageWrong

if TYPE_CHECKING:
    from procession.client import Answer, Client

T = TypeVar("T")

SERVER = "http://127.0.0.1:8700"
SYSTEM = "procession-cli"

ServerOption = Annotated[str, typer.Option("--server", help="Address of the server.")]
TokenOption = Annotated[
    str, typer.Option("--token", help="Your token; better given as PROCESSION_TOKEN.")
]


def calling(server: str, token: str, work: Callable[[Client], Awaitable[T]]) -> T:
    """Do work with a client. Raises UsageWrong without a token, CommandFailed when it fails."""
    if not token:
        raise UsageWrong("a token is needed: set PROCESSION_TOKEN, or give --token")
    if not server.startswith(("http://", "https://")):
        raise UsageWrong(f"--server {server!r} does not start with http:// or https://")
    import asyncio

    from procession.client import Client, Unreachable

    async def run() -> T:
        async with Client(server, token) as client:
            return await work(client)

    try:
        return asyncio.run(run())
    except Unreachable as error:
        raise CommandFailed(f"cannot reach {server}: {error}") from None
    except ValueError as error:
        raise UsageWrong(f"--server or --token cannot be used: {error}") from None


def read(server: str, token: str, path: str) -> Any:
    """What the server answers to a GET. Raises UsageWrong, CommandFailed."""
    return calling(server, token, lambda client: accepted(client.get(path)))


async def accepted(answer: Awaitable[Answer]) -> Any:
    """The body of a 2xx answer. Raises CommandFailed with what any other says."""
    status, _, body = await answer
    if not 200 <= status < 300:
        raise CommandFailed(refusal(status, body))
    return body


def refusal(status: int, body: Any) -> str:
    """One line out of a refusal: the rule, the field where there is one, and the code."""
    if not isinstance(body, Mapping):
        return f"the server answered {status}: {str(body)[:500]}"
    errors = body.get("errors") or []
    lines = [f"{one['pointer']}: {one['message']}" for one in errors if one.get("pointer")]
    text = "; ".join(lines) or body.get("detail") or body.get("title") or f"status {status}"
    return f"refused: {text} ({status} {body.get('code', '')})"


def path_of(*words: str, **query: Any) -> str:
    """A path of quoted words, with the query's values that are set."""
    given = {name: value for name, value in query.items() if value not in {None, ""}}
    path = "/" + "/".join(quote(word, safe="") for word in words)
    return f"{path}?{urlencode(given)}" if given else path


def user_name() -> str | None:
    """Who is at the keyboard, where the system knows."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return None
