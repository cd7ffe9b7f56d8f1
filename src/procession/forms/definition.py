"""Reads a form's definition as callers write it: liberal in spelling, strict in substance."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypedDict

import msgspec
from msgspec import Raw

from procession.forms import blocks as form
from procession.forms.blocks import Definition
from procession.forms.errors import FormInvalid
from procession.forms.reading import Faults, Reader, is_number, shown

NONCE_FIELD = "_procession_nonce"
"""The page's own field: no field of a form may have this name."""
TONES = {
    "info": "info",
    "note": "info",
    "tip": "success",
    "success": "success",
    "warning": "warning",
    "caution": "warning",
    "danger": "danger",
    "error": "danger",
}
_ACCEPTED = re.compile(r"\.[\w.+-]{1,50}|[\w.+-]{1,60}/(?:\*|[\w.+-]{1,80})")

_decode_stored = msgspec.json.Decoder(Definition).decode


def parse_definition(raw: bytes | Raw) -> Definition:
    """A form out of JSON with `title`, `instructions_mdsvex?` and `steps`; other keys are ignored.

    Depth and duplicate keys are taken as checked already. Raises FormInvalid with every fault, up
    to 20: (path like `steps[0].blocks[2].field.name`, message).
    """
    try:
        value = msgspec.json.decode(raw)
    except msgspec.DecodeError as refusal:
        raise FormInvalid([("", f"is not JSON: {refusal}")]) from None
    if not isinstance(value, dict):
        raise FormInvalid([("", f"{shown(value)} must be an object")])
    faults = Faults()
    definition = _definition(Reader(value, "", faults))
    if not faults:
        _check_whole(definition, faults)
    if faults:
        raise FormInvalid(faults)
    return definition


def stored_definition(encoded: bytes) -> Definition:
    """A form that was parsed and encoded with msgspec before."""
    return _decode_stored(encoded)


def _definition(reader: Reader) -> Definition:
    return Definition(
        title=reader.text("title", chars_max=form.TITLE_CHARS_MAX),
        instructions_mdsvex=_markdown(reader, "instructions_mdsvex"),
        steps=tuple(_step(step) for step in reader.objects("steps", form.STEPS_MAX, least=1)),
    )


def _step(reader: Reader) -> form.Step:
    blocks = [_block(block) for block in reader.objects("blocks", form.BLOCKS_MAX)]
    return form.Step(
        id=reader.name("id", chars_max=form.NAME_CHARS_MAX),
        title=reader.text("title", chars_max=form.TITLE_CHARS_MAX),
        description_mdsvex=_markdown(reader, "description_mdsvex"),
        blocks=tuple(block for block in blocks if block is not None),
    )


def _markdown(reader: Reader, key: str) -> str | None:
    return reader.optional_text(key, chars_max=form.MARKDOWN_CHARS_MAX)


def _block(reader: Reader) -> form.AnyBlock | None:
    block: form.AnyBlock | None = _by_kind(reader, ("type", "kind"), _BLOCKS)
    return block


def _by_kind(
    reader: Reader, keys: tuple[str, str], kinds: dict[str, Callable[[Reader], Any]]
) -> Any:
    key, kind = reader.found(*keys)
    if kind is None:
        reader.refuse(key, f"is required: one of {', '.join(kinds)}")
    elif not isinstance(kind, str) or kind not in kinds:
        reader.refuse(key, f"{shown(kind)} must be one of {', '.join(kinds)}")
    else:
        return kinds[kind](reader)
    return None


def _input(reader: Reader) -> form.Input | None:
    if reader.value.get("field") is None:
        reader.refuse("field", "is required")
        return None
    inner = reader.into("field", reader.value["field"])
    field = _by_kind(inner, ("kind", "type"), _FIELDS) if inner else None
    return form.Input(field=field) if field else None


def _text(reader: Reader) -> form.Text:
    return form.Text(content=reader.text("content", chars_max=form.MARKDOWN_CHARS_MAX))


def _table(reader: Reader) -> form.Table:
    columns = [
        _column(reader, place, item)
        for place, item in reader.items("columns", form.TABLE_COLUMNS_MAX, least=1)
    ]
    rows = list(reader.items("rows", form.TABLE_ROWS_MAX))
    reader.faults.cells += len(columns) * len(rows)
    if reader.faults.cells > form.TABLE_CELLS_MAX:
        most = form.TABLE_CELLS_MAX
        reader.refuse("rows", f"make more than {most} cells in all tables of the form")
        rows = []
    keys = [key for key, _ in columns]
    return form.Table(
        columns=tuple(label for _, label in columns),
        rows=tuple(_row(reader, place, row, keys) for place, row in rows),
        title=reader.optional_text("title", "caption", chars_max=form.TITLE_CHARS_MAX),
    )


