"""Asks an OpenAI-compatible chat endpoint for JSON, and takes nothing else for an answer."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from procession.jobs.http_call import AddressBarred, Answered, CallFailed, post

BASE_URL = "PROCESSION_AI_BASE_URL"
MODEL = "PROCESSION_AI_MODEL"
KEY = "PROCESSION_AI_KEY"
SETTINGS = (BASE_URL, MODEL, KEY)
"""What a run needs of its worker's environment; only runs of AI jobs are given it."""
CONNECT_S_MAX = 10.0
ANSWER_S_MAX = 90.0
TRIES_MAX = 2
PAUSE_S = 1.0
PAUSE_S_MAX = 20.0
ANSWER_BYTES_MAX = 4 * 1_024 * 1_024
CHARS_SHOWN = 200
_AGAIN = frozenset({408, 409, 425, 429})

T = TypeVar("T")


class ChatUnset(Exception):
    """This worker has no AI endpoint: PROCESSION_AI_BASE_URL and PROCESSION_AI_MODEL name one."""


class ChatFailed(Exception):
    """The AI endpoint gave no answer that can be used. `again`: another try may help."""

    def __init__(self, message: str, *, again: bool, pause_s: float | None = None) -> None:
        super().__init__(message)
        self.again = again
        self.pause_s = pause_s


class Endpoint(Struct, frozen=True):
    """Where to ask, and as whom."""

    base_url: str
    model: str
    key: str = ""

    def __repr__(self) -> str:
        return f"Endpoint({self.base_url!r}, {self.model!r})"


class _Message(Struct):
    content: str | None = None
    refusal: str | None = None


class _Choice(Struct):
    message: _Message
    finish_reason: str | None = None


class _Completion(Struct):
    choices: list[_Choice]


def endpoint_of(environment: Mapping[str, str] = os.environ) -> Endpoint:
    """Raises ChatUnset."""
    base_url, model = environment.get(BASE_URL, ""), environment.get(MODEL, "")
    if not base_url.startswith(("http://", "https://")) or not model:
        raise ChatUnset
    return Endpoint(base_url.rstrip("/"), model, environment.get(KEY, ""))


def ask(
    endpoint: Endpoint,
    system: str,
    user: str,
    shape: type[T],
    *,
    wait: Callable[[float], None],
    until_s: float,
) -> T:
    """The answer as `shape`; two tries, both over by `until_s` (monotonic).

    `wait` sleeps between them and may raise. Raises ChatFailed.
    """
    for tries in range(1, TRIES_MAX + 1):
        try:
            return _asked(endpoint, system, user, shape, until_s - time.monotonic())
        except ChatFailed as failure:
            pause_s = min(max(PAUSE_S, failure.pause_s or 0.0), PAUSE_S_MAX)
            late = time.monotonic() + pause_s >= until_s
            if not failure.again or tries == TRIES_MAX or late:
                raise
            wait(pause_s)
    raise AssertionError


def _asked(endpoint: Endpoint, system: str, user: str, shape: type[T], left_s: float) -> T:
    body = {
        "model": endpoint.model,
        "temperature": 0,
        "response_format": {"type": "json_object"},
        "messages": [
            {"role": "system", "content": system},
            {"role": "user", "content": user},
        ],
    }
    headers = {"Authorization": f"Bearer {endpoint.key}"} if endpoint.key else {}
    try:
        answer = post(
            f"{endpoint.base_url}/chat/completions",
            msgspec.json.encode(body),
            headers,
            connect_s=max(0.1, min(CONNECT_S_MAX, left_s)),
            answer_s=max(0.1, min(ANSWER_S_MAX, left_s)),
            answer_bytes_max=ANSWER_BYTES_MAX,
        )
    except (AddressBarred, CallFailed) as reason:
        raise ChatFailed(f"the AI endpoint: {reason}", again=True) from None
    return _read(_text_of(answer), shape)


def _text_of(answer: Answered) -> str:
    """What the model said. Raises ChatFailed."""
    status = answer.status
    if status != 200:
        said = " ".join(answer.body[:CHARS_SHOWN].decode("utf-8", "replace").split())
        raise ChatFailed(
            f"the AI endpoint answered {status}: {said}",
            again=status >= 500 or status in _AGAIN,
            pause_s=answer.retry_after_s,
        )
    try:
        choice = msgspec.json.decode(answer.body, type=_Completion).choices[0]
    except (msgspec.MsgspecError, UnicodeError, IndexError):
        raise ChatFailed("the AI endpoint answered no chat completion", again=True) from None
    if choice.message.refusal or choice.finish_reason == "content_filter":
        why = (choice.message.refusal or "its content filter")[:CHARS_SHOWN]
        raise ChatFailed(f"the AI refused: {why}", again=False)
    if choice.finish_reason == "length":
        raise ChatFailed("the AI's answer is cut off: give it less at once", again=False)
    return choice.message.content or ""


def _read(text: str, shape: type[T]) -> T:
    """The JSON in an answer, strictly: a fence of code around it is all that is forgiven."""
    plain = text.strip()
    if plain.startswith("```") and plain.endswith("```"):
        plain = plain[3:-3].removeprefix("json")
    try:
        return msgspec.json.decode(plain.encode(), type=shape)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as reason:
        raise ChatFailed(f"the AI's answer cannot be used: {reason}", again=True) from None


def plain_rows(rows: Any) -> str:
    """Rows as the text of a question."""
    return msgspec.json.encode(rows).decode()
