"""Which store a setting names, and the secret all servers of an installation sign with."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from stores import chunks_of

from procession.files.links import FileLinks, link_secret
from procession.files.opening import open_files
from procession.files.s3 import S3Files
from procession.files.store import FilesOff
from procession.opening import open_engine
from procession.settings import SettingInvalid, Settings


@pytest.mark.parametrize("prefix", ["", "file://"])
def test_a_folder_is_used_wherever_it_is_named(tmp_path: Path, prefix: str) -> None:
    store = open_files(Settings(files_url=f"{prefix}{tmp_path}/kept"))
    asyncio.run(store.put("7", "a", chunks_of(b"x"), content_type="", bytes_max=9))
    assert list((tmp_path / "kept" / "7").iterdir())


def test_without_a_setting_files_lie_beside_the_database(tmp_path: Path) -> None:
    store = open_files(Settings(database=f"sqlite:///{tmp_path}/p.db"))
    asyncio.run(store.put("7", "a", chunks_of(b"x"), content_type="", bytes_max=9))
    assert (tmp_path / "p.db.files" / "7").is_dir()


def test_postgresql_has_no_files_until_a_setting_names_a_place() -> None:
    with pytest.raises(FilesOff):
        open_files(Settings(database="postgresql://db/p"))
    assert isinstance(
        open_files(Settings(database="postgresql://db/p", files_url="s3://bucket")), S3Files
    )
    with pytest.raises(SettingInvalid, match="files_url"):
        open_files(Settings(files_url="s3://bucket?oops=1"))


def test_the_secret_of_links_is_made_once_and_kept(tmp_path: Path) -> None:
    kept = Settings(database=f"sqlite:///{tmp_path}/p.db")
    given = Settings(database=kept.database, file_secret="x" * 32)

    async def secrets_of(settings: Settings) -> list[bytes]:
        async with open_engine(settings) as engine:
            return [await link_secret(engine) for _ in range(2)]

    first, second = asyncio.run(secrets_of(kept))
    assert first == second and len(first) == 64
    assert asyncio.run(secrets_of(kept)) == [first, first]
    assert asyncio.run(secrets_of(given)) == [b"x" * 32] * 2
    key = "7/" + "0" * 32 + "/a"
    assert FileLinks(first).sign(key, 5) == FileLinks(second).sign(key, 5)
    with pytest.raises(ValueError, match="file_secret"):
        Settings(file_secret="short")
