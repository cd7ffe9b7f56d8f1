"""`procession fleet`: phones and accounts."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from procession.commands.calls import (
    SERVER,
    ServerOption,
    TokenOption,
    accepted,
    calling,
    path_of,
    read,
)
from procession.commands.options import JsonOption, command, given_words, group
from procession.commands.outcome import UsageWrong, say, say_json

PhoneArgument = Annotated[str, typer.Argument(help="As `fleet phones` shows it.")]
AccountArgument = Annotated[str, typer.Argument(help="The account's id.")]
LabelOption = Annotated[
    list[str] | None, typer.Option("--label", help="A label; repeatable; replaces those it has.")
]
NoLabelsOption = Annotated[bool, typer.Option("--no-labels", help="Take all labels away.")]
OwnPhoneOption = Annotated[str | None, typer.Option("--phone", help="The account's own phone.")]
AppOption = Annotated[str | None, typer.Option("--app", help="The app it is an account of.")]

PHONE_COLUMNS = [
    *("phone_id", "state", "agent_id", "labels", "battery_percent", "temperature_c"),
    *("queue_length", "held_by", "detail"),
]


def register(app: typer.Typer) -> None:
    fleet = group("Phones and accounts: see, add, edit, release.")
    command(fleet, "phones")(phones)
    command(fleet, "accounts")(accounts)
    command(fleet, "add-account")(add_account)
    command(fleet, "edit-account")(edit_account)
    command(fleet, "edit-phone")(edit_phone)
    command(fleet, "release")(release)
    app.add_typer(fleet, name="fleet")


def phones(
    *, server: ServerOption = SERVER, token: TokenOption = "", json: JsonOption = False
) -> None:
    """Show the phones, who holds them and what waits for them."""
    answer = read(server, token, path_of("phones"))
    if json:
        say_json(answer)
        return
    _show(PHONE_COLUMNS, [one | {"held_by": _holder(one)} for one in answer["phones"]])


def accounts(
    *, server: ServerOption = SERVER, token: TokenOption = "", json: JsonOption = False
) -> None:
    """Show the accounts."""
    answer = read(server, token, path_of("accounts"))
    if json:
        say_json(answer)
        return
    _show(["account_id", "phone_id", "app", "labels", "active"], answer["accounts"])


def add_account(
    *,
    account_id: AccountArgument,
    phone: OwnPhoneOption = None,
    app: AppOption = None,
    label: LabelOption = None,
    inactive: Annotated[bool, typer.Option("--inactive", help="It takes no work yet.")] = False,
    server: ServerOption = SERVER,
    token: TokenOption = "",
    json: JsonOption = False,
) -> None:
    """Add an account; without a phone of its own its work goes to the first free one."""
    message = {
        "account_id": account_id,
        "phone_id": phone,
        "app": app,
        "labels": given_words(label) or [],
        "active": not inactive,
    }
    answer = calling(server, token, lambda it: accepted(it.post(path_of("accounts"), message)))
    _told(answer, json, f"added {account_id}")


def edit_account(
    *,
    account_id: AccountArgument,
    phone: OwnPhoneOption = None,
    no_phone: Annotated[bool, typer.Option("--no-phone", help="Take its phone away.")] = False,
    app: AppOption = None,
    label: LabelOption = None,
    no_labels: NoLabelsOption = False,
    active: Annotated[
        bool | None, typer.Option("--active/--inactive", help="Whether it takes work.")
    ] = None,
    server: ServerOption = SERVER,
    token: TokenOption = "",
    json: JsonOption = False,
) -> None:
    """Change an account; what is not given stays as it is."""
    changes = _set(phone_id=phone, app=app, labels=_labels(label, no_labels), active=active)
    if no_phone:
        changes["phone_id"] = None
    _patch(server, token, path_of("accounts", account_id), changes, json)


def edit_phone(
    *,
    phone_id: PhoneArgument,
    label: LabelOption = None,
    no_labels: NoLabelsOption = False,
    pause: Annotated[
        bool | None, typer.Option("--pause/--resume", help="Whether it takes no new work.")
    ] = None,
    server: ServerOption = SERVER,
    token: TokenOption = "",
    json: JsonOption = False,
) -> None:
    """Label, pause or resume a phone; what is not given stays as it is."""
    changes = _set(labels=_labels(label, no_labels), paused=pause)
    _patch(server, token, path_of("phones", phone_id), changes, json)


def release(
    *,
    phone_id: PhoneArgument,
    server: ServerOption = SERVER,
    token: TokenOption = "",
    json: JsonOption = False,
) -> None:
    """End a stuck hold on a phone, as if its agent were dead; audited."""
    path = path_of("phones", phone_id, "release")
    answer = calling(server, token, lambda client: accepted(client.post(path)))
    _told(answer, json, f"released {phone_id}: {answer['state']}")


def _patch(server: str, token: str, path: str, changes: dict[str, Any], json: bool) -> None:
    if not changes:
        raise UsageWrong("nothing to change was given; see --help")
    answer = calling(server, token, lambda it: accepted(it.patch(path, changes, idempotent=True)))
    _told(answer, json, "changed " + ", ".join(sorted(changes)))


def _told(answer: Any, json: bool, text: str) -> None:
    if json:
        say_json(answer)
    else:
        say(text)


def _set(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _labels(label: list[str] | None, none: bool) -> list[str] | None:
    return [] if none else given_words(label)


def _holder(phone: dict[str, Any]) -> str:
    return phone["lease"]["process_id"] if phone["lease"] else ""


def _show(columns: list[str], rows: list[dict[str, Any]]) -> None:
    from procession.commands.tables import show_table

    show_table(
        [name.replace("_", " ") for name in columns],
        ([row.get(name) for name in columns] for row in rows),
    )
