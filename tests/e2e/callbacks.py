"""A receiver of callbacks that believes none whose signatures are wrong."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from deadline import until
from standardwebhooks import Webhook

SECRET = "whsec_cHJvY2Vzc2lvbi1lbmQtdG8tZW5k"


class Receiver:
    """Every update received, by process; `refused` says why others were not believed."""

    def __init__(self) -> None:
        self.refused: list[str] = []
        self._updates: dict[str, list[dict[str, Any]]] = {}
        self._lock = threading.Lock()
        self.url = ""

    def updates(self, process_id: str) -> list[dict[str, Any]]:
        """In the order of their arrival, repeats included."""
        with self._lock:
            return list(self._updates.get(process_id, []))

    def milestones(self, process_id: str) -> list[str]:
        """Each once, in the order of their first arrival."""
        seen = {u["process"]["version"]: u["milestone"] for u in reversed(self.updates(process_id))}
        order = dict.fromkeys(u["process"]["version"] for u in self.updates(process_id))
        return [seen[version] for version in order]

    def versions(self, process_id: str) -> list[int]:
        """Of the first arrivals, in their order."""
        return list(dict.fromkeys(u["process"]["version"] for u in self.updates(process_id)))

    def until_told(self, process_id: str, version: int) -> None:
        """Wait for the update of this version."""
        until(lambda: version in self.versions(process_id), 30, f"the callback of {version}")

    def take(self, headers: dict[str, str], body: bytes) -> int:
        """Verify and keep one; the status to answer with."""
        try:
            Webhook(SECRET).verify(body, headers)
            signed = headers["x-phonefarm-timestamp"].encode() + b"." + body
            expected = hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
            if headers["x-phonefarm-signature"] != expected:
                raise ValueError("X-PhoneFarm-Signature is wrong")
            if headers["user-agent"] != "phonefarm-callback/1.0":
                raise ValueError("User-Agent is wrong")
        except Exception as reason:
            self.refused.append(f"{type(reason).__name__}: {reason}")
            return 401
        update = json.loads(body)
        with self._lock:
            self._updates.setdefault(update["process"]["process_id"], []).append(update)
        return 204

    @contextmanager
    def listening(self, host: str = "127.0.0.1") -> Iterator[Receiver]:
        with serving(_handler(self), host) as port:
            self.url = f"http://{host}:{port}/updates"
            yield self


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler], host: str = "127.0.0.1") -> Iterator[int]:
    """A server of the test's own, on loopback unless told otherwise; its port."""
    server = ThreadingHTTPServer((host, 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.send_response(receiver.take(headers, body))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """A test's output is not a log."""

    return Handler
