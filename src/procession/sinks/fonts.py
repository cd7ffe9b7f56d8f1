"""Fonts for PDFs: the system's, since none is shipped; what they cannot show is named instead."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from fpdf import FPDF
from fpdf.fonts import TTFFont

FAMILY = "text"
_TRUETYPE = Path("/usr/share/fonts/truetype")
FACES = (
    (_TRUETYPE / "dejavu/DejaVuSans.ttf", _TRUETYPE / "dejavu/DejaVuSans-Bold.ttf"),
    (_TRUETYPE / "noto/NotoSans-Regular.ttf", _TRUETYPE / "noto/NotoSans-Bold.ttf"),
    (
        _TRUETYPE / "liberation/LiberationSans-Regular.ttf",
        _TRUETYPE / "liberation/LiberationSans-Bold.ttf",
    ),
)
FALLBACKS = (
    _TRUETYPE / "droid/DroidSansFallbackFull.ttf",
    _TRUETYPE / "unifont/unifont.ttf",
)
_BUILT_IN = "helvetica"
_BREAKS = "\n\t "

Shows = Callable[[str], bool]


class Type(NamedTuple):
    """A font family of a document, and which characters it shows."""

    family: str
    shows: Shows


def choose_type(pdf: FPDF, faces: tuple[tuple[Path, Path], ...] = FACES) -> Type:
    """The first of `faces` that is installed, with a fallback; else the one every reader has."""
    for regular, bold in faces:
        if regular.exists() and bold.exists():
            return _loaded(pdf, regular, bold)
    return Type(_BUILT_IN, lambda char: char.encode("latin-1", "ignore") != b"")


def showable(text: str, shows: Shows) -> str:
    """The text with every character that cannot be shown as its number: `[U+65E5]`."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(
        char if char in _BREAKS or (char.isprintable() and shows(char)) else f"[U+{ord(char):04X}]"
        for char in lines
    )


def _loaded(pdf: FPDF, regular: Path, bold: Path) -> Type:
    pdf.add_font(FAMILY, "", regular)
    pdf.add_font(FAMILY, "B", bold)
    known = _letters(pdf, FAMILY)
    fallback = next((path for path in FALLBACKS if path.exists()), None)
    if fallback is not None:
        pdf.add_font("fallback", "", fallback)
        pdf.set_fallback_fonts(["fallback"], exact_match=False)
        known |= _letters(pdf, "fallback")
    return Type(FAMILY, lambda char: ord(char) in known)


def _letters(pdf: FPDF, family: str) -> set[int]:
    font = pdf.fonts[family]
    return set(font.cmap) if isinstance(font, TTFFont) else set()
