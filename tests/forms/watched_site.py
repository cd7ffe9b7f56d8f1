"""A small real site that shows given pages and keeps what is posted, and a watched browser."""

from __future__ import annotations

import threading
from email import policy
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from filled import png
from msgspec import Struct
from playwright.sync_api import Browser, Page, Request

from procession.forms.page import security_headers

NONCE = "c2VjcmV0"
PATH = "/t/link"
PHONE = {"width": 390, "height": 844}
CHROMIUM_FLAGS = [
    *("--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-proxy-server"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]


class Posted(Struct):
    """What one form sent."""

    fields: dict[str, list[str]]
    files: dict[str, list[tuple[str, bytes]]]


class Site:
    """`page` answers what is looked at, `answer` what is posted; `headers` go with both."""

    def __init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self.origin = f"http://127.0.0.1:{self._server.server_port}"
        self.forget()

    def forget(self) -> None:
        self.page = self.answer = ""
        self.headers = security_headers(NONCE)
        self.posted: list[Posted] = []

    def __enter__(self) -> Site:
        self._thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(site: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith("/api/v1/files/"):
                self._send({"Content-Type": "image/png"}, png(320, 160))
            else:
                self._send(site.headers, site.page.encode())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            site.posted.append(_posted(self.headers["Content-Type"], body))
            self._send(site.headers, site.answer.encode())

        def _send(self, headers: dict[str, str], body: bytes) -> None:
            self.send_response(200)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            """Nobody reads it."""

    return Handler


def _posted(content_type: str, body: bytes) -> Posted:
    if content_type.startswith("application/x-www-form-urlencoded"):
        return Posted(parse_qs(body.decode(), keep_blank_values=True), {})
    posted = Posted({}, {})
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    for part in BytesParser(policy=policy.HTTP).parsebytes(head + body).iter_parts():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        filename = part.get_filename()
        if filename is None:
            posted.fields.setdefault(name, []).append(content.decode())
        elif filename:
            posted.files.setdefault(name, []).append((filename, content))
    return posted


class Visit:
    """Looks at pages of the site as a phone does."""

    def __init__(self, browser: Browser, site: Site) -> None:
        self._browser, self.site = browser, site
        self._contexts: list[Any] = []
        self.complaints: list[str] = []
        self.asked_outside: list[str] = []
        """What was to be fetched from elsewhere, also when the policy stopped it."""
        self.stopped_by_policy: list[str] = []

    def look_at(self, html: str, **device: Any) -> Page:
        """A fresh browser window that shows the page."""
        self.site.page = html
        context = self._browser.new_context(**{"viewport": PHONE, **device})
        self._contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda line: self.complaints.append(line.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", self._note)
        page.on("requestfailed", self._note_failed)
        page.goto(self.site.origin + PATH)
        return page

    def look_next(self, page: Page, html: str) -> None:
        """Another page in the same window."""
        self.site.page = html
        page.goto(self.site.origin + PATH)

    def _note(self, request: Request) -> None:
        if not request.url.startswith((self.site.origin + "/", "data:")):
            self.asked_outside.append(request.url)

    def _note_failed(self, request: Request) -> None:
        if request.failure == "csp":
            self.stopped_by_policy.append(request.url)

    def close(self) -> None:
        for context in self._contexts:
            context.close()
