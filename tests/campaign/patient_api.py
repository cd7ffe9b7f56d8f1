"""A caller that asks again, as callers of a server that has just been struck must."""

from __future__ import annotations

from http.client import HTTPException
from typing import Any

from api import CALL_S_MAX, Api, Reply
from deadline import until

AGAIN_S_MAX = 20.0


class PatientApi(Api):
    """What it asks for is asked again while the server is away or says 503; for reads only."""

    def call(self, method: str, path: str, body: Any = None, within_s: float = CALL_S_MAX) -> Reply:
        """Raises AssertionError when no better answer comes in AGAIN_S_MAX."""
        assert method == "GET", method

        def answer() -> Reply | None:
            try:
                reply = super(PatientApi, self).call(method, path, body, within_s)
            except (OSError, HTTPException):
                return None
            return reply if reply.status != 503 else None

        return until(answer, AGAIN_S_MAX, f"an answer to {path}")
