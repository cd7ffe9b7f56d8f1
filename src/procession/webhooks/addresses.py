"""Which addresses are public, by explicit tables.

`ipaddress.is_global` alone is not enough: its answer differs between Python releases, and it calls
NAT64, 6to4 and site-local addresses global although a packet to them may end in a private network.
An address must pass the tables and `is_global`.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_NETWORKS_MAX = 256

_REFUSED_V4: tuple[tuple[IPv4Network, str], ...] = (
    (IPv4Network("0.0.0.0/8"), "this host"),
    (IPv4Network("10.0.0.0/8"), "private"),
    (IPv4Network("100.64.0.0/10"), "shared by a carrier's NAT"),
    (IPv4Network("127.0.0.0/8"), "loopback"),
    (IPv4Network("168.63.129.16/32"), "a cloud's metadata service"),
    (IPv4Network("169.254.0.0/16"), "link-local"),
    (IPv4Network("172.16.0.0/12"), "private"),
    (IPv4Network("192.0.0.0/24"), "reserved for protocols"),
    (IPv4Network("192.0.2.0/24"), "documentation"),
    (IPv4Network("192.88.99.0/24"), "a 6to4 relay"),
    (IPv4Network("192.168.0.0/16"), "private"),
    (IPv4Network("198.18.0.0/15"), "benchmarking"),
    (IPv4Network("198.51.100.0/24"), "documentation"),
    (IPv4Network("203.0.113.0/24"), "documentation"),
    (IPv4Network("224.0.0.0/4"), "multicast"),
    (IPv4Network("240.0.0.0/4"), "reserved"),
)
_REFUSED_V6: tuple[tuple[IPv6Network, str], ...] = (
    (IPv6Network("::/128"), "this host"),
    (IPv6Network("::1/128"), "loopback"),
    (IPv6Network("::/96"), "IPv4-compatible"),
    (IPv6Network("::ffff:0:0/96"), "IPv4-mapped"),
    (IPv6Network("::ffff:0:0:0/96"), "IPv4-translated"),
    (IPv6Network("64:ff9b::/96"), "NAT64"),
    (IPv6Network("64:ff9b:1::/48"), "NAT64"),
    (IPv6Network("2001::/32"), "Teredo"),
    (IPv6Network("2001::/23"), "reserved for protocols"),
    (IPv6Network("2001:db8::/32"), "documentation"),
    (IPv6Network("2002::/16"), "6to4"),
    (IPv6Network("3ffe::/16"), "the old 6bone"),
    (IPv6Network("3fff::/20"), "documentation"),
    (IPv6Network("fc00::/7"), "private"),
    (IPv6Network("fe80::/10"), "link-local"),
    (IPv6Network("fec0::/10"), "site-local"),
    (IPv6Network("ff00::/8"), "multicast"),
)
_GLOBAL_UNICAST = IPv6Network("2000::/3")

# Where the embedded IPv4 address ends, in bits from the right, for prefixes that embed one.
_EMBEDDING: tuple[tuple[IPv6Network, int], ...] = (
    (IPv6Network("::/96"), 0),
    (IPv6Network("::ffff:0:0/96"), 0),
    (IPv6Network("::ffff:0:0:0/96"), 0),
    (IPv6Network("64:ff9b::/96"), 0),
    (IPv6Network("64:ff9b:1::/48"), 0),
    (IPv6Network("2002::/16"), 80),
    (IPv6Network("2001::/32"), 64),
)
_ISATAP = (0x00005EFE, 0x02005EFE)
_V4_MASK = 0xFFFFFFFF


def why_refused(address: Address, allow: Sequence[Network]) -> str | None:
    """Say why `address` is not public, or None when it may be called.

    `allow` opens networks. An IPv6 network that carries IPv4 (NAT64, 6to4, …) opens the carrier
    only: the IPv4 address inside is judged by itself, so opening NAT64 does not open 10.0.0.0/8.
    """
    if isinstance(address, IPv4Address):
        return None if _is_in(address, allow) else _why_v4(address)
    if address.scope_id is not None:
        return "bound to one interface"
    if not _is_in(address, allow):
        reason = _why_v6(address)
        if reason is not None:
            return reason
    for inner in embedded(address):
        reason = why_refused(inner, allow)
        if reason is not None:
            return f"a carrier of {inner}, which is {reason}"
    return None


def embedded(address: IPv6Address) -> list[IPv4Address]:
    """Return every IPv4 address that `address` may stand for."""
    number = int(address)
    if number <= 1:
        return []
    found = [
        IPv4Address((number >> shift) & _V4_MASK)
        for network, shift in _EMBEDDING
        if address in network
    ]
    if address.teredo is not None:
        found.append(address.teredo[1])
    if (number >> 32) & _V4_MASK in _ISATAP:
        found.append(IPv4Address(number & _V4_MASK))
    return found


def parse_networks(text: str) -> tuple[Network, ...]:
    """Read a list such as `127.0.0.0/8, fd00::/8` (commas or blanks between).

    Raises ValueError naming the part that is not a network.
    """
    parts = text.replace(",", " ").split()
    if len(parts) > _NETWORKS_MAX:
        raise ValueError(f"at most {_NETWORKS_MAX} networks, {len(parts)} given")
    return tuple(ip_network(part) for part in parts)


def _is_in(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)


def _why_v4(address: IPv4Address) -> str | None:
    for network, reason in _REFUSED_V4:
        if address in network:
            return reason
    return None if address.is_global and not address.is_reserved else "not global"


def _why_v6(address: IPv6Address) -> str | None:
    for network, reason in _REFUSED_V6:
        if address in network:
            return reason
    if address not in _GLOBAL_UNICAST or not address.is_global:
        return "not global"
    return None
