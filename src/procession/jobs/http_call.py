"""One POST of JSON, with a limit on everything: no redirect, a deadline, a bounded answer."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from http.client import HTTPConnection, HTTPException, HTTPResponse
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import NamedTuple
from urllib.parse import urlsplit

READ_BYTES = 65_536


class AddressBarred(Exception):
    """The host has no address the operator's rule allows."""


class CallFailed(Exception):
    """No whole answer came."""


class Answered(NamedTuple):
    """An answer; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def retry_after_s(self) -> float | None:
        """What it asks to wait, where it says so in seconds."""
        try:
            return max(0.0, float(self.headers.get("retry-after", "")))
        except ValueError:
            return None


def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    connect_s: float,
    answer_s: float,
    answer_bytes_max: int,
    networks: Sequence[IPv4Network | IPv6Network] = (),
) -> Answered:
    """Raises AddressBarred, CallFailed."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection = HTTPConnection(host, port)
    try:
        # Kept here too: the connection lets go of it where the answer ends with its closing.
        sock = _connected(host, port, parts.scheme == "https", connect_s, networks)
        connection.sock = sock
        deadline_s = time.monotonic() + answer_s
        sock.settimeout(answer_s)
        connection.request("POST", path, body, {"Content-Type": "application/json", **headers})
        response = connection.getresponse()
        answer = _read(sock, response, deadline_s, answer_bytes_max)
        named = {name.lower(): value for name, value in response.getheaders()}
        return Answered(response.status, named, answer)
    except TimeoutError:
        raise CallFailed(f"no answer from {host} in time") from None
    except (OSError, HTTPException, ValueError) as reason:
        raise CallFailed(f"{host}: {reason or type(reason).__name__}") from None
    finally:
        connection.close()


def _connected(
    host: str,
    port: int,
    tls: bool,
    connect_s: float,
    networks: Sequence[IPv4Network | IPv6Network],
) -> socket.socket:
    """A connection to an address that was checked, not to a name looked up again."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [str(one[4][0]) for one in found]
    allowed = [one for one in addresses if not networks or _within(one, networks)]
    if not allowed:
        raise AddressBarred(f"{host} has no address that is allowed")
    plain = socket.create_connection((allowed[0], port), connect_s)
    if not tls:
        return plain
    return ssl.create_default_context().wrap_socket(plain, server_hostname=host)


def _within(address: str, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    return any(ip_address(address.partition("%")[0]) in network for network in networks)


def _read(sock: socket.socket, response: HTTPResponse, deadline_s: float, bytes_max: int) -> bytes:
    answer = b""
    while True:
        left_s = deadline_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        if sock.fileno() >= 0:
            sock.settimeout(left_s)
        piece = response.read1(READ_BYTES)
        if not piece:
            return answer
        answer += piece
        if len(answer) > bytes_max:
            raise CallFailed(f"an answer of over {bytes_max} bytes")
