"""The page on capabilities: its example runs, its profile loads, its tables are complete."""

from __future__ import annotations

import re
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import msgspec
import pytest
from phone_bench import Bench

from procession.capabilities.capability import MODES, ROUTINGS
from procession.capabilities.maintenance_steps import MaintenanceInput
from procession.capabilities.profile import Elements, Links, Texts, Timing, load
from procession.capabilities.registry import (
    GROUP,
    all_capabilities,
    collect,
    decode_inputs,
    input_schema,
)

PAGE = (Path(__file__).parents[2] / "docs" / "capabilities.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


class ExampleJob:
    """The least a job is; the example needs no more."""

    def __init__(self, given: Any, bench: Bench) -> None:
        self.input, self.phone = given, bench.phone

    def progress(self, percent: float, message: str = "") -> None:
        assert 0 <= percent <= 100


def test_the_example_is_found_by_its_entry_point_and_runs_on_a_phone(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (code,), (_, entry_points) = blocks("python"), blocks("toml")
    (tmp_path / "your_package").mkdir()
    (tmp_path / "your_package" / "list_packages.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    ((name, target),) = msgspec.toml.decode(entry_points)["project"]["entry-points"][GROUP].items()
    catalog = collect([EntryPoint(name, target, GROUP)])
    assert catalog.broken == {}
    capability = catalog.capabilities["list_packages"]
    wanted = decode_inputs(capability, b'{"prefix": "app."}')
    result = capability.run(ExampleJob(wanted, bench))  # type: ignore[arg-type]
    assert result == {"packages": ["app.procession.demo"]}


def test_the_printed_profile_loads(tmp_path: Path) -> None:
    file = tmp_path / "notes.toml"
    file.write_text(blocks("toml")[0])
    assert load(file).texts.compose_done == "Published"


@pytest.mark.parametrize("capability", all_capabilities(), ids=lambda one: one.name)
def test_the_table_of_capabilities_is_right(capability: Any) -> None:
    (row,) = re.findall(
        rf"^\| `{capability.name}` \| [^|]+\| (.*) \|$", PAGE.split("## Inputs")[0], re.M
    )
    cells = [cell.strip().strip("*") for cell in row.split("|")]
    modes = [mode in capability.modes for mode in ("manual", "unattended")]
    routings = [routing in capability.routings for routing in ("direct", "queue", "group")]
    assert [cell == "yes" for cell in cells[:5]] == modes + routings
    assert {"fail": "fails", "retry": "tried again"}[capability.on_interrupted] == cells[5]
    assert (len(modes), len(routings)) == (len(MODES), len(ROUTINGS))


def test_every_input_and_every_key_of_a_profile_is_documented() -> None:
    words = [f"timing.{name}" for name in Timing.__struct_fields__]
    words += [f"texts.{name}" for name in Texts.__struct_fields__]
    words += [f"links.{name}" for name in Links.__struct_fields__]
    for capability in all_capabilities():
        words += input_schema(capability).get("properties", {})
    assert [word for word in words if f"`{word}`" not in PAGE] == []
    assert [role for role in Elements.__struct_fields__ if role not in PAGE] == []


def test_every_action_of_maintenance_is_documented() -> None:
    (_, parts) = msgspec.json.schema_components([MaintenanceInput])
    mapping = parts["MaintenanceInput"]["properties"]["steps"]["items"]["discriminator"]["mapping"]
    assert [action for action in mapping if f"| `{action}` |" not in PAGE] == []
