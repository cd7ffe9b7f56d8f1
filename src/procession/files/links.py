"""Links to files: signed, for one key, until a time.

The server that signs them serves them, for both stores alike: a presigned URL of S3 would show the
bucket, could not be served from a private one, and would not carry our headers.
"""

from __future__ import annotations

import hmac
import re
import secrets
from urllib.parse import urlencode

from procession.core.errors import Refused
from procession.engine import Engine
from procession.files.keys import FileMissing, read_key
from procession.store.turn import Turn

PATH = "/api/v1/files/"
_NUMBER = re.compile(r"[0-9]{1,15}")
_PURPOSE = b"procession-file-v1\n"
_KEPT = "file_secret"


class FileLinkExpired(Refused):
    """The link to this file has expired; ask for a new one."""

    code = "link_expired"


class FileLinks:
    """Signs and checks with one secret, the same for all servers of an installation."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def sign(self, key: str, expires_ms: int) -> str:
        """Path and query that show the file before `expires_ms`. Raises FileMissing for no key."""
        path = PATH + read_key(key).text
        words = {"expires": expires_ms, "signature": self._signature(key, str(expires_ms))}
        return f"{path}?{urlencode(words)}"

    def verify(self, key: str, expires: str, signature: str, now_ms: int) -> None:
        """Raises FileMissing for what was never signed, FileLinkExpired for what was."""
        expected = self._signature(key, expires)
        if not hmac.compare_digest(expected.encode(), signature.encode(errors="replace")):
            raise FileMissing
        if not _NUMBER.fullmatch(expires) or now_ms >= int(expires):
            raise FileLinkExpired

    def _signature(self, key: str, expires: str) -> str:
        signed = _PURPOSE + f"{expires}\n{key}".encode(errors="replace")
        return hmac.digest(self._secret, signed, "sha256").hex()


async def link_secret(engine: Engine) -> bytes:
    """The setting, else the installation's own, made by whichever server needs it first."""
    if engine.settings.file_secret:
        return engine.settings.file_secret.encode()

    async def run(turn: Turn) -> str:
        execute, fetch = turn.store.connection.execute, turn.store.connection.fetch
        await execute("keep_meta", name=_KEPT, value=secrets.token_hex(32))
        text: str = (await fetch("get_meta", name=_KEPT))[0][0]
        return text

    return (await engine.ledger.errand(run)).encode()
