"""People and their sessions: made by hand, signed in with a password, signed out at once."""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING, NamedTuple

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from msgspec import Struct

from procession.core.errors import Invalid, NotFound, Unauthenticated
from procession.engine import Engine
from procession.store.connection import Topic
from procession.store.turn import Turn
from procession.tokens import NAMESPACE_FIRST, TENANT_FIRST

if TYPE_CHECKING:
    # A server that nobody signs in to starts without them: a fifth of its start.
    from joserfc.jwk import OctKey

ROLES = ("admin", "member", "viewer")
SESSION_MS = 14 * 86_400_000
STREAM_MS = 15 * 60_000
PASSWORD_CHARS_MIN = 12
PASSWORD_CHARS_MAX = 512
EMAIL_CHARS_MAX = 254
ISSUER = "procession"
ALGORITHM = "HS256"
HASHES_AT_ONCE = 2
_KEPT = "session_secret"
_READ = frozenset({"jobs:read", "tasks:read", "processes:read"})
_WRITE = _READ | {"jobs:write", "tasks:create", "processes:write"}
SCOPES = {"admin": _WRITE, "member": _WRITE, "viewer": _READ}


class Person(NamedTuple):
    """Who is signed in."""

    person_id: int
    tenant_id: int
    email: str
    name: str
    role: str


class PersonRead(NamedTuple):
    """A person as lists show it."""

    person_id: int
    tenant: str
    email: str
    name: str
    role: str
    created_ms: int
    disabled_ms: int | None


class Workspace(NamedTuple):
    """A namespace with a name."""

    workspace_id: int
    name: str
    namespace: str


class Claims(Struct, frozen=True):
    """What a signed token says. Times in seconds since 1970."""

    iss: str
    sub: str
    jti: str
    iat: int
    nbf: int
    exp: int
    role: str
    process: str = ""
    """Of a token for one stream: the process it may show."""


class Signed(NamedTuple):
    """A sign-in: its token, its claims and whose it is."""

    token: str
    claims: Claims
    person: Person


def session_topic(session_id: str) -> Topic:
    """What is saved when a session ends."""
    return ("session", session_id)


