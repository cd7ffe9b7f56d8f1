"""What every store of files promises, asked of each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from stores import Place, chunks_of, place_of

from procession.core.errors import Invalid
from procession.files.keys import FileMissing
from procession.files.store import FileTooLarge, StoredFile

MIB = 1_048_576


@pytest.fixture(scope="module", params=["disk", "s3"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    with place_of(request.param) as made:
        yield made


def put(place: Place, *chunks: bytes, **given: str) -> StoredFile:
    words = {"org": "7", "folder": "", "name": "note.txt", "content_type": "text/plain"} | given
    return asyncio.run(place.store.put(chunks=chunks_of(*chunks), bytes_max=20 * MIB, **words))


def read(place: Place, key: str, first: int = 0, end: int | None = None) -> bytes:
    async def whole() -> bytes:
        opened = await place.store.open(key, first, end)
        data = b"".join([chunk async for chunk in opened.chunks])
        assert len(data) == opened.end - opened.first
        return data

    return asyncio.run(whole())


def test_what_was_put_is_read_as_it_was(place: Place) -> None:
    file = put(place, b"hello ", b"", b"world", name="Rechnung März 日本.PDF", folder="bills")
    assert (file.size, file.type, file.name) == (11, "text/plain", "Rechnung März 日本.PDF")
    assert file.key.startswith("7/bills.") and file.key.isascii()
    assert read(place, file.key) == b"hello world"
    assert asyncio.run(place.store.find(file.key)) == file


def test_an_empty_file_is_a_file(place: Place) -> None:
    file = put(place)
    assert file.size == 0
    assert read(place, file.key) == read(place, file.key, 0, 0) == b""


def test_a_large_file_goes_through_in_pieces(place: Place) -> None:
    piece = bytes(range(256)) * 4_096
    file = put(place, *[piece] * 11)
    assert file.size == 11 * MIB
    assert read(place, file.key) == piece * 11


def test_a_part_is_read_from_anywhere(place: Place) -> None:
    file = put(place, b"0123456789")
    assert read(place, file.key, 3, 6) == b"345"
    assert read(place, file.key, 7) == b"789"
    assert read(place, file.key, 8, 99) == b"89"
    assert read(place, file.key, 0, 1) == b"0"


def test_a_file_that_is_too_large_leaves_nothing(place: Place) -> None:
    before = place.leftovers()
    for size in (1, 10 * MIB):
        endless = chunks_of(*[b"x" * (size // 2 + 1)] * 3)
        with pytest.raises(FileTooLarge):
            asyncio.run(place.store.put("7", "a", endless, content_type="", bytes_max=size))
    assert place.leftovers() == before


def test_a_body_that_breaks_off_leaves_nothing(place: Place) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"x" * 9 * MIB
        raise ConnectionResetError

    before = place.leftovers()
    with pytest.raises(ConnectionResetError):
        asyncio.run(place.store.put("7", "a", broken(), content_type="", bytes_max=20 * MIB))
    assert place.leftovers() == before


def test_another_organizations_file_does_not_exist(place: Place) -> None:
    key = put(place, b"secret").key
    assert asyncio.run(place.store.exists("7", key))
    assert not asyncio.run(place.store.exists("8", key))
    assert not asyncio.run(place.store.exists("8", "8" + key[1:]))
    with pytest.raises(FileMissing):
        asyncio.run(place.store.find("8" + key[1:]))


def test_a_key_serves_its_own_name_only(place: Place) -> None:
    key = put(place, b"x").key
    with pytest.raises(FileMissing):
        asyncio.run(place.store.open(key.replace("note", "nota")))


def test_two_files_of_one_name_stay_apart(place: Place) -> None:
    first, second = put(place, b"1"), put(place, b"2")
    assert first.key != second.key
    assert (read(place, first.key), read(place, second.key)) == (b"1", b"2")


def test_what_was_deleted_is_gone_and_may_be_deleted_again(place: Place) -> None:
    key = put(place, b"x").key
    for _ in range(2):
        asyncio.run(place.store.delete(key))
        assert not asyncio.run(place.store.exists("7", key))
        with pytest.raises(FileMissing):
            asyncio.run(place.store.open(key))


@pytest.mark.parametrize("folder", ["..", "a/b", "a.b", " ", "é", "x" * 65, "a\n"])
def test_a_folder_is_letters_digits_hyphens_and_underscores(place: Place, folder: str) -> None:
    with pytest.raises(Invalid, match="folder"):
        put(place, b"x", folder=folder)


def test_a_type_that_is_none_is_kept_as_unknown(place: Place) -> None:
    hostile = 'text/html"\r\nx-evil: 1'
    assert put(place, b"x", content_type=hostile).type == "application/octet-stream"
    assert put(place, b"x", content_type="Text/CSV; charset=x").type == "text/csv"
