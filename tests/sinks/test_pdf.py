"""The PDF of a form, read back by another library."""

from __future__ import annotations

import base64
import io
import struct
import zlib

import pytest
from endings import TASK_ID, ended
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader

from procession.forms.blocks import Definition, Step, Table
from procession.sinks.fonts import FACES
from procession.sinks.pdf import CHARS_MAX, form_pdf

NO_FONTS = ()


def read(pdf: bytes) -> str:
    shown = (page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages)
    return " ".join(" ".join(shown).split())


def signature(width: int = 300, height: int = 120) -> str:
    """A PNG with a black bar in it, as a data URL."""
    bar = b"\0" + b"\0\0\0\xff" * width
    blank = b"\0" + b"\xff\xff\xff\0" * width
    rows = b"".join(bar if 50 < place < 60 else blank for place in range(height))

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n" + parts).decode()


def test_it_shows_the_form_and_its_answers_in_order() -> None:
    shown = read(form_pdf(ended()))
    words = ["Check the delivery", "2026-03-22T08:30:00Z", TASK_ID, "order-77", "**everything**"]
    words += ["The boxes", "Box", "small", "Is it whole?", "yes", "box 7 was open", "State", "good"]
    places = [shown.index(word) for word in words]
    assert places == sorted(places)


def test_the_same_task_gives_the_same_bytes() -> None:
    assert form_pdf(ended()) == form_pdf(ended())


def test_a_signature_is_a_picture_in_it() -> None:
    data = {"ok": True, "note": "x", "state": "g", "sign": signature()}
    (page,) = PdfReader(io.BytesIO(form_pdf(ended(data=data)))).pages
    (picture,) = page.images
    assert picture.image is not None and picture.image.size == (300, 120)
    assert "base64" not in page.extract_text()


@pytest.mark.parametrize("text", ["data:image/png;base64,AAAA", "data:x", signature(9_000, 9_000)])
def test_a_picture_that_is_none_is_said_and_not_decoded(text: str) -> None:
    shown = read(form_pdf(ended(data={"sign": text})))
    assert "the signature cannot be shown" in shown


def test_letters_of_many_scripts_are_shown() -> None:
    shown = read(form_pdf(ended(data={"note": "Łódź Ελληνικά Проверено “x”"})))
    assert "Łódź Ελληνικά Проверено “x”" in shown


def test_a_letter_no_font_has_is_named_by_its_number() -> None:
    for faces in (FACES, NO_FONTS):
        assert "[U+1F389]" in read(form_pdf(ended(data={"note": "a \U0001f389 b"}), faces))
    assert "[U+0141]ód[U+017A]" in read(form_pdf(ended(data={"note": "Łódź"}), NO_FONTS))


@settings(max_examples=20, deadline=None)
@given(st.text(max_size=200))
def test_no_text_breaks_it(text: str) -> None:
    task = ended(title=text or "t", correlation_key=text, data={"note": text, text: [text, None]})
    assert form_pdf(task, NO_FONTS).startswith(b"%PDF")


def test_letters_that_join_and_turn_do_not_break_it() -> None:
    text = (
        "\u0639\u0631\u0628\u0649 \u05d0\u05d1 \u0915\u094d\u0937 e\u0301 \u200f\u202e x\tn"
        + "w" * 500
    )
    assert form_pdf(ended(title=text, data={"note": text})).startswith(b"%PDF")


def test_what_is_too_long_is_cut_and_said() -> None:
    pdf = form_pdf(ended(data={"note": "word " * CHARS_MAX, "more": "x"}), NO_FONTS)
    assert read(pdf).count("the rest is left out of this document") == 1
    assert len(PdfReader(io.BytesIO(pdf)).pages) < 30


def test_a_task_without_a_form_still_gives_its_answers() -> None:
    shown = read(
        form_pdf(ended(form=None, data={"a": 1, "b": ["x", True], "c": {"name": "f.txt"}}))
    )
    assert "x, yes" in shown and "f.txt" in shown


@pytest.mark.parametrize("columns", [1, 6, 7, 20])
def test_no_table_is_too_wide_or_too_high(columns: int) -> None:
    cells = tuple(["W" * 2_000, "\n" * 2_000, "\U0001f389" * 300, "", " ", "x y " * 500][:columns])
    row = (cells * 4)[:columns]
    table = Table(columns=row, rows=(row,) * 5, title="t")
    form = Definition(title="t", steps=(Step(id="a", title="a", blocks=(table,)),))
    assert form_pdf(ended(form=form, data={}), NO_FONTS).startswith(b"%PDF")


def test_many_tables_are_cut_and_said() -> None:
    table = Table(columns=("a", "b"), rows=(("1", "2"),) * 200)
    form = Definition(title="t", steps=(Step(id="a", title="a", blocks=(table,) * 100),))
    shown = read(form_pdf(ended(form=form, data={}), NO_FONTS))
    assert "200 rows ... the rest is left out of this document" in shown
