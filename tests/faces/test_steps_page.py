"""The page of the steps API is run: each request is sent, each answer compared."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from living_server import Api, Living, living
from test_execution_page import Told, blocks, compare_answer, send

PAGE = Path(__file__).parents[2] / "docs" / "steps-api.md"
NAMED = re.compile(r"^\| `(GET|POST|DELETE) (/[^ `]*)`", re.MULTILINE)
SECOND = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
ELSEWHERE = ("/api/v1/tasks", "/api/v1/files", "/f/")
"""What the page of tasks names."""


class ToldInSeconds(Told):
    """Times are whole seconds here, and how long a step took is no matter."""

    def compare(self, written: Any, real: Any, at: str = "") -> None:
        if at.endswith("/duration_ms"):
            assert isinstance(real, int) and real >= 0, at
        elif isinstance(written, str) and isinstance(real, str):
            super().compare(SECOND.sub("<time>", written), SECOND.sub("<time>", real), at)
        else:
            super().compare(written, real, at)


def test_the_page_shows_what_the_server_says(tmp_path: Path) -> None:
    with living(tmp_path) as server:
        api, told, statuses = Api(server.port), ToldInSeconds(), []
        asked = None
        for block in blocks(PAGE.read_text(encoding="utf-8")):
            if block.first.startswith("HTTP/1.1 "):
                assert asked is not None, block
                compare_answer(told, block, asked)
                statuses.append(asked.status)
                asked = None
            else:
                asked = send(api, told, block)
        api.close()
    assert statuses == [201, 200, 200, 200, 200]


def test_the_page_names_every_endpoint(server: Living) -> None:
    api = Api(server.port, None)
    document = api.get("/api/v1/openapi.json").json
    api.close()
    served = {
        (method.upper(), path)
        for path, methods in document["paths"].items()
        for method in methods
        if not path.startswith(ELSEWHERE)
    }
    assert set(NAMED.findall(PAGE.read_text(encoding="utf-8"))) == served
