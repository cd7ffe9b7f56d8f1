"""Checks answers against their form, whether they came as JSON or posted by a page."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from procession.forms.blocks import (
    AnyField,
    CheckboxField,
    Definition,
    FileField,
    NumberField,
    SelectField,
    SignatureField,
    TextareaField,
    TextField,
)
from procession.forms.definition import NONCE_FIELD
from procession.forms.errors import AnswersInvalid
from procession.forms.reading import UNSTORABLE, Faults, is_number, shown
from procession.forms.signature import PREFIX, SignatureInvalid, check_signature

TEXT_CHARS_MAX = 2_000
TEXTAREA_CHARS_MAX = 50_000
NUMBER_CHARS_MAX = 40
FILE_KEY_CHARS_MAX = 500
_WHOLE = re.compile(r"[+-]?[0-9]+", re.ASCII)
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)
_ABSENT: tuple[object, ...] = (None, "", [])


class FileFacts(Protocol):
    """What is known of a stored file; `size` in bytes, `type` a media type."""

    @property
    def key(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def type(self) -> str: ...


FileOf = Callable[[str], FileFacts | None]
"""The file of a key, None when there is none that the answering person may use."""


class _Wrong(Exception):
    """The answer breaks a rule."""


def check_answers(
    definition: Definition, data: Mapping[str, object], file_of: FileOf
) -> dict[str, Any]:
    """The answers in the form's order, in one spelling: files as `{key, name, size, type}`.

    Optional answers that are empty are left out. Raises AnswersInvalid with every fault, up to
    20: (name of the field, message).
    """
    faults = Faults()
    answers: dict[str, Any] = {}
    fields = {field.name: field for field in definition.fields}
    for name in data:
        if name not in fields:
            faults.add(name, "is not a field of this form")
    for name, field in fields.items():
        try:
            value = _checked(field, data.get(name), file_of)
        except _Wrong as wrong:
            faults.add(name, str(wrong))
        else:
            if value not in _ABSENT:
                answers[name] = value
    if faults:
        raise AnswersInvalid(faults)
    return answers


def file_keys(definition: Definition, data: Mapping[str, object]) -> list[str]:
    """The keys of all files that the answers name, to look them up before they are checked."""
    keys = [
        _key_of(entry)
        for field in definition.fields
        if isinstance(field, FileField | SignatureField)
        for entry in _entries(data.get(field.name))
    ]
    return [key for key in dict.fromkeys(keys) if key is not None]


def answers_from_form(
    definition: Definition,
    fields: Mapping[str, Sequence[str]],
    files: Mapping[str, Sequence[Mapping[str, object]]] | None = None,
) -> dict[str, Any]:
    """Answers out of a posted page: `fields` as posted, `files` as stored (`key` and more) by name.

    What cannot be read stays as it was posted, so that the check refuses it and the page can show
    it again. The page's own field is left out.
    """
    known = {field.name: field for field in definition.fields}
    stored = files or {}
    answers: dict[str, Any] = {
        name: values[-1] if values else ""
        for name, values in fields.items()
        if name not in known and name != NONCE_FIELD
    }
    answers.update({name: "a file" for name in stored if name not in known})
    for name, field in known.items():
        value = _posted(field, list(fields.get(name, ())), list(stored.get(name, ())))
        if value not in _ABSENT:
            answers[name] = value
    return answers


def _posted(field: AnyField, values: list[str], files: list[Mapping[str, object]]) -> Any:
    if isinstance(field, FileField):
        return [value for value in values if value] + [dict(file) for file in files]
    if files:
        return "a file"
    if isinstance(field, CheckboxField):
        return any(value not in ("", "false", "off", "0") for value in values)
    last = values[-1] if values else ""
    if isinstance(field, TextareaField):
        return last.replace("\r\n", "\n").replace("\r", "\n")
    last = last.strip()
    return _number_or_text(last) if isinstance(field, NumberField) else last


def _number_or_text(text: str) -> int | float | str:
    if len(text) > NUMBER_CHARS_MAX:
        return text
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if _DECIMAL.fullmatch(text) and is_number(float(text)) else text


def _checked(field: AnyField, value: object, file_of: FileOf) -> object:
    if value in _ABSENT or (isinstance(value, str) and not value.strip()):
        if field.required:
            raise _Wrong("is required")
        return value if isinstance(value, str) and isinstance(field, TextareaField) else None
    match field:
        case TextField():
            return _text(value, TEXT_CHARS_MAX)
        case TextareaField():
            return _text(value, TEXTAREA_CHARS_MAX)
        case NumberField():
            return _number(field, value)
        case SelectField():
            return _choice(field, value)
        case CheckboxField():
            return _tick(field, value)
        case FileField():
            return _files(field, value, file_of)
        case SignatureField():
            return _signature(value, file_of)


def _text(value: object, chars_max: int) -> str:
    if not isinstance(value, str):
        raise _Wrong(f"{shown(value)} must be text")
    if len(value) > chars_max:
        raise _Wrong(f"has {len(value)} characters and must have at most {chars_max}")
    if UNSTORABLE.search(value):
        raise _Wrong("must not hold NUL or half a character")
    return value


def _number(field: NumberField, value: object) -> int | float:
    if not isinstance(value, int | float) or not is_number(value):
        raise _Wrong(f"{shown(value)} must be a number")
    if field.min is not None and value < field.min:
        raise _Wrong(f"{shown(value)} must be at least {shown(field.min)}")
    if field.max is not None and value > field.max:
        raise _Wrong(f"{shown(value)} must be at most {shown(field.max)}")
    return value


def _choice(field: SelectField, value: object) -> str:
    if not isinstance(value, str) or value not in {option.value for option in field.options}:
        raise _Wrong(f"{shown(value)} is not one of the options")
    return value


def _tick(field: CheckboxField, value: object) -> bool:
    if not isinstance(value, bool):
        raise _Wrong(f"{shown(value)} must be true or false")
    if field.must_tick and not value:
        raise _Wrong("must be ticked")
    return value


def _entries(value: object) -> Iterator[object]:
    if isinstance(value, list | tuple):
        yield from value
    elif value not in _ABSENT:
        yield value


def _key_of(entry: object) -> str | None:
    key = entry.get("key") if isinstance(entry, Mapping) else entry
    return key if isinstance(key, str) and 0 < len(key) <= FILE_KEY_CHARS_MAX else None


def _files(field: FileField, value: object, file_of: FileOf) -> list[dict[str, Any]]:
    entries = list(_entries(value))
    if len(entries) > field.max_files:
        raise _Wrong(f"has {len(entries)} files and must have at most {field.max_files}")
    facts = [_facts(entry, file_of) for entry in entries]
    if len({file.key for file in facts}) < len(facts):
        raise _Wrong("names a file twice")
    for file in facts:
        _check_file(field, file)
    return [_file_answer(file) for file in facts]


def _facts(entry: object, file_of: FileOf) -> FileFacts:
    key = _key_of(entry)
    if key is None or key.startswith("data:"):
        raise _Wrong(f"{shown(entry)} must be the key of an uploaded file, or an object with it")
    file = None if UNSTORABLE.search(key) else file_of(key)
    if file is None:
        raise _Wrong(f"{shown(key)} is not an uploaded file")
    return file


def _file_answer(file: FileFacts) -> dict[str, Any]:
    return {"key": file.key, "name": file.name, "size": file.size, "type": file.type}


def _check_file(field: FileField, file: FileFacts) -> None:
    if file.size > field.max_file_size:
        sizes = f"has {file.size:,} bytes and must have at most {field.max_file_size:,}"
        raise _Wrong(f"{shown(file.name)} {sizes}")
    if field.accept and not any(_accepts(kind, file) for kind in field.accept):
        raise _Wrong(f"{shown(file.name)} must be one of {', '.join(field.accept)}")


def _accepts(kind: str, file: FileFacts) -> bool:
    media = file.type.partition(";")[0].strip().lower()
    if kind.startswith("."):
        return file.name.lower().endswith(kind)
    return media.startswith(kind[:-1]) if kind.endswith("/*") else media == kind


def _signature(value: object, file_of: FileOf) -> str | dict[str, Any]:
    """A drawn PNG, or an uploaded picture of one."""
    if isinstance(value, str) and value[:5].lower() == "data:":
        try:
            check_signature(value)
        except SignatureInvalid as invalid:
            raise _Wrong(str(invalid)) from None
        return value
    file = _facts(value, file_of)
    if not file.type.lower().startswith("image/"):
        raise _Wrong(f"{shown(file.name)} must be a picture")
    return _file_answer(file)


__all__ = ["PREFIX", "FileFacts", "FileOf", "answers_from_form", "check_answers", "file_keys"]
