"""Types text into the focused field, exactly, or says which character cannot be typed."""

from __future__ import annotations

import base64
import re
import shlex
import unicodedata
from collections.abc import Callable, Iterator

from procession.capabilities.capability import PhoneFault, RunFailed

PART_CHARS_MAX = 200
DELETES_MAX = 200
SET_TEXT_CHARS_MAX = 20_000
TYPABLE = re.compile(r"[\x20-\x7e]*")
SPACE_ESCAPE = re.compile(r"(?<=%)(?=s)")

CLEAR_ALL = "input keycombination 113 29"
DELETE = "input keyevent 67"
MOVE_END = "123"


class TextUntypable(RunFailed):
    """The text holds a character that this phone's keyboard commands cannot produce."""


def enter(shell: Callable[[str], str], text: str, set_text: str | None) -> None:
    """Put the text into the focused, empty field.

    Raises TextUntypable for text beyond printable ASCII when the profile has no `set_text`.
    """
    if TYPABLE.fullmatch(text):
        for part in parts_to_type(text):
            shell(f"input text {shlex.quote(part)}")
        return
    if set_text is None:
        raise TextUntypable(_untypable(text))
    if len(text) > SET_TEXT_CHARS_MAX:
        raise TextUntypable(f"the text has more than {SET_TEXT_CHARS_MAX} characters")
    shell(set_text.replace("{b64}", base64.b64encode(text.encode()).decode()))


def parts_to_type(text: str) -> Iterator[str]:
    """The arguments of `input text`, in order.

    `%s` is how the command writes a space, so a `%` and an `s` that follow each other in the
    text go into two commands.
    """
    for piece in SPACE_ESCAPE.split(text):
        for start in range(0, len(piece), PART_CHARS_MAX):
            yield piece[start : start + PART_CHARS_MAX].replace(" ", "%s")


def clear(shell: Callable[[str], str]) -> None:
    """Empty the focused field: select all and delete."""
    try:
        shell(CLEAR_ALL)
    except PhoneFault:
        raise
    except RunFailed:
        return
    shell(DELETE)


def delete(shell: Callable[[str], str], chars: int) -> None:
    """Delete so many characters before the end: for phones that cannot select all."""
    while chars > 0:
        now = min(chars, DELETES_MAX)
        shell(f"input keyevent {MOVE_END}{' 67' * now}")
        chars -= now


def _untypable(text: str) -> str:
    char = next(char for char in text if not TYPABLE.fullmatch(char))
    name = unicodedata.name(char, "a control character")
    return (
        f"`input text` cannot type U+{ord(char):04X} ({name}); "
        "an app profile with [input] set_text can"
    )
