"""What a page gives its reader: a pass after the right code, and a nonce that must come back.

Both are signed and bound to one link, so nothing of them is kept. The nonce is bound to the pass
too: another site can neither read it nor make one.
"""

from __future__ import annotations

import hmac
import re
import secrets
from http.cookies import CookieError, SimpleCookie

from procession.faces.endpoint import Headers, Request

COOKIE = "procession_pass"
PASS_MS = 7_200_000
"""Long enough to fill in a long form."""
NONCE_MS = 86_400_000
_PASS = re.compile(r"([0-9]{13})\.([0-9a-f]{32})\.([0-9a-f]{64})")
_NONCE = re.compile(r"([0-9]{13})\.([0-9a-f]{64})")


class Passes:
    """Signs and checks with the installation's own secret."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def issue(self, link_id: str, now_ms: int) -> str:
        """A new pass."""
        until_ms, holder = now_ms + PASS_MS, secrets.token_hex(16)
        return f"{until_ms}.{holder}.{self._mac('pass', link_id, holder, until_ms)}"

    def holder(self, text: str, link_id: str, now_ms: int) -> str | None:
        """Who has this pass, by a word of chance; None without one that is good here and now."""
        found = _PASS.fullmatch(text)
        if found is None or now_ms >= int(found[1]):
            return None
        right = self._mac("pass", link_id, found[2], int(found[1]))
        return found[2] if hmac.compare_digest(right, found[3]) else None

    def nonce(self, link_id: str, holder: str, now_ms: int) -> str:
        """For the forms of a page; `holder` is empty where no pass is needed."""
        until_ms = now_ms + NONCE_MS
        return f"{until_ms}.{self._mac('nonce', link_id, holder, until_ms)}"

    def knows(self, nonce: str, link_id: str, holder: str, now_ms: int) -> bool:
        """Whether a page of ours has given out this nonce, and not long ago."""
        found = _NONCE.fullmatch(nonce)
        if found is None or now_ms >= int(found[1]):
            return False
        right = self._mac("nonce", link_id, holder, int(found[1]))
        return hmac.compare_digest(right, found[2])

    def _mac(self, purpose: str, link_id: str, holder: str, until_ms: int) -> str:
        signed = f"{purpose}\n{link_id}\n{holder}\n{until_ms}".encode()
        return hmac.digest(self._secret, signed, "sha256").hex()


def cookie_of(request: Request) -> str:
    """The pass a browser shows; empty without one."""
    try:
        found = SimpleCookie(request.header(b"cookie")).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""


def set_cookie(text: str, link_id: str, *, secure: bool) -> Headers:
    """Sent back to this link's pages only, and by no other site."""
    words = [f"{COOKIE}={text}", f"Path=/t/{link_id}", f"Max-Age={PASS_MS // 1_000}"]
    words += ["HttpOnly", "SameSite=Strict", *(["Secure"] if secure else [])]
    return ((b"set-cookie", "; ".join(words).encode()),)
