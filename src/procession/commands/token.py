"""`procession token`: works on the database itself, also while a server runs on it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from procession.commands.on_engine import DatabaseOption, on_engine
from procession.commands.options import JsonOption, command, given_words, group
from procession.commands.outcome import say, say_json

if TYPE_CHECKING:
    from procession.engine import Engine
    from procession.tokens import TokenRead


def register(app: typer.Typer) -> None:
    tokens = group("Make, list and revoke tokens; works on the database itself.")
    command(tokens, "create")(create)
    command(tokens, "list")(list_all)
    command(tokens, "revoke")(revoke)
    app.add_typer(tokens, name="token")


def create(
    *,
    database: DatabaseOption = None,
    name: Annotated[str, typer.Option(help="What it is for, as lists show it.")] = "token",
    tenant: Annotated[str, typer.Option(help="Tenant; made if new.")] = "default",
    namespace: Annotated[str, typer.Option(help="Namespace of what it submits.")] = "default",
    scope: Annotated[
        list[str] | None, typer.Option(help="What it may do; repeatable; else every scope.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Make a token and print it, this once."""
    from procession import tokens
    from procession.store.turn import Turn

    token = tokens.make_token()
    scopes = given_words(scope) or list(tokens.SCOPES)

    async def work(engine: Engine) -> str:
        token_id = engine.new_id(engine.now_ms())

        async def errand(turn: Turn) -> None:
            await tokens.create_token(
                turn,
                token=token,
                token_id=token_id,
                tenant=tenant,
                name=name,
                scopes=scopes,
                namespace=namespace,
            )

        await engine.ledger.errand(errand)
        return token_id

    token_id = on_engine(database, work)
    if json:
        facts = {"token_id": token_id, "token": token, "tenant": tenant, "name": name}
        say_json(facts | {"scopes": scopes, "namespace": namespace})
    else:
        say(token)


def list_all(*, database: DatabaseOption = None, json: JsonOption = False) -> None:
    """List tokens: what they are for, never the tokens themselves."""
    from procession import tokens

    found = on_engine(database, lambda engine: engine.ledger.errand(tokens.list_tokens), True)
    if json:
        say_json({"tokens": [_view(token) for token in found]})
        return
    from procession.commands.tables import show_table

    rows = [list(_view(token).values()) for token in found]
    show_table(["id", "tenant", "name", "scopes", "namespace", "created", "revoked"], rows)


def revoke(
    *,
    token_id: Annotated[str, typer.Argument(help="As `procession token list` shows it.")],
    database: DatabaseOption = None,
    json: JsonOption = False,
) -> None:
    """Revoke a token; a running server forgets it within its `token_cache_ms`."""
    from procession import tokens
    from procession.store.turn import Turn

    async def errand(turn: Turn) -> None:
        await tokens.revoke_token(turn, token_id)

    on_engine(database, lambda engine: engine.ledger.errand(errand), True)
    if json:
        say_json({"token_id": token_id, "revoked": True})
    else:
        say(f"revoked {token_id}")


def _view(token: TokenRead) -> dict[str, Any]:
    return {
        "token_id": token.token_id,
        "tenant": token.tenant,
        "name": token.name,
        "scopes": token.scopes,
        "namespace": token.namespace,
        "created_at": instant(token.created_ms),
        "revoked_at": None if token.revoked_ms is None else instant(token.revoked_ms),
    }


def instant(at_ms: int) -> str:
    """A time as `2026-03-22T08:30:00.000Z`."""
    moment = datetime.fromtimestamp(at_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
