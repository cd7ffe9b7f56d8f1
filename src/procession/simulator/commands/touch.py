"""`input`: touches, text and keys."""

from __future__ import annotations

from collections.abc import Callable

from procession.simulator.commands.command import Call, Command, Output, refused
from procession.simulator.phone import Phone

SOURCES = ("touchscreen", "keyboard", "mouse", "dpad")
CTRL, LETTER_A = {"113", "114"}, "29"
NAMES = {
    "KEYCODE_DEL": "67", "KEYCODE_ENTER": "66", "KEYCODE_BACK": "4", "KEYCODE_HOME": "3",
    "KEYCODE_MOVE_END": "123", "KEYCODE_A": "29", "KEYCODE_CTRL_LEFT": "113",
    "KEYCODE_CTRL_RIGHT": "114", "KEYCODE_WAKEUP": "224", "KEYCODE_MENU": "82",
    "KEYCODE_POWER": "26", "KEYCODE_APP_SWITCH": "187", "KEYCODE_MOVE_HOME": "122",
    "KEYCODE_FORWARD_DEL": "112", "KEYCODE_TAB": "61", "KEYCODE_ESCAPE": "111",
}  # fmt: skip
KEYS = {"67": "del", "66": "enter", "4": "back", "3": "home", "123": "move_end"}
KEYCODE_MAX = 320


def input_(call: Call) -> Output:
    args = call.args[1:] if call.args[:1] and call.args[0] in SOURCES else call.args
    verb = VERBS.get(args[0]) if args else None
    if verb is None:
        return refused("Error: Unknown command: " + " ".join(args[:1]), 255)
    try:
        return verb(call.phone, args[1:])
    except (IndexError, ValueError, OverflowError):
        return refused(f"Error: Invalid arguments for command: {args[0]}", 255)


def _tap(phone: Phone, args: list[str]) -> Output:
    phone.app.tap(int(float(args[0])), int(float(args[1])))
    return Output(0)


def _swipe(phone: Phone, args: list[str]) -> Output:
    x_from, y_from, x_to, y_to = (int(float(word)) for word in args[:4])
    if (x_from, y_from) == (x_to, y_to):
        phone.app.tap(x_from, y_from)
    else:
        phone.app.swipe(y_from, y_to)
    return Output(0)


def _text(phone: Phone, args: list[str]) -> Output:
    if not args[0].isascii():
        # A real phone has no key for such a character and dies of it.
        return refused("java.lang.NullPointerException: Attempt to get length of null array", 255)
    phone.app.type(args[0].replace("%s", " "))
    return Output(0)


def _keyevent(phone: Phone, args: list[str]) -> Output:
    keys = [_keycode(arg) for arg in args if not arg.startswith("--")]
    for key in keys or [_keycode("")]:
        phone.app.press_key(KEYS.get(key, ""))
    return Output(0)


def _keycombination(phone: Phone, args: list[str]) -> Output:
    first, second = _keycode(args[0]), _keycode(args[1])
    if first in CTRL and second == LETTER_A:
        phone.app.press_key("select_all")
    return Output(0)


def _keycode(word: str) -> str:
    code = NAMES.get(word if word.startswith("KEYCODE_") else f"KEYCODE_{word}", word)
    if not 0 <= int(code) <= KEYCODE_MAX:
        raise ValueError(code)
    return code


VERBS: dict[str, Callable[[Phone, list[str]], Output]] = {
    "tap": _tap,
    "swipe": _swipe,
    "text": _text,
    "keyevent": _keyevent,
    "keycombination": _keycombination,
}

COMMANDS: dict[str, Command] = {"input": input_}