class Sessions:
    """Signs people in and out, and says whose token a token is."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._hasher = PasswordHasher()
        self._nobodys_hash = ""
        self._hashing = asyncio.Semaphore(HASHES_AT_ONCE)
        self._key: OctKey | None = None

    async def sign_in(self, email: str, password: str) -> Signed:
        """Raises Unauthenticated, the same for an unknown address as for a wrong password."""
        fetch = self._engine.store.connection.fetch
        found = await fetch("find_person", email=email.strip().lower())
        async with self._hashing:
            # So that an unknown address takes as long as a wrong password.
            nobodys_hash = await self._nobodys()
            kept = found[0][5] if found else nobodys_hash
            right = await asyncio.to_thread(self._is_right, kept, password)
        if not right or not found:
            raise Unauthenticated
        person = Person(*found[0][:5])
        return await self._open(person)

    async def _nobodys(self) -> str:
        """A hash that no password has; made by the first attempt, whoever's that is."""
        if not self._nobodys_hash:
            told = secrets.token_hex(16)
            self._nobodys_hash = await asyncio.to_thread(self._hasher.hash, told)
        return self._nobodys_hash

    async def sign_out(self, session_id: str) -> None:
        """The session ends at once, on every server; one that has ended stays so."""

        async def run(turn: Turn) -> None:
            await turn.store.connection.execute(
                "end_session", session_id=session_id, now_ms=turn.now_ms
            )
            turn.topics.add(session_topic(session_id))

        await self._engine.ledger.errand(run)

    async def find(self, token: str) -> tuple[Person, Claims]:
        """Whose live session, or stream, a token is of. Raises Unauthenticated."""
        claims = await self._read(token)
        found = await self._engine.store.connection.fetch(
            "live_session", session_id=claims.jti, now_ms=self._engine.now_ms()
        )
        if not found or str(found[0][0]) != claims.sub:
            raise Unauthenticated
        return Person(*found[0]), claims

    async def is_live(self, session_id: str) -> bool:
        found = await self._engine.store.connection.fetch(
            "live_session", session_id=session_id, now_ms=self._engine.now_ms()
        )
        return bool(found)

    async def stream_token(self, claims: Claims, process_id: str) -> tuple[str, int]:
        """A token that shows one process's stream, and until when (ms): for 15 minutes at most."""
        now_s = self._engine.now_ms() // 1_000
        until_s = min(now_s + STREAM_MS // 1_000, claims.exp)
        shown = _claims((claims.sub, claims.jti), now_s, until_s, role="", process=process_id)
        return await self._token(shown), until_s * 1_000

    async def csrf_of(self, session_id: str) -> str:
        """What a browser must repeat in `X-CSRF-Token`, beside its cookie."""
        from joserfc import jwt

        key = await self._secret()
        thumb = jwt.encode({"alg": ALGORITHM}, {"csrf": session_id}, key)
        return thumb.rpartition(".")[2]

    async def _open(self, person: Person) -> Signed:
        session_id = secrets.token_urlsafe(24)
        now_ms = self._engine.now_ms()

        async def run(turn: Turn) -> None:
            await turn.store.connection.execute(
                "insert_session",
                session_id=session_id,
                person_id=person.person_id,
                now_ms=now_ms,
                expires_ms=now_ms + SESSION_MS,
            )

        await self._engine.ledger.errand(run)
        now_s = now_ms // 1_000
        until_s = now_s + SESSION_MS // 1_000
        whose = (str(person.person_id), session_id)
        claims = _claims(whose, now_s, until_s, role=person.role, process="")
        return Signed(await self._token(claims), claims, person)

    async def _token(self, claims: Claims) -> str:
        from joserfc import jwt

        words = {name: getattr(claims, name) for name in Claims.__struct_fields__}
        if not claims.process:
            del words["process"]
        return jwt.encode({"alg": ALGORITHM}, words, await self._secret())

    async def _read(self, token: str) -> Claims:
        """The claims of a token that we signed and that is in its time."""
        from joserfc import jwt
        from joserfc.errors import JoseError

        try:
            read = jwt.decode(token, await self._secret(), algorithms=[ALGORITHM])
            claims = Claims(**read.claims)
        except (JoseError, ValueError, TypeError):
            raise Unauthenticated from None
        now_s = self._engine.now_ms() / 1_000
        timely = claims.nbf <= now_s < claims.exp
        if claims.iss != ISSUER or not timely or not isinstance(claims.jti, str):
            raise Unauthenticated
        return claims

    async def _secret(self) -> OctKey:
        from joserfc.jwk import OctKey

        if self._key is None:
            given = self._engine.settings.session_secret
            self._key = OctKey.import_key(given or await self._kept_secret())
        return self._key

    async def _kept_secret(self) -> str:
        """The installation's own, made by whichever server needs it first."""

        async def run(turn: Turn) -> str:
            execute, fetch = turn.store.connection.execute, turn.store.connection.fetch
            await execute("keep_meta", name=_KEPT, value=secrets.token_hex(32))
            text: str = (await fetch("get_meta", name=_KEPT))[0][0]
            return text

        return await self._engine.ledger.errand(run)

    def _is_right(self, kept: str, password: str) -> bool:
        try:
            return self._hasher.verify(kept, password)
        except (VerificationError, InvalidHashError):
            return False


def _claims(
    session: tuple[str, str], now_s: int, until_s: int, *, role: str, process: str
) -> Claims:
    """Claims about a session: whose it is, and its id."""
    return Claims(ISSUER, *session, now_s, now_s, until_s, role, process)


async def workspaces(engine: Engine, tenant_id: int) -> list[Workspace]:
    found = await engine.store.connection.fetch("list_workspaces", tenant_id=tenant_id)
    return [Workspace(*row) for row in found]


async def first_workspace(turn: Turn) -> None:
    """A new installation has one tenant with one workspace, id 1."""
    connection = turn.store.connection
    tenant_id = await _tenant_id(turn, TENANT_FIRST)
    if not await connection.fetch("list_workspaces", tenant_id=tenant_id):
        await create_workspace(turn, tenant_id, "Default", NAMESPACE_FIRST)


async def create_workspace(turn: Turn, tenant_id: int, name: str, namespace: str) -> bool:
    """False when the namespace has one."""
    return bool(
        await turn.store.connection.execute(
            "insert_workspace",
            tenant_id=tenant_id,
            name=name,
            namespace=namespace,
            now_ms=turn.now_ms,
        )
    )


async def name_workspace(turn: Turn, tenant: str, name: str, namespace: str) -> None:
    """Raises Invalid when the namespace has a workspace already."""
    if not await create_workspace(turn, await _tenant_id(turn, tenant), name, namespace):
        raise Invalid("/namespace", f"{namespace!r} has a workspace already")


async def tenants_workspaces(turn: Turn, tenant: str) -> list[Workspace]:
    """The workspaces of a tenant, none of an unknown one."""
    connection = turn.store.connection
    found = await connection.fetch("get_tenant", name=tenant)
    tenant_id = found[0][0] if found else 0
    return [
        Workspace(*row) for row in await connection.fetch("list_workspaces", tenant_id=tenant_id)
    ]


async def _tenant_id(turn: Turn, tenant: str) -> int:
    connection = turn.store.connection
    await connection.execute("insert_tenant", name=tenant, now_ms=turn.now_ms)
    tenant_id: int = (await connection.fetch("get_tenant", name=tenant))[0][0]
    return tenant_id


async def create_person(
    turn: Turn, *, email: str, name: str, role: str, password: str, tenant: str = TENANT_FIRST
) -> None:
    """Raises Invalid."""
    email = email.strip().lower()
    if "@" not in email or len(email) > EMAIL_CHARS_MAX:
        raise Invalid("/email", f"{email!r} is no address")
    if role not in ROLES:
        raise Invalid("/role", f"{role!r} is not one of {', '.join(ROLES)}")
    kept = hashed(password)
    connection = turn.store.connection
    tenant_id = await _tenant_id(turn, tenant)
    if not await connection.fetch("list_workspaces", tenant_id=tenant_id):
        await create_workspace(turn, tenant_id, "Default", NAMESPACE_FIRST)
    made = await connection.execute(
        "insert_person",
        tenant_id=tenant_id,
        email=email,
        name=name,
        role=role,
        password_hash=kept,
        now_ms=turn.now_ms,
    )
    if not made:
        raise Invalid("/email", f"{email!r} is taken")


async def list_people(turn: Turn) -> list[PersonRead]:
    return [PersonRead(*row) for row in await turn.store.connection.fetch("list_people")]


async def change_password(turn: Turn, email: str, password: str) -> None:
    """Set a password and end the person's sessions. Raises NotFound, Invalid."""
    email = email.strip().lower()
    kept = hashed(password)
    execute = turn.store.connection.execute
    if not await execute("set_password", email=email, password_hash=kept):
        raise NotFound(f"nobody has the address {email}")
    await _end_sessions(turn, email)


async def disable_person(turn: Turn, email: str) -> None:
    """Sign a person out for good. Raises NotFound."""
    email = email.strip().lower()
    execute = turn.store.connection.execute
    if not await execute("disable_person", email=email, now_ms=turn.now_ms):
        raise NotFound(f"nobody who may sign in has the address {email}")
    await _end_sessions(turn, email)


async def _end_sessions(turn: Turn, email: str) -> None:
    connection = turn.store.connection
    for row in await connection.fetch("sessions_of", email=email):
        turn.topics.add(session_topic(row[0]))
    await connection.execute("end_sessions", email=email, now_ms=turn.now_ms)


def hashed(password: str) -> str:
    """argon2id. Raises Invalid for a password that is too short or too long."""
    if not PASSWORD_CHARS_MIN <= len(password) <= PASSWORD_CHARS_MAX:
        rule = f"must have {PASSWORD_CHARS_MIN} to {PASSWORD_CHARS_MAX} characters"
        raise Invalid("/password", rule)
    return PasswordHasher().hash(password)
