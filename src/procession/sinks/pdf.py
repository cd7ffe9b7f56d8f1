"""A PDF of a form and its answers, as it is attached to mail. Markdown stands as it was written."""

from __future__ import annotations

import base64
import io
from datetime import UTC, datetime
from pathlib import Path

from fpdf import FPDF
from fpdf.enums import XPos, YPos

from procession.forms.blocks import (
    AnyBlock,
    AnyField,
    Callout,
    Download,
    Image,
    Input,
    Pdf,
    SignatureField,
    Step,
    Table,
    Text,
)
from procession.forms.signature import PREFIX, SignatureInvalid, check_signature
from procession.sinks.body import TaskEnded, stamp
from procession.sinks.fonts import FACES, choose_type, showable
from procession.sinks.mails import shown_value

CHARS_MAX = 60_000
"""In the whole document; the rest is left out, and said so."""
CELL_CHARS_MAX = 200
CELLS_MAX = 1_000
"""Of tables, in the whole document."""
COLUMNS_MAX = 6
"""Of a table with lines; a wider one stands as text."""
SIGNATURE_MM = (70, 28)
LABEL_MM = 10
LINE_MM = 0.5
"""The height of a line, by the size of its letters in points."""
_CUT = " ... the rest is left out of this document"
_GREY, _BLACK = 110, 20


def form_pdf(ended: TaskEnded, faces: tuple[tuple[Path, Path], ...] = FACES) -> bytes:
    """The document, the same bytes for the same task. Takes some 100 ms: call it in a thread."""
    page = _Page(ended, faces)
    page.head(ended)
    answers = dict(ended.data or {})
    form = ended.form
    if form is not None and form.instructions_mdsvex:
        page.text(form.instructions_mdsvex)
    for step in form.steps if form is not None else ():
        page.step(step, answers)
    for name, value in answers.items():
        page.answer(name, shown_value(None, value))
    return page.made()


class _Page:
    """The document being written, from top to bottom."""

    def __init__(self, ended: TaskEnded, faces: tuple[tuple[Path, Path], ...]) -> None:
        self._pdf = FPDF()
        self._type = choose_type(self._pdf, faces)
        self._left = CHARS_MAX
        self._cells = CELLS_MAX
        self._pdf.set_creation_date(datetime.fromtimestamp(ended.at_ms // 1_000, UTC))
        self._pdf.set_title(self._shown(ended.title, CELL_CHARS_MAX))
        self._pdf.set_margin(18)
        self._pdf.c_margin = 0
        self._pdf.set_auto_page_break(auto=True, margin=18)
        self._pdf.add_page()

    def head(self, ended: TaskEnded) -> None:
        self._write(ended.title, size=18, bold=True, after_mm=1)
        facts = [f"Completed {stamp(ended.at_ms)}", f"Task {ended.task_id}"]
        if ended.correlation_key:
            facts.append(f"Correlation key {ended.correlation_key}")
        for fact in facts:
            self._write(fact, size=9, grey=True)
        self._pdf.ln(4)

    def step(self, step: Step, answers: dict[str, object]) -> None:
        """A step's blocks; the answers it shows are taken out of `answers`."""
        self._write(step.title, size=14, bold=True, before_mm=4, after_mm=1)
        if step.description_mdsvex:
            self.text(step.description_mdsvex)
        for block in step.blocks:
            if isinstance(block, Input):
                self._field(block.field, answers.pop(block.field.name, None))
            else:
                self._block(block)

    def text(self, text: str) -> None:
        self._write(text, size=10, after_mm=2)

    def answer(self, label: str, value: str) -> None:
        self._write(label, size=9, grey=True, before_mm=2)
        self._write(value, size=11, after_mm=1)

    def made(self) -> bytes:
        return bytes(self._pdf.output())

    def _field(self, field: AnyField, value: object) -> None:
        if not isinstance(field, SignatureField) or not isinstance(value, str) or not value:
            self.answer(field.label, shown_value(field, value))
            return
        if self._pdf.will_page_break(SIGNATURE_MM[1] + LABEL_MM):
            self._pdf.add_page()
        self._write(field.label, size=9, grey=True, before_mm=2, after_mm=1)
        try:
            check_signature(value)
            self._picture(base64.b64decode(value[len(PREFIX) :]))
        except (SignatureInvalid, OSError, ValueError):
            self._write("(the signature cannot be shown)", size=11)

    def _picture(self, png: bytes) -> None:
        """Left in its box, with a line below as on paper."""
        width, height = SIGNATURE_MM
        left, top = self._pdf.get_x(), self._pdf.get_y()
        self._pdf.image(io.BytesIO(png), left, top, width, height, keep_aspect_ratio=True)
        self._pdf.set_draw_color(_GREY)
        self._pdf.line(left, top + height, left + width, top + height)
        self._pdf.set_y(top + height + 2)

    def _block(self, block: AnyBlock) -> None:
        match block:
            case Text():
                self.text(block.content)
            case Callout():
                self.text(f"{block.title or block.tone.capitalize()}: {block.content}")
            case Table():
                self._table(block)
            case Image():
                self.text(f"Picture: {block.alt} {block.caption or ''}\n{block.url}")
            case Pdf():
                self.text(f"Document: {block.title or ''}\n{block.url}")
            case Download():
                self.text(f"File: {block.label}\n{block.url}")

    def _table(self, table: Table) -> None:
        if table.title:
            self._write(table.title, size=10, bold=True)
        rows_max = min(self._cells // len(table.columns), len(table.rows))
        self._cells -= rows_max * len(table.columns)
        rows = table.rows[:rows_max]
        if len(table.columns) > COLUMNS_MAX:
            for row in rows:
                pairs = zip(table.columns, row, strict=False)
                self._write("; ".join(f"{name}: {cell}" for name, cell in pairs), size=9)
        else:
            self._font(9)
            shown = [[self._cell(cell) for cell in row] for row in (table.columns, *rows)]
            with self._pdf.table(shown, text_align="LEFT", padding=1):
                """The rows are all there is in it."""
        if rows_max < len(table.rows):
            self._write(f"{len(table.rows) - rows_max} rows{_CUT}", size=9, grey=True)
        self._pdf.ln(3)

    def _cell(self, text: str) -> str:
        """Short enough that no row is higher than a page, whatever its letters become."""
        return self._shown(" ".join(text.split()), CELL_CHARS_MAX)[:CELL_CHARS_MAX]

    def _write(
        self,
        text: str,
        *,
        size: int,
        bold: bool = False,
        grey: bool = False,
        before_mm: float = 0,
        after_mm: float = 0,
    ) -> None:
        if self._left <= 0:
            return
        if before_mm:
            self._pdf.ln(before_mm)
        self._font(size, bold=bold, grey=grey)
        shown = self._shown(text, self._left)
        self._left -= max(len(shown), 1)
        height = size * LINE_MM
        self._pdf.multi_cell(0, height, shown, align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        if after_mm:
            self._pdf.ln(after_mm)

    def _font(self, size: int, *, bold: bool = False, grey: bool = False) -> None:
        self._pdf.set_font(self._type.family, "B" if bold else "", size)
        self._pdf.set_text_color(_GREY if grey else _BLACK)

    def _shown(self, text: str, chars_max: int) -> str:
        shown = showable(text[:chars_max], self._type.shows)
        return shown if len(text) <= chars_max else shown + _CUT
