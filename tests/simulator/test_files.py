"""The phone's bounded file system."""

from __future__ import annotations

import pytest

from procession.simulator.files import FILE_MODE, FILES_BYTES_MAX, FileRefused, Files

HALF = bytes(FILES_BYTES_MAX // 2)


def test_space_is_bounded_and_comes_back_when_files_go() -> None:
    files = Files()
    files.write("/sdcard/a", HALF, FILE_MODE, 0)
    files.write("/sdcard/b", HALF, FILE_MODE, 0)
    with pytest.raises(FileRefused, match="No space left on device"):
        files.write("/sdcard/c", b"x", FILE_MODE, 0)
    files.write("/sdcard/a", b"", FILE_MODE, 0)
    files.write("/sdcard/c", b"x", FILE_MODE, 0)
    files.remove("/sdcard", recursive=True)
    assert files.bytes_used == 0


def test_one_file_has_one_place_however_it_is_spelled() -> None:
    files = Files()
    files.write("/storage/emulated/0/./x/../f", b"1", FILE_MODE, 0)
    assert files.read("//sdcard//f") == b"1"
    assert "f" in files.names("/mnt/sdcard/")


@pytest.mark.parametrize("path", ["/nowhere/f", "/sdcard", "/", "/sdcard/" + "n" * 1100])
def test_a_file_cannot_be_where_it_makes_no_sense(path: str) -> None:
    files = Files()
    with pytest.raises(FileRefused):
        files.write(path, b"x", FILE_MODE, 0)
    assert files.bytes_used == 0


def test_a_file_holds_no_files() -> None:
    files = Files()
    files.write("/sdcard/f", b"x", FILE_MODE, 0)
    with pytest.raises(FileRefused):
        files.write("/sdcard/f/g", b"x", FILE_MODE, 0, parents=True)
    with pytest.raises(FileRefused):
        files.remove("/")
