"""Links that cannot be guessed or stretched; answers that a browser does not run."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stores import chunks_of

from procession.files.disk import DiskFiles
from procession.files.keys import FileMissing
from procession.files.links import FileLinkExpired, FileLinks
from procession.files.s3 import S3Files, parse_bucket
from procession.files.serving import (
    FileBody,
    RangeUnsatisfiable,
    headers_of,
    sized,
    span,
    type_of,
)
from procession.files.store import FilesAway, OpenFile, StoredFile

KEY = "7/" + "0123456789abcdef" * 2 + "/a.txt"
NOW_MS = 1_774_168_200_000
LINKS = FileLinks(b"a secret of the server")


def parts_of(link: str) -> tuple[str, str, str]:
    parts = urlsplit(link)
    words = parse_qs(parts.query, strict_parsing=True)
    return parts.path.removeprefix("/api/v1/files/"), words["expires"][0], words["signature"][0]


def test_a_link_shows_its_file_until_its_time() -> None:
    link = LINKS.sign(KEY, NOW_MS + 1_000)
    LINKS.verify(*parts_of(link), NOW_MS)
    LINKS.verify(*parts_of(link), NOW_MS + 999)
    with pytest.raises(FileLinkExpired):
        LINKS.verify(*parts_of(link), NOW_MS + 1_000)


@given(st.text(max_size=80), st.text(max_size=20), st.text(max_size=70))
def test_what_was_not_signed_is_missing(key: str, expires: str, signature: str) -> None:
    with pytest.raises(FileMissing):
        LINKS.verify(key, expires, signature, NOW_MS)


def test_no_part_of_a_link_may_be_changed() -> None:
    key, expires, signature = parts_of(LINKS.sign(KEY, NOW_MS + 1_000))
    other = KEY.replace("7/", "8/")
    for changed in (
        (other, expires, signature),
        (key, str(NOW_MS + 1_001), signature),
        (key, "0" + expires, signature),
        (key, expires + " ", signature),
        (key, expires, signature[:-1] + ("0" if signature[-1] != "0" else "1")),
        (key, expires, signature.upper()),
        (key, expires, ""),
        parts_of(FileLinks(b"another secret").sign(KEY, NOW_MS + 1_000)),
    ):
        with pytest.raises(FileMissing):
            LINKS.verify(*changed, NOW_MS)


def test_only_a_key_can_be_signed() -> None:
    for text in ("../x", "7/../a", KEY + "/b", KEY + "?x", ""):
        with pytest.raises(FileMissing):
            LINKS.sign(text, NOW_MS)


def file(name: str, kind: str, size: int = 10) -> StoredFile:
    return StoredFile(KEY, name, size, kind)


@pytest.mark.parametrize(
    "kind",
    ["text/html", "image/svg+xml", "application/pdf", "application/xhtml+xml", "text/xml", ""],
)
def test_what_may_hold_a_script_is_downloaded(kind: str) -> None:
    headers = dict(headers_of(file("a.html", kind)))
    assert headers[b"content-disposition"].startswith(b"attachment;")


def test_every_answer_is_sandboxed_and_never_guessed_at() -> None:
    for kind in ("image/png", "text/plain", "text/html"):
        headers = dict(headers_of(file("a", kind)))
        assert headers[b"x-content-type-options"] == b"nosniff"
        assert b"sandbox" in headers[b"content-security-policy"]
        assert b"default-src 'none'" in headers[b"content-security-policy"]
    assert dict(headers_of(file("a", "image/png")))[b"content-disposition"].startswith(b"inline;")
    assert type_of(file("a", "text/plain")) == b"text/plain; charset=utf-8"


@given(st.text(max_size=40))
def test_no_name_leaves_its_header(name: str) -> None:
    name = name.encode(errors="replace").decode()
    value = dict(headers_of(file(name, "text/csv")))[b"content-disposition"]
    assert b"\r" not in value and b"\n" not in value
    assert value.count(b'"') == 2 and value.isascii()


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 20))
def test_a_range_is_what_a_slice_would_be(first: int, last: int, size: int) -> None:
    data = bytes(range(size))
    for header, expected in (
        (f"bytes={first}-{last}", data[first : last + 1]),
        (f"bytes={first}-", data[first:]),
        (f"bytes=-{last}", data[max(size - last, 0) :]),
    ):
        try:
            found = span(header, size)
        except RangeUnsatisfiable:
            assert expected == b""
            continue
        if found is None:
            assert last < first
        else:
            assert data[slice(*found)] == expected != b""


@pytest.mark.parametrize("header", ["", "bytes=-", "bytes=1-2,4-5", "lines=1-2", "bytes=a-b"])
def test_an_unreadable_range_means_the_whole_file(header: str) -> None:
    assert span(header, 10) is None


def test_a_body_is_written_until_it_is_closed() -> None:
    async def run() -> list[bytes]:
        written: list[bytes] = []
        body = FileBody(chunks_of(b"a", b"b", b"c"))

        async def write(chunk: bytes) -> None:
            written.append(chunk)
            if len(written) == 2:
                body.close()

        await body.run(write)
        return written

    assert asyncio.run(run()) == [b"a", b"b"]


def test_a_part_says_which_it_is() -> None:
    whole, part = ((0, 10), (3, 6))
    assert sized(OpenFile(file("a", ""), *whole, chunks_of())) == ((b"content-length", b"10"),)
    headers = dict(sized(OpenFile(file("a", ""), *part, chunks_of())))
    assert headers == {b"content-length": b"3", b"content-range": b"bytes 3-5/10"}


def test_a_bucket_that_does_not_answer_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("procession.files.s3.RETRIES_MAX", 0)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    store = S3Files(parse_bucket(f"s3://b?endpoint=http://127.0.0.1:{port}", "k", "s"))

    async def put() -> None:
        await store.put("7", "a", chunks_of(b"x"), content_type="", bytes_max=9)

    for call in (put(), store.find(KEY), store.exists("7", KEY), store.delete(KEY)):
        with pytest.raises(FilesAway):
            asyncio.run(call)


def test_a_disk_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file where the folder should be")
    store = DiskFiles(tmp_path / "taken")
    with pytest.raises(FilesAway):
        asyncio.run(store.put("7", "a", chunks_of(b"x"), content_type="", bytes_max=9))


@pytest.mark.parametrize(
    "url", ["s3://", "s3:///a", "s3://k:s@b", "s3://b?x=1", "s3://b?endpoint=ftp://h", "b"]
)
def test_a_bucket_is_named_completely(url: str) -> None:
    with pytest.raises(ValueError, match=r"bucket|endpoint"):
        parse_bucket(url)
