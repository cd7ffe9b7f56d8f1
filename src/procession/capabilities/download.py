"""Fetches an asset over HTTP into a file, with a bound on everything."""

from __future__ import annotations

import hashlib
import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO

from msgspec import Struct

from procession.capabilities.capability import RunFailed

ASSET_BYTES_MAX = 512 * 1024 * 1024
SILENCE_S_MAX = 20.0
DOWNLOAD_S_MAX = 900.0
PART_BYTES = 65_536
RETRIED_STATUSES = frozenset({408, 425, 429})


class DownloadFailed(RunFailed):
    """The asset could not be fetched."""


class Asset(Struct, frozen=True):
    """A file that was fetched."""

    sha256: str
    size_bytes: int


Download = Callable[[str, Path, Callable[[], None]], Asset]
"""`(url, target, go_on)`: `go_on` is called now and then and raises RunStopped to end it."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object, **__: object) -> None:
        """None has urllib raise the redirect as an HTTPError."""


def download(
    url: str,
    target: Path,
    go_on: Callable[[], None],
    *,
    bytes_max: int = ASSET_BYTES_MAX,
    seconds_max: float = DOWNLOAD_S_MAX,
    silence_s: float = SILENCE_S_MAX,
) -> Asset:
    """Fetch the URL into the file. Redirects are refused. Raises DownloadFailed."""
    if not url.lower().startswith(("http://", "https://")):
        raise DownloadFailed("an asset's URL must be http or https")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirects)
    until = time.monotonic() + seconds_max
    try:
        with opener.open(url, timeout=silence_s) as answer, target.open("wb") as file:
            asset = _copy(answer, file, bytes_max, until, go_on)
            expected = answer.headers.get("Content-Length")
    except urllib.error.HTTPError as answer:
        with answer:
            retry = answer.code >= 500 or answer.code in RETRIED_STATUSES
            raise DownloadFailed(
                f"the asset's server answered {answer.code}", retry=retry
            ) from None
    except ValueError as reason:
        raise DownloadFailed(f"the asset could not be fetched: {reason}") from None
    except (OSError, http.client.HTTPException) as reason:
        raise DownloadFailed(f"the asset could not be fetched: {reason}", retry=True) from None
    if asset.size_bytes == 0:
        raise DownloadFailed("the asset is empty")
    if expected is not None and expected != str(asset.size_bytes):
        raise DownloadFailed(f"got {asset.size_bytes} of {expected} bytes", retry=True)
    return asset


def _copy(
    answer: IO[bytes] | http.client.HTTPResponse,
    file: IO[bytes],
    bytes_max: int,
    until: float,
    go_on: Callable[[], None],
) -> Asset:
    digest, size = hashlib.sha256(), 0
    while part := answer.read1(PART_BYTES):  # type: ignore[union-attr]
        size += len(part)
        if size > bytes_max:
            raise DownloadFailed(f"the asset is larger than {bytes_max} bytes")
        if time.monotonic() > until:
            raise DownloadFailed("the asset took too long to fetch", retry=True)
        go_on()
        digest.update(part)
        file.write(part)
    return Asset(digest.hexdigest(), size)
