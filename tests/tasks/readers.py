"""Somebody with a link and a browser without JavaScript: cookies, the page's own nonce, forms."""

from __future__ import annotations

import re
from html import unescape
from typing import Any
from urllib.parse import urlencode

from living_server import Api, Reply

FORM_TYPE = "application/x-www-form-urlencoded"
EDGE = "edge"


class Reader:
    """Looks at one link and sends what its pages ask for."""

    def __init__(self, nobody: Api, link_id: str) -> None:
        self.api = nobody
        self.path = f"/t/{link_id}"
        self.cookie = ""
        self.nonce = ""

    def look(self, method: str = "GET") -> Reply:
        return self._seen(self.api.send(method, self.path, None, **self._headers()))

    def send(self, **fields: Any) -> Reply:
        """The form, encoded as a form without files is."""
        return self._post(self.path, self._encoded(fields), FORM_TYPE)

    def send_files(self, files: dict[str, tuple[str, bytes]], **fields: str) -> Reply:
        parts = [
            f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}'.encode()
            for name, value in ({"_procession_nonce": self.nonce} | fields).items()
        ]
        parts += [
            f'Content-Disposition: form-data; name="{name}"; filename="{file}"\r\n'
            "Content-Type: text/plain\r\n\r\n".encode()
            + content
            for name, (file, content) in files.items()
        ]
        head = f"--{EDGE}\r\n".encode()
        body = head + f"\r\n--{EDGE}\r\n".encode().join(parts) + f"\r\n--{EDGE}--\r\n".encode()
        return self._post(self.path, body, f"multipart/form-data; boundary={EDGE}")

    def try_code(self, code: str) -> Reply:
        return self._post(f"{self.path}/code", self._encoded({"code": code}), FORM_TYPE)

    def ask_code(self) -> Reply:
        return self._post(f"{self.path}/code/new", self._encoded({}), FORM_TYPE)

    def _encoded(self, fields: dict[str, Any]) -> bytes:
        return urlencode({"_procession_nonce": self.nonce} | fields).encode()

    def _post(self, path: str, body: bytes, kind: str) -> Reply:
        return self._seen(self.api.send("POST", path, body, Content_Type=kind, **self._headers()))

    def _headers(self) -> dict[str, str]:
        return {"Cookie": self.cookie} if self.cookie else {}

    def _seen(self, reply: Reply) -> Reply:
        given = reply.headers.get("set-cookie", "")
        if given:
            self.cookie = given.partition(";")[0]
        found = re.search(rb'name="_procession_nonce" value="([^"]+)"', reply.body)
        if found:
            self.nonce = found[1].decode()
        return reply


def heading(reply: Reply) -> str:
    """What the page is about."""
    found = re.search(r"<h1>(.*?)</h1>", reply.body.decode(), re.DOTALL)
    assert found, reply
    return unescape(found[1])


def shown_faults(reply: Reply) -> str:
    return unescape(re.sub(r"<[^>]+>", " ", reply.body.decode()))
