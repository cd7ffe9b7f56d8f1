"""What the spool remembers over the end of a process, and what it forgets."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from msgspec import Raw

from procession.agent import spool as spool_file
from procession.agent.spool import Spool
from procession.protocol import Result


def result(item_id: str, said: bytes = b"{}") -> Result:
    return Result(item_id, 1, "completed", Raw(said))


def test_results_come_back_in_order_until_they_are_answered(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "s")
    spool.put([result("one", b'{"n":1}'), result("two")])
    spool.sync()
    spool.close()

    spool = Spool(tmp_path / "s")
    assert spool.waiting() == [result("one", b'{"n":1}'), result("two")]
    spool.done([("one", 1)])
    spool.close()

    spool = Spool(tmp_path / "s")
    assert spool.waiting() == [result("two")]
    spool.close()


def test_a_result_is_never_sent_with_another_content(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "s")
    spool.put([result("one", b'{"first":true}')])
    assert spool.put([result("one", b'{"first":false}')]) == [result("one", b'{"first":true}')]
    spool.close()
    spool = Spool(tmp_path / "s")
    assert spool.put([result("one")]) == [result("one", b'{"first":true}')]
    spool.close()


def test_a_run_under_way_is_remembered_until_it_has_a_result(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "s")
    spool.begin("one", 1)
    spool.begin("two", 3)
    spool.put([result("one")])
    spool.close()
    spool = Spool(tmp_path / "s")
    assert [(run.item_id, run.attempt) for run in spool.interrupted()] == [("two", 3)]
    spool.close()


def test_a_line_torn_in_the_middle_harms_no_other(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "s")
    spool.put([result("one")])
    spool.close()
    with (tmp_path / "s").open("ab") as file:
        file.write(b'{"result":{"item_id"\n')
    spool = Spool(tmp_path / "s")
    spool.put([result("two")])
    spool.close()
    spool = Spool(tmp_path / "s")
    assert [one.item_id for one in spool.waiting()] == ["one", "two"]
    spool.close()


def test_the_file_does_not_grow_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_file, "TIDY_BYTES_MIN", 10_000)
    spool = Spool(tmp_path / "s")
    spool.put([result("kept")])
    for number in range(500):
        name = f"item-{number}"
        spool.begin(name, 1)
        spool.put([result(name)])
        spool.done([(name, 1)])
    assert (tmp_path / "s").stat().st_size < 12_000
    spool.close()
    spool = Spool(tmp_path / "s")
    assert spool.waiting() == [result("kept")]
    spool.close()


def test_too_many_waiting_results_are_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_file, "RESULTS_MAX", 2)
    spool = Spool(tmp_path / "s")
    spool.put([result("one")])
    assert not spool.full
    spool.put([result("two")])
    assert spool.full
    spool.close()


def test_a_disk_that_takes_nothing_does_not_lose_a_result_on_its_way(tmp_path: Path) -> None:
    (tmp_path / "s").touch()
    spool = Spool(tmp_path / "s")
    with open("/dev/full", "wb", buffering=0) as full:
        os.dup2(full.fileno(), spool._fd)
    assert spool.put([result("one")]) == [result("one")]
    spool.sync()
    assert spool.waiting() == [result("one")]
    spool.close()
