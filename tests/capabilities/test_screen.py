"""Reading dumps of the screen, and turning text into typing commands."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procession.capabilities.keyboard import PART_CHARS_MAX, enter, parts_to_type
from procession.capabilities.screen import ScreenUnreadable, parse

DUMP = (
    "<?xml version='1.0' encoding='UTF-8' standalone='yes' ?><hierarchy rotation=\"0\">"
    '<node text="" resource-id="" bounds="[0,0][100,200]">{}</node></hierarchy>'
)


def node(text: str, bounds: str = "[10,20][30,60]") -> str:
    return DUMP.format(f'<node text="{text}" resource-id="a:id/b" bounds="{bounds}" />')


def as_android_types(argument: str) -> str:
    """What the platform's `input text` makes of its argument: only `%s` is special."""
    typed, escaped = list(argument), False
    at = 0
    while at < len(typed):
        if escaped:
            escaped = False
            if typed[at] == "s":
                typed[at] = " "
                at -= 1
                del typed[at]
        if typed[at] == "%":
            escaped = True
        at += 1
    return "".join(typed)


def test_an_element_is_read_with_its_place() -> None:
    element = parse(node("a &amp; &quot;b&quot;&#10;c"))[1]
    assert (element.resource_id, element.text, element.centre) == ("a:id/b", 'a & "b"\nc', (20, 40))


def test_a_character_in_two_references_is_read_as_one() -> None:
    assert parse(node("x&#55356;&#57260;y"))[1].text == "x🎬y"


@pytest.mark.parametrize(
    "dump",
    [
        "",
        "ERROR: could not get idle state.",
        node("x")[:-30],
        node("&#55356;"),
        node("\ud83c"),
        '<!DOCTYPE x [<!ENTITY a "b">]><hierarchy>&a;</hierarchy>',
        node("x" * 4_000_001),
    ],
    ids=range(7),
)
def test_a_dump_that_is_no_screen_is_refused_and_worth_another_look(dump: str) -> None:
    with pytest.raises(ScreenUnreadable) as refusal:
        parse(dump)
    assert refusal.value.retry


def test_a_node_without_a_place_is_left_out() -> None:
    assert len(parse(node("x", bounds="")[:])) == 1


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=600))
def test_typing_in_parts_gives_exactly_the_text(text: str) -> None:
    parts = list(parts_to_type(text))
    assert "".join(map(as_android_types, parts)) == text
    assert all(0 < len(part) <= 2 * PART_CHARS_MAX for part in parts)


@given(st.text(st.sampled_from("%s %%s'\"\\$`;&|x"), max_size=40))
def test_the_shell_sees_one_word_a_command(text: str) -> None:
    commands: list[str] = []
    enter(lambda command: commands.append(command) or "", text, None)
    words = [shlex.split(command) for command in commands]
    assert all(word[:2] == ["input", "text"] and len(word) == 3 for word in words)
    assert "".join(as_android_types(word[2]) for word in words) == text
