"""The store of files a setting names."""

from __future__ import annotations

from pathlib import Path

from procession.files.disk import DiskFiles
from procession.files.store import FilesOff, FileStore
from procession.opening import SQLITE
from procession.settings import SettingInvalid, Settings


def open_files(settings: Settings) -> FileStore:
    """Where `files_url` says, else beside the SQLite file.

    Raises FilesOff where there is none, SettingInvalid when it cannot be read.
    """
    url = settings.files_url
    if url.startswith("s3://"):
        from procession.files.s3 import S3Files, parse_bucket

        try:
            bucket = parse_bucket(url, settings.files_key_id, settings.files_key_secret)
        except ValueError as error:
            raise SettingInvalid(f"settings: files_url: {error}") from None
        return S3Files(bucket)
    if url:
        return DiskFiles(Path(url.removeprefix("file://")))
    if settings.database.startswith(SQLITE) and ":memory:" not in settings.database:
        return DiskFiles(Path(settings.database.removeprefix(SQLITE) + ".files"))
    raise FilesOff
