"""Uploads: bounded, each tenant's own, whole or not there."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from deadline import until
from importing import TOKEN, Office

from procession.core.errors import NotFound, Overloaded
from procession.uploads import AT_ONCE_MAX, KEPT_MS, PIECE_BYTES, QuotaReached, Uploads, UploadsOff


def files(office: Office) -> list[Path]:
    return sorted((office.home / "procession.db.uploads").glob("*/*"))


def test_a_file_comes_back_in_pieces_as_it_went_in(office: Office) -> None:
    data = bytes(range(256)) * (PIECE_BYTES // 256) + b"the end"
    upload_id = office.upload(data, "a%2Fb%01c.csv")
    shown = office.call("GET", f"/api/uploads/{upload_id}").body
    assert (shown["name"], shown["bytes"]) == ("a_b_c.csv", len(data))
    pieces = [
        office.call("GET", f"/api/uploads/{upload_id}/content?offset={offset}")
        for offset in (0, PIECE_BYTES, len(data))
    ]
    assert b"".join(piece.body for piece in pieces) == data
    assert pieces[0].headers["x-upload-bytes"] == str(len(data))


def test_what_is_too_large_or_unknown_or_unsigned_is_refused(office: Office) -> None:
    before = files(office)
    said = {"Content-Length": str(300 * 1024 * 1024)}
    assert office.call("POST", "/api/uploads", b"x", **said).status == 413
    assert office.call("GET", "/api/uploads/" + "0" * 32).status == 404
    assert office.call("GET", "/api/uploads/..%2f..%2fprocession.db").status == 404
    assert office.call("POST", "/api/uploads", b"x", Authorization="Bearer none").status == 401
    assert files(office) == before


def test_an_upload_that_breaks_off_leaves_nothing(office: Office) -> None:
    before = files(office)
    with socket.create_connection(("127.0.0.1", office.port)) as client:
        head = f"POST /api/uploads HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
        client.sendall(head.encode() + b"Content-Length: 1000000\r\n\r\n" + b"x" * 1000)
        until(lambda: len(files(office)) > len(before), 10, "it has begun")
    until(lambda: files(office) == before, 10, "what had come is gone")


def test_no_tenant_sees_anothers_and_old_ones_go(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path)
    receiving = uploads.begin(1, "x")
    receiving.add(b"data")
    made = receiving.finish()
    receiving.drop()
    assert uploads.find(1, made.id) == made
    for wrong in (made.id.upper(), "../1/" + made.id):
        with pytest.raises(NotFound):
            uploads.find(1, wrong)
    with pytest.raises(NotFound):
        uploads.find(2, made.id)
    now_ms = int((tmp_path / "1" / f"{made.id}.data").stat().st_mtime * 1_000)
    assert uploads.prune(now_ms + KEPT_MS - 60_000) == 0
    assert uploads.prune(now_ms + KEPT_MS + 60_000) == 2
    with pytest.raises(NotFound):
        uploads.find(1, made.id)


def test_uploads_are_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UploadsOff):
        Uploads(None).begin(1, "x")
    uploads = Uploads(tmp_path)
    open_ones = [uploads.begin(1, "x") for _ in range(AT_ONCE_MAX)]
    with pytest.raises(Overloaded):
        uploads.begin(1, "x")
    open_ones[0].finish()
    for one in open_ones:
        one.drop()
    monkeypatch.setattr("procession.uploads.TENANT_FILES_MAX", 1)
    with pytest.raises(QuotaReached):
        uploads.begin(1, "x")
    uploads.begin(2, "x").drop()
