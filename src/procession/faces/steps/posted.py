"""What a page posted: fields, and files that are stored at once, whichever way it was encoded."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl

from procession.answering import OwnFiles
from procession.faces.endpoint import BodyTooLarge, Request
from procession.faces.steps.allowance import bytes_of
from procession.faces.steps.bodies import chunks_of
from procession.files.multipart import Form, FormInvalid, FormLimits, reading_form
from procession.forms.blocks import Definition, FileField

FIELDS_BYTES_MAX = 4_194_304
FIELDS_MAX = 1_000
FORM_BYTES_MAX = 536_870_912
CODE_BYTES_MAX = 4_096

Fields = dict[str, list[str]]
Stored = dict[str, list[dict[str, Any]]]


async def read_fields(request: Request, bytes_max: int) -> Fields:
    """Of a form without files. Raises BodyTooLarge, BodyTooSlow, FormInvalid."""
    body = bytearray()
    async for chunk in chunks_of(request):
        body += chunk
        if len(body) > bytes_max:
            raise BodyTooLarge(f"a form may have {bytes_max} bytes at most")
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=FIELDS_MAX,
        )
    except ValueError:
        raise FormInvalid from None
    return _gathered(pairs)


@asynccontextmanager
async def reading(
    request: Request, definition: Definition, file_bytes_max: int
) -> AsyncGenerator[tuple[Fields, Form | None], None]:
    """The fields of a form, and its files while the context lasts.

    Raises BodyTooLarge, BodyTooSlow, FormInvalid, FormTooLarge, FileTooLarge.
    """
    kind = request.header(b"content-type")
    if not kind.lower().startswith("multipart/"):
        yield await read_fields(request, FIELDS_BYTES_MAX), None
        return
    async with reading_form(chunks_of(request), kind, _limits(definition, file_bytes_max)) as form:
        yield _gathered(form.fields), form


def _limits(definition: Definition, file_bytes_max: int) -> FormLimits:
    sizes = [field.max_file_size for field in definition.fields if isinstance(field, FileField)]
    return FormLimits(
        file_bytes_max=min(max(sizes, default=1), file_bytes_max),
        body_bytes_max=min(bytes_of(definition) + FIELDS_BYTES_MAX, FORM_BYTES_MAX),
        parts_max=FIELDS_MAX,
    )


async def store_files(form: Form | None, definition: Definition, files: OwnFiles) -> Stored:
    """The files that were chosen, kept, by the name of their field. Raises FileTooLarge."""
    limits = {f.name: f.max_file_size for f in definition.fields if isinstance(f, FileField)}
    stored: Stored = {}
    for file in form.files if form else ():
        if (not file.name and not file.size) or file.field not in limits or files.store is None:
            continue
        kept = await files.store.put(
            files.org,
            file.name,
            file.chunks(),
            content_type=file.content_type,
            bytes_max=limits[file.field],
            folder=files.folder,
        )
        facts = {"key": kept.key, "name": kept.name, "size": kept.size, "type": kept.type}
        stored.setdefault(file.field, []).append(facts)
    return stored


def _gathered(pairs: list[tuple[str, str]]) -> Fields:
    fields: Fields = {}
    for name, value in pairs:
        fields.setdefault(name, []).append(value.replace("\0", ""))
    return fields