def _column(reader: Reader, place: str, item: Any) -> tuple[str, str]:
    if not isinstance(item, dict):
        label = _cell(reader, place, item)
        return label, label
    inner = Reader(item, f"{reader.place}.{place}", reader.faults)
    label = inner.text("label", "title", "name", "key", chars_max=form.LABEL_CHARS_MAX)
    key = inner.optional_text("key", "name", "id", chars_max=form.LABEL_CHARS_MAX)
    return key or label, label


def _row(reader: Reader, place: str, row: Any, keys: list[str]) -> tuple[str, ...]:
    if isinstance(row, dict):
        row = [row.get(key) for key in keys]
    if not isinstance(row, list):
        reader.refuse(place, f"{shown(row)} must be an array or an object")
        return ()
    if len(row) != len(keys):
        reader.refuse(place, f"has {len(row)} cells for {len(keys)} columns")
    return tuple(_cell(reader, f"{place}[{index}]", cell) for index, cell in enumerate(row))


def _cell(reader: Reader, place: str, value: Any) -> str:
    if value is None or isinstance(value, bool) or is_number(value):
        return "" if value is None else str(value).lower()
    inner = Reader({place: value}, reader.place, reader.faults)
    return inner.optional_text(place, chars_max=form.CELL_CHARS_MAX) or ""


def _image(reader: Reader) -> form.Image:
    return form.Image(
        url=reader.address("url", "src"),
        alt=reader.optional_text("alt", chars_max=form.LABEL_CHARS_MAX) or "",
        caption=reader.optional_text("caption", chars_max=form.LABEL_CHARS_MAX),
    )


def _callout(reader: Reader) -> form.Callout:
    tone = reader.optional_text("tone", "variant", chars_max=form.NAME_CHARS_MAX)
    return form.Callout(
        tone=TONES.get((tone or "").lower(), "info"),
        title=reader.optional_text("title", chars_max=form.TITLE_CHARS_MAX),
        content=reader.text("content", chars_max=form.MARKDOWN_CHARS_MAX),
    )


def _pdf(reader: Reader) -> form.Pdf:
    return form.Pdf(
        url=reader.address("url", "src"),
        title=reader.optional_text("title", chars_max=form.TITLE_CHARS_MAX),
    )


def _download(reader: Reader) -> form.Download:
    label = reader.optional_text("label", "name", "title", chars_max=form.LABEL_CHARS_MAX)
    return form.Download(url=reader.address("url", "src"), label=label or "Download")


class _Shared(TypedDict):
    name: str
    label: str
    required: bool
    placeholder: str | None
    description_mdsvex: str | None


def _shared(reader: Reader) -> _Shared:
    name = reader.name("name", chars_max=form.NAME_CHARS_MAX)
    if name == NONCE_FIELD:
        reader.refuse("name", f"{shown(name)} is the page's own field")
    return _Shared(
        name=name,
        label=reader.optional_text("label", chars_max=form.LABEL_CHARS_MAX) or name,
        required=reader.flag("required", True),
        placeholder=reader.optional_text("placeholder", chars_max=form.LABEL_CHARS_MAX),
        description_mdsvex=_markdown(reader, "description_mdsvex"),
    )


def _number_field(reader: Reader) -> form.NumberField:
    least, most = reader.number("min"), reader.number("max")
    if least is not None and most is not None and least > most:
        reader.refuse("min", f"{shown(least)} must not be above max, which is {shown(most)}")
    return form.NumberField(**_shared(reader), min=least, max=most)


def _select_field(reader: Reader) -> form.SelectField:
    options = [
        _option(reader, place, item)
        for place, item in reader.items("options", form.OPTIONS_MAX, least=1)
    ]
    seen: set[str] = set()
    for index, option in enumerate(options):
        if option.value in seen:
            reader.refuse(f"options[{index}]", f"{shown(option.value)} must be there only once")
        seen.add(option.value)
    return form.SelectField(**_shared(reader), options=tuple(options))


