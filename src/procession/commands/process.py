"""`procession get, cancel, retry, list, events, output`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from procession.commands.calls import (
    SERVER,
    SYSTEM,
    ServerOption,
    TokenOption,
    accepted,
    calling,
    path_of,
    read,
    user_name,
)
from procession.commands.options import JsonOption, command
from procession.commands.outcome import say, say_json
from procession.commands.record import page_of, percent_of, state_of
from procession.commands.watch import ProcessArgument

PAGE = 50


def register(app: typer.Typer) -> None:
    command(app, "get")(get)
    command(app, "cancel")(cancel)
    command(app, "retry")(retry)
    command(app, "list")(list_some)
    command(app, "events")(events)
    command(app, "output")(output)


def get(
    *,
    process_id: ProcessArgument,
    server: ServerOption = SERVER,
    token: TokenOption = "",
    json: JsonOption = False,
) -> None:
    """Show a process."""
    record = read(server, token, path_of("processes", process_id))
    if json:
        say_json(record)
    else:
        say(page_of(record))


def cancel(
    *,
    process_id: ProcessArgument,
    strategy: Annotated[
        Literal["soft", "hard", "soft_then_force"],
        typer.Option(help="soft: ask; hard: kill; soft_then_force: ask, kill after a while."),
    ] = "soft_then_force",
    reason: Annotated[str, typer.Option(help="Why; kept with the process.")] = "by hand",
    force_after: Annotated[int, typer.Option(help="Seconds until soft_then_force kills.")] = 10,
    server: ServerOption = SERVER,
    token: TokenOption = "",
    json: JsonOption = False,
) -> None:
    """Stop a process; one that has ended stays as it is."""
    message = {
        "strategy": strategy,
        "reason": reason,
        "force_after_seconds": force_after,
        "requested_by": {"system": SYSTEM, "user": user_name()},
    }
    path = path_of("processes", process_id, "cancel")
    answer = calling(server, token, lambda it: accepted(it.post(path, message, idempotent=True)))
    if json:
        say_json(answer)
    elif answer["status"] == "ignored_terminal":
        say(f"it has ended already: {answer['process']['status']}")
    else:
        say(f"{answer['process']['status']}; running work: {_termination(answer['termination'])}")


def retry(
    *,
    process_id: ProcessArgument,
    server: ServerOption = SERVER,
    token: TokenOption = "",
    json: JsonOption = False,
) -> None:
    """Try again what failed."""
    path = path_of("processes", process_id, "retry")
    record = calling(server, token, lambda client: accepted(client.post(path)))
    if json:
        say_json(record)
    else:
        say(state_of(record))


def list_some(
    *,
    status: Annotated[str, typer.Option(help="Statuses, comma-separated.")] = "",
    process_type: Annotated[str, typer.Option("--type", help="Such as `keyword_warmup`.")] = "",
    phone: Annotated[str, typer.Option(help="On this phone.")] = "",
    account: Annotated[str, typer.Option(help="For this account.")] = "",
    request_id: Annotated[str, typer.Option(help="Of this request.")] = "",
    namespace: Annotated[str, typer.Option(help="In this namespace.")] = "",
    search: Annotated[str, typer.Option(help="With this text in its ids.")] = "",
    limit: Annotated[int, typer.Option(help="How many, 200 at most.")] = PAGE,
    cursor: Annotated[str, typer.Option(help="`next_cursor` of the page before.")] = "",
    server: ServerOption = SERVER,
    token: TokenOption = "",
    json: JsonOption = False,
) -> None:
    """List processes, newest first."""
    path = path_of(
        "processes",
        status=status,
        process_type=process_type,
        phone_id=phone,
        account_id=account,
        request_id=request_id,
        namespace=namespace,
        search=search,
        limit=limit,
        cursor=cursor,
    )
    page = read(server, token, path)
    if json:
        say_json(page)
        return
    from procession.commands.tables import show_table

    titles = ["process", "type", "status", "progress", "account", "phone", "created"]
    show_table(titles, map(_row, page["processes"]))
    if page["next_cursor"]:
        say(f"more: --cursor {page['next_cursor']}")


def events(
    *,
    process_id: ProcessArgument,
    after: Annotated[int, typer.Option(help="Only those after this number.")] = 0,
    limit: Annotated[int, typer.Option(help="How many.")] = 1_000,
    server: ServerOption = SERVER,
    token: TokenOption = "",
    json: JsonOption = False,
) -> None:
    """Show the log of a process."""
    answer = read(
        server, token, path_of("processes", process_id, "events", after=after, limit=limit)
    )
    if json:
        say_json(answer)
        return
    from procession.commands.tables import show_table

    rows = ([one["seq"], one["at"], one["name"], one["data"] or None] for one in answer["events"])
    show_table(["seq", "at", "event", "data"], rows)


def output(
    *,
    process_id: ProcessArgument,
    item: Annotated[str, typer.Option(help="Only of this item; else of all.")] = "",
    limit: Annotated[int, typer.Option(help="Of how many items, 1000 at most.")] = 200,
    server: ServerOption = SERVER,
    token: TokenOption = "",
    json: JsonOption = False,
) -> None:
    """Show what the runs of a process printed."""

    async def outputs(client: Any) -> list[dict[str, Any]]:
        items = [item]
        if not item:
            path = path_of("processes", process_id, "items", limit=limit)
            found = await accepted(client.get(path))
            items = [one["queue_item_id"] for one in found["items"]]
        answers = []
        for item_id in items:
            path = path_of("processes", process_id, "items", item_id, "output")
            answer = await accepted(client.get(path))
            answers += [{"queue_item_id": item_id} | one for one in answer["outputs"]]
        return answers

    answers = calling(server, token, outputs)
    if json:
        say_json({"outputs": answers})
        return
    for one in answers:
        cut = ", cut short" if one["truncated"] else ""
        say(f"--- {one['queue_item_id']} attempt {one['attempt']}{cut}")
        say(one["text"].rstrip("\n"))


def _termination(termination: dict[str, Any]) -> str:
    status = str(termination["status"]).replace("_", " ")
    force_at = termination.get("force_at")
    return f"{status}, killed at {force_at}" if force_at else status


def _row(record: dict[str, Any]) -> list[Any]:
    percent = percent_of(record)
    return [
        record["process_id"],
        record["process_type"],
        state_of(record),
        None if percent is None else f"{percent:.0f} %",
        record["target"]["account_id"],
        record["target"]["phone_id"],
        record["timestamps"]["created_at"],
    ]
