"""The pages about deployment name only what exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from manifests import DEPLOY, ROOT, of_kind
from program import commands

from procession.faces.endpoint import Load
from procession.faces.execution.metrics import metrics_text
from procession.settings import PREFIX

PAGES = [ROOT / "docs" / "deploying.md", ROOT / "docs" / "scaling.md"]
SCALING = PAGES[1].read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_and_link_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for path in re.findall(r"(?<![\w/.])deploy/[\w./-]*\w", text):
        made_later = path.startswith("deploy/secrets") or f"exec {path}" in text
        assert made_later or (ROOT / path).exists(), path
    for link in re.findall(r"\]\(([^)#]+)", text):
        assert (ROOT / "docs" / link).exists(), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_and_variable_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    known = {PREFIX + one.name.upper() for each in commands().values() for one in each.params}
    known |= {f"{PREFIX}TOKEN"}
    assert set(re.findall(rf"{PREFIX}\w+", text)) <= known
    groups = {name for name, each in commands().items() if hasattr(each, "commands")}
    for name, below in re.findall(r"(?<!-n )procession ([a-z]+)\b ?([a-z]*)", text):
        assert name in commands()
        assert name not in groups or below in commands()[name].commands


def test_every_service_that_is_named_exists() -> None:
    text = PAGES[0].read_text(encoding="utf-8")
    deployments = {one["metadata"]["name"] for one in of_kind("Deployment")}
    assert set(re.findall(r"exec deploy/([\w-]+)", text)) <= deployments
    assert set(re.findall(r"job/([\w-]+)", text)) <= {
        one["metadata"]["name"] for one in of_kind("Job")
    }


def test_every_metric_that_is_named_is_served() -> None:
    load = Load()
    load.answered["GET", "/phones", 503] = 1
    served = metrics_text(load, 1, {"queued": 1}).decode()
    named = set(re.findall(r"procession_[a-z_]+", SCALING))
    assert named and all(re.search(rf"^{name}[ {{]", served, re.MULTILINE) for name in named)


def test_every_table_that_is_named_exists() -> None:
    schema = "".join(
        file.read_text(encoding="utf-8")
        for file in (ROOT / "src/procession/store/migrations").glob("*.sql")
    )
    tables = set(re.findall(r"CREATE TABLE (\w+)", schema))
    said = SCALING.partition("Tenants over shards")[2].partition("every primary key")[0]
    assert set(re.findall(r"`([a-z]+)`", said)) <= tables


def test_the_command_of_the_figures_exists() -> None:
    assert "python -m bench.footprint" in SCALING
    assert (ROOT / "bench" / "footprint.py").exists() and DEPLOY.exists()
