"""Which sinks a task may have, and what is said of the others."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procession.sinks.definitions import (
    EmailSink,
    NatsSink,
    Sink,
    SinksInvalid,
    WebhookSink,
    decode_sinks,
    encode_sinks,
    fires,
    is_address,
    make_webhook_secret,
    parse_sinks,
    with_secret,
)
from procession.webhooks.guard import AddressGuard
from procession.webhooks.signing import Secret

ALL = frozenset({"webhook", "nats", "email"})
HOOK = {"type": "webhook", "url": "https://example.com/hook"}


def parse(*sinks: Any, kinds: frozenset[str] = ALL) -> tuple[Sink, ...]:
    return parse_sinks(list(sinks), AddressGuard().check_url, kinds)


def wrong(*sinks: Any, kinds: frozenset[str] = ALL) -> list[tuple[str, str]]:
    with pytest.raises(SinksInvalid) as refusal:
        parse(*sinks, kinds=kinds)
    return refusal.value.errors


def test_all_three_kinds_are_read_and_kept() -> None:
    sinks = parse(
        {**HOOK, "secret": "s", "events": ["completed"], "unknown": 1},
        {"type": "nats", "subject": "forms.done", "events": None},
        {"type": "email", "to": "a.b+c@example.com", "events": ["failed", "cancelled"]},
        {"type": "email", "to": ["a@example.com", "b@example.com"]},
    )
    assert sinks == (
        WebhookSink("https://example.com/hook", "s", ("completed",)),
        NatsSink("forms.done"),
        EmailSink("a.b+c@example.com", ("failed", "cancelled")),
        EmailSink(("a@example.com", "b@example.com")),
    )
    assert decode_sinks(encode_sinks(sinks)) == sinks
    assert [fires(sink, "failed") for sink in sinks] == [False, True, True, True]
    assert parse_sinks(None, AddressGuard().check_url, ALL) == ()


@pytest.mark.parametrize(
    ("sink", "field"),
    [
        ({}, ".type"),
        ({"type": "kafka"}, ".type"),
        ({"type": ["webhook"]}, ".type"),
        (1, ""),
        ({"type": "webhook"}, ""),
        ({"type": "webhook", "url": 1}, ".url"),
        ({"type": "webhook", "url": "ftp://example.com"}, ".url"),
        ({"type": "webhook", "url": "https://10.0.0.1/"}, ".url"),
        ({"type": "webhook", "url": "https://a b/"}, ".url"),
        ({**HOOK, "secret": ""}, ".secret"),
        ({**HOOK, "secret": "a\nb"}, ".secret"),
        ({**HOOK, "secret": "whsec_?"}, ".secret"),
        ({**HOOK, "events": []}, ".events"),
        ({**HOOK, "events": ["done"]}, ".events[0]"),
        ({"type": "nats", "subject": ""}, ".subject"),
        ({"type": "nats", "subject": "a..b"}, ".subject"),
        ({"type": "nats", "subject": "a.*"}, ".subject"),
        ({"type": "nats", "subject": "a.>"}, ".subject"),
        ({"type": "nats", "subject": "a b"}, ".subject"),
        ({"type": "nats", "subject": "a\r\nPUB b 1"}, ".subject"),
        ({"type": "nats", "subject": "a.é"}, ".subject"),
        ({"type": "nats", "subject": "$JS.API.STREAM.DELETE.x"}, ".subject"),
        ({"type": "nats", "subject": "_INBOX.x"}, ".subject"),
        ({"type": "nats", "subject": "a" * 256}, ".subject"),
        ({"type": "email", "to": "nobody"}, ".to"),
        ({"type": "email", "to": "a@b\r\nBcc: c@d"}, ".to"),
        ({"type": "email", "to": "a@b, c@d"}, ".to"),
        ({"type": "email", "to": "A <a@b>"}, ".to"),
        ({"type": "email", "to": []}, ".to"),
        ({"type": "email", "to": ["a@b"] * 11}, ".to"),
    ],
)
def test_what_is_wrong_is_named(sink: Any, field: str) -> None:
    ((found, message),) = wrong(sink)
    assert found == "sinks[0]" + field
    assert message


def test_every_wrong_sink_is_named_at_once() -> None:
    assert [field for field, _ in wrong(HOOK, 1, {"type": "nats", "subject": "a b"})] == [
        "sinks[1]",
        "sinks[2].subject",
    ]
    assert wrong(*[HOOK] * 11) == [("sinks", "may have 10 entries at most")]


def test_a_kind_this_server_cannot_reach_is_refused() -> None:
    ((field, message),) = wrong({"type": "nats", "subject": "a"}, kinds=frozenset({"webhook"}))
    assert field == "sinks[0]" and "nats" in message


@pytest.mark.parametrize("given", [{}, "x", 1])
def test_sinks_are_a_list(given: object) -> None:
    with pytest.raises(SinksInvalid, match="sinks must be a list"):
        parse_sinks(given, AddressGuard().check_url, ALL)


def test_a_secret_is_made_only_where_there_is_none() -> None:
    made = make_webhook_secret(b"\0" * 24)
    assert len(Secret(made).key) == 24
    bare, own, other = WebhookSink("u"), WebhookSink("u", "own"), NatsSink("a")
    assert with_secret([bare, own, other], made) == ((WebhookSink("u", made), own, other), True)
    assert with_secret([own, other], made) == ((own, other), False)


@given(st.text(max_size=30))
def test_no_address_reaches_beyond_its_header(text: str) -> None:
    for address in (text, f"a@{text}", f"{text}@b"):
        if is_address(address):
            assert address.isascii() and address.isprintable()
            assert not set(address) & set(' <>,;:"()[]\\')
