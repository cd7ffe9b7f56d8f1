"""The deployment files as data: what the tests of this folder read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
KUSTOMIZATIONS = sorted(KUBERNETES.rglob("kustomization.yaml"))
EXAMPLES = [KUBERNETES / "secret.example.yaml"]

Object = dict[str, Any]


class Pod(NamedTuple):
    """A pod's template and what makes pods of it."""

    owner: Object
    labels: dict[str, str]
    spec: Object

    @property
    def name(self) -> str:
        name: str = self.owner["metadata"]["name"]
        return name


def read(file: Path) -> list[Object]:
    return [one for one in yaml.safe_load_all(file.read_text(encoding="utf-8")) if one]


def resources() -> Iterator[Object]:
    """Every object some kustomization applies."""
    for file in KUSTOMIZATIONS:
        for name in read(file)[0]["resources"]:
            yield from read(file.parent / name)


def examples() -> Iterator[Object]:
    for file in EXAMPLES:
        yield from read(file)


def of_kind(*kinds: str) -> list[Object]:
    return [one for one in [*resources(), *examples()] if one["kind"] in kinds]


def one(kind: str, name: str) -> Object:
    found = [each for each in of_kind(kind) if each["metadata"]["name"] == name]
    assert len(found) == 1, (kind, name)
    return found[0]


def pods() -> list[Pod]:
    owners = of_kind("Deployment", "StatefulSet", "Job")
    return [Pod(each, _labels(each), each["spec"]["template"]["spec"]) for each in owners]


def pod(name: str) -> Pod:
    return next(each for each in pods() if each.name == name)


def container(which: Pod) -> Object:
    (only,) = which.spec["containers"]
    found: Object = only
    return found


def environment(which: Pod) -> dict[str, str]:
    """Variables of the pod's container; of what a secret or a field gives, an empty text."""
    values: dict[str, str] = {}
    only = container(which)
    for source in only.get("envFrom", []):
        values |= one("ConfigMap", source["configMapRef"]["name"])["data"]
    return values | {each["name"]: each.get("value", "") for each in only["env"]}


def compose(file: str = "compose.yaml") -> Object:
    (found,) = read(DEPLOY / file)
    return found


def _labels(owner: Object) -> dict[str, str]:
    found: dict[str, str] = owner["spec"]["template"]["metadata"]["labels"]
    return found
