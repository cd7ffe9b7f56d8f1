from __future__ import annotations

import zlib
from typing import Any

import msgspec
import pytest
from filled import EVERY_KIND, FILES, asking, data_url, good_answers, png
from hypothesis import given, settings
from hypothesis import strategies as st

from procession.forms.answers import answers_from_form, check_answers, file_keys
from procession.forms.definition import NONCE_FIELD, Definition, parse_definition
from procession.forms.errors import AnswersInvalid
from procession.forms.signature import PNG_BYTES_MAX

WHOLE = parse_definition(msgspec.json.encode(EVERY_KIND))
LEFT_OUT = object()


def form_of(*blocks: object) -> Definition:
    form = {"title": "T", "steps": [{"id": "a", "title": "A", "blocks": blocks}]}
    return parse_definition(msgspec.json.encode(form))


def faults(definition: Definition, data: dict[str, object]) -> dict[str, str]:
    with pytest.raises(AnswersInvalid) as refusal:
        check_answers(definition, data, FILES.get)
    return dict(refusal.value.details)


def changed(**answers: object) -> dict[str, object]:
    every = {**good_answers(), **answers}
    return {name: value for name, value in every.items() if value is not LEFT_OUT}


def test_good_answers_come_back_in_one_spelling() -> None:
    assert check_answers(WHOLE, good_answers(), FILES.get) == {
        **good_answers(),
        "photos": [
            {"key": "o/a/one.png", "name": "one.png", "size": 1_200, "type": "image/png"},
            {"key": "o/b/two.jpg", "name": "two.jpg", "size": 9_000, "type": "image/jpeg"},
        ],
    }


def test_checked_answers_pass_their_check_again() -> None:
    once = check_answers(WHOLE, good_answers(), FILES.get)
    assert check_answers(WHOLE, once, FILES.get) == once


def test_every_fault_is_told_at_once() -> None:
    data = {"code": " ", "km": "many", "colour": "green", "photos": ["o/x"], "spy": 1}
    assert faults(WHOLE, data) == {
        "spy": "is not a field of this form",
        "code": "is required",
        "km": '"many" must be a number',
        "colour": '"green" is not one of the options',
        "photos": '"o/x" is not an uploaded file',
        "cleaned": "is required",
        "agree": "is required",
        "signed": "is required",
    }


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("code", 5, "5 must be text"),
        ("code", ["a"], '["a"] must be text'),
        ("code", "a" * 2_001, "has 2001 characters and must have at most 2000"),
        ("code", "a\0", "must not hold NUL"),
        ("code", "\ud800", "must not hold NUL or half a character"),
        ("damage", "a" * 50_001, "has 50001 characters and must have at most 50000"),
        ("km", -0.5, "-0.5 must be at least 0"),
        ("km", 5_000.1, "5000.1 must be at most 5000"),
        ("km", True, "true must be a number"),
        ("km", float("nan"), "must be a number"),
        ("km", float("inf"), "must be a number"),
        ("km", 10**400, "must be a number"),
        ("colour", "Ocean blue", '"Ocean blue" is not one of the options'),
        ("colour", ["red"], "is not one of the options"),
        ("cleaned", "yes", '"yes" must be true or false'),
        ("cleaned", 1, "1 must be true or false"),
        ("agree", False, "must be ticked"),
        ("photos", ["o/a/one.png"] * 2, "names a file twice"),
        (
            "photos",
            ["o/a/one.png", "o/b/two.jpg", "o/c/big.png"],
            "has 3 files and must have at most 2",
        ),
        (
            "photos",
            ["o/c/big.png"],
            '"big.png" has 2,000,000 bytes and must have at most 1,000,000',
        ),
        ("photos", ["o/d/list.csv"], '"list.csv" must be one of image/*'),
        ("photos", [5], "5 must be the key of an uploaded file"),
        ("photos", [{"url": "https://a.example/x"}], "must be the key of an uploaded file"),
        ("photos", "data:image/png;base64,AA", "must be the key of an uploaded file"),
        ("photos", ["a\0b"], "is not an uploaded file"),
        ("signed", "Ada Lovelace", "is not an uploaded file"),
        ("signed", "data:image/svg+xml;base64,AA", "must be a PNG picture in a data URL"),
        ("signed", "DATA:image/png;base64,AA", "must be a PNG picture in a data URL"),
        ("signed", "o/d/list.csv", '"list.csv" must be a picture'),
        ("signed", LEFT_OUT, "is required"),
        ("cleaned", LEFT_OUT, "is required"),
        ("photos", None, ""),
        ("damage", "", ""),
    ],
)
def test_a_fault_names_the_value_and_the_rule(name: str, value: object, message: str) -> None:
    if not message:
        check_answers(WHOLE, changed(**{name: value}), FILES.get)
        return
    ((field, told),) = faults(WHOLE, changed(**{name: value})).items()
    assert field == name
    assert message in told


