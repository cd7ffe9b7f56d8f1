from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import msgspec
import pytest
from filled import EVERY_KIND, asking
from hypothesis import given, settings
from hypothesis import strategies as st

from procession.forms import blocks as form
from procession.forms.definition import (
    NONCE_FIELD,
    Definition,
    markdown_of,
    parse_definition,
    stored_definition,
)
from procession.forms.errors import FormInvalid

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


def parsed(whole: object) -> Definition:
    return parse_definition(msgspec.json.encode(whole))


def with_blocks(*blocks: object) -> dict[str, Any]:
    return {"title": "T", "steps": [{"id": "a", "title": "A", "blocks": list(blocks)}]}


def faults(whole: object) -> dict[str, str]:
    with pytest.raises(FormInvalid) as refusal:
        parsed(whole)
    return dict(refusal.value.details)


def fault_of(block: object) -> tuple[str, str]:
    ((place, message),) = faults(with_blocks(block)).items()
    return place.removeprefix("steps[0].blocks[0]."), message


def test_a_form_with_every_kind_is_read_whole() -> None:
    definition = parsed(EVERY_KIND)
    assert [
        block.kind for step in definition.steps for block in step.blocks if block.kind != "input"
    ] == [*("mdsvex", "callout", "table", "image", "image", "pdf", "download")]
    assert [field.kind for field in definition.fields] == [
        *("text", "textarea", "number", "select", "file", "checkbox", "checkbox", "signature")
    ]
    assert definition.fields[3].name == "colour"
    assert len(markdown_of(definition)) == 5


def test_what_was_read_and_written_is_read_the_same_again() -> None:
    definition = parsed(EVERY_KIND)
    written = msgspec.json.encode(definition)
    assert stored_definition(written) == parse_definition(written) == definition


def test_unknown_keys_are_ignored_everywhere() -> None:
    def littered(value: Any) -> Any:
        if isinstance(value, dict):
            return {"x-unknown": {"a": [1]}, **{key: littered(part) for key, part in value.items()}}
        return [littered(part) for part in value] if isinstance(value, list) else value

    assert parsed(littered(deepcopy(EVERY_KIND))) == parsed(EVERY_KIND)


def test_other_spellings_mean_the_same() -> None:
    usual = with_blocks(
        asking("n", "N", "number", min=1),
        {"type": "download", "url": "https://a.example/x", "label": "X"},
        {"type": "image", "url": "https://a.example/x.png", "alt": "A"},
        {"type": "table", "columns": ["a", "b"], "rows": [["1", "true"], ["x", ""]]},
    )
    other = with_blocks(
        {"kind": "input", "field": {"name": "n", "label": "N", "type": "number", "min": 1}},
        {"kind": "download", "url": "https://a.example/x", "name": "X"},
        {"kind": "image", "src": "https://a.example/x.png", "alt": "A", "caption": None},
        {
            "kind": "table",
            "columns": ["a", {"key": "second", "label": "b"}],
            "rows": [[1, True], {"a": "x"}],
        },
    )
    assert parsed(usual) == parsed(other)


def test_a_raw_part_of_a_body_is_read_like_bytes() -> None:
    assert parse_definition(msgspec.Raw(msgspec.json.encode(EVERY_KIND))) == parsed(EVERY_KIND)


def test_every_fault_is_told_at_once_with_its_place() -> None:
    assert faults(
        {
            "title": 5,
            "steps": [
                {"id": "a", "title": "", "blocks": [{"type": "video"}, {}]},
                {"id": "b", "title": "B", "blocks": [asking("", "L", "rating"), 7]},
            ],
        }
    ) == {
        "title": "5 must be a string",
        "steps[0].title": '"" must not be blank',
        "steps[0].blocks[0].type": '"video" must be one of input, mdsvex, table, image, callout, '
        "pdf, download",
        "steps[0].blocks[1].type": "is required: one of input, mdsvex, table, image, callout, "
        "pdf, download",
        "steps[1].blocks[0].field.kind": '"rating" must be one of text, textarea, number, select, '
        "checkbox, file, signature",
        "steps[1].blocks[1]": "7 must be an object",
    }


