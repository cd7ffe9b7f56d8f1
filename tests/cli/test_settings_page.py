"""docs/settings.md is what the settings say."""

from __future__ import annotations

from pathlib import Path

import msgspec

from procession.agent.settings import AgentSettings
from procession.commands.agent import HELPS, NOT_ASKED
from procession.commands.settings_page import settings_page
from procession.settings import Settings

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == settings_page(), "run `make docs`"


def test_every_setting_has_a_line_with_a_meaning() -> None:
    lines = [line.split(" | ") for line in settings_page().splitlines() if line.startswith("| `")]
    fields = [*msgspec.structs.fields(Settings), *msgspec.structs.fields(AgentSettings)]
    assert len(lines) == len([field for field in fields if field.name != NOT_ASKED])
    assert all(len(line[-1].rstrip("| ")) > 5 for line in lines)


def test_no_setting_is_described_that_is_not_there() -> None:
    assert HELPS.keys() == set(AgentSettings.__struct_fields__)
