"""Rows posted to a URL of the operator, a batch a call, each under its own idempotency key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.json import encode

from procession.jobs.http_call import AddressBarred, CallFailed, post
from procession.jobs.targets.target import Columns, Mark, Named, TargetAway, TargetRefused

CONNECT_S_MAX = 10.0
ANSWER_S_MAX = 60.0
ANSWER_BYTES_MAX = 65_536
CHARS_SHOWN = 200
_AGAIN = frozenset({408, 425, 429})


class Posting:
    """Posts `{"job", "from_row", "to_row", "rows"}`; the receiver drops a key it has seen.

    A batch whose answer was lost is posted again with the same key and the same rows.
    """

    def __init__(self, named: Named, job_key: str) -> None:
        self._named = named
        self._key = job_key

    def missing(self, fields: Sequence[str]) -> dict[str, str]:
        return {}

    def mark(self, known: Mark) -> Mark:
        return known

    def apply(self, mark: Mark, upto: int, fields: Sequence[str], columns: Columns) -> Mark:
        rows = [dict(zip(fields, row, strict=True)) for row in zip(*columns, strict=True)]
        if rows:
            self._post(mark.done, upto, rows)
        return Mark(upto, mark.applied + len(rows))

    def close(self) -> None:
        pass

    def _post(self, done: int, upto: int, rows: Sequence[Mapping[str, Any]]) -> None:
        headers = {"Idempotency-Key": f"{self._key}-{done}"}
        if self._named.authorization:
            headers["Authorization"] = self._named.authorization
        body = {"job": self._key, "from_row": done + 1, "to_row": upto, "rows": rows}
        try:
            answer = post(
                self._named.url,
                encode(body),
                headers,
                connect_s=CONNECT_S_MAX,
                answer_s=ANSWER_S_MAX,
                answer_bytes_max=ANSWER_BYTES_MAX,
                networks=self._named.allowed(),
            )
        except AddressBarred as reason:
            raise TargetRefused(f"the target: {reason}") from None
        except CallFailed as reason:
            raise TargetAway(f"the target: {reason}") from None
        _judge(answer.status, answer.body, done, upto)


def _judge(status: int, body: bytes, done: int, upto: int) -> None:
    if 200 <= status < 300:
        return
    said = " ".join(body[:CHARS_SHOWN].decode("utf-8", "replace").split())
    why = f"the target answered {status} to rows {done + 1} to {upto}: {said}"
    raise TargetAway(why) if status >= 500 or status in _AGAIN else TargetRefused(why)
