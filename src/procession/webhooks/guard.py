"""Which addresses may be called: one guard for callbacks and for asset checks.

Two gates. `check_url` judges what a caller wrote, before anything is stored or looked up.
`resolve` judges what a name stands for, at the moment a connection is opened, and hands exactly
those addresses to the connection (see `session.py`): an answer that changes later changes nothing.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, ip_address
from typing import Literal, cast

from yarl import URL

from procession.core.errors import Invalid
from procession.webhooks.addresses import Address, Network, why_refused
from procession.webhooks.lookup import SystemLookup

URL_CHARS_MAX = 2048
HOST_CHARS_MAX = 253
ADDRESSES_MAX = 64
_SHOWN_CHARS_MAX = 200

# Services that answer to lines of text can be fed through an HTTP body; none of them is a receiver.
PORTS_REFUSED: frozenset[int] = frozenset(
    {7, 9, 19, 21, 22, 23, 25, 53, 110, 111, 119, 135, 139, 143, 389, 445, 465, 514, 587, 636}
    | {993, 995, 2049, 3306, 3389, 5432, 5900, 6379, 6667, 11211}
)

Lookup = Callable[[str, int], Awaitable[Sequence[str]]]
Scheme = Literal["http", "https"]

_SHAPE = re.compile(r"(?P<scheme>https?)://(?P<authority>[^/?#]*)([/?][^#]*)?", re.I)
_AUTHORITY = re.compile(r"(?P<host>\[[0-9a-f:.]+\]|[^\[\]:@%\\]+)(?::(?P<port>[0-9]{1,5}))?", re.I)
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f-\xa0\u1680\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000]")
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


class UrlRefused(Invalid):
    """The URL may not be called; `field` names the input, `rule` what it breaks."""

    def __init__(self, field: str, value: str, rule: str) -> None:
        super().__init__(field, f"{value[:_SHOWN_CHARS_MAX]!r} may not be called: {rule}")
        self.field = field
        self.value = value
        self.rule = rule


class AddressRefused(UrlRefused):
    """The address may not be called: it is not public and not in the allowed networks."""


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that may be called. `url` is what to request; `host` is ASCII, without brackets."""

    scheme: Scheme
    host: str
    port: int
    url: URL

    @property
    def origin(self) -> str:
        """The key for "one in flight per host": scheme, host and port, always with the port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class AddressGuard:
    """Lets through public addresses and the networks in `allow`.

    `ports`: the only ports that may be called, or None for every port but `PORTS_REFUSED`.
    `lookup`: name and port to addresses as text; OSError when the name does not resolve.
    """

    allow: Sequence[Network] = ()
    ports: frozenset[int] | None = None
    lookup: Lookup = field(default_factory=SystemLookup)

    def check_url(self, url: str, field: str = "url") -> Target:
        """Return what `url` names, without looking it up.

        Raises UrlRefused for a spelling that may not be used, AddressRefused when the host is an
        address that may not be called. `field` names the input in the error.
        """
        target = read_url(url, field)
        self._check_port(target.port, url, field)
        reason = self._why(target.host)
        if reason is not None and _literal(target.host) is not None:
            raise AddressRefused(field, url, reason)
        return target

    def check_address(self, address: Address | str, field: str = "address") -> None:
        """Raise AddressRefused unless `address` is public or in `allow`."""
        reason = self._why(str(address))
        if reason is not None:
            raise AddressRefused(field, str(address), reason)

    async def resolve(self, host: str, port: int) -> list[str]:
        """Return the addresses to connect to, all of them checked: one bad one refuses the name.

        Raises AddressRefused, or OSError when the name does not resolve. The message names the
        host only: callers read it, and must not learn the addresses of an inner network.
        """
        literal = _literal(host)
        found = [host] if literal is not None else list(await self.lookup(host, port))
        if not found:
            raise OSError(f"{host} has no address")
        if len(found) > ADDRESSES_MAX:
            raise AddressRefused("host", host, f"it has more than {ADDRESSES_MAX} addresses")
        for address in found:
            reason = self._why(address)
            if reason is not None:
                raise AddressRefused("host", host, reason)
        return found

    def _why(self, address: str) -> str | None:
        parsed = _literal(address)
        if parsed is None:
            return "its address is not an IP address"
        reason = why_refused(parsed, self.allow)
        return None if reason is None else f"its address is {reason}"

    def _check_port(self, port: int, url: str, field: str) -> None:
        if self.ports is not None:
            if port not in self.ports:
                raise UrlRefused(field, url, f"port {port} is not among the ports in the settings")
        elif port in PORTS_REFUSED:
            raise UrlRefused(field, url, f"port {port} belongs to another kind of service")


def read_url(url: str, field: str = "url") -> Target:
    """Return what a well-formed `url` names, whether or not it may be called.

    For a callback's URL when work is accepted: where it may not be called, its delivery log says
    so, and the work goes on. Raises UrlRefused.
    """
    if len(url) > URL_CHARS_MAX:
        raise UrlRefused(field, url, f"it may have at most {URL_CHARS_MAX} characters")
    if _FORBIDDEN.search(url):
        raise UrlRefused(field, url, "blanks and control characters must be percent-encoded")
    shape = _SHAPE.fullmatch(url)
    if shape is None:
        rule = "it must be an absolute http or https URL without a fragment"
        raise UrlRefused(field, url, rule)
    authority = _AUTHORITY.fullmatch(shape["authority"])
    if authority is None:
        rule = "after // must stand a host and perhaps a port, no user name, no escapes"
        raise UrlRefused(field, url, rule)
    try:
        parsed = URL(url)
        host, port = parsed.raw_host or "", parsed.port or 0
    except (ValueError, UnicodeError):
        raise UrlRefused(field, url, "it is not a well-formed URL") from None
    if not 1 <= port <= 65535 or (authority["port"] and int(authority["port"]) != port):
        raise UrlRefused(field, url, "the port must be 1 to 65535")
    _check_host(authority["host"], host, url, field)
    return Target(cast(Scheme, parsed.scheme), host, port, parsed)


def _check_host(written: str, host: str, url: str, field: str) -> None:
    """Refuse hosts that two programs could read as two different places."""
    if written.startswith("["):
        if _literal(host) is None:
            raise UrlRefused(field, url, "brackets must hold an IPv6 address")
        return
    labels = host.split(".")
    if len(host) > HOST_CHARS_MAX or not all(_LABEL.fullmatch(label) for label in labels):
        raise UrlRefused(field, url, "the host must be a DNS name or an IP address")
    if _NUMBER.fullmatch(labels[-1]) or written.rpartition(".")[2].isnumeric():
        if written != host or not isinstance(_literal(host), IPv4Address):
            rule = "a numeric host must be four decimal numbers with dots, or IPv6 in brackets"
            raise UrlRefused(field, url, rule)
    elif not _is_same_name(written.lower().split("."), labels):
        raise UrlRefused(field, url, "the host's letters stand for another name")


def _is_same_name(written: list[str], labels: list[str]) -> bool:
    """Say whether each label is itself, or the IDNA form of one with non-ASCII letters."""
    return len(written) == len(labels) and all(
        label == own if own.isascii() else label.startswith("xn--")
        for own, label in zip(written, labels, strict=True)
    )


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