@pytest.mark.parametrize(
    ("block", "place", "message"),
    [
        (asking(" a", "L", "text"), "field.name", '" a" must be one line without blanks around it'),
        (
            asking("a\nb", "L", "text"),
            "field.name",
            '"a\\nb" must be one line without blanks around it',
        ),
        (asking("a" * 101, "L", "text"), "field.name", "must have at most 100 characters"),
        (asking(NONCE_FIELD, "L", "text"), "field.name", "is the page's own field"),
        (asking("a", "L", "text", required="yes"), "field.required", '"yes" must be true or false'),
        (asking("a", 4, "text"), "field.label", "4 must be a string"),
        (
            asking("a", "L", "number", min=5, max=4),
            "field.min",
            "5 must not be above max, which is 4",
        ),
        (asking("a", "L", "number", max="9"), "field.max", '"9" must be a number'),
        (asking("a", "L", "number", max=True), "field.max", "true must be a number"),
        (asking("a", "L", "select"), "field.options", "is required"),
        (
            asking("a", "L", "select", options=[]),
            "field.options",
            "has 0 items and must have 1 to 500",
        ),
        (asking("a", "L", "select", options=["x"] * 501), "field.options", "has 501 items"),
        (
            asking("a", "L", "select", options=["x", "x"]),
            "field.options[1]",
            '"x" must be there only once',
        ),
        (
            asking("a", "L", "select", options=[{"label": "x"}]),
            "field.options[0].value",
            "is required",
        ),
        (asking("a", "L", "file", accept="exe;"), "field.accept", '"exe;" must be like .pdf'),
        (asking("a", "L", "file", accept=[".a"] * 51), "field.accept", "has 51 items"),
        (asking("a", "L", "file", accept=7), "field.accept", "7 must be a string or an array"),
        (
            asking("a", "L", "file", max_files=0),
            "field.max_files",
            "0 must be a whole number of at least 1",
        ),
        (
            asking("a", "L", "file", max_file_size=1.5),
            "field.max_file_size",
            "1.5 must be a whole number",
        ),
        ({"type": "input"}, "field", "is required"),
        ({"type": "input", "field": []}, "field", "[] must be an object"),
        ({"type": "mdsvex"}, "content", "is required"),
        (
            {"type": "mdsvex", "content": "x" * 20_001},
            "content",
            "must have at most 20000 characters",
        ),
        ({"type": "mdsvex", "content": "a\0b"}, "content", "must not hold NUL"),
        ({"type": "callout", "content": " "}, "content", '" " must not be blank'),
        (
            {"type": "table", "columns": [], "rows": []},
            "columns",
            "has 0 items and must have 1 to 20",
        ),
        (
            {"type": "table", "columns": ["a"], "rows": [["1", "2"]]},
            "rows[0]",
            "has 2 cells for 1 columns",
        ),
        (
            {"type": "table", "columns": ["a"], "rows": [5]},
            "rows[0]",
            "5 must be an array or an object",
        ),
        ({"type": "table", "columns": ["a"], "rows": [[{}]]}, "rows[0][0]", "{} must be a string"),
        (
            {"type": "pdf", "url": "javascript:alert(1)"},
            "url",
            '"javascript:alert(1)" must be an http',
        ),
        ({"type": "image", "src": "data:image/png;base64,AA", "alt": ""}, "src", "must be an http"),
        ({"type": "download", "url": "/api/v1/files/../tokens"}, "url", "must be an http"),
    ],
)
def test_a_fault_names_the_place_the_value_and_the_rule(
    block: object, place: str, message: str
) -> None:
    found, told = fault_of(block)
    assert found == place
    assert message in told


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("https://a.example", True),
        ("HTTPS://A.example:8443/x?y=1#z", True),
        ("http://[::1]/x", True),
        ("/api/v1/files/o/k/x.png?expires=1&signature=2", True),
        ("ftp://a.example", False),
        ("//a.example/x", False),
        ("https:/a.example", False),
        ("https://", False),
        ("https://user@a.example", False),
        ("https://a.example/\n", False),
        ("https://a.example\\@b.example", False),
        (" https://a.example", False),
        ("https://a.example:99999", False),
        ("/api/v1/files/", False),
        ("/api/v1/files/o/../../tasks", False),
        ("/api/v1/files/o/%2e%2e/%2e%2e/tasks", False),
        ("/api/v1/files/o%5c..%5cx", False),
        ("/api/v1/files//evil.example/x", False),
        ("/api/v1/tasks", False),
        ("x.png", False),
        ("blob:https://a.example/1", False),
    ],
)
def test_addresses_lead_to_the_web_or_to_own_files_only(address: str, allowed: bool) -> None:
    block = {"type": "pdf", "url": address}
    if allowed:
        parsed(with_blocks(block))
    else:
        assert fault_of(block)[0] == "url"


