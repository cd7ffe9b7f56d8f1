"""Files over HTTP: taken in whole, given out by signature only, gone with nobody's mistake."""

from __future__ import annotations

from collections.abc import Iterator
from json import dumps
from pathlib import Path

import pytest
from living_server import OURS, READER, Api, Living, living
from made_tasks import ANSWER, created, faults, form, seen, uploaded

from procession import loops
from procession.engine import Engine

FILE_BYTES_MAX = 2_048
MONTHS_MS = 90 * 86_400_000


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A server for small files, whose address is told by a setting."""
    folder: Path = tmp_path_factory.mktemp("small")
    words = {"file_bytes_max": FILE_BYTES_MAX, "public_url": "https://forms.example.com/"}
    with living(folder, **words) as server:
        api = Api(server.port, OURS)
        yield api
        api.close()


def test_a_file_is_kept_and_read_by_its_link(small: Api) -> None:
    reply = uploaded(small, "../a b.csv", b"x,y\n", "text/csv; charset=utf-8", folder="inbox")
    assert reply.status == 201 and reply.headers["location"] == reply.json["url"]
    kept = reply.json
    assert list(kept) == ["url", "key", "name", "size", "type"]
    assert (kept["name"], kept["size"], kept["type"]) == ("a b.csv", 4, "text/csv")
    assert kept["key"].startswith("org-1/inbox.") and kept["key"].endswith("/a_b.csv")
    assert kept["url"].startswith(f"https://forms.example.com/api/v1/files/{kept['key']}?")
    path = kept["url"].removeprefix("https://forms.example.com")
    whole, part = small.as_(None).get(path), small.as_(None).get(path, Range="bytes=2-")
    assert (whole.status, whole.body, whole.headers["x-content-type-options"]) == (
        200,
        b"x,y\n",
        "nosniff",
    )
    assert whole.headers["content-disposition"].startswith("attachment;")
    assert (part.status, part.body, part.headers["content-range"]) == (
        206,
        b"y\n",
        "bytes 2-3/4",
    )
    assert small.as_(None).get(path, Range="bytes=9-").status == 416
    expired = path.replace("expires=", "expires=0")
    assert small.as_(None).get(expired).status == 404


def test_what_cannot_be_kept_is_refused(small: Api) -> None:
    assert uploaded(small, "a.bin", b"x" * FILE_BYTES_MAX).status == 201
    assert uploaded(small, "a.bin", b"x" * (FILE_BYTES_MAX + 1)).status == 413
    assert faults(uploaded(small, "a", b"x", folder="../up")) == ["folder"]
    for body, kind in (
        (b"{}", "application/json"),
        (b"--edge\r\n", "multipart/form-data; boundary=edge"),
        (b"", "multipart/form-data"),
    ):
        assert small.send("POST", "/api/v1/files", body, Content_Type=kind).status == 400
    empty = b'--e\r\nContent-Disposition: form-data; name="folder"\r\n\r\na\r\n--e--\r\n'
    reply = small.send(
        "POST", "/api/v1/files", empty, Content_Type="multipart/form-data; boundary=e"
    )
    assert faults(reply) == ["file"]
    assert uploaded(small.as_(None), "a", b"x").status == 401
    assert uploaded(small.as_(READER), "a", b"x").status == 403


def test_links_begin_with_the_public_address(small: Api) -> None:
    task = created(small)
    assert task["url"] == f"https://forms.example.com/t/{task['link_id']}"


def test_a_server_without_a_place_for_files_says_so(tmp_path: Path) -> None:
    from procession.files.opening import open_files
    from procession.files.store import FilesOff
    from procession.settings import Settings

    with pytest.raises(FilesOff):
        open_files(Settings(database="postgresql://nowhere"))


def test_retention_takes_a_task_with_its_links(tmp_path: Path) -> None:
    with living(tmp_path) as server:
        api = Api(server.port, OURS)
        old, waiting = created(api, metadata={"a": "1"}), created(api)
        api.post(f"/api/v1/tasks/{old['task_id']}/complete", {"data": ANSWER})
        assert server.call(pruned) == 1
        assert api.get(f"/api/v1/tasks/{old['task_id']}").status == 404
        assert api.as_(None).get(f"/t/{old['link_id']}").status == 404
        assert api.get("/api/v1/tasks?meta.a=1").json["total"] == 0
        assert api.get("/api/v1/tasks?search=sign").json["total"] == 1
        assert seen(api, waiting["task_id"])["status"] == "pending"
        api.close()


async def pruned(engine: Engine) -> int:
    return await loops.Retention(engine).step(engine.now_ms() + MONTHS_MS)


def test_links_name_no_host_that_is_none(api: Api, server: Living) -> None:
    for host in ("evil.example/x", "a b", "<script>", "x" * 300, "a@b"):
        reply = api.send("POST", "/api/v1/tasks", dumps(form()).encode(), Host=host)
        assert reply.status == 201, reply
        assert reply.json["url"].startswith("http://127.0.0.1:"), "where it listens"
    assert created(api)["url"].startswith(f"http://127.0.0.1:{server.port}/t/")
