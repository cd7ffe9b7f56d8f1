"""How a callback proves where it comes from: two families of headers over the same bytes."""

import base64
import binascii
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field

SECRETS_MAX = 8
SECRET_CHARS_MAX = 512
_PREFIX = "whsec_"


class SecretRefused(ValueError):
    """The secret cannot be used to sign."""


@dataclass(frozen=True, slots=True)
class Secret:
    """A shared secret: `whsec_` and base64, or any other text without blanks.

    The Standard Webhooks key of a `whsec_` secret is the decoded bytes, as its verifiers expect.
    The X-PhoneFarm key is the text as it was configured, which is what its receivers hold.
    Raises SecretRefused.
    """

    text: str = field(repr=False)
    key: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not 1 <= len(self.text) <= SECRET_CHARS_MAX or not self.text.isprintable():
            rule = f"1 to {SECRET_CHARS_MAX} printable characters"
            raise SecretRefused(f"a secret has {rule}")
        object.__setattr__(self, "key", _key_of(self.text))


def parse_secrets(text: str) -> tuple[Secret, ...]:
    """Read secrets with blanks between them, the newest first; none turns signing off.

    Raises SecretRefused.
    """
    parts = text.split()
    if len(parts) > SECRETS_MAX:
        raise SecretRefused(f"at most {SECRETS_MAX} secrets, {len(parts)} given")
    return tuple(Secret(part) for part in parts)


def sign(
    secrets: Sequence[Secret], webhook_id: str, timestamp_s: int, body: bytes
) -> dict[str, str]:
    """Return the headers for one try; `secrets` newest first, an empty dict without any.

    Every secret gives one `v1` signature, so that a receiver may change its secret at any moment
    of a rotation. `X-PhoneFarm-Signature` has room for one: the newest.
    """
    if not secrets:
        return {}
    stamp = str(timestamp_s)
    plain = hmac.digest(secrets[0].text.encode(), stamp.encode() + b"." + body, "sha256")
    return {
        "X-PhoneFarm-Timestamp": stamp,
        "X-PhoneFarm-Signature": plain.hex(),
        **sign_standard(secrets, webhook_id, timestamp_s, body),
    }


def sign_standard(
    secrets: Sequence[Secret], webhook_id: str, timestamp_s: int, body: bytes
) -> dict[str, str]:
    """The headers of Standard Webhooks alone; `secrets` newest first, at least one."""
    stamp = str(timestamp_s)
    signed = f"{webhook_id}.{stamp}.".encode() + body
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": stamp,
        "webhook-signature": " ".join(_v1(secret.key, signed) for secret in secrets),
    }


def _v1(key: bytes, signed: bytes) -> str:
    return "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()


def _key_of(text: str) -> bytes:
    if not text.startswith(_PREFIX):
        return text.encode()
    encoded = text.removeprefix(_PREFIX).rstrip("=")
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise SecretRefused("after whsec_ must stand base64") from None
    if not key:
        raise SecretRefused("after whsec_ must stand base64 of at least one byte")
    return key
