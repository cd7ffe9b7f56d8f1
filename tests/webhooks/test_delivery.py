from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procession.webhooks.delivery import (
    ATTEMPTS_MAX,
    DELAY_MS_MAX,
    JITTER,
    ONCE,
    RETRY_AFTER_MS_MAX,
    STANDARD,
    Answer,
    Delivery,
    DeliveryState,
    Schedule,
    next_attempt,
    next_if_lost,
    parse_schedule,
    retry_after_ms,
)

S, MIN, H = 1_000, 60_000, 3_600_000
NOW_MS = 1_774_168_200_000

chances = st.floats(0, 1, exclude_max=True)
schedules = st.lists(st.integers(0, DELAY_MS_MAX), min_size=1, max_size=ATTEMPTS_MAX).map(
    lambda delays: Schedule(tuple(delays))
)
failures = st.one_of(st.none(), st.integers(100, 599)).filter(
    lambda status: status != 410 and (status is None or not 200 <= status <= 299)
)


def delivery(attempt: int = 0) -> Delivery:
    url, origin = "http://a/", "http://a:80"
    return Delivery(1, "p1", 3, attempt, url, origin, "accepted", b"{}", NOW_MS, NOW_MS)


def answer(status: int | None, asked_ms: int | None = None) -> Answer:
    return Answer(status, None, 5, retry_after_ms=asked_ms)


def test_the_standard_schedule_is_the_one_promised() -> None:
    hours = [2, 5, 10, 14, 20, 24]
    assert STANDARD.delays_ms == (0, 5 * S, 5 * MIN, 30 * MIN, *(hour * H for hour in hours))


@given(st.lists(chances, min_size=9, max_size=9))
def test_pauses_grow_and_stay_within_the_jitter(chance: list[float]) -> None:
    pauses = []
    for attempt in range(9):
        state, next_ms = next_attempt(delivery(attempt), answer(500), NOW_MS, chance[attempt])
        assert state == DeliveryState.PENDING
        assert next_ms is not None
        pauses.append(next_ms - NOW_MS)
    assert pauses == sorted(pauses)
    for pause, plain in zip(pauses, STANDARD.delays_ms[1:], strict=True):
        assert plain <= pause <= plain * (1 + JITTER)


@given(schedules, failures, chances, st.integers(0, ATTEMPTS_MAX), st.integers(0, 10**12))
def test_every_delivery_ends_and_no_pause_is_unbounded(
    schedule: Schedule, status: int | None, chance: float, attempt: int, asked_ms: int
) -> None:
    failed = answer(status, asked_ms)
    state, next_ms = next_attempt(delivery(attempt), failed, NOW_MS, chance, schedule)
    if attempt + 1 >= schedule.attempts_max:
        assert (state, next_ms) == (DeliveryState.FAILED, None)
    else:
        assert state == DeliveryState.PENDING
        assert next_ms is not None
        pause = next_ms - NOW_MS
        assert pause >= schedule.delays_ms[attempt + 1]
        assert pause >= min(asked_ms, RETRY_AFTER_MS_MAX)
        assert pause <= max(DELAY_MS_MAX * (1 + JITTER), RETRY_AFTER_MS_MAX)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_delivered(status: int) -> None:
    assert next_attempt(delivery(), answer(status), NOW_MS, 0) == (DeliveryState.DELIVERED, None)


def test_gone_ends_at_once() -> None:
    assert next_attempt(delivery(), answer(410), NOW_MS, 0) == (DeliveryState.FAILED, None)


@pytest.mark.parametrize("status", [None, 101, 301, 302, 307, 308, 400, 401, 404, 429, 500, 503])
def test_everything_else_is_tried_again(status: int | None) -> None:
    expected = (DeliveryState.PENDING, NOW_MS + 5 * S)
    assert next_attempt(delivery(), answer(status), NOW_MS, 0) == expected


def test_without_retries_one_failure_is_the_end() -> None:
    expected = (DeliveryState.FAILED, None)
    assert next_attempt(delivery(), answer(503, 10), NOW_MS, 0, ONCE) == expected


@given(schedules, chances, st.integers(0, ATTEMPTS_MAX), st.integers(1, 60_000))
def test_a_lost_try_is_not_repeated_while_it_may_still_run(
    schedule: Schedule, chance: float, attempt: int, lost_ms: int
) -> None:
    assert next_if_lost(delivery(attempt), NOW_MS, lost_ms, chance, schedule) >= NOW_MS + lost_ms


def test_retry_after_is_read_as_seconds_and_as_a_date() -> None:
    assert retry_after_ms("120", NOW_MS) == 120 * S
    assert retry_after_ms(formatdate(NOW_MS / 1000 + 90, usegmt=True), NOW_MS) == 90 * S
    assert retry_after_ms(formatdate(NOW_MS / 1000 - 90, usegmt=True), NOW_MS) == 0


def test_retry_after_is_capped() -> None:
    assert retry_after_ms("9999999", NOW_MS) == RETRY_AFTER_MS_MAX
    assert retry_after_ms("Fri, 31 Dec 9999 23:59:59 GMT", NOW_MS) == RETRY_AFTER_MS_MAX


@given(st.text(max_size=60))
def test_an_unreadable_retry_after_does_no_harm(text: str) -> None:
    found = retry_after_ms(text, NOW_MS)
    assert found is None or 0 <= found <= RETRY_AFTER_MS_MAX


@pytest.mark.parametrize("text", ["-5", "1e9", "soon", "", "12,5", "٣٠", "Mon, 99 Foo 2026"])
def test_a_wrong_retry_after_is_ignored(text: str) -> None:
    assert retry_after_ms(text, NOW_MS) is None


def test_a_schedule_is_read_from_the_settings() -> None:
    assert parse_schedule("standard") is STANDARD
    assert parse_schedule("none") is ONCE
    assert parse_schedule("0s, 5s 2m,1h").delays_ms == (0, 5 * S, 2 * MIN, H)


@pytest.mark.parametrize("text", ["", "5", "5 s", "0s 5d", "-1s", "999h", "0s " * 21])
def test_a_wrong_schedule_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"pause|schedule"):
        parse_schedule(text)


def test_every_try_of_an_event_has_the_same_id() -> None:
    assert delivery(0).webhook_id == delivery(4).webhook_id == "p1_3"
