"""One-time codes of links: made, tried, and out of reach of whoever guesses.

A code of six digits is only as good as the tries it allows. So not only one code has a few of
them: a link allows few codes an hour and a day, and few wrong ones in its whole life, after which
it needs to be replaced. Every try is counted in the turn that looks at it.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Any, Literal, NamedTuple

from msgspec.json import decode

from procession.core.errors import NotFound, Refused
from procession.engine import Engine
from procession.store.rows import text_of
from procession.store.turn import Turn

DIGITS = 6
VALID_MS = 600_000
TRIES_MAX = 5
"""Of one code."""
SENT_AN_HOUR_MAX = 5
SENT_A_DAY_MAX = 10
WRONG_MAX = 50
"""Of all codes of a link together: 1 in 20,000 that one of so many guesses is right."""
HOUR_MS = 3_600_000
DAY_MS = 86_400_000
_KEPT = "link_secret"

Outcome = Literal["right", "wrong", "over", "closed"]


class CodesExhausted(Refused):
    """Too many codes were asked for; wait, or ask for a new link."""

    code = "codes_exhausted"


class CodeStanding(NamedTuple):
    """How the code of a link stands; `sent_ms` are the times of the last day's codes."""

    hash: str | None = None
    until_ms: int | None = None
    tries: int = 0
    """Wrong ones, of this code."""
    wrong: int = 0
    """Wrong ones, of every code there was."""
    sent_ms: tuple[int, ...] = ()

    def is_open(self, now_ms: int) -> bool:
        """Whether there is a code that may be tried."""
        timely = self.until_ms is not None and now_ms < self.until_ms
        return self.hash is not None and timely and self.tries < TRIES_MAX and not self.closed

    @property
    def closed(self) -> bool:
        """Whether this link takes no code any more."""
        return self.wrong >= WRONG_MAX

    @property
    def tries_left(self) -> int:
        return min(TRIES_MAX - self.tries, WRONG_MAX - self.wrong)


def issued(standing: CodeStanding, hashed: str, now_ms: int) -> CodeStanding:
    """With a new code, which replaces the one before. Raises CodesExhausted."""
    sent = tuple(at_ms for at_ms in standing.sent_ms if now_ms - DAY_MS < at_ms)
    lately = sum(now_ms - HOUR_MS < at_ms for at_ms in sent)
    if standing.closed or len(sent) >= SENT_A_DAY_MAX or lately >= SENT_AN_HOUR_MAX:
        raise CodesExhausted
    return CodeStanding(hashed, now_ms + VALID_MS, 0, standing.wrong, (*sent, now_ms))


def tried(standing: CodeStanding, hashed: str, now_ms: int) -> tuple[CodeStanding, Outcome]:
    """What a try comes to: a code is right once, and wrong a few times."""
    if standing.closed:
        return standing, "closed"
    if not standing.is_open(now_ms):
        return standing, "over"
    assert standing.hash is not None
    if hmac.compare_digest(standing.hash, hashed):
        return standing._replace(hash=None, until_ms=None, tries=0), "right"
    after = standing._replace(tries=standing.tries + 1, wrong=standing.wrong + 1)
    return after, "closed" if after.closed else "wrong" if after.is_open(now_ms) else "over"


def make_code() -> str:
    return f"{secrets.randbelow(10**DIGITS):0{DIGITS}d}"


class Codes:
    """The codes of all links; `secret` is the installation's own, and signs passes too."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._secret = b""

    async def secret(self) -> bytes:
        """Made by whichever server needs it first."""
        if not self._secret:

            async def run(turn: Turn) -> str:
                connection = turn.store.connection
                await connection.execute("keep_meta", name=_KEPT, value=secrets.token_hex(32))
                text: str = (await connection.fetch("get_meta", name=_KEPT))[0][0]
                return text

            self._secret = (await self._engine.ledger.errand(run)).encode()
        return self._secret

    async def standing(self, link_id: str) -> CodeStanding:
        """Raises NotFound."""
        found = await self._engine.store.connection.fetch("get_code", link_id=link_id)
        return _standing_of(found)

    async def issue(self, link_id: str) -> str:
        """A new code, to be told to whoever the link is for. Raises CodesExhausted, NotFound."""
        code = make_code()
        hashed = await self._hash(link_id, code)

        async def run(turn: Turn) -> None:
            standing = await _locked(turn, link_id)
            await _put(turn, link_id, issued(standing, hashed, turn.now_ms))

        await self._engine.ledger.errand(run)
        return code

    async def attempt(self, link_id: str, code: str) -> Outcome:
        """Try a code; counted before anybody is told. Raises NotFound."""
        hashed = await self._hash(link_id, code)

        async def run(turn: Turn) -> Outcome:
            standing, outcome = tried(await _locked(turn, link_id), hashed, turn.now_ms)
            await _put(turn, link_id, standing)
            return outcome

        return await self._engine.ledger.errand(run)

    async def _hash(self, link_id: str, code: str) -> str:
        """Keyed, since a million codes are soon tried by whoever reads the database alone."""
        words = f"code\n{link_id}\n{code}".encode(errors="replace")
        return hmac.new(await self.secret(), words, hashlib.sha256).hexdigest()


async def _locked(turn: Turn, link_id: str) -> CodeStanding:
    return _standing_of(await turn.store.connection.fetch("lock_code", link_id=link_id))


async def _put(turn: Turn, link_id: str, standing: CodeStanding) -> None:
    await turn.store.connection.execute(
        "put_code",
        link_id=link_id,
        code_hash=standing.hash,
        code_until_ms=standing.until_ms,
        code_tries=standing.tries,
        codes_wrong=standing.wrong,
        codes_sent=text_of(list(standing.sent_ms)),
    )


def _standing_of(found: list[Any]) -> CodeStanding:
    if not found:
        raise NotFound
    hashed, until_ms, tries, wrong, sent = found[0]
    return CodeStanding(hashed, until_ms, tries, wrong, decode(sent, type=tuple[int, ...]))
