"""A real HTTP server on loopback that misbehaves as told."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import BinaryIO

from procession.webhooks.addresses import parse_networks
from procession.webhooks.guard import AddressGuard

LOOPBACK = parse_networks("127.0.0.0/8")
GUARD = AddressGuard(allow=LOOPBACK)


def wait_until(condition: Callable[[], object], deadline_s: float = 10) -> None:
    """Fail when `condition` does not come true in time."""
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, "the condition did not come true in time"
        time.sleep(0.002)


@dataclass(frozen=True)
class Received:
    path: str
    headers: dict[str, str]
    body: bytes


Reply = Callable[[socket.socket, Received], None]


def reply(status: int, body: bytes = b"ok", **headers: str) -> Reply:
    """Answer with `status`; header names use `_` for `-`."""

    def send(connection: socket.socket, _: Received) -> None:
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    return send


def raw(data: bytes) -> Reply:
    """Send `data` as it is and close the connection."""

    def send(connection: socket.socket, _: Received) -> None:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_RDWR)

    return send


def hang(until: threading.Event) -> Reply:
    """Answer nothing before `until` is set."""

    def send(connection: socket.socket, request: Received) -> None:
        until.wait(60)
        reply(200)(connection, request)

    return send


@dataclass
class Receiver:
    """Counts what arrives; answers with the next of `replies`, with the last one for ever."""

    replies: Sequence[Reply] = (reply(200),)
    received: list[Received] = field(default_factory=list)
    tls: ssl.SSLContext | None = None
    connections: int = 0
    concurrent_max: int = 0
    _concurrent: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _open: list[socket.socket] = field(default_factory=list)

    @contextmanager
    def listening(self, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
        """Yield the address as `http://host:port`."""
        scheme = "http" if self.tls is None else "https"
        with socket.create_server((host, port)) as server:
            thread = threading.Thread(target=self._accept, args=(server,), daemon=True)
            thread.start()
            try:
                yield f"{scheme}://{host}:{server.getsockname()[1]}"
            finally:
                server.shutdown(socket.SHUT_RDWR)
                thread.join(5)
                with self._lock:
                    for connection in self._open:
                        connection.close()

    def _accept(self, server: socket.socket) -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
                self._open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            if self.tls is not None:
                connection = self.tls.wrap_socket(connection, server_side=True)
                self._open.append(connection)
            with connection.makefile("rb") as stream:
                while (request := _read(stream)) is not None:
                    self._answer(connection, request)
        except OSError:
            return

    def _answer(self, connection: socket.socket, request: Received) -> None:
        with self._lock:
            place = min(len(self.received), len(self.replies) - 1)
            self.received.append(request)
            self._concurrent += 1
            self.concurrent_max = max(self.concurrent_max, self._concurrent)
        try:
            self.replies[place](connection, request)
        finally:
            with self._lock:
                self._concurrent -= 1


def _read(stream: BinaryIO) -> Received | None:
    line = stream.readline()
    if not line:
        return None
    headers: dict[str, str] = {}
    while (row := stream.readline().strip()) != b"":
        name, _, value = row.decode().partition(":")
        headers[name.lower()] = value.strip()
    body = stream.read(int(headers.get("content-length", "0")))
    return Received(line.decode().split()[1], headers, body)
