"""Reads a CSV file of any size in bounded memory: how it is written, then its rows in batches."""

from __future__ import annotations

import codecs
import contextlib
import csv
import re
from collections.abc import Iterator, Sequence
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import IO

from msgspec import Struct

from procession.jobs.csv_import.mapping import CELL_CHARS_MAX, COLUMNS_MAX

LINE_CHARS_MAX = 262_144
CHUNK_BYTES = 262_144
SAMPLE_BYTES = 65_536
DIALECT_CHARS = 8_192
DELIMITERS = ",;\t|"
HEADER_CELLS_MAX = COLUMNS_MAX * 5
_BREAK = re.compile(r"\r\n|\r|\n")
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class Unreadable(Exception):
    """The file cannot be read as CSV."""


class LineTooLong(csv.Error):
    """A line is longer than the limit."""


class Written(Struct, frozen=True):
    """How a file is written."""

    encoding: str
    delimiter: str
    quote: str
    escape: str


class Fault(Struct, frozen=True):
    """A row that cannot be read at all; `line` is where it begins."""

    line: int
    message: str


class Batch(Struct, frozen=True):
    """Some rows in a row. `upto` counts the rows up to the last of these, faults included.

    `lines` are the numbers of the lines the rows begin at; blank lines are no rows.
    """

    upto: int
    lines: Sequence[int]
    rows: Sequence[list[str]]
    faults: Sequence[Fault]
    bytes_read: int


def how_written(path: Path, encoding: str = "", delimiter: str = "") -> Written:
    """How the file is written; what is given is believed. Raises Unreadable."""
    found = encoding or encoding_of(path)
    try:
        codecs.lookup(found)
        with path.open(encoding=found, errors="replace", newline="") as file:
            text = file.read(DIALECT_CHARS)
    except (LookupError, UnicodeError) as reason:
        raise Unreadable(f"the encoding {found!r} cannot be read: {reason}") from None
    if not text.strip():
        raise Unreadable("the file is empty")
    return dialect_of(text, found, delimiter)


def encoding_of(path: Path) -> str:
    """UTF-8 when all of the file is, else what its first strange bytes look most like."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as file:
        head = file.read(4)
        for bom, name in _BOMS:
            if head.startswith(bom):
                return name
        file.seek(0)
        sample = file.read(SAMPLE_BYTES)
        chunk = sample
        while chunk:
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError:
                return _looks_like(sample + chunk[:SAMPLE_BYTES] if chunk is not sample else sample)
            chunk = file.read(CHUNK_BYTES)
    return "utf-8"


def _looks_like(sample: bytes) -> str:
    """Raises Unreadable."""
    import charset_normalizer

    if sample[:2].count(0) == 1 or sample.count(0) > len(sample) // 4:
        return "utf-16-be" if sample[:1] == b"\0" else "utf-16-le"
    found = charset_normalizer.from_bytes(sample, chunk_size=1_024)
    best = found.best()
    if best is None:
        return "cp1252"
    usual = next((one for one in found if one.encoding == "cp1252"), None)
    # Much is readable in many ways; what most files are wins unless the words say otherwise.
    if usual and usual.chaos <= best.chaos and usual.coherence >= best.coherence:
        return "cp1252"
    return _usual(sample, best.encoding)


def _usual(sample: bytes, name: str) -> str:
    """The usual encoding where it reads the same."""
    with contextlib.suppress(UnicodeDecodeError):
        if sample.decode("cp1252") == sample.decode(name):
            return "cp1252"
    return name


def dialect_of(text: str, encoding: str, delimiter: str = "") -> Written:
    """How cells are divided and quoted, judged by the file's first characters."""
    import clevercsv

    whole = text if len(text) < DIALECT_CHARS else text[: text.rfind("\n") + 1] or text
    try:
        found = clevercsv.Sniffer().sniff(whole, delimiters=delimiter or DELIMITERS)
    except (clevercsv.Error, ValueError):
        found = None
    chosen = delimiter or (found.delimiter if found and found.delimiter else "")
    if not chosen:
        first = whole.splitlines()[0]
        chosen = max(DELIMITERS, key=first.count)
    # The usual quote even where none is seen: later lines may need it.
    quote = (found.quotechar if found else "") or '"'
    return Written(encoding, chosen, quote, (found.escapechar if found else "") or "")


