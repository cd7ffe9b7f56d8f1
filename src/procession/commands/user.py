"""`procession user` and `procession workspace`: who may sign in, and what they look at."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from procession.commands.on_engine import DatabaseOption, on_engine
from procession.commands.options import JsonOption, command, group
from procession.commands.outcome import say, say_json
from procession.settings import PREFIX

if TYPE_CHECKING:
    from procession.engine import Engine
    from procession.store.turn import Turn

PASSWORD = PREFIX + "PASSWORD"

EmailOption = Annotated[str, typer.Argument(help="The address they sign in with.")]
TenantOption = Annotated[str, typer.Option(help="Tenant; made if new.")]


def register(app: typer.Typer) -> None:
    users = group("Make, list and disable people; works on the database itself.")
    command(users, "create")(create)
    command(users, "list")(list_all)
    command(users, "password")(password)
    command(users, "disable")(disable)
    app.add_typer(users, name="user")
    workspaces = group("Make and list workspaces; works on the database itself.")
    command(workspaces, "create")(create_workspace)
    command(workspaces, "list")(list_workspaces)
    app.add_typer(workspaces, name="workspace")


def create(
    *,
    email: EmailOption,
    name: Annotated[str, typer.Option(help="As others see them.")] = "",
    role: Annotated[str, typer.Option(help="admin, member or viewer.")] = "member",
    tenant: TenantOption = "default",
    database: DatabaseOption = None,
) -> None:
    """Make a person who may sign in. The password is asked for, or PROCESSION_PASSWORD."""
    from procession import people

    secret = _password()
    _errand(
        database,
        lambda turn: people.create_person(
            turn, email=email, name=name or email, role=role, password=secret, tenant=tenant
        ),
    )
    say(f"{email} may sign in")


def list_all(*, database: DatabaseOption = None, json: JsonOption = False) -> None:
    """List people, never their passwords."""
    from procession import people
    from procession.commands.token import instant

    rows = [
        {
            "id": one.person_id,
            "tenant": one.tenant,
            "email": one.email,
            "name": one.name,
            "role": one.role,
            "created_at": instant(one.created_ms),
            "disabled_at": None if one.disabled_ms is None else instant(one.disabled_ms),
        }
        for one in _errand(database, people.list_people)
    ]
    _show(rows, "users", json)


def password(*, email: EmailOption, database: DatabaseOption = None) -> None:
    """Set a password and end the person's sessions."""
    from procession import people

    secret = _password()
    _errand(database, lambda turn: people.change_password(turn, email, secret))
    say(f"{email} has a new password, and is signed out everywhere")


def disable(*, email: EmailOption, database: DatabaseOption = None) -> None:
    """Let a person sign in no more, and end their sessions."""
    from procession import people

    _errand(database, lambda turn: people.disable_person(turn, email))
    say(f"{email} may not sign in any more")


def create_workspace(
    *,
    namespace: Annotated[str, typer.Argument(help="The namespace it shows.")],
    name: Annotated[str, typer.Option(help="As people see it.")] = "",
    tenant: TenantOption = "default",
    database: DatabaseOption = None,
) -> None:
    """Give a namespace a name and a number by which people know it."""
    from procession import people

    _errand(
        database, lambda turn: people.name_workspace(turn, tenant, name or namespace, namespace)
    )
    say(f"workspace {name or namespace} shows {namespace}")


def list_workspaces(
    *, tenant: TenantOption = "default", database: DatabaseOption = None, json: JsonOption = False
) -> None:
    """List a tenant's workspaces."""
    from procession import people

    found = _errand(database, lambda turn: people.tenants_workspaces(turn, tenant))
    rows = [{"id": one.workspace_id, "name": one.name, "namespace": one.namespace} for one in found]
    _show(rows, "workspaces", json)


def _errand(database: str | None, run: Callable[[Turn], Awaitable[Any]]) -> Any:
    async def work(engine: Engine) -> Any:
        return await engine.ledger.errand(run)

    return on_engine(database, work)


def _password() -> str:
    """From the environment, else asked for twice; never an option, which others could see."""
    given = os.environ.get(PASSWORD)
    if given is not None:
        return given
    asked: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    return asked


def _show(rows: list[dict[str, Any]], what: str, json: bool) -> None:
    if json:
        say_json({what: rows})
        return
    from procession.commands.tables import show_table

    show_table(list(rows[0]) if rows else ["none"], [list(row.values()) for row in rows])
