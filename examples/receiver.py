"""A small receiver of callbacks: verifies both signatures, prints one line each, keeps counts.

    python examples/receiver.py --port 9000 --secret whsec_c2VjcmV0LW9mLXRoZS1kZW1v

POST anywhere delivers a callback; GET /counts tells what has arrived. Standard library only.
"""

import argparse
import base64
import hashlib
import hmac
import json
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOLERANCE_S = 300
BODY_BYTES_MAX = 1_048_576
REMEMBERED_MAX = 100_000
READ_TIMEOUT_S = 30


def is_fresh(timestamp: str, now_s: float) -> bool:
    """Say whether `timestamp` (unix seconds) is close enough to now: stops replays of old ones."""
    return timestamp.isdecimal() and abs(now_s - int(timestamp)) <= TOLERANCE_S


def verify_phonefarm(secret: str, headers: Message, body: bytes, now_s: float) -> bool:
    """Check `X-PhoneFarm-Signature`: hex HMAC-SHA256 of `<timestamp>.<raw body>`."""
    stamp = headers.get("X-PhoneFarm-Timestamp", "")
    expected = hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    given = headers.get("X-PhoneFarm-Signature", "")
    return is_fresh(stamp, now_s) and hmac.compare_digest(expected.encode(), given.encode())


def verify_standard(secret: str, headers: Message, body: bytes, now_s: float) -> bool:
    """Check `webhook-signature`: any of its `v1` signatures of `<id>.<timestamp>.<raw body>`."""
    stamp = headers.get("webhook-timestamp", "")
    key = secret.encode()
    if secret.startswith("whsec_"):
        encoded = secret.removeprefix("whsec_")
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4))
    signed = f"{headers.get('webhook-id', '')}.{stamp}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    given = headers.get("webhook-signature", "").split(" ")
    matches = [hmac.compare_digest(expected.encode(), one.encode()) for one in given]
    return is_fresh(stamp, now_s) and any(matches)


class Tally:
    """What has arrived so far; every method may be called from any thread."""

    def __init__(self, secrets: Sequence[str], fail_first: int, as_json: bool) -> None:
        self._secrets = secrets
        self._fail_left = fail_first
        self._as_json = as_json
        self._counts: Counter[str] = Counter()
        self._milestones: Counter[str] = Counter()
        self._seen: dict[str, None] = {}
        self._lock = threading.Lock()

    def receive(self, headers: Message, body: bytes) -> int:
        """Judge one callback, print its line, return the status to answer with."""
        verified = self._verify(headers, body)
        try:
            callback = json.loads(body)
            milestone = str(callback["milestone"])
            process_id = str(callback["process"]["process_id"])
        except (ValueError, KeyError, TypeError):
            milestone, process_id = "?", "?"
        with self._lock:
            status, is_repeat = self._judge(headers.get("webhook-id", ""), milestone, verified)
        self.tell(
            {
                "event": "callback",
                "process_id": process_id,
                "milestone": milestone,
                "verified": verified,
                "is_repeat": is_repeat,
                "answer": status,
            }
        )
        return status

    def counts(self) -> dict[str, Any]:
        """Return the numbers that GET /counts answers."""
        names = ("received", "verified", "refused", "repeated", "failed_on_purpose")
        with self._lock:
            numbers = {name: self._counts[name] for name in names}
            return {**numbers, "milestones": dict(self._milestones)}

    def tell(self, line: dict[str, Any]) -> None:
        """Print one line, as JSON or for people."""
        text = " ".join(f"{key}={value}" for key, value in line.items())
        with self._lock:
            sys.stdout.write((json.dumps(line) if self._as_json else text) + "\n")
            sys.stdout.flush()

    def _verify(self, headers: Message, body: bytes) -> bool | None:
        """Return None without secrets; else both families must hold, each with one of them."""
        if not self._secrets:
            return None
        now_s = time.time()
        return any(verify_phonefarm(one, headers, body, now_s) for one in self._secrets) and any(
            verify_standard(one, headers, body, now_s) for one in self._secrets
        )

    def _judge(self, webhook_id: str, milestone: str, verified: bool | None) -> tuple[int, bool]:
        self._counts["received"] += 1
        if verified is False:
            self._counts["refused"] += 1
            return 401, False
        if self._fail_left > 0:
            self._fail_left -= 1
            self._counts["failed_on_purpose"] += 1
            return 500, False
        self._counts["verified"] += verified is True
        if webhook_id and webhook_id in self._seen:
            self._counts["repeated"] += 1
            return 200, True
        self._remember(webhook_id)
        self._milestones[milestone] += 1
        return 200, False

    def _remember(self, webhook_id: str) -> None:
        """Keep the newest ids only: a callback comes at least once, sometimes twice."""
        self._seen[webhook_id] = None
        if len(self._seen) > REMEMBERED_MAX:
            del self._seen[next(iter(self._seen))]


class Handler(BaseHTTPRequestHandler):
    """One connection; it is kept open between callbacks."""

    protocol_version = "HTTP/1.1"
    timeout = READ_TIMEOUT_S
    tally: Tally

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > BODY_BYTES_MAX:
            self.close_connection = True
            self._answer(413, {"error": "a body of known length, at most 1 MiB"})
            return
        status = self.tally.receive(self.headers, self.rfile.read(int(length)))
        self._answer(status, {"ok": status == 200})

    def do_GET(self) -> None:
        if self.path == "/counts":
            self._answer(200, self.tally.counts())
        else:
            self._answer(404, {"error": "only /counts can be read"})

    def log_message(self, format: str, *args: Any) -> None:
        """The tally prints; the server itself stays quiet."""

    def _answer(self, status: int, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    """Receive until Ctrl-C or SIGTERM."""
    parser = argparse.ArgumentParser(description="Receive and verify callbacks.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9000, help="0 takes a free one")
    parser.add_argument("--secret", action="append", default=[], help="may be given several times")
    parser.add_argument("--fail-first", type=int, default=0, metavar="N", help="answer N with 500")
    parser.add_argument("--json", action="store_true", help="print JSON lines")
    options = parser.parse_args()
    tally = Tally(options.secret, options.fail_first, options.json)
    handler = type("BoundHandler", (Handler,), {"tally": tally})
    with ThreadingHTTPServer((options.host, options.port), handler) as server:
        server.daemon_threads = True
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, lambda *_: threading.Thread(target=server.shutdown).start())
        tally.tell({"event": "listening", "url": f"http://{options.host}:{server.server_port}/"})
        server.serve_forever(poll_interval=0.1)
    tally.tell({"event": "ended", **tally.counts()})


if __name__ == "__main__":
    main()
