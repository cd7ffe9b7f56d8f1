"""What docs/sinks.md shows is what is sent and taken."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from endings import ended

from procession.sinks.body import body_of, webhook_headers
from procession.sinks.carrier import PATIENT_SCHEDULE, WEBHOOK_SCHEDULE
from procession.sinks.definitions import SINKS_MAX, parse_sinks
from procession.sinks.pdf import CHARS_MAX
from procession.webhooks.guard import AddressGuard

PAGE = (Path(__file__).parents[2] / "docs" / "sinks.md").read_text(encoding="utf-8")
KINDS = frozenset({"webhook", "nats", "email"})


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.S)


def test_the_pages_sinks_are_taken() -> None:
    sinks = parse_sinks(json.loads(blocks("json")[0]), AddressGuard().check_url, KINDS)
    assert len(sinks) == 3


def test_the_pages_body_is_the_one_that_is_sent() -> None:
    shown = json.loads(blocks("json")[1])
    assert json.loads(body_of(ended(data={"ok": True}))) == shown


def test_the_pages_verifier_works() -> None:
    found: dict[str, Any] = {}
    exec(blocks("python")[0], found)
    body = body_of(ended())
    headers = webhook_headers("a secret", ended(), "id", 1, body)
    assert found["is_genuine"]("a secret", headers, body)
    assert not found["is_genuine"]("a secret", headers, body + b" ")
    assert not found["is_genuine"]("another", headers, body)


def test_the_pages_figures_are_the_codes() -> None:
    assert f"at most {SINKS_MAX} sinks" in PAGE and f"at most {CHARS_MAX:,} characters" in PAGE
    assert [delay // 1_000 for delay in WEBHOOK_SCHEDULE.delays_ms] == [0, 5, 30]
    assert [delay // 1_000 for delay in PATIENT_SCHEDULE.delays_ms] == [0, 5, 30, 300, 1_800, 7_200]
