"""Strict JSON: what is refused, with which words, and that the cheap marks agree with the check."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import Annotated, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import Meta, Raw, Struct

from procession.faces.strict import (
    DEPTH_MAX,
    INT_DIGITS_MAX,
    BodyInvalid,
    StrictDecoder,
    check,
    sorted_if_clean,
)


class Inner(Struct):
    count: Annotated[int, Meta(ge=0, le=9)]
    word: str = ""


class Outer(Struct):
    name: Annotated[str, Meta(min_length=1, max_length=5)]
    inner: Inner
    free: Raw = Raw(b"{}")


class Anything(Struct):
    """Reads nothing, so that only strictness itself can refuse."""


HOSTILE = {
    "empty": b"",
    "blank": b"  \n",
    "byte order mark": b"\xef\xbb\xbf{}",
    "utf-16": '{"a":1}'.encode("utf-16"),
    "invalid utf-8": b'{"a":"\xff"}',
    "invalid utf-8 in a key": b'{"\xff":1}',
    "overlong NUL": b'{"a":"\xc0\x80"}',
    "raw surrogate": b'{"a":"\xed\xa0\x80"}',
    "beyond unicode": b'{"a":"\xf4\x90\x80\x80"}',
    "NaN": b'{"a":NaN}',
    "Infinity": b'{"a":Infinity}',
    "-Infinity": b'{"a":-Infinity}',
    "1e400": b'{"a":1e400}',
    "-1e400": b'{"a":-1e400}',
    "400 digits": b'{"a":' + b"9" * 400 + b"}",
    "-400 digits": b'{"a":-' + b"9" * 400 + b"}",
    "400 digits and a fraction": b'{"a":' + b"9" * 400 + b".5}",
    "5000 digits": b'{"a":[' + b"9" * 5_000 + b"]}",
    "lone high surrogate": b'{"a":"\\ud800"}',
    "lone low surrogate": b'{"a":"\\udc00 x"}',
    "swapped surrogates": b'{"a":"\\udc00\\ud800"}',
    "surrogate in a key": b'{"\\ud800":1}',
    "raw NUL": b'{"a":"\x00"}',
    "NUL after the end": b'{"a":1}\x00',
    "escaped NUL": b'{"a":"\\u0000"}',
    "escaped NUL in a key": b'{"\\u0000":1}',
    "control character": b'{"a":"\x1f"}',
    "duplicate key": b'{"a":1,"a":2}',
    "duplicate key below": b'{"a":{"b":[{"c":1,"c":1}]}}',
    "duplicate key by escape": b'{"a":1,"\\u0061":2}',
    "too deep": b'{"a":' * 33 + b"1" + b"}" * 33,
    "too deep in arrays": b'{"a":' + b"[" * 32 + b"]" * 32 + b"}",
    "endless depth": b'{"a":' + b"[" * 100_000,
    "endless depth of objects": b'{"a":' * 50_000,
    "trailing garbage": b'{"a":1} x',
    "two documents": b"{}{}",
    "truncated": b'{"a":',
    "array": b"[1]",
    "string": b'"a"',
    "number": b"1",
    "null": b"null",
    "true": b"true",
    "trailing comma": b'{"a":1,}',
    "single quotes": b"{'a':1}",
    "comment": b'{"a":1/*b*/}',
    "leading zero": b'{"a":01}',
    "bare point": b'{"a":1.}',
    "unquoted key": b"{a:1}",
    "form": b"a=1&b=2",
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_body_is_refused_with_words(body: bytes) -> None:
    with pytest.raises(BodyInvalid) as refused:
        StrictDecoder(Anything).decode(body)
    assert refused.value.errors
    assert all(error.message for error in refused.value.errors)
    str(refused.value).encode()


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b'{"a":{"b":[{"c":1,"c":1}]}}', "/a/b/0/c"),
        (b'{"a/b":{"~":"\\u0000"}}', "/a~1b/~0"),
        (b'{"a":[1,{"x":1e999}]}', "/a/1/x"),
        (b'{"a":[NaN]}', "/a/0"),
        (b'{"k":{"w":"\\ud83d"}}', "/k/w"),
    ],
)
def test_a_fault_is_named_by_its_pointer(body: bytes, pointer: str) -> None:
    with pytest.raises(BodyInvalid) as refused:
        check(body)
    assert [error.pointer for error in refused.value.errors] == [pointer]


@pytest.mark.parametrize(
    "body",
    [
        b" {} ",
        b'{"a":"\\ud83d\\ude00"}',
        b'{"a":"\\u0041\\/"}',
        b'{"a":12345678901234567890123}',
        b'{"a":' + b"9" * 308 + b"}",
        b'{"a":1e308,"b":1e-400,"c":-0.0}',
        b'{"a":"{{{{{{{{{{[[[[[[[[[[::::::\\"[[[[[[[[[[[[[[[[[[[[[["}',
        b'{"a":' * 31 + b"{}" + b"}" * 31,
        ('{"a":"' + "\N{GRINNING FACE}ü" * 50 + '"}').encode(),
    ],
)
def test_unusual_but_correct_bodies_are_taken(body: bytes) -> None:
    _, canonical = StrictDecoder(Anything).decode(body)
    assert json.loads(canonical) == json.loads(body)


def test_all_wrong_fields_are_named_at_once() -> None:
    with pytest.raises(BodyInvalid) as refused:
        StrictDecoder(Outer).decode(b'{"name":"too long","inner":{"count":10,"word":3}}')
    errors = {error.pointer: error.message for error in refused.value.errors}
    assert errors.keys() == {"/name", "/inner/count", "/inner/word"}
    assert "name" in errors["/name"] and "too long" in errors["/name"] and "5" in errors["/name"]
    assert "10" in errors["/inner/count"] and "9" in errors["/inner/count"]


def test_a_missing_field_and_a_wrong_type_are_told_apart() -> None:
    with pytest.raises(BodyInvalid) as refused:
        StrictDecoder(Outer).decode(b'{"inner":[]}')
    errors = {error.pointer: error.message for error in refused.value.errors}
    assert "required" in errors["/name"]
    assert "object" in errors["/inner"]


def test_unknown_keys_are_ignored_but_still_strict() -> None:
    body = b'{"name":"a","inner":{"count":1,"more":1},"other":[1]}'
    assert StrictDecoder(Outer).decode(body)[0].inner.count == 1
    with pytest.raises(BodyInvalid):
        StrictDecoder(Outer).decode(body[:-1] + b',"x":{"y":1,"y":2}}')


def test_the_canonical_form_does_not_depend_on_order_or_blanks() -> None:
    one = StrictDecoder(Anything).decode(b'{"b": [1, 2], "a": {"d":1,"c":"x"}}')[1]
    two = StrictDecoder(Anything).decode(b'{"a":{"c":"\\u0078","d":1},"b":[1,2]}')[1]
    assert one == two == b'{"a":{"c":"x","d":1},"b":[1,2]}'


LARGEST = 262_144
PATHOLOGICAL = {
    "an open string of escapes": b'{"a":"' + b'\\"' * (LARGEST // 2),
    "an open string of quotes": b'{"a":' + b'"x' * (LARGEST // 2),
    "open arrays": b'{"a":' + b"[" * LARGEST,
    "closed arrays": b'{"a":' + b"]" * LARGEST,
    "many objects": b'{"a":[' + b'{"x":1},' * (LARGEST // 8) + b"1]}",
    "many duplicates": b"{" + b'"a":1,' * (LARGEST // 6) + b'"a":1}',
    "many surrogates": b'{"a":[' + b'"\\ud800",' * (LARGEST // 9) + b"1]}",
    "one number": b'{"a":' + b"9" * LARGEST + b"}",
    "one fraction": b'{"a":1.' + b"9" * LARGEST + b"}",
    "an exponent": b'{"a":1e' + b"9" * LARGEST + b"}",
    "backslashes": b'{"a":"' + b"\\" * LARGEST,
}


@pytest.mark.parametrize("body", PATHOLOGICAL.values(), ids=PATHOLOGICAL.keys())
def test_no_body_of_the_largest_size_takes_long(body: bytes) -> None:
    began = time.process_time()
    with suppress(BodyInvalid):
        StrictDecoder(Anything).decode(body)
    assert time.process_time() - began < 3.0


def refused_slowly(body: bytes) -> bool:
    try:
        check(body)
    except BodyInvalid:
        return True
    return False


TEXT = st.text(st.characters(exclude_categories=()), max_size=6) | st.sampled_from([":", "a", "\0"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


@st.composite
def written(draw: st.DrawFn) -> bytes:
    """Objects as a careless writer puts them down: keys twice, escapes or not, bytes spoiled."""

    def text(value: Any) -> str:
        if isinstance(value, dict):
            pairs = list(value.items())
            if pairs and draw(st.booleans()):
                pairs.append(draw(st.sampled_from(pairs)))
            return "{" + ",".join(f"{text(k)}:{text(v)}" for k, v in pairs) + "}"
        if isinstance(value, list):
            return "[" + ",".join(map(text, value)) + "]"
        return json.dumps(value, ensure_ascii=draw(st.booleans()))

    body = text(draw(st.dictionaries(TEXT, VALUES, max_size=5)))
    raw = bytearray(body.encode("utf-8", "surrogatepass"))
    if raw and draw(st.integers(0, 3)) == 0:
        raw[draw(st.integers(0, len(raw) - 1))] = draw(st.integers(0, 255))
    return bytes(raw)


@given(written())
@example(b'{"a:b":1,"a:b":2,"c":":"}')
@example(b'{"a":1,"a":{"b":2}}')
def test_what_the_cheap_marks_believe_the_slow_check_accepts(body: bytes) -> None:
    if sorted_if_clean(body) is not None:
        assert not refused_slowly(body)


@given(written())
def test_decoding_agrees_with_the_slow_check(body: bytes) -> None:
    try:
        StrictDecoder(Anything).decode(body)
    except BodyInvalid:
        assert refused_slowly(body)
    else:
        assert not refused_slowly(body)


@given(st.integers(1, 60), st.booleans())
def test_depth_is_counted_as_brackets_nest(depth: int, arrays: bool) -> None:
    if arrays:
        body = b'{"a":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}" if depth > 1 else b"{}"
    else:
        body = b'{"a":' * (depth - 1) + b"{}" + b"}" * (depth - 1)
    assert refused_slowly(body) == (depth > DEPTH_MAX)


@given(st.integers(0, 450), st.integers(300, 620), st.sampled_from(["", ".5", "e5"]))
def test_a_long_number_is_found_wherever_it_lies(before: int, digits: int, end: str) -> None:
    number = "9" * digits + end
    body = b'{"%s":%s}' % (b"k" * before, number.encode())
    if digits >= INT_DIGITS_MAX:
        assert sorted_if_clean(body) is None
    assert (sorted_if_clean(body) is None) >= refused_slowly(body)
