"""The two stores under test: a folder, and a bucket of a real S3-compatible server."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import Request, urlopen

from moto.server import ThreadedMotoServer

from procession.files.disk import DiskFiles
from procession.files.s3 import Bucket, S3Files, parse_bucket
from procession.files.store import FileStore

BUCKET = "forms"


class Place:
    """A store, and a look past it at what is really kept."""

    def __init__(self, store: FileStore, root: Path | None = None, endpoint: str = "") -> None:
        self.store = store
        self._root = root
        self._endpoint = endpoint

    def leftovers(self) -> str:
        """What is kept of files that were not finished, and of all others."""
        if self._root is not None:
            return " ".join(sorted(str(p) for p in self._root.glob("*/*")))
        return "".join(
            text
            for query in ("uploads", "list-type=2")
            for text in [_ask(f"{self._endpoint}/{BUCKET}?{query}")]
            if "<Key>" in text
        )


@contextmanager
def s3_server() -> Iterator[str]:
    """The address of a server with one empty bucket."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        _ask(f"http://{host}:{port}/moto-api/reset", "POST")
        _ask(f"http://{host}:{port}/{BUCKET}", "PUT")
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def bucket_at(endpoint: str) -> Bucket:
    return parse_bucket(f"s3://{BUCKET}/kept?endpoint={endpoint}", "key", "secret")


@contextmanager
def place_of(kind: str) -> Iterator[Place]:
    if kind == "s3":
        with s3_server() as endpoint:
            yield Place(S3Files(bucket_at(endpoint)), endpoint=endpoint)
    else:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder) / "files"
            yield Place(DiskFiles(root), root)


async def chunks_of(*chunks: bytes) -> AsyncGenerator[bytes, None]:
    for chunk in chunks:
        yield chunk


def _ask(url: str, method: str = "GET") -> str:
    with urlopen(Request(url, method=method)) as answer:
        text: str = answer.read().decode()
    return text
