"""Targets take each batch once: on PostgreSQL, and by a URL whatever it answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import sqlalchemy as sa
from postgres_server import PostgresServer

from procession.jobs.targets.target import (
    Mark,
    TargetAway,
    TargetRefused,
    TargetsInvalid,
    TargetUnknown,
    read_targets,
    target_for,
)

ROWS = ["opened", "name"], [[date(2024, 1, 1)] * 3, ["n0", "n1", "n2"]]


class Taking(BaseHTTPRequestHandler):
    """Keeps what is posted; `answers` are statuses to answer with first."""

    answers: list[int] = []  # noqa: RUF012 (a class is all that http.server takes)
    taken: list[tuple[str, str, Any]] = []  # noqa: RUF012

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        key = self.headers.get("Idempotency-Key", "")
        self.taken.append((key, self.headers.get("Authorization", ""), body))
        self.send_response(self.answers.pop(0) if self.answers else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    Taking.answers.clear()
    Taking.taken.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Taking)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/import"
    server.shutdown()
    thread.join()
    server.server_close()


def target(toml: str, job: str = "job-1") -> Any:
    return target_for("it", job, {"PROCESSION_IMPORT_TARGETS": "[it]\n" + toml})


def test_a_batch_is_posted_under_a_key_of_its_own(url: str) -> None:
    one = target(f'url = "{url}"\nauthorization = "Bearer x"')
    mark = one.apply(one.mark(Mark()), 5, *ROWS)
    assert mark == Mark(5, 3)
    Taking.answers.append(503)
    with pytest.raises(TargetAway, match="503 to rows 6 to 9"):
        one.apply(mark, 9, *ROWS)
    assert one.apply(mark, 9, *ROWS) == Mark(9, 6)
    assert [key for key, _, _ in Taking.taken] == ["job-1-0", "job-1-5", "job-1-5"]
    assert Taking.taken[1] == Taking.taken[2]
    _, authorization, body = Taking.taken[0]
    assert (authorization, body["from_row"], body["to_row"]) == ("Bearer x", 1, 5)
    assert body["rows"][0] == {"name": "n0", "opened": "2024-01-01"}


@pytest.mark.parametrize(
    ("status", "error"), [(400, TargetRefused), (302, TargetRefused), (429, TargetAway)]
)
def test_a_refusal_is_told_from_a_bad_moment(url: str, status: int, error: type[Exception]) -> None:
    Taking.answers.append(status)
    with pytest.raises(error, match=str(status)):
        target(f'url = "{url}"').apply(Mark(), 3, *ROWS)


def test_an_address_outside_the_operators_rule_is_not_called(url: str) -> None:
    with pytest.raises(TargetRefused, match="no address that is allowed"):
        target(f'url = "{url}"\nnetworks = ["10.0.0.0/8"]').apply(Mark(), 3, *ROWS)
    assert Taking.taken == []
    inside = target(f'url = "{url}"\nnetworks = ["127.0.0.0/8"]')
    assert inside.apply(Mark(), 3, *ROWS) == Mark(3, 3)


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    server = PostgresServer()
    yield server.address("targets")
    server.stop()


def test_of_two_runs_of_a_job_one_writes_on_postgresql(postgres: str) -> None:
    engine = sa.create_engine(
        sa.make_url(postgres).set(drivername="postgresql+psycopg"), poolclass=sa.NullPool
    )
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE places (name TEXT UNIQUE, opened DATE)"))
    toml = f'database = "{postgres}"\ntable = "places"'
    one, late = target(toml), target(toml)
    assert one.missing(["name", "seats"]).keys() == {"seats"}
    mark = one.mark(Mark(7, 7))
    assert mark == Mark(0, 0)
    after = one.apply(mark, 10, *ROWS)
    with pytest.raises(TargetAway, match="another run"):
        late.apply(mark, 10, *ROWS)
    assert late.mark(Mark()) == after == Mark(10, 3)
    with pytest.raises(TargetRefused, match=r"rows 11 to 20.*unique"):
        one.apply(after, 20, *ROWS)
    assert one.mark(Mark()) == after
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM places")).scalar() == 3
    for each in (one, late):
        each.close()


def test_targets_are_named_by_the_operator_alone() -> None:
    with pytest.raises(TargetUnknown, match="no target 'it'"):
        target_for("it", "job", {})
    for toml in ('url = "ftp://x"', 'database = "x"', 'url = "http://x"\nnetworks = ["me"]'):
        with pytest.raises(TargetsInvalid):
            target(toml)
    with pytest.raises(TargetsInvalid, match="No such file"):
        read_targets("/nowhere/targets.toml")
    with pytest.raises(TargetRefused, match="no table"):
        target('database = "sqlite://"\ntable = "none"')
