"""People of the test server, and tokens made by hand to fool it."""

from __future__ import annotations

from typing import Any

from joserfc import jwt
from joserfc.jwk import OctKey
from living_server import Api, Living, Reply
from requests_by_hand import fresh

from procession import people
from procession.engine import Engine
from procession.store.turn import Turn

PASSWORD = "correct horse battery"
KEPT = "session_secret"


def person(server: Living, role: str = "member", tenant: str = "ours") -> str:
    """The address of a new person."""
    email = f"{fresh('person').lower()}@example.com"

    async def make(engine: Engine) -> None:
        async def run(turn: Turn) -> None:
            await people.create_person(
                turn, email=email, name="Ada", role=role, password=PASSWORD, tenant=tenant
            )

        await engine.ledger.errand(run)

    server.call(make)
    return email


def sign_in(api: Api, email: str, **more: Any) -> Reply:
    return api.as_(None).post("/api/login", {"email": email, "password": PASSWORD} | more)


def signed_in(api: Api, email: str) -> Api:
    """The same server, called as this person."""
    reply = sign_in(api, email)
    assert reply.status == 200, reply
    return api.as_(reply.json["token"])


def secret_of(server: Living) -> str:
    async def read(engine: Engine) -> str:
        text: str = (await engine.store.connection.fetch("get_meta", name=KEPT))[0][0]
        return text

    return server.call(read)


def claims_of(token: str, secret: str) -> dict[str, Any]:
    return dict(jwt.decode(token, OctKey.import_key(secret)).claims)


def forged(claims: dict[str, Any], secret: str, algorithm: str = "HS256") -> str:
    key = OctKey.import_key(secret)
    return jwt.encode({"alg": algorithm}, claims, key, algorithms=[algorithm])