def test_a_name_is_there_only_once_in_the_whole_form() -> None:
    twice = deepcopy(EVERY_KIND)
    twice["steps"][1]["blocks"].append(asking("km", "Again", "text"))
    assert faults(twice) == {
        "steps[1].blocks[8].field.name": '"km" is the name of steps[0].blocks[5].field.name already'
    }


def test_a_step_is_there_only_once() -> None:
    twice = deepcopy(EVERY_KIND)
    twice["steps"][1]["id"] = "state"
    assert faults(twice) == {"steps[1].id": '"state" is the name of steps[0].id already'}


def _form_of(steps: int, blocks: int, block: Callable[[int], object]) -> dict[str, Any]:
    return {
        "title": "T",
        "steps": [
            {
                "id": str(step),
                "title": "A",
                "blocks": [block(step * blocks + number) for number in range(blocks)],
            }
            for step in range(steps)
        ],
    }


@pytest.mark.parametrize(
    ("steps", "blocks", "block", "place"),
    [
        (form.STEPS_MAX, 1, lambda _: {"type": "mdsvex", "content": "x"}, "steps"),
        (1, form.BLOCKS_MAX, lambda _: {"type": "mdsvex", "content": "x"}, "steps[0].blocks"),
        (4, form.FIELDS_MAX // 4, lambda number: asking(f"n{number}", "L", "text"), "steps"),
        (1, 5, lambda _: {"type": "mdsvex", "content": "x" * 20_000}, "steps"),
        (5, 1, lambda _: {"type": "table", "columns": ["a"] * 20, "rows": [{}] * 200}, "cells"),
    ],
)
def test_a_form_may_be_as_large_as_its_limits_and_no_larger(
    steps: int, blocks: int, block: Callable[[int], object], place: str
) -> None:
    parsed(_form_of(steps, blocks, block))
    larger = steps + (place != "steps[0].blocks"), blocks + (place == "steps[0].blocks")
    told = faults(_form_of(*larger, block))
    assert list(told) == [place.replace("cells", "steps[5].blocks[0].rows")]


def test_few_of_very_many_faults_are_told() -> None:
    assert len(faults(with_blocks(*[{"type": "x"}] * 90))) == 20


@pytest.mark.parametrize("odd", [b"", b"{", b"\xff", b'{"title":"\\ud800"}', b'{"title":1e999}'])
def test_what_is_no_json_is_refused(odd: bytes) -> None:
    with pytest.raises(FormInvalid, match="is not JSON"):
        parse_definition(odd)


@settings(max_examples=50, deadline=None)
@given(ANY_JSON)
def test_no_json_breaks_the_reading(value: object) -> None:
    field = {"type": "input", "field": value}
    for whole in (value, with_blocks(value), with_blocks(field)):
        with pytest.raises(FormInvalid):
            parsed(whole)


@settings(max_examples=50, deadline=None)
@given(st.sampled_from([*range(7)]), st.text(max_size=8), ANY_JSON)
def test_no_odd_value_of_a_key_breaks_the_reading(block: int, key: str, value: object) -> None:
    chosen = deepcopy(EVERY_KIND)["steps"][0]["blocks"][block]
    inner = chosen.get("field", chosen)
    for name in [*inner, key]:
        changed = {**inner, name: value}
        odd = {**chosen, "field": changed} if "field" in chosen else changed
        try:
            definition = parsed(with_blocks(odd))
        except FormInvalid as refusal:
            assert refusal.details
        else:
            assert stored_definition(msgspec.json.encode(definition)) == definition
