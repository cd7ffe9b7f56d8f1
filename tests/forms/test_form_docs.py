from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from filled import Stored

from procession.forms import answers, blocks, signature
from procession.forms.definition import parse_definition
from procession.forms.errors import FormInvalid

PAGE = (Path(__file__).parents[2] / "docs" / "forms.md").read_text()
FORM, ANSWERS = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)


def test_the_form_on_the_page_is_one_and_shows_everything() -> None:
    definition = parse_definition(FORM.encode())
    shown = {block.kind for step in definition.steps for block in step.blocks}
    shown |= {field.kind for field in definition.fields}
    every = (*blocks.AnyBlock.__args__, *blocks.AnyField.__args__)
    assert shown == {str(kind.__struct_config__.tag) for kind in every}
    assert all(f"| `{kind}` |" in PAGE for kind in shown)


def test_the_answers_on_the_page_fit_the_form() -> None:
    bell = Stored("org/xyz/bell.png", "bell.png", 2_000, "image/png")
    checked = answers.check_answers(
        parse_definition(FORM.encode()), json.loads(ANSWERS), {bell.key: bell}.get
    )
    assert checked == {**json.loads(ANSWERS), "photos": [msgspec.to_builtins(bell)]}


def test_the_fault_on_the_page_is_told_so() -> None:
    form: Any = json.loads(FORM)
    form["steps"][0]["blocks"][5]["field"] |= {"min": 9, "max": 4}
    with pytest.raises(FormInvalid) as refusal:
        parse_definition(msgspec.json.encode(form))
    assert "`{}: {}`".format(*refusal.value.details[0]) in PAGE


@pytest.mark.parametrize(
    "told",
    [
        f"{blocks.STEPS_MAX} steps",
        f"{blocks.BLOCKS_MAX} blocks a step",
        f"{blocks.FIELDS_MAX} fields",
        f"{blocks.OPTIONS_MAX} options",
        f"{blocks.MARKDOWN_CHARS_MAX:,} characters of Markdown",
        f"{blocks.MARKDOWN_TOTAL_CHARS_MAX:,} in all",
        f"{blocks.TABLE_CELLS_MAX:,} cells",
        f"{answers.TEXT_CHARS_MAX:,} characters",
        f"{answers.TEXTAREA_CHARS_MAX:,} characters",
        f"{signature.PNG_BYTES_MAX // 1024} KiB",
    ],
)
def test_the_limits_on_the_page_are_those_that_hold(told: str) -> None:
    assert told in " ".join(PAGE.split())
