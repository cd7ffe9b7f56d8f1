"""The request every measurement submits: a capability request for `echo`, about 1 KB."""

from __future__ import annotations

import json
from typing import Any

TOKEN = "bench-token-of-more-than-32-characters"
REQUEST_ID = "REQUEST_ID"
"""Stands in the body where each request's own id goes."""
CLOSED_URL = "http://127.0.0.1:65431/updates"
"""Where callbacks go: nobody listens there, so each is refused and tried again later."""
TEXT_CHARS = 690


def body(request_id: str = REQUEST_ID, **target: Any) -> dict[str, Any]:
    """An enqueue body; `target` overrides the routing, which is the queue of all phones."""
    return {
        "request_id": request_id,
        "capability": "echo",
        "mode": "manual",
        "target": {"routing": "queue"} | target,
        "inputs": {"text": "x" * TEXT_CHARS, "tags": ["bench", "echo"], "count": 3},
        "callback": {"url": CLOSED_URL, "metadata": {"environment": "bench"}},
        "requested_by": {
            "system": "bench",
            "user": "operator@example.com",
            "metadata": {"team": "measurements"},
        },
    }


def body_text() -> str:
    return json.dumps(body(), separators=(",", ":"))
