"""The page of the tasks API is run: each request is sent, each answer compared."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from living_server import OURS, Api, Living, living

PAGE = Path(__file__).parents[2] / "docs" / "tasks-api.md"
FENCE = re.compile(r"^```http\n(.*?)^```$", re.DOTALL | re.MULTILINE)
NAMED = re.compile(
    r"^\| `(GET|POST|DELETE) (/[^ `]*)` \| `?([\w:]+|a signed link)`? \|", re.MULTILINE
)
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
VOLATILE = {"task_id", "link_id", "url", "created_at", "completed_at"}


def plain(value: Any) -> Any:
    """What is the same each time; of what is not, whether it is there."""
    if isinstance(value, dict):
        return {
            key: (held is not None) if key in VOLATILE else plain(held)
            for key, held in value.items()
        }
    return [plain(one) for one in value] if isinstance(value, list) else value


def test_the_page_shows_what_the_server_says(tmp_path: Path) -> None:
    blocks = FENCE.findall(PAGE.read_text(encoding="utf-8"))
    assert len(blocks) >= 12 and len(blocks) % 2 == 0
    real_id = ""
    with living(tmp_path) as server:
        api = Api(server.port, OURS)
        for asked, told in zip(blocks[::2], blocks[1::2], strict=True):
            head, _, body = asked.partition("\n\n")
            method, path = UUID.sub(real_id, head.strip()).split(" ")
            reply = api.send(method, path, body.encode() or None)
            status, _, answer = told.partition("\n\n")
            assert status == f"HTTP/1.1 {reply.status}", (asked, reply)
            expected = json.loads(answer)
            assert plain(reply.json) == plain(expected), asked
            assert list(reply.json) == list(expected), "the order is the server's"
            real_id = real_id or reply.json["task_id"]
        api.close()


def test_the_page_names_every_endpoint_with_its_scope(server: Living) -> None:
    named = set(NAMED.findall(PAGE.read_text(encoding="utf-8")))
    steps = next(face for face in server.app._faces if face.name == "steps")
    served = {
        (one.method, one.path, one.scope or "a signed link")
        for one in steps.endpoints
        if one.path.startswith(("/api/v1/tasks", "/api/v1/files"))
    }
    assert named == served
