"""The adb transport's messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procession.simulator.wire import (
    CNXN,
    HEADER,
    PAYLOAD_BYTES_MAX,
    WRTE,
    Decoder,
    MalformedMessage,
    Message,
    encode,
)

WORDS = st.integers(0, 2**32 - 1)
MESSAGES = st.lists(st.builds(Message, WORDS, WORDS, WORDS, st.binary(max_size=300)), max_size=6)


@given(MESSAGES, st.booleans(), st.lists(st.integers(1, 40), min_size=1))
def test_messages_survive_any_cutting(
    messages: list[Message], checksum: bool, cuts: list[int]
) -> None:
    data = b"".join(encode(message, checksum) for message in messages)
    decoder, decoded, start, turn = Decoder(), [], 0, 0
    while start < len(data):
        end = start + cuts[turn % len(cuts)]
        decoded += decoder.feed(data[start:end])
        start, turn = end, turn + 1
    assert decoded == messages


def test_a_damaged_payload_is_refused() -> None:
    data = bytearray(encode(Message(WRTE, 1, 2, b"hello"), checksum=True))
    data[-1] ^= 1
    with pytest.raises(MalformedMessage):
        list(Decoder().feed(bytes(data)))


def test_a_payload_over_the_limit_is_refused_before_it_arrives() -> None:
    length = PAYLOAD_BYTES_MAX + 1
    header = HEADER.pack(WRTE, 1, 2, length, 0, WRTE ^ 0xFFFFFFFF)
    with pytest.raises(MalformedMessage):
        list(Decoder().feed(header))


def test_bytes_that_are_no_message_are_refused() -> None:
    with pytest.raises(MalformedMessage):
        list(Decoder().feed(b"GET / HTTP/1.1\r\nHost: phone\r\n\r\n"))


def test_the_checksum_is_the_sum_of_the_bytes() -> None:
    assert HEADER.unpack(encode(Message(CNXN, 1, 2, b"\x01\x02\xff"), True)[:24])[4] == 258
    assert HEADER.unpack(encode(Message(CNXN, 1, 2, b"\x01\x02\xff"), False)[:24])[4] == 0