def _option(reader: Reader, place: str, item: Any) -> form.Option:
    if isinstance(item, str) or is_number(item):
        item = {"value": item}
    inner = reader.into(place, item)
    if inner is None:
        return form.Option("", "")
    if is_number(inner.value.get("value")):
        inner = Reader(
            {**inner.value, "value": str(inner.value["value"])}, inner.place, inner.faults
        )
    value = inner.text("value", chars_max=form.LABEL_CHARS_MAX)
    return form.Option(value, inner.optional_text("label", chars_max=form.LABEL_CHARS_MAX) or value)


def _checkbox_field(reader: Reader) -> form.CheckboxField:
    """Only where the form itself says `required: true` a tick is demanded: no is an answer too."""
    said = reader.value.get("required") is True
    return form.CheckboxField(**_shared(reader), must_tick=reader.flag("must_tick", said))


def _file_field(reader: Reader) -> form.FileField:
    return form.FileField(
        **_shared(reader),
        accept=_accept(reader),
        max_file_size=reader.count("max_file_size", form.FILE_BYTES_MAX, form.FILE_BYTES_MAX),
        max_files=reader.count("max_files", 1, form.FILES_MAX),
    )


def _accept(reader: Reader) -> tuple[str, ...]:
    value = reader.value.get("accept")
    parts = value.split(",") if isinstance(value, str) else value or []
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        reader.refuse("accept", f"{shown(value)} must be a string or an array of strings")
        return ()
    kinds = [part.strip().lower() for part in parts if part.strip() not in ("", "*", "*/*")]
    if len(kinds) > form.ACCEPTED_MAX:
        reader.refuse("accept", f"has {len(kinds)} items and must have at most {form.ACCEPTED_MAX}")
    for kind in kinds:
        if not _ACCEPTED.fullmatch(kind):
            reader.refuse("accept", f"{shown(kind)} must be like .pdf, image/* or text/csv")
    return tuple(kinds)


def _check_whole(definition: Definition, faults: Faults) -> None:
    """What concerns no part alone: names only once, and the sums."""
    steps = [(f"steps[{index}].id", step.id) for index, step in enumerate(definition.steps)]
    names = [
        (f"steps[{s}].blocks[{b}].field.name", block.field.name)
        for s, step in enumerate(definition.steps)
        for b, block in enumerate(step.blocks)
        if isinstance(block, form.Input)
    ]
    _only_once(steps, faults)
    _only_once(names, faults)
    if len(names) > form.FIELDS_MAX:
        faults.add("steps", f"has {len(names)} fields and must have at most {form.FIELDS_MAX}")
    total = sum(len(text) for text in markdown_of(definition))
    if total > form.MARKDOWN_TOTAL_CHARS_MAX:
        most = form.MARKDOWN_TOTAL_CHARS_MAX
        faults.add("steps", f"has {total} characters of Markdown and must have at most {most}")


def _only_once(named: list[tuple[str, str]], faults: Faults) -> None:
    first: dict[str, str] = {}
    for place, name in named:
        if name in first:
            faults.add(place, f"{shown(name)} is the name of {first[name]} already")
        first.setdefault(name, place)


def markdown_of(definition: Definition) -> list[str]:
    """Every Markdown text of the form."""
    texts = [definition.instructions_mdsvex]
    for step in definition.steps:
        texts.append(step.description_mdsvex)
        for block in step.blocks:
            if isinstance(block, form.Input):
                texts.append(block.field.description_mdsvex)
            elif isinstance(block, form.Text | form.Callout):
                texts.append(block.content)
    return [text for text in texts if text]


__all__ = ["NONCE_FIELD", "Definition", "markdown_of", "parse_definition", "stored_definition"]

_FIELDS: dict[str, Callable[[Reader], form.AnyField]] = {
    "text": lambda reader: form.TextField(**_shared(reader)),
    "textarea": lambda reader: form.TextareaField(**_shared(reader)),
    "number": _number_field,
    "select": _select_field,
    "checkbox": _checkbox_field,
    "file": _file_field,
    "signature": lambda reader: form.SignatureField(**_shared(reader)),
}
_BLOCKS: dict[str, Callable[[Reader], form.AnyBlock | None]] = {
    "input": _input,
    "mdsvex": _text,
    "table": _table,
    "image": _image,
    "callout": _callout,
    "pdf": _pdf,
    "download": _download,
}
