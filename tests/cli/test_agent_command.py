"""`procession agent`: settings, refusals, and where its token cannot be read."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest
from run_program import TOKEN, Running, eventually, run, serve
from whole_stage import Stage


def test_its_token_is_not_in_its_environment_or_command_line(stage: Stage) -> None:
    proc = Path(f"/proc/{stage.agent.child.pid}")
    assert TOKEN.encode() not in (proc / "environ").read_bytes()
    assert TOKEN.encode() not in (proc / "cmdline").read_bytes()
    assert TOKEN not in stage.agent.log.read_text()


def test_its_log_is_lines_of_json_on_standard_error(stage: Stage) -> None:
    lines = stage.agent.log.read_text().splitlines()
    assert lines
    assert all(json.loads(line)["event"] for line in lines)


def test_a_second_agent_with_its_state_is_refused(stage: Stage) -> None:
    state = stage.agent.log.parent / "agent"
    words = ("agent", "--state-dir", str(state), "--adb-port", "1", "--adb-path", "/bin/false")
    ran = run(*words, server=stage.address, token=TOKEN)
    assert ran.status == 1
    assert "another agent is alive" in ran.err.splitlines()[-1]
    assert "Traceback" not in ran.err


def test_a_server_that_refuses_the_token_ends_it_with_status_1(
    stage: Stage, tmp_path: Path
) -> None:
    words = ("agent", "--state-dir", str(tmp_path), "--adb-port", "1", "--adb-path", "/bin/false")
    ran = run(*words, server=stage.address, token="unknown" * 10)
    assert ran.status == 1
    assert "401" in ran.err.splitlines()[-1]
    assert "Traceback" not in ran.err
    assert "unknown" * 10 not in ran.err


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ((), "PROCESSION_SERVER"),
        (("--server", "http://127.0.0.1:1"), "PROCESSION_TOKEN"),
        (("--server", "x", "--token", "y", "--fence", "low"), "--fence"),
        (("--server", "x", "--token", "y", "--adb-port", "many"), "--adb-port"),
    ],
)
def test_what_is_missing_or_wrong_is_one_line_and_status_2(
    words: tuple[str, ...], named: str
) -> None:
    ran = run("agent", *words)
    assert ran.status == 2
    assert named in ran.complaint


def test_sigterm_drains_with_status_0_and_the_file_names_its_lanes(tmp_path: Path) -> None:
    server, address = serve(tmp_path)
    file = tmp_path / "settings.toml"
    file.write_text(
        f'server = "{address}"\ntoken = "{TOKEN}"\nlanes_without_phone = ["one"]\n'
        f'state_dir = "{tmp_path / "agent"}"\nadb_port = 1\nadb_path = "/bin/false"\nport = 0\n'
    )
    with closing(server), closing(Running(tmp_path / "log", "agent", config=str(file))) as agent:
        asked = {"config": str(file)}
        found = eventually(lambda: run("fleet", "phones", "--json", **asked).json["phones"])
        assert [one["phone_id"] for one in found] == ["one"]
        assert agent.end(within_s=30) == 0
        assert "Traceback" not in agent.log.read_text()
