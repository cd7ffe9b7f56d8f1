"""An HTTP client session that can only reach addresses the guard lets through."""

import socket
import ssl

from aiohttp import AddrInfoType, ClientSession, ClientTimeout, DummyCookieJar, TCPConnector
from aiohttp.abc import AbstractResolver, ResolveResult

from procession.webhooks.guard import AddressGuard

# Shorter than the idle time of common servers (5 s), so that a callback seldom meets a connection
# that is just being closed: a POST is not repeated by the client.
_KEEP_ALIVE_S = 4.0
_LINE_BYTES_MAX = 8190
_HEADERS_MAX = 100


def open_session(
    guard: AddressGuard,
    *,
    total_ms: int,
    connect_ms: int,
    buffer_bytes: int = 4096,
    tls: ssl.SSLContext | None = None,
) -> ClientSession:
    """Open a session for the running event loop; the caller closes it.

    No proxy or other setting of the environment is honoured, no cookie kept, nothing unpacked.
    Certificates are verified against the host's name, by `tls` or the system's authorities.
    """
    return ClientSession(
        connector=TCPConnector(
            resolver=_GuardedResolver(guard),
            socket_factory=_GuardedSockets(guard),
            use_dns_cache=False,
            ssl=tls if tls is not None else True,
            limit=0,
            keepalive_timeout=_KEEP_ALIVE_S,
        ),
        timeout=ClientTimeout(total=total_ms / 1000, connect=connect_ms / 1000),
        cookie_jar=DummyCookieJar(),
        trust_env=False,
        auto_decompress=False,
        read_bufsize=buffer_bytes,
        max_line_size=_LINE_BYTES_MAX,
        max_field_size=_LINE_BYTES_MAX,
        max_headers=_HEADERS_MAX,
    )


class _GuardedResolver(AbstractResolver):
    def __init__(self, guard: AddressGuard) -> None:
        self._guard = guard

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in await self._guard.resolve(host, port)
        ]

    async def close(self) -> None:
        """Nothing is held open."""


class _GuardedSockets:
    """The last gate: no socket is made for an address that was not let through.

    aiohttp asks no resolver when the host is an address already, so the resolver alone would leave
    a way around. Every connection of the session, however it came about, is made here.
    """

    def __init__(self, guard: AddressGuard) -> None:
        self._guard = guard

    def __call__(self, info: AddrInfoType) -> socket.socket:
        family, kind, proto, _, place = info
        self._guard.check_address(str(place[0]))
        return socket.socket(family=family, type=kind, proto=proto)