@pytest.mark.parametrize("empty", [LEFT_OUT, None, "", []])
def test_an_optional_answer_that_is_empty_is_left_out(empty: object) -> None:
    for name in ("damage", "photos"):
        assert name not in check_answers(WHOLE, changed(**{name: empty}), FILES.get)


def test_the_ends_of_a_range_are_in_it() -> None:
    for km in (0, 5_000, 5_000.0):
        assert check_answers(WHOLE, changed(km=km), FILES.get)["km"] == km


def test_one_file_needs_no_list_and_a_signature_may_be_a_file() -> None:
    answers = check_answers(WHOLE, changed(photos="o/a/one.png", signed="o/b/two.jpg"), FILES.get)
    assert [file["key"] for file in answers["photos"]] == ["o/a/one.png"]
    assert answers["signed"]["name"] == "two.jpg"


@pytest.mark.parametrize(
    ("accept", "fits"),
    [
        ([".csv"], True),
        ([".CSV"], True),
        (["text/csv"], True),
        (["text/*"], True),
        ("image/*, .csv", True),
        ("*/*", True),
        (["text/plain"], False),
        (["image/*"], False),
        ([".sv"], False),
    ],
)
def test_a_file_fits_by_its_type_or_its_ending(accept: object, fits: bool) -> None:
    definition = form_of(asking("list", "L", "file", accept=accept))
    if fits:
        assert check_answers(definition, {"list": "o/d/list.csv"}, FILES.get)
    else:
        assert "must be one of" in faults(definition, {"list": "o/d/list.csv"})["list"]


def test_files_to_look_up_are_those_the_answers_name() -> None:
    data = {**good_answers(), "signed": "o/b/two.jpg", "code": "o/not/a.file"}
    assert file_keys(WHOLE, data) == ["o/a/one.png", "o/b/two.jpg"]
    assert file_keys(WHOLE, {"photos": [5, None, {"key": 7}, "k" * 501]}) == []


_BAD_PICTURES = {
    "empty": b"",
    "no picture": b"<svg onload=alert(1)>",
    "cut": png()[:-4],
    "flipped": png()[:40] + bytes([png()[40] ^ 1]) + png()[41:],
    "too little": png(data=zlib.compress(b"\0" * 50)),
    "a bomb": png(data=zlib.compress(b"\0" * 50_000_000)),
    "not packed": png(data=b"pixels"),
    "huge": png(60_000, 60_000, zlib.compress(b"")),
    "nothing": png(0, 0, zlib.compress(b"")),
    "with a tail": png() + b"<script>",
}


@pytest.mark.parametrize("name", _BAD_PICTURES)
def test_a_signature_is_a_whole_and_sound_picture(name: str) -> None:
    assert "signed" in faults(WHOLE, changed(signed=data_url(_BAD_PICTURES[name])))


