"""`procession submit`."""

from __future__ import annotations

import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import typer

from procession.commands.calls import (
    SERVER,
    SYSTEM,
    ServerOption,
    TokenOption,
    accepted,
    calling,
    path_of,
    user_name,
)
from procession.commands.options import JsonOption, command, given_words
from procession.commands.outcome import CommandFailed, UsageWrong, say, say_json
from procession.commands.watch import OUTAGE_S_MAX, OutageOption, end_like, watched

if TYPE_CHECKING:
    from procession.client import Client

Routing = Literal["direct", "queue", "group"]


def register(app: typer.Typer) -> None:
    command(app, "submit")(submit)


def submit(
    *,
    capability: Annotated[str, typer.Argument(help="What is to be done, such as `echo`.")],
    inputs: Annotated[
        str, typer.Option(help="Its inputs: a JSON object, @file, or @- for standard input.")
    ] = "{}",
    account: Annotated[
        list[str] | None, typer.Option(help="An account it is done for; repeatable.")
    ] = None,
    phone: Annotated[
        list[str] | None, typer.Option(help="A phone it is done on; repeatable.")
    ] = None,
    account_group: Annotated[str | None, typer.Option(help="Accounts with this label.")] = None,
    phone_group: Annotated[
        str | None, typer.Option("--phone-group", "--group", help="Phones with this label.")
    ] = None,
    routing: Annotated[
        Routing | None,
        typer.Option(
            help="direct: this account on this phone; group: one item for each; queue: one free "
            "phone. Else chosen by the target given: a phone and an account direct, an account "
            "or nothing queue, everything else group."
        ),
    ] = None,
    mode: Annotated[
        Literal["manual", "unattended"], typer.Option(help="Whether a person looks on.")
    ] = "manual",
    callback: Annotated[
        str, typer.Option(help="URL that is told of every change; the contract requires one.")
    ] = "",
    callback_metadata: Annotated[
        str, typer.Option(help="A JSON object that comes back with each callback.")
    ] = "{}",
    request_id: Annotated[
        str, typer.Option(help="Your id for it: sent twice it is done once; else a new one.")
    ] = "",
    system: Annotated[str, typer.Option(help="The system that asks.")] = SYSTEM,
    user: Annotated[str, typer.Option(help="The person who asks; else your login name.")] = "",
    watch: Annotated[bool, typer.Option("--watch", help="Follow it to its end.")] = False,
    outage_s_max: OutageOption = OUTAGE_S_MAX,
    server: ServerOption = SERVER,
    token: TokenOption = "",
    json: JsonOption = False,
) -> None:
    """Submit work. With --watch the exit status is 0 only if it completed."""
    if not callback:
        raise UsageWrong(
            "submit needs --callback URL or PROCESSION_CALLBACK: every request names a URL that "
            "is told of its changes (it need not answer; `watch` and `get` work without)"
        )
    target = target_of(
        given_words(account), given_words(phone), account_group, phone_group, routing
    )
    message = {
        "request_id": request_id or f"cli-{uuid.uuid4()}",
        "capability": capability,
        "mode": mode,
        "target": target,
        "inputs": object_of(inputs, "--inputs"),
        "callback": {
            "url": callback,
            "metadata": object_of(callback_metadata, "--callback-metadata"),
        },
        "requested_by": {"system": system, "user": user or user_name()},
    }
    answer = _submitted(server, token, message)
    process_id = answer["process_id"]
    if json:
        say_json(answer)
    else:
        say(f"{'duplicate of' if answer.get('duplicate') else 'accepted'} {process_id}")
    if watch:
        end_like(watched(server, token, process_id, outage_s_max, json))


def target_of(
    accounts: list[str] | None,
    phones: list[str] | None,
    account_group: str | None,
    phone_group: str | None,
    routing: Routing | None,
) -> dict[str, Any]:
    """The contract's target, with the routing that fits what is given unless one is named."""
    accounts, phones = accounts or [], phones or []
    chosen = routing or _routing_for(accounts, phones, account_group or phone_group)
    target: dict[str, Any] = {"routing": chosen}
    for one, many, values in (
        ("account_id", "account_ids", accounts),
        ("phone_id", "phone_ids", phones),
    ):
        if values and chosen == "group":
            target[many] = values
        elif len(values) > 1:
            raise UsageWrong(f"routing {chosen} takes one {one}, {len(values)} were given")
        elif values:
            target[one] = values[0]
    groups = {"account_group": account_group, "phone_group": phone_group}
    return target | {name: label for name, label in groups.items() if label}


def _routing_for(accounts: list[str], phones: list[str], label: str | None) -> Routing:
    if label or len(accounts) > 1 or len(phones) > 1:
        return "group"
    if phones:
        return "direct" if accounts else "group"
    return "queue"


def object_of(text: str, option: str) -> dict[str, Any]:
    """A JSON object from an option, a file or standard input. Raises UsageWrong."""
    if text.startswith("@"):
        text = _content(text[1:], option)
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise UsageWrong(f"{option} is not a JSON object: {error}") from None


def _content(name: str, option: str) -> str:
    try:
        return sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageWrong(f"{option} {name}: {error}") from None


def _submitted(server: str, token: str, message: dict[str, Any]) -> dict[str, Any]:
    from procession.client import Unreachable

    async def send(client: Client) -> Any:
        path = path_of("capability-requests", "enqueue")
        try:
            return await accepted(client.post(path, message, idempotent=True))
        except Unreachable as error:
            if error.why == "refused":
                raise
            raise CommandFailed(
                f"no answer from {server}: {error}; whether it was taken is not known; the same "
                f"command with --request-id {message['request_id']} does it once"
            ) from None

    answer: dict[str, Any] = calling(server, token, send)
    return answer
