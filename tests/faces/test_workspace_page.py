"""The page of the workspace API is run: each request is sent, each answer compared."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from living_server import OURS, Api, Living, living
from test_execution_page import Told, Written, blocks, compare_answer, send
from worker_by_hand import Worker

from procession import people
from procession.engine import Engine
from procession.protocol import PROTOCOL_VERSION
from procession.store.turn import Turn

PAGE = Path(__file__).parents[2] / "docs" / "workspace-api.md"
NAMED = re.compile(r"^\| `(GET|POST) (/[^ `]*)`", re.MULTILINE)


class DraftWorker(Worker):
    """A worker with one lane, for drafts."""

    def __init__(self, api: Api) -> None:
        super().__init__(api, "w/job-1", agent_id="w")
        lane = {"phone_id": "w/job-1", "job_types": [{"name": "draft"}]}
        self._say(
            "register", protocol=PROTOCOL_VERSION, version="0", capabilities=[], phones=[lane]
        )


def act(worker: Worker, order: str, held: list[dict[str, Any]]) -> None:
    if order == "claims":
        held.append(worker.claim())
        worker.start(held[-1])
    elif order == "asks":
        worker.finish(held.pop(), "waiting", result={"rows": 2})
    else:
        assert order == "completes"
        worker.finish(held.pop(), result={"rows": 3})


def session(api: Api, page: str) -> Iterator[tuple[Written, Any]]:
    """Each request of the page with its real answer."""
    worker, held, told = DraftWorker(api), [], Told()
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


async def named(engine: Engine) -> None:
    """Give the tenant of the tests its first workspace."""

    async def run(turn: Turn) -> None:
        await people.name_workspace(turn, "ours", "Ours", "default")

    await engine.ledger.errand(run)


def test_the_page_shows_what_the_server_says(tmp_path: Path) -> None:
    with living(tmp_path) as server:
        server.call(named)
        api = Api(server.port, OURS)
        replies = [reply for _, reply in session(api, PAGE.read_text(encoding="utf-8"))]
        api.close()
    assert [reply.status for reply in replies] == [202, 200, 200, 200, 409]


def test_the_page_names_every_endpoint(server: Living) -> None:
    api = Api(server.port, None)
    document = api.get("/api/openapi.json").json
    api.close()
    served = {
        (method.upper(), path) for path, methods in document["paths"].items() for method in methods
    }
    assert set(NAMED.findall(PAGE.read_text(encoding="utf-8"))) == served
