"""The shell's language, without a network."""

from __future__ import annotations

import asyncio
import shlex

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from procession.simulator.commands import COMMANDS
from procession.simulator.phone import Phone
from procession.simulator.session import Session


def ran(line: str) -> tuple[int, bytes, bytes]:
    """Exit code, standard output and standard error of a line on a new phone."""
    pieces: list[tuple[int, bytes]] = []

    async def emit(some: list[tuple[int, bytes]]) -> None:
        pieces.extend(some)

    async def run() -> int:
        session = Session(Phone("phone_01", 1, lambda: 0.0, lambda: 0.0), emit)
        code = await session.run(line)
        await session.flush()
        return code

    code = asyncio.run(run())
    streams = [b"".join(data for stream, data in pieces if stream == number) for number in (1, 2)]
    return code, streams[0], streams[1]


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@given(TEXT)
def test_a_quoted_word_arrives_as_it_is(text: str) -> None:
    assert ran(f"echo -n {shlex.quote(text)}") == (0, text.encode(), b"")


@given(TEXT)
def test_any_line_ends_with_an_exit_code(text: str) -> None:
    code, _, _ = ran(f"echo {text}")
    assert 0 <= code <= 255


ARGUMENTS = st.lists(
    st.one_of(
        TEXT,
        st.sampled_from([
            "-", "--", "-l", "-p", "/sdcard", "/sdcard/f", "/", "inf", "nan", "-1", "1e999", "²",
            "tap", "swipe", "text", "keyevent", "keycombination", "start", "broadcast", "-a", "-d",
            "-n", "dump", "list", "packages", "get", "put", "global", "fault", "hang", "state",
            "procession-demo://search?account=[", "http://[", "app.procession.demo", "clear",
        ]),
    ),
    max_size=5,
)  # fmt: skip


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - {"sleep"}))
@settings(max_examples=40)
@given(arguments=ARGUMENTS)
def test_no_arguments_break_a_command(name: str, arguments: list[str]) -> None:
    code, _, _ = ran(shlex.join([name, *arguments]))
    assert 0 <= code <= 255


@pytest.mark.parametrize("seconds", ["nan", "-1", "inf", "", "x"])
def test_a_sleep_of_no_length_is_refused(seconds: str) -> None:
    assert ran(f"sleep '{seconds}'")[0] == 1


@pytest.mark.parametrize(
    ("line", "code", "stdout"),
    [
        ("", 0, b""),
        ("   ;", 1, b""),
        ("echo a; echo b", 0, b"a\nb\n"),
        ("echo a\necho b\n", 0, b"a\nb\n"),
        ("true && echo a", 0, b"a\n"),
        ("false && echo a", 1, b""),
        ("false || true", 0, b""),
        ("true || echo a", 0, b""),
        ("false && echo a || echo b", 0, b"b\n"),
        ("false; echo $?", 0, b"1\n"),
        ("echo '$?' \"$?\" \\$?", 0, b"$? 0 $?\n"),
        ("echo a'b c'\"d e\"f", 0, b"ab cd ef\n"),
        ('echo "\\$? \\" \\\\ \\a"', 0, b'$? " \\ \\a\n'),
        ("input tap inf 1", 255, b""),
        ("input tap 1", 255, b""),
        ("echo a # the rest is a remark; echo b", 0, b"a\n"),
        ("echo a#b", 0, b"a#b\n"),
        ("echo 'a;b' \"c && d\" e\\;f", 0, b"a;b c && d e;f\n"),
        ("exit 5; echo a", 5, b""),
        ("exit ²", 0, b""),
        ("false; exit", 1, b""),
        ("ls /nowhere 2>/dev/null || echo none", 0, b"none\n"),
        ("echo a >/dev/null", 0, b""),
        ("ls /nowhere 2>&1 | grep -c No", 0, b"1\n"),
        ("echo one > /sdcard/f; echo two >> /sdcard/f; cat < /sdcard/f", 0, b"one\ntwo\n"),
        ("echo 2 >/sdcard/f; cat /sdcard/f", 0, b"2\n"),
        ("getprop | grep serialno | head -1", 0, b"[ro.boot.serialno]: [phone_01]\n"),
        ("/system/bin/echo a", 0, b"a\n"),
    ],
)
def test_lines_mean_what_a_real_shell_means(line: str, code: int, stdout: bytes) -> None:
    assert ran(line)[:2] == (code, stdout)


@pytest.mark.parametrize("line", ["echo 'a", 'echo "a', "; ls", "ls &&", "ls |", "ls >", "(ls)"])
def test_a_line_it_does_not_understand_is_refused_whole(line: str) -> None:
    code, stdout, stderr = ran(f"echo first; {line}")
    assert (code, stdout) == (1, b"")
    assert b"syntax error" in stderr
