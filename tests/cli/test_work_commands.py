"""`submit, get, watch, cancel, retry, list, events, output` against a server and an agent."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from run_program import CALLBACK, PROGRAM, TOKEN, Running, environment, eventually, run, serve
from whole_stage import LANES, Stage

SLEEP = ("submit", "sleep", "--inputs", '{"seconds": 60}', "--json")


def started(stage: Stage, *words: str) -> str:
    """The id of a long sleep that runs."""
    process_id: str = stage.ask(*SLEEP, *words).json["process_id"]
    eventually(lambda: record(stage, process_id)["status"] == "executing")
    return process_id


def record(stage: Stage, process_id: str) -> dict[str, Any]:
    found: dict[str, Any] = stage.ask("get", process_id, "--json").json
    return found


def test_watched_work_that_completes_ends_with_status_0(stage: Stage) -> None:
    ran = stage.ask("submit", "echo", "--inputs", '{"said": "hello"}', "--watch")
    assert ran.status == 0, ran.err
    first, *_, last = ran.out.splitlines()
    process_id = first.removeprefix("accepted ")
    assert last == f"{process_id}  echo  completed  100 %"
    assert record(stage, process_id)["result"]["said"] == "hello"


def test_watched_work_that_fails_ends_with_status_1(stage: Stage) -> None:
    inputs = '{"message": "no luck", "times": 100}'
    ran = stage.ask("submit", "fail", "--inputs", inputs, "--watch", "--json")
    assert ran.status == 1
    lines = [json.loads(line) for line in ran.out.splitlines()]
    versions = [line["version"] for line in lines[1:]]
    assert versions == sorted(set(versions))
    assert lines[-1]["status"] == "failed_terminal"
    assert lines[-1]["error"]["message"] == "no luck"


def test_a_terminal_shows_a_bar_and_keeps_the_last_line(stage: Stage) -> None:
    process_id = stage.ask("submit", "sleep", "--inputs", '{"seconds": 1}', "--json").json[
        "process_id"
    ]
    reading, writing = pty.openpty()
    with os.fdopen(reading, "rb", buffering=0) as screen:
        child = subprocess.Popen(
            [PROGRAM, "watch", process_id],
            stdin=subprocess.DEVNULL,
            stdout=writing,
            stderr=writing,
            env=environment(server=stage.address, token=TOKEN) | {"TERM": "xterm"},
        )
        os.close(writing)
        shown = b""
        # A terminal whose last writer has gone answers with an error instead of an end.
        with contextlib.suppress(OSError):
            while part := screen.read(65_536):
                shown += part
        assert child.wait(30) == 0
    assert "━" in shown.decode()
    assert f"{process_id}  sleep  completed  100 %" in shown.decode()


def test_cancelled_work_ends_its_watcher_with_status_1(stage: Stage, tmp_path: Path) -> None:
    process_id = started(stage)
    watcher = Running(tmp_path / "log", "watch", process_id, server=stage.address, token=TOKEN)
    with closing(watcher):
        assert "executing" in watcher.line()
        answer = stage.ask("cancel", process_id, "--strategy", "hard", "--json").json
        assert answer["status"] == "cancel_requested"
        assert watcher.child.wait(15) == 1
        assert "cancelled" in watcher.rest().splitlines()[-1]
    again = stage.ask("cancel", process_id)
    assert (again.status, again.out.strip()) == (0, "it has ended already: cancelled")


def test_a_cancel_keeps_its_reason_and_strategy(stage: Stage) -> None:
    process_id = started(stage)
    ran = stage.ask("cancel", process_id, "--reason", "wrong account", "--force-after", "1")
    assert ran.status == 0, ran.err
    ended = eventually(lambda: _ended(stage, process_id))
    assert ended["status"] == "cancelled"
    assert "wrong account" in json.dumps(ended)


def test_only_failed_work_can_be_retried(stage: Stage) -> None:
    inputs = '{"message": "never", "times": 100}'
    process_id = stage.ask("submit", "fail", "--inputs", inputs, "--json").json["process_id"]
    assert stage.ask("watch", process_id).status == 1
    assert stage.ask("retry", process_id, "--json").json["status"] in {"queued", "retrying"}
    ran = stage.ask("retry", process_id)
    assert ran.status == 1
    assert "wrong_state" in ran.complaint
    assert stage.ask("cancel", process_id, "--strategy", "hard").status == 0


def test_events_are_numbered_without_gaps(stage: Stage) -> None:
    process_id = stage.ask("submit", "echo", "--json").json["process_id"]
    assert stage.ask("watch", process_id).status == 0
    found = stage.ask("events", process_id, "--json").json["events"]
    assert [one["seq"] for one in found] == list(range(1, len(found) + 1))
    later = stage.ask("events", process_id, "--json", "--after", "2").json["events"]
    assert later == found[2:]
    assert "completed" in stage.ask("events", process_id).out


def test_output_is_shown_by_item_and_attempt(stage: Stage) -> None:
    process_id = stage.ask("submit", "echo", "--json").json["process_id"]
    assert stage.ask("watch", process_id).status == 0
    (item_id,) = record(stage, process_id)["linked_ids"]["queue_item_ids"]
    everything = stage.ask("output", process_id, "--json").json
    assert everything == stage.ask("output", process_id, "--item", item_id, "--json").json
    assert all(one["queue_item_id"] == item_id for one in everything["outputs"])


def test_a_list_is_filtered_and_paged(stage: Stage) -> None:
    ids = [
        stage.ask("submit", "echo", "--json", "--request-id", f"page-{number}").json["process_id"]
        for number in range(3)
    ]
    one = stage.ask("list", "--request-id", "page-1", "--json").json["processes"]
    assert [found["process_id"] for found in one] == [ids[1]]
    page = stage.ask("list", "--type", "echo", "--limit", "2", "--json").json
    assert [found["process_id"] for found in page["processes"]] == [ids[2], ids[1]]
    more = stage.ask("list", "--type", "echo", "--cursor", page["next_cursor"], "--json").json
    assert more["processes"][0]["process_id"] == ids[0]
    people = stage.ask("list", "--type", "echo", "--limit", "2")
    assert f"--cursor {page['next_cursor']}" in people.out
    assert ids[2] in people.out


def test_the_same_request_twice_is_done_once(stage: Stage) -> None:
    words = ("submit", "echo", "--request-id", "twice")
    first, second = stage.ask(*words), stage.ask(*words)
    assert second.out == first.out.replace("accepted", "duplicate of")


@pytest.mark.parametrize(
    ("words", "target"),
    [
        ((), {"routing": "queue"}),
        (("--account", "acc"), {"routing": "queue", "account_id": "acc"}),
        (
            ("--account", "acc", "--phone", LANES[0]),
            {"routing": "direct", "account_id": "acc", "phone_id": LANES[0]},
        ),
        (("--phone", LANES[0]), {"routing": "group", "phone_ids": [LANES[0]]}),
        (("--phone", ",".join(LANES)), {"routing": "group", "phone_ids": LANES}),
        (("--group", "cli"), {"routing": "group", "phone_group": "cli"}),
        (
            ("--group", "cli", "--routing", "queue"),
            {"routing": "queue", "phone_group": "cli"},
        ),
    ],
)
def test_the_target_given_chooses_the_routing(
    stage: Stage, words: tuple[str, ...], target: dict[str, Any]
) -> None:
    stage.ask("fleet", "add-account", "acc")
    stage.ask("fleet", "edit-phone", LANES[0], "--label", "cli")
    ran = stage.ask("submit", "echo", "--watch", "--json", *words)
    assert ran.status == 0, ran.err
    found = json.loads(ran.out.splitlines()[-1])["target"]
    assert found | target == found


def test_inputs_may_come_from_a_file_or_a_pipe(stage: Stage, tmp_path: Path) -> None:
    file = tmp_path / "inputs.json"
    file.write_text('{"from": "file"}')
    for source, stdin, said in (
        (f"@{file}", "", "file"),
        ("@-", '{"from": "pipe"}', "pipe"),
    ):
        ran = stage.ask("submit", "echo", "--inputs", source, "--watch", "--json", stdin=stdin)
        assert json.loads(ran.out.splitlines()[-1])["result"]["from"] == said


def test_a_record_for_people_shows_what_is_known(stage: Stage) -> None:
    process_id = stage.ask("submit", "echo", "--json").json["process_id"]
    assert stage.ask("watch", process_id).status == 0
    shown = stage.ask("get", process_id).out
    assert re.search(r"^status +completed$", shown, re.MULTILINE)
    assert "None" not in shown


@pytest.mark.parametrize(
    ("words", "status", "named"),
    [
        (("submit", "sleep", "--inputs", '{"seconds": "x"}'), 1, ("seconds", '"x"', "float")),
        (("submit", "fyp_warmup", "--mode", "unattended"), 1, ("not_live_verified",)),
        (("submit", "nothing"), 1, ("nothing",)),
        (("submit", "echo", "--account", "stranger"), 1, ("account_not_found",)),
        (("submit", "echo", "--inputs", "[]"), 2, ("--inputs", "object")),
        (("submit", "echo", "--inputs", "@/nowhere"), 2, ("/nowhere",)),
        (("submit", "echo", "--mode", "asleep"), 2, ("--mode", "unattended")),
        (("submit", "echo", "--account", "a,b", "--routing", "direct"), 2, ("account_id", "2")),
        (("list", "--status", "odd"), 1, ("odd", "failed_terminal")),
        (("list", "--limit", "0"), 1, ("limit",)),
        (("get", "nobody"), 1, ("404",)),
        (("watch", "nobody"), 1, ("404",)),
        (("cancel", "nobody"), 1, ("404",)),
        (("events", "nobody"), 1, ("404",)),
        (("output", "nobody"), 1, ("404",)),
        (("get",), 2, ("process_id",)),
    ],
)
def test_a_refusal_is_one_line_that_names_what_is_wrong(
    stage: Stage, words: tuple[str, ...], status: int, named: tuple[str, ...]
) -> None:
    ran = stage.ask(*words)
    assert ran.status == status, ran.err
    assert all(word.lower() in ran.complaint.lower() for word in named), ran.complaint


def test_a_submission_without_a_callback_says_what_to_do(stage: Stage) -> None:
    ran = stage.ask("submit", "echo", callback="")
    assert ran.status == 2
    assert "--callback" in ran.complaint
    assert "PROCESSION_CALLBACK" in ran.complaint


def test_without_a_token_it_says_how_to_give_one(stage: Stage) -> None:
    ran = stage.ask("list", token="")
    assert ran.status == 2
    assert "PROCESSION_TOKEN" in ran.complaint


def test_a_wrong_token_is_refused_and_not_repeated(stage: Stage) -> None:
    ran = stage.ask("list", token="wrong" * 10)
    assert ran.status == 1
    assert "401" in ran.complaint
    assert "wrong" not in ran.complaint


def test_an_absent_server_is_one_line() -> None:
    ran = run("list", server="http://127.0.0.1:1", token=TOKEN)
    assert ran.status == 1
    assert "http://127.0.0.1:1" in ran.complaint


def test_a_watcher_outlives_the_server_it_watches(tmp_path: Path) -> None:
    with ExitStack() as stack:
        server, address = serve(tmp_path)
        stack.enter_context(closing(server))
        asked = {"server": address, "token": TOKEN, "callback": CALLBACK}
        process_id = run("submit", "echo", "--json", **asked).json["process_id"]
        watcher = Running(tmp_path / "watcher", "watch", process_id, "--json", **asked)
        stack.enter_context(closing(watcher))
        assert json.loads(watcher.line())["status"] == "queued"
        server.end(signal.SIGKILL)

        again, same = serve(tmp_path, port=address.rpartition(":")[2])
        stack.enter_context(closing(again))
        assert same == address
        assert run("cancel", process_id, **asked).status == 0
        assert watcher.child.wait(30) == 1
        records = [json.loads(line) for line in watcher.rest().splitlines()]
        assert records[-1]["status"] == "cancelled"


def test_a_watcher_gives_up_when_told_how_long_to_wait(tmp_path: Path) -> None:
    server, address = serve(tmp_path)
    with closing(server):
        asked = {"server": address, "token": TOKEN, "callback": CALLBACK}
        process_id = run("submit", "echo", "--json", **asked).json["process_id"]
        words = ("watch", process_id, "--outage-s-max", "0.5")
        watcher = Running(tmp_path / "watcher", *words, **asked)
        with closing(watcher):
            assert watcher.line()
            assert server.end() == 0
            assert watcher.child.wait(30) == 1
            assert "gave up" in watcher.log.read_text()


def test_ctrl_c_ends_a_watcher_and_not_the_work(stage: Stage, tmp_path: Path) -> None:
    process_id = started(stage)
    watcher = Running(tmp_path / "log", "watch", process_id, server=stage.address, token=TOKEN)
    with closing(watcher):
        assert watcher.line()
        assert watcher.end(signal.SIGINT) == 130
        assert "Traceback" not in watcher.log.read_text()
    assert record(stage, process_id)["status"] == "executing"
    assert stage.ask("cancel", process_id, "--strategy", "hard").status == 0
    eventually(lambda: _ended(stage, process_id))


def _ended(stage: Stage, process_id: str) -> dict[str, Any] | None:
    found = record(stage, process_id)
    return found if found["timestamps"]["finished_at"] else None
