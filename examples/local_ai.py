"""A chat endpoint for trying: it speaks the protocol of OpenAI's and is NOT an AI.

A few fixed rules read lines like `Café Anna, Hauptstraße 1, Berlin, Germany, 52.5, 13.4`. Its
answers say so. `python examples/local_ai.py 8900`, then for the worker
`PROCESSION_AI_BASE_URL=http://127.0.0.1:8900/v1 PROCESSION_AI_MODEL=rules`.
"""

from __future__ import annotations

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

FIELDS = ("name", "address", "city", "country", "latitude", "longitude")
COUNTRIES = {"berlin": "Germany", "paris": "France", "rome": "Italy", "oslo": "Norway"}


def located(line: str) -> dict[str, Any]:
    """A line's parts by their order; numbers are a place on the globe."""
    words = [word.strip() for word in line.split(",")]
    numbers = [float(word) for word in words if is_number(word)]
    texts: list[Any] = [word for word in words if not is_number(word)][:4]
    found = dict(zip(FIELDS, [*texts, *[None] * (4 - len(texts)), *numbers[:2]], strict=False))
    return dict.fromkeys(FIELDS) | found


def improved(row: dict[str, Any]) -> dict[str, Any]:
    """Blanks trimmed, first letters raised, the country of a known city filled in."""
    tidy = {
        key: " ".join(value.split()).title() if isinstance(value, str) else value
        for key, value in row.items()
    }
    if not tidy.get("country"):
        tidy["country"] = COUNTRIES.get((tidy.get("city") or "").lower())
    return tidy


def answer(question: str) -> dict[str, Any]:
    """What the rules make of a question."""
    if question.lstrip().startswith("["):
        return {"rows": [improved(row) for row in json.loads(question)]}
    lines = [line for line in question.splitlines() if "," in line]
    return {"rows": [located(line) for line in lines]}


def is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


class Rules(BaseHTTPRequestHandler):
    """`POST …/chat/completions`."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.say(200, completion(json.dumps(answer(body["messages"][-1]["content"]))))

    def say(self, status: int, message: Any) -> None:
        data = message if isinstance(message, bytes) else json.dumps(message).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: whoever tries it watches the job."""


def completion(content: str | None, **more: Any) -> dict[str, Any]:
    """A chat completion around this text."""
    message = {"role": "assistant", "content": content} | more.pop("message", {})
    choice = {"index": 0, "message": message, "finish_reason": "stop"} | more
    return {
        "id": "rules",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": "rules, not an AI",
        "choices": [choice],
    }


def main() -> None:
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8900
    server = ThreadingHTTPServer(("127.0.0.1", port), Rules)
    sys.stdout.write(f"rules, not an AI, at http://127.0.0.1:{server.server_port}/v1\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
