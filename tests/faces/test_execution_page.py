"""The page of the execution API is run: each request is sent, each answer compared."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from living_server import OURS, Api, Living, living
from worker_by_hand import Worker

PAGE = Path(__file__).parents[2] / "docs" / "execution-api.md"
FENCE = re.compile(r"^```http\n(.*?)^```$|^<!-- agent: (\w+) -->$", re.DOTALL | re.MULTILINE)
NAMED = re.compile(r"^\| `(GET|POST|PATCH) (/[^ `]*)`", re.MULTILINE)
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
RECEIVER = ("https://tracker.example.com", "http://127.0.0.1:1")
"""The page's callbacks go to this machine when the page is run."""
PHONES = ("phone_01", "phone_02")


class Written(NamedTuple):
    """A block of the page: a request, the answer to the one before, or what the agent does."""

    first: str
    headers: dict[str, str]
    body: str


def blocks(page: str) -> Iterator[Written]:
    for match in FENCE.finditer(page):
        text, order = match.groups()
        if order:
            yield Written(f"agent {order}", {}, "")
            continue
        head, _, body = text.partition("\n\n")
        first, *lines = head.splitlines()
        yield Written(first, dict(line.split(": ", 1) for line in lines), body.strip())


class Told:
    """Which real id stands for which id of the page."""

    def __init__(self) -> None:
        self._real: dict[str, str] = {}

    def real(self, text: str) -> str:
        return UUID.sub(lambda found: self._real.get(found[0], found[0]), text)

    def compare(self, written: Any, real: Any, at: str = "") -> None:
        """Equal but for ids, which are learned, and for times."""
        if isinstance(written, dict):
            assert isinstance(real, dict) and list(written) == list(real), (at, written, real)
            for key in written:
                self.compare(written[key], real[key], f"{at}/{key}")
        elif isinstance(written, list):
            assert isinstance(real, list) and len(written) == len(real), (at, written, real)
            for number, held in enumerate(written):
                self.compare(held, real[number], f"{at}/{number}")
        elif isinstance(written, str) and isinstance(real, str):
            for mine, theirs in zip(UUID.findall(written), UUID.findall(real), strict=True):
                self._real.setdefault(mine, theirs)
            assert plain(self.real(written)) == plain(real), (at, written, real)
        else:
            assert written == real, (at, written, real)


def plain(text: str) -> str:
    return STAMP.sub("<time>", text)


def act(worker: Worker, order: str, held: list[dict[str, Any]]) -> None:
    if order == "claims":
        held.append(worker.claim())
        worker.start(held[-1])
    elif order == "reports":
        worker.progress(held[-1], 40, "viewing results of 'rain'")
    elif order == "completes":
        worker.finish(held.pop(), result={"moves": 12})
    else:
        assert order == "fails"
        worker.finish(
            held.pop(),
            "failed",
            error={"message": "the app did not start"},
            output="starting the app\n",
        )


def session(api: Api, page: str) -> Iterator[tuple[Written, Any]]:
    """Each request of the page with its real answer."""
    worker = Worker(api, *PHONES, agent_id="agent-1").register()
    held: list[dict[str, Any]] = []
    told = Told()
    waiting: tuple[Written, Any] | None = None
    for block in blocks(page):
        if block.first.startswith("agent "):
            act(worker, block.first.removeprefix("agent "), held)
        elif block.first.startswith("HTTP/1.1 "):
            assert waiting is not None, block
            compare_answer(told, block, waiting[1])
            waiting = None
        else:
            waiting = block, send(api, told, block)
            yield waiting


def send(api: Api, told: Told, block: Written) -> Any:
    method, path, _ = block.first.split(" ")
    body = told.real(block.body).encode() if block.body else None
    headers = {name.replace("-", "_"): told.real(value) for name, value in block.headers.items()}
    return api.send(method, told.real(path), body, **headers)


def compare_answer(told: Told, block: Written, reply: Any) -> None:
    assert block.first.split(" ")[1] == str(reply.status), (block, reply)
    for name, value in block.headers.items():
        told.compare(value, reply.headers[name.lower()], name)
    if block.body:
        told.compare(json.loads(block.body), reply.json)
    else:
        assert reply.body == b""


def test_the_page_shows_what_the_server_says(tmp_path: Path) -> None:
    page = PAGE.read_text(encoding="utf-8").replace(*RECEIVER)
    with living(tmp_path) as server:
        api = Api(server.port, OURS)
        replies = [reply for _, reply in session(api, page)]
        api.close()
    assert len(replies) > 15
    assert all(reply.status < 500 for reply in replies)


def test_the_page_names_every_endpoint(server: Living) -> None:
    api = Api(server.port, None)
    document = api.get("/openapi.json").json
    api.close()
    served = {
        (method.upper(), path) for path, methods in document["paths"].items() for method in methods
    }
    named = {
        (method, path.partition("?")[0])
        for method, path in NAMED.findall(PAGE.read_text(encoding="utf-8"))
    }
    assert named == served
