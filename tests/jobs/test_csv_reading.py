"""CSV files as they come: any encoding, any dialect, and broken in any way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from procession.jobs.csv_import.checking import Checker
from procession.jobs.csv_import.mapping import Column
from procession.jobs.csv_import.reading import CsvFile, Unreadable, how_written

NAMED = [Column("name", "name", max_chars=200_000), Column("age", "age", type="int")]
HEAD = "name,age\n"


def read(path: Path, data: bytes, batch_rows: int = 3) -> tuple[list[Any], list[Any]]:
    """The rows that are well, and line and message of what is not."""
    path.write_bytes(data)
    good: list[Any] = []
    wrong: list[Any] = []
    with CsvFile(path, how_written(path)) as file:
        checker = Checker(NAMED, [], file.columns, {})
        for batch in checker.checked(file, batch_rows):
            good += [(row["name"], row["age"]) for row in batch.good]
            wrong += [(error.line, error.message) for error in batch.errors]
    return good, wrong


TEXT = "name,age\nZoë,31\nJürgen,44\nÅsa,27\n"
PEOPLE = [("Zoë", 31), ("Jürgen", 44), ("Åsa", 27)]


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode(),
        TEXT.encode("utf-8-sig"),
        TEXT.encode("utf-16"),
        TEXT.encode("utf-16-le"),
        TEXT.encode("utf-16-be"),
        TEXT.encode("latin-1"),
        TEXT.encode("cp1252"),
        TEXT.replace("\n", "\r\n").encode(),
        TEXT.replace("\n", "\r").encode(),
        TEXT.replace(",", ";").encode(),
        TEXT.replace(",", "\t").encode(),
        TEXT.replace(",", "|").encode(),
        TEXT.rstrip("\n").encode(),
        TEXT.replace("\n", "\n\n").encode(),
        "".join(
            f'"{line.replace(",", chr(34) + "," + chr(34))}"\n' for line in TEXT.split()
        ).encode(),
    ],
    ids=lambda data: repr(data[:12]),
)
def test_the_same_people_are_read_however_they_are_written(tmp_path: Path, data: bytes) -> None:
    assert read(tmp_path / "file", data) == (PEOPLE, [])


@pytest.mark.parametrize("data", [b"", b"\n\n \n", "\ufeff".encode()])
def test_an_empty_file_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(Unreadable, match="empty"):
        read(tmp_path / "file", data)


def test_a_header_alone_has_no_rows(tmp_path: Path) -> None:
    assert read(tmp_path / "file", HEAD.encode()) == ([], [])


def test_a_nul_is_an_error_of_its_row(tmp_path: Path) -> None:
    good, wrong = read(tmp_path / "file", b"name,age\na\0b,1\nc,2\n")
    assert good == [("c", 2)]
    assert wrong == [(2, "holds a NUL character")]


def test_reading_goes_on_after_a_huge_cell(tmp_path: Path) -> None:
    for size in (140_000, 3_000_000):
        data = HEAD + "a,1\n" + "x" * size + ",2\nb,3\n"
        good, wrong = read(tmp_path / "file", data.encode())
        assert good == [("a", 1), ("b", 3)]
        assert [line for line, _ in wrong] == [3]


def test_a_quote_that_is_never_closed_costs_its_lines_only(tmp_path: Path) -> None:
    lines = "".join(f"n{number},{number}\n" for number in range(30_000))
    good, wrong = read(tmp_path / "file", (HEAD + 'a,1\n"b,2\n' + lines).encode(), 1_000)
    assert wrong[0][0] == 3
    assert "up to line" in wrong[0][1]
    assert good[0] == ("a", 1)
    assert good[-1] == ("n29999", 29999)
    skipped = 30_002 - len(good)
    assert 1 < skipped < 20_000


def test_lines_are_counted_through_quoted_breaks_and_blank_lines(tmp_path: Path) -> None:
    data = HEAD + '"a\r\nb",1\n\n"c\nd",x\ne,y\n'
    good, wrong = read(tmp_path / "file", data.encode(), 2)
    assert good == [("a\r\nb", 1)]
    assert wrong == [(5, "is no whole number"), (7, "is no whole number")]


def test_rows_of_another_width_are_errors(tmp_path: Path) -> None:
    good, wrong = read(tmp_path / "file", (HEAD + "a,1,2\nb\nc,3\n").encode())
    assert good == [("c", 3)]
    assert [line for line, _ in wrong] == [2, 3]


def test_bytes_that_are_no_text_are_refused_where_they_are(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(TEXT.encode() + b"\xff\xfe,1\n")
    with (
        pytest.raises(Unreadable, match="not readable as utf-8"),
        CsvFile(path, how_written(path, "utf-8")) as file,
    ):
        list(file.batches(10))
    with pytest.raises(Unreadable, match="cannot be read"):
        how_written(path, "klingon")


@pytest.mark.parametrize("rows", [1, 2, 7, 1_000])
def test_every_row_is_counted_once_whatever_the_batches(tmp_path: Path, rows: int) -> None:
    data = HEAD + "".join(
        f'"n\n{number}",{number}\n'
        if number % 3
        else f"n{number},{'x' if number % 2 else number}\n"
        for number in range(50)
    )
    good, wrong = read(tmp_path / "file", data.encode(), rows)
    assert len(good) + len(wrong) == 50
    assert len({line for line, _ in wrong}) == len(wrong) == 8
