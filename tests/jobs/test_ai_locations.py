"""Locations by an AI: reviewed before they are kept, and clear words for every bad answer.

The AI is `examples/local_ai.py`, which has rules and no model, made to misbehave where a test says.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from importing import Office

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

from local_ai import Rules, answer, completion

from procession.jobs import chat
from procession.jobs.chat import ChatFailed, Endpoint, ask
from procession.jobs.locations.locating import FIELDS, Found

KEY = "sk-test-very-secret"
TEXT = (
    "We met at these:\nCafé Anna, Hauptstr. 1, Berlin, Germany, 52.5, 13.4\nBar B, Quay 2, Oslo\n"
)


class Moody(Rules):
    """The rules, unless a mood is set; `asked` counts questions and keeps who asked."""

    moods: list[Any] = []  # noqa: RUF012 (a class is all that http.server takes)
    asked: list[str] = []  # noqa: RUF012

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append(self.headers.get("Authorization", ""))
        mood = self.moods.pop(0) if self.moods else None
        if mood is None:
            question = body["messages"][-1]["content"]
            self.say(200, completion(json.dumps(answer(question))))
        elif isinstance(mood, float):
            time.sleep(mood)
            self.close_connection = True
        else:
            self.say(*mood)


@pytest.fixture(scope="module")
def ai() -> Iterator[str]:
    from http.server import ThreadingHTTPServer

    server = ThreadingHTTPServer(("127.0.0.1", 0), Moody)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def calm() -> None:
    Moody.moods.clear()
    Moody.asked.clear()


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory, ai: str) -> Iterator[Office]:
    home = tmp_path_factory.mktemp("ai")
    office = Office(
        home, f'[locations]\ndatabase = "sqlite:///{home}/own.db"\ntable = "locations"\n'
    )
    with sqlite3.connect(office.own, timeout=10) as db:
        db.execute(f"CREATE TABLE locations ({', '.join(FIELDS)})")
    office.worker.end()
    office.environment |= {chat.BASE_URL: ai, chat.MODEL: "rules", chat.KEY: KEY}
    office.start_worker()
    yield office
    office.end()


def kept(office: Office) -> list[Any]:
    return office.rows("SELECT name, city, country, latitude FROM locations ORDER BY rowid")


def test_locations_of_a_text_are_reviewed_corrected_and_kept(office: Office) -> None:
    job = office.begin("ai_location_import", {"text": TEXT, "target": "locations"})
    draft = office.draft(job)
    assert [row["name"] for row in draft["found"]] == ["Café Anna", "Bar B"]
    assert kept(office) == []
    office.review(job, {"cells": {"2": {"latitude": "north"}}})
    assert office.draft(job)["edits_refused"] == "line 2, latitude: is no number"
    office.review(job, {"cells": {"2": {"country": "Norway"}}})
    done = office.reached(job, "completed")
    assert done["result_summary"] == {"approved": True, "rows": 2, "applied": 2, "skipped": 0}
    assert kept(office) == [
        ("Café Anna", "Berlin", "Germany", 52.5),
        ("Bar B", "Oslo", "Norway", None),
    ]
    assert Moody.asked == [f"Bearer {KEY}"]


def test_improved_locations_show_what_they_were_and_a_rejection_keeps_nothing(
    office: Office,
) -> None:
    before = kept(office)
    rows = [{"name": "  café   anna ", "city": "berlin"}]
    job = office.begin("ai_location_improvement", {"rows": rows, "target": "locations"})
    draft = office.draft(job)
    assert draft["before"][0]["name"] == "  café   anna "
    assert (draft["found"][0]["name"], draft["found"][0]["country"]) == ("Café Anna", "Germany")
    office.review(job, word="reject")
    assert office.reached(job, "completed")["result_summary"]["approved"] is False
    assert kept(office) == before


def test_the_key_is_in_no_other_run_and_in_no_answer(office: Office) -> None:
    Moody.moods.append((401, {"error": "bad key"}))
    job = office.begin("ai_location_import", {"text": TEXT, "target": "locations"})
    failed = office.reached(job, "failed")
    assert "answered 401" in failed["error_message"]
    assert KEY not in json.dumps(failed)
    sleeping = office.begin("sleep", {"seconds": 30})
    office.reached(sleeping, "running")
    environments = [path for path in Path("/proc").glob("[0-9]*/environ") if marked(path, office)]
    assert environments
    # The agent's own has it; what the agent started does not.
    assert not [path for path in environments if KEY.encode() in path.read_bytes()]
    office.post(f"/api/processes/{sleeping['id']}/cancel", {})


def marked(path: Path, office: Office) -> bool:
    mark = (office.home / "worker" / "life").read_text().strip()
    try:
        return f"PROCESSION_LIFE={mark}".encode() in path.read_bytes()
    except OSError:
        return False


def asking(ai: str, seconds: float = 20.0) -> Found:
    return ask(
        Endpoint(ai, "rules"),
        "system",
        TEXT,
        Found,
        wait=lambda _: None,
        until_s=time.monotonic() + seconds,
    )


@pytest.mark.parametrize(
    ("mood", "said", "tries"),
    [
        ((500, {"error": "oops"}), "answered 500", 2),
        ((429, {"error": "slow down"}), "answered 429", 2),
        ((400, {"error": "bad"}), "answered 400", 1),
        ((302, b""), "answered 302", 1),
        ((200, b"not json"), "no chat completion", 2),
        ((200, {"choices": []}), "no chat completion", 2),
        ((200, completion("Sure! Here they are")), "cannot be used", 2),
        ((200, completion('{"rows": [{"name": 5}]}')), "cannot be used", 2),
        ((200, completion('{"rows": [{"title": "x"}]}')), "cannot be used", 2),
        ((200, completion(None, message={"refusal": "I will not"})), "the AI refused: I will", 1),
        ((200, completion("{", finish_reason="length")), "cut off", 1),
        ((200, b"x" * 5_000_000), "an answer of over", 2),
    ],
)
def test_bad_answers_become_clear_errors_or_another_try(
    ai: str, mood: Any, said: str, tries: int
) -> None:
    Moody.moods += [mood, mood]
    with pytest.raises(ChatFailed, match=said):
        asking(ai)
    assert len(Moody.asked) == tries


def test_a_second_try_may_succeed(ai: str) -> None:
    Moody.moods.append((503, {}))
    assert len(asking(ai).rows) == 2
    fenced = "```json\n" + json.dumps(answer(TEXT)) + "\n```"
    Moody.moods.append((200, completion(fenced)))
    assert len(asking(ai).rows) == 2


def test_an_endpoint_that_says_nothing_is_left_in_time(
    ai: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat, "ANSWER_S_MAX", 0.2)
    Moody.moods += [3.0, 3.0]
    began_s = time.monotonic()
    with pytest.raises(ChatFailed, match="in time"):
        asking(ai)
    assert time.monotonic() - began_s < 3.0