def test_a_signature_is_not_larger_than_allowed() -> None:
    large = data_url(b"\0" * (PNG_BYTES_MAX + 300))
    told = faults(WHOLE, changed(signed=large))
    assert told == {"signed": f"must have at most {PNG_BYTES_MAX} bytes"}


@pytest.mark.parametrize("odd", ["data:image/png;base64,", "data:image/png;base64,AA", "data:,é"])
def test_a_signature_that_is_not_base64_is_refused(odd: str) -> None:
    assert "signed" in faults(WHOLE, changed(signed=odd))


POSTED = {
    NONCE_FIELD: ["secret"],
    "code": [" B-77 "],
    "damage": ["A bell.\r\nOne lamp."],
    "km": ["412.5"],
    "colour": ["blue"],
    "photos": ["o/a/one.png"],
    "agree": ["true"],
    "signed": [good_answers()["signed"]],
}


def test_a_posted_page_becomes_the_same_answers() -> None:
    uploaded = {"photos": [{"key": "o/b/two.jpg", "name": "two.jpg", "size": 9_000}]}
    data = answers_from_form(WHOLE, POSTED, uploaded)
    assert check_answers(WHOLE, data, FILES.get) == check_answers(WHOLE, good_answers(), FILES.get)


@pytest.mark.parametrize(
    ("posted", "number"),
    [
        ("5", 5),
        ("-5", -5),
        ("+5", 5),
        ("5.50", 5.5),
        (" .5 ", 0.5),
        ("5.", 5.0),
        ("1e3", 1000.0),
        ("1e999", "1e999"),
        ("5,5", "5,5"),
        ("0x10", "0x10"),
        ("nan", "nan"),
        ("1_000", "1_000"),
        ("\u0665", "\u0665"),
        ("9" * 50, "9" * 50),
    ],
)
def test_a_posted_number_is_read_or_kept_as_it_was(posted: str, number: object) -> None:
    read = answers_from_form(WHOLE, {**POSTED, "km": [posted]})["km"]
    assert (type(read), read) == (type(number), number)


def test_a_whole_number_is_posted_as_one() -> None:
    assert type(answers_from_form(WHOLE, {**POSTED, "km": ["7"]})["km"]) is int


def test_a_box_that_is_not_ticked_is_a_no() -> None:
    data = answers_from_form(WHOLE, {name: v for name, v in POSTED.items() if name != "agree"})
    assert data["cleaned"] is data["agree"] is False
    assert faults(WHOLE, data) == {"agree": "must be ticked"}


def test_a_posted_empty_form_leaves_out_what_is_empty() -> None:
    empty = {name: [""] for name in POSTED}
    assert answers_from_form(WHOLE, empty) == {"cleaned": False, "agree": False}


def test_posted_names_and_files_that_the_form_does_not_have_are_refused() -> None:
    data = answers_from_form(WHOLE, {**POSTED, "spy": ["1"]}, {"virus": [{"key": "o/a/one.png"}]})
    assert {"spy", "virus"} <= set(faults(WHOLE, data))


def test_a_file_posted_for_another_kind_of_field_is_refused() -> None:
    data = answers_from_form(WHOLE, POSTED, {"km": [{"key": "o/a/one.png"}]})
    assert faults(WHOLE, data) == {"km": '"a file" must be a number'}


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.sampled_from([*good_answers(), "spy"]), _JSON))
def test_no_answers_break_the_check(data: dict[str, Any]) -> None:
    file_keys(WHOLE, data)
    with pytest.raises(AnswersInvalid):
        check_answers(WHOLE, {**data, "agree": None}, FILES.get)


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.sampled_from([*POSTED, "spy"]), st.lists(st.text(max_size=9))))
def test_no_posted_page_breaks_the_reading(fields: dict[str, list[str]]) -> None:
    data = answers_from_form(WHOLE, fields)
    assert NONCE_FIELD not in data
    with pytest.raises(AnswersInvalid):
        check_answers(WHOLE, {**data, "agree": False}, FILES.get)