class _Lines:
    """The lines of a text file, none longer than a limit."""

    def __init__(self, file: IO[str]) -> None:
        self._read = file.readline
        self.too_long = 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._read(LINE_CHARS_MAX)
        if not line:
            raise StopIteration
        if len(line) == LINE_CHARS_MAX and line[-1] not in "\r\n":
            self._skip()
            raise LineTooLong(f"the line has over {LINE_CHARS_MAX} characters")
        return line

    def _skip(self) -> None:
        self.too_long += 1
        while (rest := self._read(LINE_CHARS_MAX)) and rest[-1] not in "\r\n":
            pass


class CsvFile:
    """An open file; `columns` are its header's names. Use as `with CsvFile(…) as file`."""

    def __init__(self, path: Path, written: Written, *, header: bool = True) -> None:
        self.bytes_total = path.stat().st_size
        self._binary = path.open("rb")
        self._text = TextIOWrapper(self._binary, written.encoding, newline="")
        self._lines = _Lines(self._text)
        csv.field_size_limit(CELL_CHARS_MAX)
        self._reader = csv.reader(
            self._lines,
            delimiter=written.delimiter,
            quotechar=written.quote,
            escapechar=written.escape or None,
            strict=True,
        )
        self._waiting: list[list[str]] = []
        self._line = 1
        self._upto = 0
        self._encoding = written.encoding
        try:
            self.columns = self._header(header)
        except BaseException:
            self._text.close()
            raise

    def __enter__(self) -> CsvFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._text.close()

    def _header(self, header: bool) -> list[str]:
        """Raises Unreadable."""
        try:
            first = next((row for row in self._reader if row), None)
        except csv.Error as reason:
            raise Unreadable(f"the first line cannot be read: {reason}") from None
        except UnicodeError as reason:
            raise Unreadable(f"not readable as {self._encoding}: {reason}") from None
        if first is None:
            raise Unreadable("the file is empty")
        if len(first) > HEADER_CELLS_MAX:
            raise Unreadable(f"the first line has over {HEADER_CELLS_MAX} cells")
        if header:
            self._line = self._now() + 1
            return [name.strip() for name in first]
        self._line = self._now() - sum(map(_breaks, first))
        self._waiting = [first]
        return [str(number) for number in range(1, len(first) + 1)]

    def batches(self, rows_max: int) -> Iterator[Batch]:
        """All rows, so many at once. Raises Unreadable where the encoding does not hold."""
        while batch := self._batch(rows_max):
            yield batch

    def _batch(self, rows_max: int) -> Batch | None:
        rows: list[list[str]] = []
        lines: list[int] = []
        faults: list[Fault] = []
        taken = 0
        ended = False
        while taken < rows_max and not ended:
            part, self._waiting = self._waiting, []
            wanted = rows_max - taken - len(part)
            fault = self._take(part, wanted)
            ended = fault is None and len(part) < rows_max - taken
            taken += len(part) + (fault is not None)
            for line, row in zip(self._numbers(part, fault), part, strict=True):
                if row:
                    lines.append(line)
                    rows.append(row)
            if fault is not None:
                faults.append(self._fault(fault))
        self._upto += taken
        return Batch(self._upto, lines, rows, faults, self._binary.tell()) if taken else None

    def _take(self, part: list[list[str]], wanted: int) -> csv.Error | None:
        """Read rows until there are enough or one cannot be read; those before it are kept."""
        try:
            part.extend(islice(self._reader, wanted))
        except csv.Error as reason:
            return reason
        except UnicodeError as reason:
            raise Unreadable(
                f"after line {self._now()}: not readable as {self._encoding}: {reason}"
            ) from None
        return None

    def _numbers(self, part: list[list[str]], fault: csv.Error | None) -> Sequence[int]:
        """The line each of these rows begins at; goes on to the line after them."""
        begins = self._line
        if fault is None and self._now() - begins + 1 == len(part):
            self._line += len(part)
            return range(begins, self._line)
        numbers: list[int] = []
        for row in part:
            numbers.append(self._line)
            self._line += 1 + sum(_breaks(cell) for cell in row)
        return numbers

    def _fault(self, reason: csv.Error) -> Fault:
        begins, ends = self._line, self._now()
        self._line = ends + 1
        where = f" (up to line {ends})" if ends > begins else ""
        return Fault(begins, f"cannot be read: {reason}{where}")

    def _now(self) -> int:
        """The last line that was read."""
        return self._reader.line_num + self._lines.too_long


def _breaks(cell: str) -> int:
    return len(_BREAK.findall(cell)) if "\n" in cell or "\r" in cell else 0
