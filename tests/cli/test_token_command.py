"""`procession token`: on the database itself, beside a server that runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from run_program import Ran, eventually, http_status, run, serve

from procession.tokens import SCOPES


class Beside:
    """A running server and its database."""

    def __init__(self, home: Path, address: str) -> None:
        self.address = address
        self.database = f"sqlite:///{home / 'procession.db'}"

    def token(self, *words: str) -> Ran:
        return run("token", *words, "--database", self.database)


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Beside]:
    home = tmp_path_factory.mktemp("tokens")
    server, address = serve(home, "--token-cache-ms", "200")
    with closing(server):
        yield Beside(home, address)
        assert server.end() == 0


def test_a_new_token_works_at_once_with_every_scope(beside: Beside) -> None:
    made = beside.token("create", "--name", "all", "--json").json
    assert made["scopes"] == list(SCOPES)
    assert http_status(f"{beside.address}/processes", made["token"]) == 200


def test_a_token_may_only_what_its_scopes_say(beside: Beside) -> None:
    ran = beside.token("create", "--scope", "worker", "--scope", "fleet:write")
    token = ran.out.strip()
    assert http_status(f"{beside.address}/processes", token) == 403


def test_a_token_sees_its_own_tenant_only(beside: Beside) -> None:
    token = beside.token("create", "--tenant", "other").out.strip()
    ours = beside.token("create").out.strip()
    words = ("fleet", "add-account", "mine", "--server", beside.address)
    assert run(*words, token=ours).status == 0
    listed = run("fleet", "accounts", "--json", "--server", beside.address, token=token)
    assert listed.json == {"accounts": []}


def test_a_revoked_token_is_refused_within_the_cache_time(beside: Beside) -> None:
    made = beside.token("create", "--name", "gone", "--json").json
    assert http_status(f"{beside.address}/processes", made["token"]) == 200
    assert beside.token("revoke", made["token_id"], "--json").json["revoked"]
    eventually(
        lambda: http_status(f"{beside.address}/processes", made["token"]) == 401, within_s=2.0
    )


def test_a_list_shows_what_tokens_are_for_and_never_tokens(beside: Beside) -> None:
    made = beside.token("create", "--name", "listed", "--namespace", "ns", "--json").json
    beside.token("revoke", made["token_id"])
    listed = beside.token("list", "--json")
    (mine,) = [one for one in listed.json["tokens"] if one["token_id"] == made["token_id"]]
    assert (mine["name"], mine["namespace"], mine["tenant"]) == ("listed", "ns", "default")
    assert mine["revoked_at"]
    people = beside.token("list")
    assert made["token_id"] in people.out
    for shown in (listed.out, people.out):
        assert made["token"] not in shown


def test_an_unknown_scope_is_refused_by_name(beside: Beside) -> None:
    ran = beside.token("create", "--scope", "everything")
    assert ran.status == 2
    assert "everything" in ran.complaint


def test_a_token_that_is_not_there_cannot_be_revoked(beside: Beside) -> None:
    ran = beside.token("revoke", "nobody")
    assert ran.status == 1
    assert "nobody" in ran.complaint


def test_looking_into_a_database_that_is_not_there_does_not_make_it(tmp_path: Path) -> None:
    file = tmp_path / "none.db"
    ran = run("token", "list", "--database", f"sqlite:///{file}")
    assert ran.status == 1
    assert str(file) in ran.complaint
    assert not file.exists()
