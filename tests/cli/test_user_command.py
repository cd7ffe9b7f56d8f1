"""`procession user` and `procession workspace`: on the database itself, beside a server."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from run_program import Ran, run, serve

PASSWORD = "correct horse battery"


class Beside:
    """A running server and its database."""

    def __init__(self, home: Path, address: str) -> None:
        self.address = address
        self.database = f"sqlite:///{home / 'procession.db'}"

    def run(self, *words: str, password: str = PASSWORD) -> Ran:
        return run(*words, "--database", self.database, password=password)

    def call(self, path: str, body: Any = None, token: str = "") -> tuple[int, Any]:
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.address + path, data, headers)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, json.load(refused)

    def sign_in(self, email: str, password: str = PASSWORD) -> tuple[int, Any]:
        return self.call("/api/login", {"email": email, "password": password})


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Beside]:
    home = tmp_path_factory.mktemp("users")
    server, address = serve(home)
    with closing(server):
        yield Beside(home, address)
        assert server.end() == 0


def test_a_person_made_by_hand_signs_in_and_is_listed_without_the_password(beside: Beside) -> None:
    assert beside.run("user", "create", "Ada@Example.com", "--name", "Ada").status == 0
    status, signed = beside.sign_in("ada@example.com")
    assert status == 200
    assert signed["user"]["name"] == "Ada"
    assert beside.call("/api/me", token=signed["token"])[1]["email"] == "ada@example.com"
    listed = beside.run("user", "list", "--json")
    assert [one["email"] for one in listed.json["users"]] == ["ada@example.com"]
    assert PASSWORD not in listed.out and "argon2" not in listed.out


def test_a_new_password_ends_sessions_and_a_disabled_person_stays_out(beside: Beside) -> None:
    beside.run("user", "create", "bob@example.com")
    token = beside.sign_in("bob@example.com")[1]["token"]
    other = "another horse battery"
    assert beside.run("user", "password", "bob@example.com", password=other).status == 0
    assert beside.call("/api/me", token=token) == (401, {"message": "Unauthenticated."})
    assert beside.sign_in("bob@example.com")[0] == 401
    token = beside.sign_in("bob@example.com", other)[1]["token"]
    assert beside.run("user", "disable", "bob@example.com").status == 0
    assert beside.call("/api/me", token=token)[0] == 401
    assert beside.sign_in("bob@example.com", other)[0] == 401


@pytest.mark.parametrize(
    ("words", "password", "named"),
    [
        (("user", "create", "carl@example.com"), "short", "/password"),
        (("user", "create", "nobody"), PASSWORD, "/email"),
        (("user", "create", "dan@example.com", "--role", "king"), PASSWORD, "/role"),
        (("user", "disable", "unknown@example.com"), PASSWORD, "unknown@example.com"),
        (("workspace", "create", "default"), PASSWORD, "/namespace"),
    ],
)
def test_what_is_wrong_is_named_in_one_line(
    beside: Beside, words: tuple[str, ...], password: str, named: str
) -> None:
    ran = beside.run(*words, password=password)
    assert ran.status != 0
    assert named in ran.complaint


def test_a_workspace_made_by_hand_is_one_to_sign_in_to(beside: Beside) -> None:
    assert beside.run("workspace", "create", "lab", "--name", "The lab").status == 0
    listed = beside.run("workspace", "list", "--json").json["workspaces"]
    assert [(one["name"], one["namespace"]) for one in listed] == [
        ("Default", "default"),
        ("The lab", "lab"),
    ]
    assert listed[0]["id"] == 1
