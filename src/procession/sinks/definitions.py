"""The sinks of a task as a caller writes them, checked whole before the task is taken."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from procession.webhooks.guard import UrlRefused
from procession.webhooks.signing import Secret, SecretRefused

SINKS_MAX = 10
RECIPIENTS_MAX = 10
SUBJECT_CHARS_MAX = 255
ADDRESS_CHARS_MAX = 254
SECRET_BYTES = 24

Event = Literal["completed", "cancelled", "failed"]
EVENTS: tuple[Event, ...] = ("completed", "cancelled", "failed")

_TOKEN = re.compile(r"[^\s*>.\x00-\x20\x7f-\uffff]+")
_INNER = ("$", "_INBOX")
_LOCAL = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"(?=.{{1,64}}@){_LOCAL}@{_LABEL}(?:\.{_LABEL})*")
_AT = re.compile(r"(?P<message>.*?)(?: - at `\$(?P<path>.*)`)?", re.DOTALL)


class WebhookSink(Struct, frozen=True, tag_field="type", tag="webhook", omit_defaults=True):
    """A POST to a URL; without a secret one is made."""

    url: str
    secret: str | None = None
    events: tuple[Event, ...] | None = None


class NatsSink(Struct, frozen=True, tag_field="type", tag="nats", omit_defaults=True):
    """A message to a subject of the server's NATS."""

    subject: str
    events: tuple[Event, ...] | None = None


class EmailSink(Struct, frozen=True, tag_field="type", tag="email", omit_defaults=True):
    """A mail to one address or some."""

    to: str | tuple[str, ...]
    events: tuple[Event, ...] | None = None

    @property
    def addresses(self) -> tuple[str, ...]:
        return (self.to,) if isinstance(self.to, str) else self.to


Sink = WebhookSink | NatsSink | EmailSink


class SinksInvalid(Exception):
    """The sinks break a rule; `errors` are (field, message), such as `sinks[0].url`."""

    def __init__(self, errors: Sequence[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{field} {message}" for field, message in errors))
        self.errors = list(errors)


class Wrong(ValueError):
    """A field of one sink breaks a rule."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.message = message


def parse_sinks(
    given: object, check_url: Callable[[str], object], kinds: frozenset[str]
) -> tuple[Sink, ...]:
    """The sinks of a task. Raises SinksInvalid with everything that is wrong.

    `given` is the decoded JSON; `check_url` raises UrlRefused; `kinds` are the types this server
    can reach. Unknown keys are passed over.
    """
    if given is None:
        return ()
    if not isinstance(given, list):
        raise SinksInvalid([("sinks", "must be a list")])
    if len(given) > SINKS_MAX:
        raise SinksInvalid([("sinks", f"may have {SINKS_MAX} entries at most")])
    found: list[Sink] = []
    errors: list[tuple[str, str]] = []
    for place, one in enumerate(given):
        try:
            found.append(_sink_of(one, check_url, kinds))
        except Wrong as error:
            errors.append((f"sinks[{place}]{error.field}", error.message))
    if errors:
        raise SinksInvalid(errors)
    return tuple(found)


def fires(sink: Sink, event: Event) -> bool:
    """Whether a sink wants to hear of this end."""
    return sink.events is None or event in sink.events


def make_webhook_secret(random: bytes) -> str:
    """A secret in the form of Standard Webhooks, from `SECRET_BYTES` random bytes."""
    return "whsec_" + base64.b64encode(random).decode()


def with_secret(sinks: Sequence[Sink], secret: str) -> tuple[tuple[Sink, ...], bool]:
    """The sinks with `secret` wherever a webhook has none; and whether there was one."""
    lacking = [isinstance(one, WebhookSink) and one.secret is None for one in sinks]
    made = (
        replace(one, secret=secret) if lacks else one
        for one, lacks in zip(sinks, lacking, strict=True)
    )
    return tuple(made), any(lacking)


def encode_sinks(sinks: Sequence[Sink]) -> bytes:
    """As they are kept: JSON, with the secrets in it."""
    return msgspec.json.encode(sinks)


def decode_sinks(data: bytes | str) -> tuple[Sink, ...]:
    """What `encode_sinks` made."""
    return msgspec.json.decode(data, type=tuple[Sink, ...])


def is_address(text: str) -> bool:
    """Whether this is one plain mail address; quoted and non-ASCII ones are none here."""
    return len(text) <= ADDRESS_CHARS_MAX and _ADDRESS.fullmatch(text) is not None


def _sink_of(one: object, check_url: Callable[[str], object], kinds: frozenset[str]) -> Sink:
    if not isinstance(one, dict):
        raise Wrong("", "must be an object")
    if one.get("type") not in ("webhook", "nats", "email"):
        raise Wrong(".type", "must be webhook, nats or email")
    sink = _converted(one)
    if sink.events is not None and not sink.events:
        raise Wrong(".events", f"must name one of {', '.join(EVENTS)}")
    match sink:
        case WebhookSink():
            _check_webhook(sink, check_url)
        case NatsSink():
            _check_subject(sink.subject)
        case EmailSink():
            _check_addresses(sink)
    if one["type"] not in kinds:
        raise Wrong("", f"this server is not set up to send by {one['type']}")
    return sink


def _converted(one: dict[str, Any]) -> Sink:
    try:
        sink: Sink = msgspec.convert(one, Sink)
    except msgspec.ValidationError as error:
        match = _AT.fullmatch(str(error))
        assert match is not None, "every text matches"
        raise Wrong(match["path"] or "", match["message"]) from None
    return sink


def _check_webhook(sink: WebhookSink, check_url: Callable[[str], object]) -> None:
    try:
        check_url(sink.url)
    except UrlRefused as error:
        raise Wrong(".url", f"may not be called: {error.rule}") from None
    try:
        if sink.secret is not None:
            Secret(sink.secret).text.encode()
    except SecretRefused as error:
        raise Wrong(".secret", str(error)) from None
    except UnicodeEncodeError:
        raise Wrong(".secret", "must be text") from None


def _check_subject(subject: str) -> None:
    if len(subject) > SUBJECT_CHARS_MAX:
        raise Wrong(".subject", f"may have {SUBJECT_CHARS_MAX} characters at most")
    if not all(_TOKEN.fullmatch(token) for token in subject.split(".")):
        rule = "must be ASCII words with dots between them, without blanks, * or >"
        raise Wrong(".subject", rule)
    if subject.startswith(_INNER):
        raise Wrong(".subject", "may not begin with $ or _INBOX: NATS uses those itself")


def _check_addresses(sink: EmailSink) -> None:
    if not 1 <= len(sink.addresses) <= RECIPIENTS_MAX:
        raise Wrong(".to", f"must be one to {RECIPIENTS_MAX} addresses")
    for address in sink.addresses:
        if not is_address(address):
            raise Wrong(".to", "must be a mail address such as name@example.com")
