"""Files in a bucket of S3 or of anything that speaks its protocol."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from procession.files.keys import FileMissing, make_key, read_key
from procession.files.store import (
    PIECE_BYTES,
    FilesAway,
    OpenFile,
    StoredFile,
    counted,
    described,
)

if TYPE_CHECKING:
    from obstore import Attributes, GetResult
    from obstore.store import S3Config

PART_BYTES = 8 * 1_048_576
RETRIES_MAX = 2
RETRY_S_MAX = 10
REQUEST_S_MAX = 60
CONNECT_S_MAX = 5
_REGION = "us-east-1"
_NAME = "name"


class Bucket(NamedTuple):
    """Where a bucket is; an empty `endpoint` is Amazon's, empty keys are the environment's."""

    name: str
    prefix: str = ""
    endpoint: str = ""
    region: str = _REGION
    key_id: str = ""
    key_secret: str = ""


def parse_bucket(url: str, key_id: str = "", key_secret: str = "") -> Bucket:
    """Read `s3://bucket/prefix?endpoint=https://host&region=name`. Raises ValueError."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
    if parts.scheme != "s3" or not parts.netloc or "@" in parts.netloc:
        raise ValueError("a bucket is written s3://bucket/prefix")
    endpoint, region = query.pop("endpoint", ""), query.pop("region", _REGION)
    if query:
        raise ValueError(f"a bucket takes endpoint and region, not {', '.join(query)}")
    if endpoint and not endpoint.startswith(("http://", "https://")):
        raise ValueError("an endpoint begins with https:// or http://")
    return Bucket(parts.netloc, parts.path.strip("/"), endpoint, region, key_id, key_secret)


class S3Files:
    """A FileStore in a bucket. Several servers may share it."""

    def __init__(self, bucket: Bucket) -> None:
        self._store = _open(bucket)

    async def put(
        self,
        org: str,
        name: str,
        chunks: AsyncIterator[bytes],
        *,
        content_type: str,
        bytes_max: int,
        folder: str = "",
    ) -> StoredFile:
        key = make_key(org, folder, name, secrets.token_hex(16)).text
        empty = described(key, name, 0, content_type)
        kept: Attributes = {"Content-Type": empty.type, _NAME: quote(empty.name)}
        size = [0]
        with _written():
            await obstore.put_async(
                self._store,
                key,
                counted(chunks, bytes_max, size),
                attributes=kept,
                use_multipart=True,
                chunk_size=PART_BYTES,
                max_concurrency=1,
            )
        return described(key, name, size[0], content_type)

    async def find(self, key: str) -> StoredFile:
        read_key(key)
        with _reached():
            return _described(
                key, await obstore.get_async(self._store, key, options={"head": True})
            )

    async def open(self, key: str, first: int = 0, end: int | None = None) -> OpenFile:
        read_key(key)
        with _reached():
            got = await self._get(key, first, end)
        file = _described(key, got)
        stop = got.range[1] if file.size else 0
        return OpenFile(file, first, stop, _pieces(got))

    async def exists(self, org: str, key: str) -> bool:
        try:
            return read_key(key).org == org and bool(await self.find(key))
        except FileMissing:
            return False

    async def delete(self, key: str) -> None:
        with contextlib.suppress(FileMissing):
            read_key(key)
            with _reached():
                await obstore.delete_async(self._store, key)

    async def tidy(self, now_ms: int) -> int:
        """Nothing: what was cut off goes by the bucket's own rule for unfinished uploads."""
        return 0

    async def _get(self, key: str, first: int, end: int | None) -> GetResult:
        if end is not None and end > first:
            return await obstore.get_async(self._store, key, options={"range": (first, end)})
        if first:
            return await obstore.get_async(self._store, key, options={"range": {"offset": first}})
        return await obstore.get_async(self._store, key)


def _open(bucket: Bucket) -> S3Store:
    return S3Store(
        bucket.name,
        prefix=bucket.prefix or None,
        region=bucket.region,
        virtual_hosted_style_request=not bucket.endpoint,
        client_options={
            "allow_http": bucket.endpoint.startswith("http://"),
            "timeout": timedelta(seconds=REQUEST_S_MAX),
            "connect_timeout": timedelta(seconds=CONNECT_S_MAX),
        },
        retry_config={
            "max_retries": RETRIES_MAX,
            "retry_timeout": timedelta(seconds=RETRY_S_MAX),
        },
        config=_given(bucket),
    )


def _given(bucket: Bucket) -> S3Config:
    """What is set; the rest comes from the environment."""
    given: S3Config = {}
    if bucket.endpoint:
        given["endpoint"] = bucket.endpoint
    if bucket.key_id:
        given["access_key_id"] = bucket.key_id
        given["secret_access_key"] = bucket.key_secret
    return given


def _described(key: str, got: GetResult) -> StoredFile:
    words = got.attributes
    name = unquote(words.get(_NAME, "")) or key.rpartition("/")[2]
    return described(key, name, got.meta["size"], words.get("Content-Type", ""))


async def _pieces(got: GetResult) -> AsyncGenerator[bytes, None]:
    with _reached():
        async for piece in got.stream(PIECE_BYTES):
            yield bytes(piece)


@contextlib.contextmanager
def _reached() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise FileMissing from None
    except BaseError as reason:
        raise _away(reason) from None


@contextlib.contextmanager
def _written() -> Iterator[None]:
    """Where nothing is looked for, what is not found is the bucket."""
    try:
        yield
    except (BaseError, FileNotFoundError) as reason:
        raise _away(reason) from None


def _away(reason: Exception) -> FilesAway:
    return FilesAway(f"the bucket of files does not answer: {type(reason).__name__}")
