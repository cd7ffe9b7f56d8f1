"""Files over the sync service, with both binaries and with its older words."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import adbutils
import pytest
from own_adb import OwnAdb

from procession.simulator.faults import Fault
from procession.simulator.files import FILES_BYTES_MAX
from procession.simulator.phone import Phone

BYTES = random.Random(3).randbytes(3_000_000)


def test_three_megabytes_survive_the_way_there_and_back(
    adb: OwnAdb, phone: Phone, tmp_path: Path
) -> None:
    there, back = tmp_path / "there.bin", tmp_path / "back.bin"
    there.write_bytes(BYTES)
    assert adb.on(phone, "push", str(there), "/sdcard/new/folder/x.bin").returncode == 0
    assert adb.on(phone, "pull", "/sdcard/new/folder/x.bin", str(back)).returncode == 0
    assert back.read_bytes() == BYTES
    digest = hashlib.sha256(BYTES).hexdigest()
    said = adb.shell(phone, "sha256sum /storage/emulated/0/new/folder/x.bin").stdout
    assert said.split()[0] == digest


def test_a_folder_is_pushed_and_pulled_whole(adb: OwnAdb, phone: Phone, tmp_path: Path) -> None:
    folder = tmp_path / "album" / "inner"
    folder.mkdir(parents=True)
    (folder / "a.txt").write_text("a")
    (folder.parent / "empty").write_bytes(b"")
    assert adb.on(phone, "push", str(folder.parent), "/sdcard/").returncode == 0
    assert adb.on(phone, "pull", "/sdcard/album", str(tmp_path / "back")).returncode == 0
    assert (tmp_path / "back" / "inner" / "a.txt").read_text() == "a"
    assert (tmp_path / "back" / "empty").read_bytes() == b""


def test_a_missing_file_cannot_be_pulled(adb: OwnAdb, phone: Phone, tmp_path: Path) -> None:
    answer = adb.on(phone, "pull", "/sdcard/none", str(tmp_path / "x"))
    assert answer.returncode == 1
    assert not (tmp_path / "x").exists()


def test_a_full_phone_refuses_a_push(adb: OwnAdb, phone: Phone, tmp_path: Path) -> None:
    phone.faults.set(Fault.LOW_STORAGE)
    big = tmp_path / "big.bin"
    big.write_bytes(bytes(FILES_BYTES_MAX + 1))
    answer = adb.on(phone, "push", str(big), "/sdcard/big.bin")
    assert answer.returncode == 1
    assert "No space left on device" in answer.stdout + answer.stderr
    assert adb.shell(phone, "ls /sdcard/big.bin").returncode == 1


def test_files_are_made_listed_and_removed(adb: OwnAdb, phone: Phone) -> None:
    line = "mkdir -p /sdcard/a/b && echo hi > /sdcard/a/b/f && cat /sdcard/a/b/f && ls /sdcard/a/b"
    assert adb.shell(phone, line).stdout == "hi\nf\n"
    assert adb.shell(phone, "rm /sdcard/a").returncode == 1
    assert adb.shell(phone, "rm -rf /sdcard/a; ls /sdcard/a").returncode == 1
    assert "DCIM" in adb.on(phone, "ls", "/sdcard").stdout


def test_the_older_words_of_the_file_service_work(adb: OwnAdb, phone: Phone) -> None:
    sync = adbutils.AdbClient("127.0.0.1", adb.port).device(phone.address).sync
    sync.push(b"hello", "/sdcard/old.txt", mode=0o640)
    found = sync.stat("/sdcard/old.txt")
    assert (found.size, found.mode & 0o777) == (5, 0o640)
    assert sync.stat("/sdcard/none").mode == 0
    assert "old.txt" in [entry.path for entry in sync.list("/sdcard")]
    assert sync.read_bytes("/sdcard/old.txt") == b"hello"
    with pytest.raises(adbutils.AdbError, match="No such file"):
        sync.read_bytes("/sdcard/none")
