"""The image's file: what it copies exists, what it installs is locked, who it runs as."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import requires
from typing import NamedTuple

from manifests import DEPLOY, ROOT
from packaging.requirements import Requirement
from program import commands

from procession.settings import Settings, read_settings

LOCKED = [sys.executable, str(DEPLOY / "runtime_lock.py")]


class Line(NamedTuple):
    stage: str
    verb: str
    words: str


def instructions() -> list[Line]:
    """Every instruction, with the name of the stage it stands in."""
    text = (DEPLOY / "Dockerfile").read_text()
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    found: list[Line] = []
    stage = ""
    for line in filter(None, (line.strip() for line in text.splitlines())):
        verb, _, words = line.partition(" ")
        if verb == "FROM":
            stage = words.split()[-1]
        found.append(Line(stage, verb, words.strip()))
    return found


def last(stage: str, verb: str) -> str:
    return [one.words for one in instructions() if (one.stage, one.verb) == (stage, verb)][-1]


def locked(name: str) -> str:
    done = subprocess.run(
        [*LOCKED, name], capture_output=True, text=True, check=True, cwd=ROOT, encoding="utf-8"
    )
    return done.stdout


def names(lock: str) -> set[str]:
    return set(re.findall(r"^([a-z0-9-]+)==", lock, re.MULTILINE))


def all_that_is_required(name: str) -> set[str]:
    """A distribution's requirements, and theirs, as this environment has them installed."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        for text in requires(waiting.pop()) or []:
            needed = Requirement(text)
            plain = re.sub(r"[-_.]+", "-", needed.name).lower()
            wanted = needed.marker is None or needed.marker.evaluate({"extra": ""})
            if wanted and plain not in found:
                found.add(plain)
                waiting.append(plain)
    return found


def test_the_images_lock_holds_all_that_the_program_requires() -> None:
    assert names(locked("procession")) >= all_that_is_required("procession")


def test_the_images_lock_holds_nothing_of_the_tests() -> None:
    assert not names(locked("procession")) & {"pytest", "mypy", "fastapi", "kubernetes-validate"}


def test_the_builders_lock_holds_all_that_the_builder_requires() -> None:
    assert names(locked("hatchling")) >= {"hatchling"} | all_that_is_required("hatchling")


def test_every_entry_keeps_its_version_and_its_hashes() -> None:
    whole = (ROOT / "requirements.lock").read_text()
    for entry in re.split(r"^(?=[a-z0-9-]+==)", locked("procession"), flags=re.MULTILINE)[1:]:
        assert "--hash=sha256:" in entry and entry in whole


def test_a_package_that_is_not_locked_is_refused() -> None:
    done = subprocess.run([*LOCKED, "left-pad"], capture_output=True, check=False, cwd=ROOT)
    assert done.returncode != 0 and b"NotLocked: left-pad" in done.stderr


def test_whatever_is_installed_is_locked_or_built_here() -> None:
    installing = [
        part
        for one in instructions()
        for part in one.words.split("&&")
        if one.verb == "RUN" and "pip install" in part
    ]
    assert installing
    for part in installing:
        assert "--require-hashes -r" in part or "--no-deps dist/" in part


def test_what_is_copied_exists_and_is_not_ignored() -> None:
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    for one in instructions():
        if one.verb == "COPY" and "--from" not in one.words:
            for source in one.words.split()[:-1]:
                assert (ROOT / source).exists() and f"!{source}" in ignored


def test_no_image_runs_as_root() -> None:
    for stage in ("server", "agent"):
        assert last(stage, "USER") == "10001:10001"


def test_no_address_is_written_but_the_loopback() -> None:
    for file in DEPLOY.rglob("*"):
        if file.is_file() and file.parent.name != "secrets":
            hosts = re.findall(r"https?://([\w.-]+)", file.read_text())
            assert set(hosts) <= {"127.0.0.1", "proxy", "procession-server"}, file


def test_the_program_is_the_first_process() -> None:
    # An init or a shell before it would keep the agent's token where its runs can read it.
    assert last("server", "ENTRYPOINT") == '["procession"]'
    for stage, command in (("server", "serve"), ("agent", "agent")):
        assert last(stage, "CMD") == f'["{command}"]' and command in commands()


def test_health_is_asked_at_the_default_port_on_a_served_path(
    open_status: Callable[[str], int],
) -> None:
    asked = re.search(r"http://127\.0\.0\.1:(\d+)(/\w+)", last("server", "HEALTHCHECK"))
    assert asked and int(asked[1]) == Settings().port == int(last("server", "EXPOSE"))
    assert open_status(asked[2]) == 200
    assert last("agent", "HEALTHCHECK") == "NONE"


def test_variables_of_the_image_are_settings() -> None:
    words = dict(word.split("=", 1) for word in shlex.split(last("server", "ENV")))
    assert read_settings({}, words).host == "0.0.0.0"
