"""What a task asks for, as a form whatever its kind, and answers checked against it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw, structs
from msgspec.json import decode, encode

from procession.caller import Caller
from procession.engine import Engine
from procession.files.keys import FileMissing, read_key
from procession.files.store import FileStore, StoredFile
from procession.forms.answers import check_answers, file_keys
from procession.forms.blocks import (
    Definition,
    FileField,
    Input,
    Option,
    SelectField,
    Step,
    Text,
    TextareaField,
)
from procession.forms.definition import stored_definition
from procession.forms.errors import AnswersInvalid
from procession.tasks import TaskRead, asked_of, complete_task, draft_for

DRAFT_CHARS_MAX = 15_000
EDITS = "edits"


class OwnFiles(NamedTuple):
    """The files an answer may name: an organization's; with a `folder` only those in it."""

    store: FileStore | None
    org: str
    folder: str = ""


async def form_of(engine: Engine, task: TaskRead) -> Definition:
    """The form of a task; a draft and an interrupted run are asked about in one too."""
    if task.kind == "form":
        return stored_definition(bytes((await asked_of(engine, task)).form))
    if task.kind == "review":
        return _review(task, bytes(await draft_for(engine, task)))
    return await _interruption(engine, task)


async def checked(
    task: TaskRead, form: Definition, data: Mapping[str, Any], files: OwnFiles
) -> Raw:
    """The answers as they are kept, as JSON. Raises AnswersInvalid, FilesAway."""
    given = dict(data)
    edits = given.get(EDITS)
    if task.kind == "review" and edits is not None and not isinstance(edits, str):
        given[EDITS] = encode(edits).decode()
    stored = await _stored(files, file_keys(form, given))
    answers = check_answers(form, given, stored.get)
    if task.kind == "review" and EDITS in answers:
        answers[EDITS] = _json(answers[EDITS])
    return Raw(encode(answers))


async def with_names(form: Definition, data: Mapping[str, Any], files: OwnFiles) -> dict[str, Any]:
    """The answers with all that is known of their files: to be shown again."""
    stored = await _stored(files, file_keys(form, data))
    names = {field.name for field in form.fields if isinstance(field, FileField)}
    return {
        name: [_facts(entry, stored) for entry in value]
        if name in names and isinstance(value, list)
        else value
        for name, value in data.items()
    }


def _facts(entry: Any, stored: Mapping[str, StoredFile]) -> Any:
    return structs.asdict(stored[entry]) if isinstance(entry, str) and entry in stored else entry


async def answer_task(
    engine: Engine, caller: Caller, task: TaskRead, data: Mapping[str, Any], files: OwnFiles
) -> TaskRead:
    """Check an answer and complete the task. Raises AnswersInvalid, WrongState, Overloaded."""
    form = await form_of(engine, task)
    return await complete_task(engine, caller, task, await checked(task, form, data, files))


async def _stored(files: OwnFiles, keys: Sequence[str]) -> dict[str, StoredFile]:
    found: dict[str, StoredFile] = {}
    if files.store is None:
        return found
    for key in keys:
        try:
            parts = read_key(key)
            if parts.org == files.org and _is_in(parts.place, files.folder):
                found[key] = await files.store.find(key)
        except FileMissing:
            continue
    return found


def _is_in(place: str, folder: str) -> bool:
    return not folder or place.startswith(f"{folder}.")


def _json(text: str) -> Any:
    try:
        return decode(text)
    except msgspec.DecodeError as error:
        raise AnswersInvalid([(EDITS, f"must be JSON: {error}")]) from None


def _review(task: TaskRead, draft: bytes) -> Definition:
    shown = msgspec.json.format(draft, indent=2).decode()
    decision = SelectField(
        name="decision",
        label="Decision",
        options=(Option("approve", "Approve"), Option("reject", "Reject")),
    )
    edits = TextareaField(
        name=EDITS,
        label="Changes",
        required=False,
        description_mdsvex="What is to be done differently, as JSON; empty for nothing.",
    )
    blocks = (Text(content=_plain(shown)), Input(field=decision), Input(field=edits))
    return Definition(title=task.title, steps=(Step(id="review", title="Draft", blocks=blocks),))


async def _interruption(engine: Engine, task: TaskRead) -> Definition:
    item = (await engine.store.items([task.item_id])).get(task.item_id)
    why = item.error.message if item is not None and item.error is not None else ""
    decision = SelectField(
        name="decision",
        label="What shall be done?",
        options=(Option("retry", "Try again"), Option("fail", "Give it up")),
    )
    blocks = ((Text(content=_plain(why)),) if why else ()) + (Input(field=decision),)
    step = Step(id="interruption", title="The run was interrupted", blocks=blocks)
    return Definition(title=task.title, steps=(step,))


def _plain(text: str) -> str:
    """Text as Markdown that shows it as it is."""
    shown = text if len(text) <= DRAFT_CHARS_MAX else text[:DRAFT_CHARS_MAX] + "\n…"
    return "\n".join(f"    {line}" for line in shown.splitlines())


__all__ = ["OwnFiles", "answer_task", "checked", "form_of", "with_names"]
