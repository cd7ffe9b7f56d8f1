"""Every bound of every input: what is just allowed, and how the rest is refused."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from procession.capabilities.errors import InputInvalid
from procession.capabilities.registry import check, decode_inputs, find

REBOOT = {"action": "reboot"}
POST = {"content_id": "c", "video_path": "https://h.example/v.mp4", "caption": "x"}


def edit(**params: Any) -> dict[str, Any]:
    return {"steps": [REBOOT, {"action": "edit_profile", "params": params}]}


REFUSED: list[tuple[str, Any, str, str]] = [
    ("keyword_warmup", {}, "/keywords", "inputs.keywords: is required and missing"),
    ("keyword_warmup", {"keywords": []}, "/keywords", "is []: expected `array` of length >= 1"),
    ("keyword_warmup", {"keywords": ["a"] * 51}, "/keywords", "(51 elements) … <= 50"),
    ("keyword_warmup", {"keywords": ["a", ""]}, "/keywords/1", 'is "" … length >= 1'),
    ("keyword_warmup", {"keywords": ["a" * 201]}, "/keywords/0", "(201 characters) … <= 200"),
    ("keyword_warmup", {"keywords": ["a", 1, "b", 7]}, "/keywords/1", "is 1: expected `str`"),
    ("keyword_warmup", {"keywords": "abc"}, "/keywords", 'is "abc": expected `array`'),
    ("keyword_warmup", {"keywords": None}, "/keywords", "is null: expected `array`"),
    (
        "keyword_warmup",
        {"keywords": ["a"], "minutes_per_keyword": 0.09},
        "/minutes_per_keyword",
        "inputs.minutes_per_keyword is 0.09: expected `float` >= 0.1",
    ),
    (
        "keyword_warmup",
        {"keywords": ["a"], "minutes_per_keyword": 30.1},
        "/minutes_per_keyword",
        "is 30.1: expected `float` <= 30",
    ),
    ("keyword_warmup", {"keywords": ["a"], "minutes_per_keyword": "2"}, "/minutes_per_keyword", ""),
    ("fyp_warmup", {"minutes": 0}, "/minutes", "is 0: expected `float` >= 0.1"),
    ("fyp_warmup", {"minutes": 121}, "/minutes", "is 121: expected `float` <= 120"),
    ("fyp_warmup", {"minutes": True}, "/minutes", "is true: expected `float`"),
    ("fyp_warmup", [], "", "inputs is []: expected `object`"),
    ("maintenance", {}, "/steps", "required"),
    ("maintenance", {"steps": []}, "/steps", ">= 1"),
    ("maintenance", {"steps": [REBOOT] * 21}, "/steps", "<= 20"),
    ("maintenance", {"steps": [REBOOT, 5]}, "/steps/1", "is 5: expected `object`"),
    ("maintenance", {"steps": [{}]}, "/steps/0/action", "required"),
    (
        "maintenance",
        {"steps": [REBOOT, {"action": "follow"}]},
        "/steps/1/action",
        'is "follow": must be one of clear_cache, edit_profile, health_check, reboot, '
        "restart_app, screenshot",
    ),
    ("maintenance", {"steps": [{"action": "edit_profile"}]}, "/steps/0/params", "required"),
    ("maintenance", edit(), "/steps/1/params", "at least one of display_name, bio, username"),
    ("maintenance", edit(randomized=True), "/steps/1/params", "at least one of"),
    ("maintenance", edit(bio=None), "/steps/1/params", "at least one of"),
    ("maintenance", edit(username=""), "/steps/1/params/username", ">= 1"),
    ("maintenance", edit(display_name="d" * 201), "/steps/1/params/display_name", "<= 200"),
    ("maintenance", edit(bio="b" * 2_001), "/steps/1/params/bio", "<= 2000"),
    ("maintenance", edit(bio="b", randomized="no"), "/steps/1/params/randomized", '"no"'),
    ("maintenance", edit(bio="b", mutation_kind=3), "/steps/1/params/mutation_kind", "is 3"),
    ("maintenance", {"steps": [REBOOT], "metadata": []}, "/metadata", "expected `object`"),
    ("post_video", {**POST, "content_id": ""}, "/content_id", ">= 1"),
    ("post_video", {**POST, "caption": ""}, "/caption", ">= 1"),
    ("post_video", {**POST, "caption": "x" * 4_001}, "/caption", "(4001 characters) … <= 4000"),
    ("post_video", {**POST, "video_path": "file:///etc/passwd"}, "/video_path", "regex"),
    ("post_video", {**POST, "video_path": "http:///v"}, "/video_path", "regex"),
    ("post_video", {**POST, "cover_image_path": "cover.png"}, "/cover_image_path", "regex"),
    ("post_video", {**POST, "hashtags": ["a", 2]}, "/hashtags/1", "is 2: expected `str`"),
    ("post_video", {**POST, "hashtags": "a"}, "/hashtags", "expected `array`"),
    ("sleep", {"seconds": -0.1}, "/seconds", "is -0.1: expected `float` >= 0"),
    ("sleep", {"seconds": 86_401}, "/seconds", "is 86401: expected `float` <= 86400"),
    ("sleep", {}, "/seconds", "required"),
    ("fail", {"times": -2}, "/times", "is -2: expected `int` >= -1"),
    ("fail", {"times": 1.5}, "/times", "is 1.5: expected `int`"),
    ("echo", [1], "", "expected `object`"),
    ("echo", "hello", "", "expected `object`"),
]

ALLOWED: list[tuple[str, dict[str, Any]]] = [
    ("keyword_warmup", {"keywords": ["a"] * 50, "minutes_per_keyword": 0.1}),
    ("keyword_warmup", {"keywords": ["é" * 200], "minutes_per_keyword": 30}),
    ("keyword_warmup", {"keywords": ["a"], "unknown": {"is": "ignored"}}),
    ("fyp_warmup", {"minutes": 0.1}),
    ("fyp_warmup", {"minutes": 120}),
    ("maintenance", {"steps": [{"action": "screenshot", "params": {"any": 1}}] * 20}),
    ("maintenance", edit(bio="", randomized=False, mutation_kind="rename")),
    ("post_video", {**POST, "caption": "x" * 4_000, "hashtags": ["a", "#b"], "metadata": {"k": 1}}),
    ("sleep", {"seconds": 86_400, "ignore_stop": True}),
    ("fail", {"message": "m", "times": 0}),
    ("echo", {"any": [{"thing": None}]}),
]


@pytest.mark.parametrize(("name", "inputs", "pointer", "message"), REFUSED)
def test_a_broken_bound_is_refused_where_it_is(
    name: str, inputs: Any, pointer: str, message: str
) -> None:
    with pytest.raises(InputInvalid) as no:
        check(find(name), "manual", "direct", msgspec.json.encode(inputs))
    assert no.value.pointer == pointer
    assert no.value.message.startswith("inputs")
    for part in message.split(" … "):
        assert part in no.value.message


@pytest.mark.parametrize(("name", "inputs"), ALLOWED)
def test_what_the_bounds_allow_is_accepted(name: str, inputs: dict[str, Any]) -> None:
    check(find(name), "manual", "direct", msgspec.json.encode(inputs))


NO_JSON = [
    b"",
    b"{",
    b'{"a": NaN}',
    b'{"a": 1} x',
    b"\xff",
    b'{"\xff": 1}',
    b'{"a": "\xff"}',
    b'{"a": ' + b"[" * 100_000,
]


@pytest.mark.parametrize("raw", NO_JSON, ids=range(len(NO_JSON)))
def test_inputs_that_are_no_json_are_refused(raw: bytes) -> None:
    with pytest.raises(InputInvalid, match="are not JSON") as refusal:
        decode_inputs(find("echo"), raw)
    assert refusal.value.pointer == ""
    with pytest.raises(InputInvalid):
        decode_inputs(find("sleep"), raw)


def test_defaults_are_those_of_the_contract() -> None:
    assert decode_inputs(find("keyword_warmup"), b'{"keywords":["a"]}').minutes_per_keyword == 2
    assert decode_inputs(find("fyp_warmup"), b"{}").minutes == 10


def test_a_long_value_is_shown_in_part_only() -> None:
    with pytest.raises(InputInvalid) as refusal:
        decode_inputs(find("fyp_warmup"), msgspec.json.encode({"minutes": "m" * 100_000}))
    assert len(refusal.value.message) < 300
    assert "(100000 characters)" in refusal.value.message
