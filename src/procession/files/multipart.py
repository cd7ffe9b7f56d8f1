"""A multipart/form-data body, read as it comes: small fields in memory, files in temporary files.

Files are spooled, not passed on, because the fields that say where a file belongs often come after
it. Everything has a limit, and a body that breaks one is read no further.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from typing import IO, TYPE_CHECKING, NamedTuple

from msgspec import Struct
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from procession.core.errors import Refused
from procession.files.store import PIECE_BYTES, FilesAway, FileTooLarge

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

WRITE_BYTES = 1_048_576


class FormInvalid(Refused):
    """The body is no readable multipart/form-data."""

    code = "form_invalid"


class FormTooLarge(Refused):
    """The form has more than the server accepts."""

    code = "form_too_large"


class FormLimits(NamedTuple):
    """The bounds of one form; `memory_bytes` of each file stay in memory before a disk is used."""

    file_bytes_max: int
    body_bytes_max: int
    parts_max: int = 200
    files_max: int = 50
    field_bytes_max: int = 262_144
    header_bytes_max: int = 4_096
    headers_max: int = 8
    memory_bytes: int = 65_536


class FormFile:
    """One file of a form; `name` is as the client gave it. Readable until the form is left."""

    def __init__(self, field: str, name: str, content_type: str, spool: IO[bytes]) -> None:
        self.field = field
        self.name = name
        self.content_type = content_type
        self.size = 0
        self.spool = spool

    async def chunks(self) -> AsyncIterator[bytes]:
        """Its bytes, from the start each time."""
        await asyncio.to_thread(self.spool.seek, 0)
        while piece := await asyncio.to_thread(self.spool.read, PIECE_BYTES):
            yield piece


class Form(Struct, frozen=True):
    """Fields in their order, each name as often as it came; files likewise."""

    fields: list[tuple[str, str]]
    files: list[FormFile]

    def field(self, name: str) -> str:
        """The last value of a name, empty when there is none."""
        return dict(self.fields).get(name, "")

    def file(self, field: str) -> FormFile | None:
        return next((file for file in self.files if file.field == field), None)


@asynccontextmanager
async def reading_form(
    body: AsyncIterator[bytes], content_type: str, limits: FormLimits
) -> AsyncGenerator[Form, None]:
    """The whole form, its files kept while the context lasts.

    Raises FormInvalid, FormTooLarge, FileTooLarge, FilesAway, and whatever `body` raises.
    """
    with ExitStack() as spools:
        reader = _Reader(_boundary(content_type), limits, spools)
        size = 0
        async for chunk in body:
            size += len(chunk)
            if size > limits.body_bytes_max:
                raise FormTooLarge(f"a form may have {limits.body_bytes_max} bytes at most")
            for start in range(0, len(chunk), WRITE_BYTES):
                await reader.read(chunk[start : start + WRITE_BYTES])
        yield reader.end()


class _Reader:
    """Takes the parser's calls; `read` and `end` do what may wait."""

    def __init__(self, boundary: bytes, limits: FormLimits, spools: ExitStack) -> None:
        self._limits = limits
        self._spools = spools
        self._form = Form([], [])
        self._parts = 0
        self._header, self._value = bytearray(), bytearray()
        self._headers: dict[bytes, bytes] = {}
        self._text: bytearray | None = None
        self._name = ""
        self._file: FormFile | None = None
        self._ready: list[tuple[FormFile, bytes]] = []
        self._complete = False
        self._parser = _parser(
            boundary,
            limits,
            {
                "on_part_begin": self._part_begins,
                "on_header_field": lambda data, a, b: self._header.extend(data[a:b]),
                "on_header_value": lambda data, a, b: self._value.extend(data[a:b]),
                "on_header_end": self._header_ends,
                "on_headers_finished": self._part_named,
                "on_part_data": self._part_data,
                "on_part_end": self._part_ends,
                "on_end": self._ends,
            },
        )

    async def read(self, data: bytes) -> None:
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise FormInvalid(f"the form cannot be read: {error}") from None
        ready, self._ready = self._ready, []
        if ready:
            await asyncio.to_thread(_write, ready)

    def end(self) -> Form:
        if not self._complete:
            raise FormInvalid("the form ends before its last boundary")
        return self._form

    def _part_begins(self) -> None:
        self._parts += 1
        if self._parts > self._limits.parts_max:
            raise FormTooLarge(f"a form may have {self._limits.parts_max} parts at most")
        self._headers = {}

    def _header_ends(self) -> None:
        self._headers[bytes(self._header).lower()] = bytes(self._value)
        self._header.clear()
        self._value.clear()

    def _part_named(self) -> None:
        kind, words = parse_options_header(self._headers.get(b"content-disposition"))
        if kind != b"form-data" or b"name" not in words:
            raise FormInvalid("a part of the form has no name")
        self._name = _text_of(words[b"name"], "a name")
        if b"filename" not in words:
            self._text = bytearray()
            return
        if len(self._form.files) >= self._limits.files_max:
            raise FormTooLarge(f"a form may have {self._limits.files_max} files at most")
        content_type = self._headers.get(b"content-type", b"").decode("latin-1")
        made = tempfile.SpooledTemporaryFile(self._limits.memory_bytes)  # noqa: SIM115
        spool = self._spools.enter_context(made)
        name = words[b"filename"].decode("utf-8", "replace")
        self._file = FormFile(self._name, name, content_type, spool)
        self._form.files.append(self._file)

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._file is not None:
            self._file.size += end - start
            if self._file.size > self._limits.file_bytes_max:
                raise FileTooLarge(f"a file may have {self._limits.file_bytes_max} bytes at most")
            self._ready.append((self._file, data[start:end]))
        elif self._text is not None:
            self._text += data[start:end]
            if len(self._text) > self._limits.field_bytes_max:
                limit = self._limits.field_bytes_max
                raise FormTooLarge(f"a field may have {limit} bytes at most")

    def _part_ends(self) -> None:
        if self._text is not None:
            value = _text_of(bytes(self._text), f"the field {self._name}")
            self._form.fields.append((self._name, value))
        self._text = self._file = None

    def _ends(self) -> None:
        self._complete = True


def _parser(boundary: bytes, limits: FormLimits, calls: MultipartCallbacks) -> MultipartParser:
    try:
        return MultipartParser(
            boundary,
            calls,
            max_header_count=limits.headers_max,
            max_header_size=limits.header_bytes_max,
        )
    except FormParserError:
        raise FormInvalid("the boundary of the form is too long") from None


def _write(ready: list[tuple[FormFile, bytes]]) -> None:
    try:
        for file, data in ready:
            file.spool.write(data)
    except OSError as reason:
        raise FilesAway(f"files cannot be taken in: {reason.strerror}") from None


def _text_of(data: bytes, what: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise FormInvalid(f"{what} is not UTF-8") from None


def _boundary(content_type: str) -> bytes:
    kind, words = parse_options_header(content_type)
    if kind != b"multipart/form-data" or not words.get(b"boundary"):
        raise FormInvalid("the body must be multipart/form-data with a boundary")
    return words[b"boundary"]
