"""What a sink is told of a task that ended: one body for webhook and NATS, and its signature."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Struct

from procession.forms.blocks import Definition
from procession.sinks.definitions import Event
from procession.webhooks.signing import Secret, sign_standard

SOURCE = "hpi"
USER_AGENT = "procession/1.0"


class TaskEnded(Struct, frozen=True, kw_only=True):
    """A task that has ended: what sinks tell. `at_ms` is when.

    `form` is what was asked, `title` its title, `data` what was answered.
    """

    event: Event
    task_id: str
    at_ms: int
    title: str = ""
    correlation_key: str | None = None
    data: Mapping[str, Any] | None = None
    reason: str | None = None
    form: Definition | None = None

    @property
    def name(self) -> str:
        return f"task.{self.event}"


def body_of(ended: TaskEnded) -> bytes:
    """The body of a webhook and of a NATS message: `data` of a completed task, else `reason`."""
    body: dict[str, Any] = {
        "source": SOURCE,
        "event": ended.name,
        "task_id": ended.task_id,
        "correlation_key": ended.correlation_key,
        "timestamp": stamp(ended.at_ms),
    }
    if ended.event == "completed":
        body["data"] = ended.data or {}
    else:
        body["reason"] = ended.reason
    return msgspec.json.encode(body)


def webhook_headers(
    secret: str, ended: TaskEnded, webhook_id: str, timestamp_s: int, body: bytes
) -> dict[str, str]:
    """The headers of one try. The X-Webhook key is the secret's text as the caller holds it."""
    plain = hmac.digest(secret.encode(), body, "sha256").hex()
    return {
        "User-Agent": USER_AGENT,
        "X-Webhook-Event": ended.name,
        "X-Webhook-Task-Id": ended.task_id,
        "X-Webhook-Signature": f"sha256={plain}",
        **sign_standard([Secret(secret)], webhook_id, timestamp_s, body),
    }


def stamp(at_ms: int) -> str:
    """A time in UTC with whole seconds: `2026-03-22T08:30:00Z`."""
    return datetime.fromtimestamp(at_ms // 1_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
