"""A CSV file from upload to rows in a table: checked, reviewed, corrected, applied."""

from __future__ import annotations

import pytest
from importing import COLUMNS, Office, wanted

GOOD = "Name,Code,Seats,Opened\nAda,a1,12,2024-01-31\nBob,b2,,\n"


@pytest.fixture(autouse=True)
def empty(office: Office) -> None:
    import sqlite3

    with sqlite3.connect(office.own, timeout=10) as db:
        db.execute("DELETE FROM places")


def test_rows_are_checked_reviewed_and_applied(office: Office) -> None:
    job = office.begin("csv_import", wanted(office.upload(GOOD.encode())))
    draft = office.draft(job)
    assert (draft["rows"], draft["valid"], draft["invalid"]) == (2, 2, 0)
    assert draft["written"]["encoding"] == "utf-8"
    assert office.rows() == []
    office.review(job)
    done = office.reached(job, "completed")
    assert done["result_summary"] == {"approved": True, "rows": 2, "applied": 2, "skipped": 0}
    assert office.rows() == [("Ada", "a1", 12, "2024-01-31"), ("Bob", "b2", 4, None)]


def test_errors_name_line_column_and_value_and_can_be_corrected(office: Office) -> None:
    text = GOOD + 'Cy,c3,many,2024-02-30\n"Di\nana",d4,1,\nEve,a1,2,\nFay,f6\n'
    job = office.begin("csv_import", wanted(office.upload(text.encode())))
    draft = office.draft(job)
    assert (draft["rows"], draft["valid"], draft["invalid"]) == (6, 3, 3)
    told = [(one["line"], one.get("field"), one["message"]) for one in draft["errors"]]
    assert told == [
        (4, "seats", "is no whole number"),
        (4, "opened", "is no date as YYYY-MM-DD"),
        (7, "code", "equals line 2 in code"),
        (8, None, "has 2 cells, the file 4 columns"),
    ]
    office.review(job, {"cells": {"4": {"seats": "none"}}})
    again = office.draft(job)
    assert again["edits_refused"] == "line 4, seats: is no whole number"
    office.review(job, {"cells": {"4": {"seats": "7", "opened": ""}, "7": {"code": "e5"}}})
    done = office.reached(job, "completed")
    assert done["result_summary"] == {"approved": True, "rows": 6, "applied": 5, "skipped": 1}
    assert office.rows("SELECT code, seats FROM places ORDER BY code") == [
        ("a1", 12), ("b2", 4), ("c3", 7), ("d4", 1), ("e5", 2),
    ]  # fmt: skip


def test_a_mapping_that_does_not_fit_the_file_is_shown_and_corrected(office: Office) -> None:
    upload = office.upload(GOOD.replace("Code", "Key").encode())
    job = office.begin("csv_import", wanted(upload))
    draft = office.draft(job)
    assert draft["mapping_errors"] == {"columns.1.column": "the file has no column 'Code'"}
    assert draft["columns_found"] == ["Name", "Key", "Seats", "Opened"]
    columns = [COLUMNS[0], COLUMNS[1] | {"column": "Key"}, *COLUMNS[2:]]
    office.review(job, {"columns": columns})
    draft = office.draft(job)
    assert (draft["mapping_errors"], draft["valid"]) == ({}, 2)
    office.review(job)
    office.reached(job, "completed")
    assert len(office.rows()) == 2


def test_a_rejected_draft_applies_nothing(office: Office) -> None:
    job = office.begin("csv_import", wanted(office.upload(GOOD.encode())))
    office.draft(job)
    office.review(job, word="reject")
    done = office.reached(job, "completed")
    assert done["result_summary"] == {"approved": False, "rows": 2, "applied": 0}
    assert office.rows() == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"columns": [{"column": "Name"}]}, "`field`"),
        ({"columns": [{"column": "Name", "field": "a", "type": "money"}]}, "columns[0].type"),
        ({"unique": ["nothing"]}, "no column fills"),
        ({"columns": [COLUMNS[0], COLUMNS[0]]}, "two columns go to the field 'name'"),
        ({"upload": "../../etc/passwd"}, "upload"),
    ],
)
def test_a_wrong_mapping_is_refused_at_once(office: Office, wrong: object, said: str) -> None:
    given = wanted("0" * 32) | wrong  # type: ignore[operator]
    reply = office.post("/api/processes", {"type": "csv_import", "input": given}, 422)
    assert said in reply["errors"]["input"][0]


def test_what_cannot_be_found_fails_the_job_and_says_so(office: Office) -> None:
    gone = office.begin("csv_import", wanted("0" * 32))
    assert "upload" in office.reached(gone, "failed")["error_message"]
    upload = office.upload(GOOD.encode())
    lost = office.begin("csv_import", wanted(upload, target="nowhere"))
    assert "no target 'nowhere'" in office.reached(lost, "failed")["error_message"]
