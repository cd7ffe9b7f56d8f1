"""A local HTTP server of assets, some of which misbehave."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

VIDEO = bytes(range(256)) * 3_000


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.close_connection = True
        getattr(self, "_" + self.path.strip("/").split(".")[0].split("?")[0], self._missing)()

    def log_message(self, *_: object) -> None:
        """The tests' output is not the place."""

    def _send(self, status: int, body: bytes, length: int | None = None, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _video(self) -> None:
        self._send(200, VIDEO)

    def _empty(self) -> None:
        self._send(200, b"")

    def _short(self) -> None:
        self._send(200, VIDEO, length=len(VIDEO) + 1)

    def _moved(self) -> None:
        self._send(302, b"", Location="/video.mp4")

    def _broken(self) -> None:
        self._send(503, b"busy")

    def _missing(self) -> None:
        self._send(404, b"")

    def _endless(self) -> None:
        self.send_response(200)
        self.end_headers()
        try:
            while True:
                self.wfile.write(VIDEO)
        except OSError:
            return

    def _silent(self) -> None:
        self.server.over.wait(30)  # type: ignore[attr-defined]


@contextmanager
def assets() -> Iterator[str]:
    """The base URL of a running server."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answer)
    server.daemon_threads = True
    server.over = threading.Event()  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.over.set()  # type: ignore[attr-defined]
        server.shutdown()
        thread.join()
        server.server_close()
