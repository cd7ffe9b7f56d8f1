"""`procession serve`: one address line, an orderly end, settings from four places."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack, closing
from pathlib import Path

import msgspec
import pytest
from free_port import free_port
from run_program import CALLBACK, TOKEN, Running, environment, http_status, run, serve

from procession.agent.settings import AgentSettings
from procession.commands.agent import KEYS, NOT_ASKED
from procession.settings import Settings


def test_the_address_is_the_one_line_and_it_answers(tmp_path: Path) -> None:
    server, address = serve(tmp_path)
    with closing(server):
        assert http_status(f"{address}/healthz") == 200
        assert http_status(f"{address}/processes") == 200
        assert server.end() == 0
        assert server.rest() == ""
    for line in server.log.read_text().splitlines():
        assert json.loads(line)["level"] in {"info", "warning"}
    assert TOKEN not in server.log.read_text()


def test_a_token_is_printed_only_when_one_was_made(tmp_path: Path) -> None:
    with ExitStack() as stack:
        server, address = serve(tmp_path, bootstrap_token="")
        stack.enter_context(closing(server))
        word, token, *_ = server.line().split()
        assert word == "token"
        assert http_status(f"{address}/processes", token) == 200
        assert server.end() == 0

        again, address = serve(tmp_path, bootstrap_token="")
        stack.enter_context(closing(again))
        assert http_status(f"{address}/processes", token) == 200
        assert again.end() == 0
        assert again.rest() == ""


def test_json_says_address_and_token(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'p.db'}"
    server = Running(tmp_path / "log", "serve", "--json", "--port", "0", "--database", database)
    with closing(server):
        said = json.loads(server.line())
        assert http_status(f"{said['address']}/processes", said["token"]) == 200
        assert server.end() == 0


def test_it_ends_in_time_while_someone_waits(tmp_path: Path) -> None:
    server, address = serve(tmp_path)
    with closing(server):
        process_id = run(
            *("submit", "echo", "--json"), server=address, token=TOKEN, callback=CALLBACK
        ).json["process_id"]
        path = f"{address}/processes/{process_id}/stream"
        request = urllib.request.Request(path, headers={"Authorization": f"Bearer {TOKEN}"})
        with urllib.request.urlopen(request, timeout=10) as stream:
            assert stream.readline()
            started_s = time.monotonic()
            assert server.end(signal.SIGTERM) == 0
            assert time.monotonic() - started_s < 10


def test_what_was_accepted_outlives_a_kill(tmp_path: Path) -> None:
    words = ("submit", "echo", "--json", "--request-id", "once")
    with ExitStack() as stack:
        server, address = serve(tmp_path)
        stack.enter_context(closing(server))
        first = run(*words, server=address, token=TOKEN, callback=CALLBACK).json
        assert server.end(signal.SIGKILL) == -signal.SIGKILL

        again, address = serve(tmp_path)
        stack.enter_context(closing(again))
        second = run(*words, server=address, token=TOKEN, callback=CALLBACK).json
        assert (second["process_id"], second["duplicate"]) == (first["process_id"], True)
        assert again.end() == 0


def test_option_wins_over_environment_over_file_over_default(tmp_path: Path) -> None:
    ports = [free_port() for _ in range(3)]
    file = tmp_path / "settings.toml"
    file.write_text(f"port = {ports[0]}\nserver = 'http://127.0.0.1:1'\n")
    database = ("--database", f"sqlite:///{tmp_path / 'p.db'}")
    given = {"config": str(file)}
    for port, words, variables in (
        (ports[0], ("--config", str(file)), {}),
        (ports[0], (), given),
        (ports[1], (), given | {"port": str(ports[1])}),
        (ports[2], ("--port", str(ports[2])), given | {"port": str(ports[1])}),
    ):
        server = Running(tmp_path / "log", "serve", *database, *words, **variables)
        with closing(server):
            assert server.line() == f"listening on http://127.0.0.1:{port}"
            assert server.end() == 0


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--lease-ms", "5"), ("lease_ms", "5", "1000")),
        (("--lease-ms", "soon"), ("--lease-ms", "integer")),
        (("--callback-retries", "often"), ("often",)),
        (("--bootstrap-token", "short"), ("bootstrap_token", "32")),
        (("--database", "mongo://x"), ("mongo://x", "sqlite:///")),
        (("--nonsense",), ("--nonsense",)),
        (("--config", "/nowhere.toml"), ("/nowhere.toml",)),
    ],
)
def test_a_wrong_setting_is_one_line_and_status_2(
    tmp_path: Path, words: tuple[str, ...], named: tuple[str, ...]
) -> None:
    ran = run("serve", *words, cwd=tmp_path)
    assert ran.status == 2
    assert all(word in ran.complaint for word in named)


def test_a_secret_is_not_repeated_by_a_complaint(tmp_path: Path) -> None:
    ran = run("serve", cwd=tmp_path, bootstrap_token="hush-hush")
    assert ran.status == 2
    assert "hush-hush" not in ran.complaint


@pytest.mark.parametrize("text", ["prot = 8700", "port = ", "port = 70000"])
def test_a_wrong_file_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(text)
    ran = run("serve", "--config", str(file), cwd=tmp_path)
    assert ran.status == 2
    assert ran.complaint


def test_a_taken_port_is_one_line_and_status_2(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = run("serve", "--port", str(port), cwd=tmp_path)
    assert ran.status == 2
    assert str(port) in ran.complaint


def test_a_file_that_is_no_database_is_one_line_and_status_1(tmp_path: Path) -> None:
    file = tmp_path / "p.db"
    file.write_bytes(b"this is not a database" * 100)
    ran = run("serve", "--database", f"sqlite:///{file}")
    assert ran.status == 1
    assert str(file) in ran.complaint


def test_every_setting_is_an_option() -> None:
    for name, kind, keys in (("serve", Settings, {}), ("agent", AgentSettings, KEYS)):
        words = run(name, "--help").out.replace(",", " ").split()
        for field in msgspec.structs.fields(kind):
            if field.name == NOT_ASKED:
                continue
            key = keys.get(field.name, field.name)
            assert f"--{key.replace('_', '-')}" in words
            assert any(f"PROCESSION_{key.upper()}" in word for word in words)


HEAVY = ("aiohttp", "asyncpg", "joserfc", "rich", "sqlalchemy", "structlog", "uvicorn")


def test_help_is_there_at_once() -> None:
    """What only some commands need is not loaded to say what there is."""
    loaded = "import sys; from procession.cli import run; run(['--help']); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", loaded],
        env=environment(),
        check=True,
        capture_output=True,
        text=True,
    )
    assert "procession.commands.serve" in done.stdout
    assert not set(HEAVY) & set(done.stdout.splitlines()[-1].split())
