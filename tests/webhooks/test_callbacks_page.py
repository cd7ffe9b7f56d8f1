import re
from pathlib import Path
from time import time
from typing import Any

import pytest
from standardwebhooks import WebhookVerificationError

from procession.webhooks.delivery import STANDARD
from procession.webhooks.guard import URL_CHARS_MAX
from procession.webhooks.hosts import BATCH_MAX, REST_MS_MAX, REST_MS_MIN
from procession.webhooks.signing import parse_secrets, sign
from procession.webhooks.visit import LOST_MARGIN_MS, Limits

PAGE = (Path(__file__).parents[2] / "docs" / "callbacks.md").read_text()
SECRET = "whsec_c2VjcmV0LW9mLXRoZS1wYWdl"
BODY = b'{"event_type":"process.updated"}'


def example(name: str) -> Any:
    """Run the page's Python blocks and return the function called `name`."""
    found: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.S):
        exec(block, found)
    return found[name]


def signed(age_s: int = 0) -> dict[str, str]:
    return sign(parse_secrets(SECRET + " older"), "p1_1", int(time()) - age_s, BODY)


def test_the_pages_own_verifier_works() -> None:
    is_genuine = example("is_genuine")
    assert is_genuine(SECRET, signed(), BODY)
    assert not is_genuine(SECRET, signed(), BODY + b" ")
    assert not is_genuine("older", signed(), BODY)
    assert not is_genuine(SECRET, signed(age_s=301), BODY)


def test_the_pages_stock_verifier_works() -> None:
    read = example("read")
    assert read(SECRET, signed(), BODY) == {"event_type": "process.updated"}
    with pytest.raises(WebhookVerificationError):
        read(SECRET, signed(), BODY + b" ")


def test_the_page_names_every_header_that_is_sent() -> None:
    for name in [*signed(), "Content-Type", "User-Agent"]:
        assert f"\n{name}: " in PAGE


def test_the_pages_schedule_is_the_real_one() -> None:
    sentence = re.search(r"at once, (.*?);", PAGE)
    assert sentence is not None
    units = {"s": 1_000, "min": 60_000, "h": 3_600_000}
    pauses = [part.split(" ") for part in sentence[1].split(", ")]
    assert [0, *(int(n) * units[unit] for n, unit in pauses)] == list(STANDARD.delays_ms)


def test_the_pages_bounds_are_the_real_ones() -> None:
    limits = Limits()
    assert f"no answer within {limits.total_ms // 1000} s" in PAGE
    assert f"no connection within {limits.connect_ms // 1000} s" in PAGE
    assert f"must be over ({(limits.total_ms + LOST_MARGIN_MS) // 1000} s)" in PAGE
    assert f"rests for {REST_MS_MIN / 1000} s" in PAGE
    assert f"up to {REST_MS_MAX // 1000} s" in PAGE
    assert f"up to {BATCH_MAX} at once" in PAGE
    assert f"within {limits.batch_ms_max // 1000} s" in PAGE
    assert f"at most {URL_CHARS_MAX:,} characters" in PAGE
    assert f"first {limits.answer_bytes_max // 1024} KiB" in PAGE
