"""Names and keys, from whatever a person or an attacker types."""

from __future__ import annotations

import asyncio
import re
import tempfile
import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from stores import chunks_of

from procession.files.disk import DiskFiles
from procession.files.keys import FileMissing, make_key, read_key, shown_name

RANDOM = "0123456789abcdef" * 2
HOSTILE = [
    "../../etc/passwd",
    "/etc/passwd",
    "..\\..\\boot.ini",
    "C:\\x\\y.txt",
    "a\0b.txt",
    "..",
    ".",
    "",
    ".htaccess",
    "x" * 5_000,
    "y." + "z" * 5_000,
    "\u202egnp.exe",
    "a\u2215b",
    "\uff0e\uff0e\uff0fetc",
    "con\r\nset-cookie: a=b",
    "\ud800",
    "%2e%2e%2f",
    "\u2028\u2029",
    "-rf",
    "名前.txt",
    'a";filename="b',
]
names = st.one_of(st.sampled_from(HOSTILE), st.text(st.characters(), max_size=300))


@given(names, st.sampled_from(["", "bills", "-", "a_B-9"]))
@example("....", "")
def test_every_name_gives_a_key_of_three_harmless_segments(name: str, folder: str) -> None:
    key = make_key("42", folder, name, RANDOM)
    assert re.fullmatch(r"[A-Za-z0-9_-]+/[A-Za-z0-9_.-]+/[A-Za-z0-9_-][A-Za-z0-9._-]*", key.text)
    assert ".." not in key.place and len(key.text) < 250
    assert read_key(key.text) == key


@given(names)
def test_a_shown_name_holds_nothing_invisible_and_no_path(name: str) -> None:
    shown = shown_name(name)
    assert 0 < len(shown) <= 200 and not set(shown) & set("/\\")
    assert {unicodedata.category(c) for c in shown}.isdisjoint({"Cc", "Cf", "Cs", "Zl", "Zp"})
    assert shown.strip(" .") == shown
    assert shown_name(shown) == shown


@given(names, names, names)
@example("..", "..", "..")
@example("42", RANDOM, "..")
@example("42", RANDOM + "\n", "a")
def test_a_key_that_was_never_made_is_missing(org: str, place: str, name: str) -> None:
    for text in (f"{org}/{place}/{name}", org, f"{org}/{RANDOM}/{name}"):
        try:
            key = read_key(text)
        except FileMissing:
            continue
        assert key.text == text and re.fullmatch(r"[A-Za-z0-9./_-]+", text)
        assert not {"..", "."} & set(text.split("/"))


def test_suffixes_survive() -> None:
    assert make_key("1", "", "Résumé (final).PDF", RANDOM).name == "Resume_final.PDF"
    assert make_key("1", "", "x" * 500 + ".pdf", RANDOM).name == "x" * 76 + ".pdf"
    assert make_key("1", "", "名前.txt", RANDOM).name == "file.txt"


async def read(store: DiskFiles, key: str) -> bytes:
    return b"".join([chunk async for chunk in (await store.open(key)).chunks])


def test_no_link_on_the_disk_is_followed() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root, outside = Path(folder) / "files", Path(folder) / "outside"
        store = DiskFiles(root)
        key = read_key(
            asyncio.run(store.put("7", "a", chunks_of(b"x"), content_type="", bytes_max=9)).key
        )
        (root / "7").rename(outside)
        (root / "7").symlink_to(outside)
        with pytest.raises(FileMissing):
            asyncio.run(store.open(key.text))
        (root / "7").unlink()
        outside.rename(root / "7")
        content = root / "7" / key.place / "content"
        content.unlink()
        content.symlink_to("/etc/passwd")
        with pytest.raises(FileMissing):
            asyncio.run(read(store, key.text))


def test_what_an_ended_server_left_is_tidied_once_it_is_old() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        store = DiskFiles(root)
        kept = asyncio.run(store.put("7", "a", chunks_of(b"x"), content_type="", bytes_max=9)).key
        part = root / "7" / ".part-1"
        part.mkdir()
        (part / "content").write_bytes(b"half")
        now_ms = int(part.stat().st_mtime * 1_000)
        assert asyncio.run(store.tidy(now_ms + 3_500_000)) == 0
        assert asyncio.run(store.tidy(now_ms + 3_700_000)) == 1
        assert not part.exists() and asyncio.run(store.exists("7", kept))
