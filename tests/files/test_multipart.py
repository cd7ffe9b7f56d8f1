"""Forms as browsers send them, cut anywhere, and forms nobody should send."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stores import chunks_of

from procession.files.multipart import (
    Form,
    FormInvalid,
    FormLimits,
    FormTooLarge,
    reading_form,
)
from procession.files.store import FileTooLarge

TYPE = "multipart/form-data; boundary=XX"
LIMITS = FormLimits(file_bytes_max=50_000, body_bytes_max=200_000, memory_bytes=100)


def part(head: str, body: bytes) -> bytes:
    disposition = f"--XX\r\nContent-Disposition: form-data; {head}\r\n".encode()
    return disposition + b"Content-Type: text/plain\r\n\r\n" + body + b"\r\n"


def read(
    *chunks: bytes, content_type: str = TYPE, limits: FormLimits = LIMITS
) -> tuple[Form, list[bytes]]:
    async def whole() -> tuple[Form, list[bytes]]:
        async with reading_form(chunks_of(*chunks), content_type, limits) as form:
            return form, [b"".join([c async for c in file.chunks()]) for file in form.files]

    return asyncio.run(whole())


@given(st.binary(max_size=2_000), st.text(max_size=50), st.lists(st.integers(0, 5_000), max_size=8))
def test_a_form_reads_the_same_however_it_is_cut(data: bytes, text: str, cuts: list[int]) -> None:
    body = (
        part('name="file"; filename="März \'1\'.txt"', data)
        + part('name="folder"', text.encode())
        + b"--XX--\r\n"
    )
    places = sorted({0, len(body), *(cut % len(body) for cut in cuts)})
    form, files = read(*[body[a:b] for a, b in pairwise(places)])
    if b"\r\n--XX" in data or b"\r\n--XX" in text.encode():
        return
    assert files == [data]
    assert (form.files[0].name, form.files[0].size) == ("März '1'.txt", len(data))
    assert form.files[0].content_type == "text/plain"
    assert form.field("folder") == text and form.field("other") == ""
    assert form.file("file") is form.files[0] and form.file("folder") is None


def test_a_file_may_come_before_or_behind_its_folder() -> None:
    file, folder = part('name="file"; filename="a"', b"x"), part('name="folder"', b"bills")
    for body in (file + folder, folder + file):
        form, files = read(body + b"--XX--\r\n")
        assert (form.field("folder"), files) == ("bills", [b"x"])


def test_names_that_repeat_are_all_kept() -> None:
    many = part('name="a"', b"1") + part('name="a"', b"2")
    files = part('name="f"; filename=""', b"") + part('name="f"; filename="b"', b"2")
    form, contents = read(many + files + b"--XX--\r\n")
    assert form.fields == [("a", "1"), ("a", "2")] and form.field("a") == "2"
    assert [file.name for file in form.files] == ["", "b"] and contents == [b"", b"2"]


def flood(count: int, head: str) -> bytes:
    return b"".join(part(head, b"x") for _ in range(count)) + b"--XX--\r\n"


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        (part('name="f"; filename="a"', b"x" * 50_001), FileTooLarge),
        (part('name="f"; filename="a"', b"x" * 40_000) * 6, FormTooLarge),
        (part('name="f"', b"x" * 300_000), FormTooLarge),
        (flood(201, 'name="f"'), FormTooLarge),
        (flood(51, 'name="f"; filename="a"'), FormTooLarge),
        (part(f'name="{"n" * 5_000}"', b"x"), FormInvalid),
        (b"--XX\r\n" + b"a: b\r\n" * 9 + b"\r\nx\r\n--XX--", FormInvalid),
        (b"--XX\r\nContent-Disposition: attachment\r\n\r\nx\r\n--XX--", FormInvalid),
        (part("filename=a", b"x"), FormInvalid),
        (part('name="f"', b"\xff") + b"--XX--", FormInvalid),
        (part('name="f"', b"x"), FormInvalid),
        (b"", FormInvalid),
        (b"{}", FormInvalid),
        (b"--YY--\r\n", FormInvalid),
    ],
)
def test_what_breaks_a_limit_or_a_rule_is_refused(body: bytes, refusal: type[Exception]) -> None:
    with pytest.raises(refusal):
        read(body)


@pytest.mark.parametrize(
    "content_type",
    ["", "application/json", "multipart/form-data", f"multipart/form-data; boundary={'x' * 300}"],
)
def test_only_a_form_with_a_boundary_is_read(content_type: str) -> None:
    with pytest.raises(FormInvalid):
        read(b"--XX--\r\n", content_type=content_type)


def test_a_body_over_its_limit_is_read_no_further() -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        yield b'--XX\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\n'
        while True:
            taken += 1
            yield b"x" * 10_000

    async def whole() -> None:
        async with reading_form(endless(), TYPE, LIMITS):
            raise AssertionError("it never ends")

    with pytest.raises(FileTooLarge):
        asyncio.run(whole())
    assert taken == 6


def test_spools_are_closed_when_the_form_is_left() -> None:
    form, _ = read(part('name="f"; filename="a"', b"x" * 1_000) + b"--XX--\r\n")
    assert form.files[0].spool.closed


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    try:
        read(b"--XX\r\n" + data)
    except (FormInvalid, FormTooLarge, FileTooLarge):
        return
