"""An asset's download is bounded in every direction."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asset_server import VIDEO, assets

from procession.capabilities.capability import RunStopped
from procession.capabilities.download import DownloadFailed, download


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with assets() as url:
        yield url


def go_on() -> None:
    """Nobody asked to stop."""


def test_an_asset_is_fetched_whole(server: str, tmp_path: Path) -> None:
    asset = download(f"{server}/video.mp4", tmp_path / "a", go_on)
    assert (tmp_path / "a").read_bytes() == VIDEO
    assert asset.sha256 == hashlib.sha256(VIDEO).hexdigest()
    assert asset.size_bytes == len(VIDEO)


@pytest.mark.parametrize(
    ("path", "limits", "message", "retry"),
    [
        ("missing", {}, "answered 404", False),
        ("broken", {}, "answered 503", True),
        ("moved", {}, "answered 302", False),
        ("empty", {}, "is empty", False),
        ("short", {}, "bytes", True),
        ("endless", {"bytes_max": 1_000_000}, "larger than 1000000 bytes", False),
        ("endless", {"seconds_max": 0.2}, "too long", True),
        ("silent", {"silence_s": 0.2}, "could not be fetched: .*timed out", True),
    ],
)
def test_what_is_wrong_with_an_asset_is_said(
    server: str, tmp_path: Path, path: str, limits: dict[str, Any], message: str, retry: bool
) -> None:
    with pytest.raises(DownloadFailed, match=message) as failure:
        download(f"{server}/{path}", tmp_path / "a", go_on, **limits)
    assert failure.value.retry == retry


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://127.0.0.1/x", "data:,x", "x"])
def test_only_http_is_spoken(url: str, tmp_path: Path) -> None:
    with pytest.raises(DownloadFailed, match="must be http or https"):
        download(url, tmp_path / "a", go_on)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/x", "http://[::1/x", "http://127.0.0.1:99999/x", "http:///x"]
)
def test_an_address_that_leads_nowhere_fails_with_words(url: str, tmp_path: Path) -> None:
    with pytest.raises(DownloadFailed, match="could not be fetched"):
        download(url, tmp_path / "a", go_on)


def test_a_stop_ends_a_download(server: str, tmp_path: Path) -> None:
    parts = 0

    def told_at_the_third() -> None:
        nonlocal parts
        parts += 1
        if parts == 3:
            raise RunStopped

    began = time.monotonic()
    with pytest.raises(RunStopped):
        download(f"{server}/endless", tmp_path / "a", told_at_the_third)
    assert time.monotonic() - began < 10


def test_a_proxy_in_the_environment_is_not_used(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert download(f"{server}/video.mp4", tmp_path / "a", go_on).size_bytes == len(VIDEO)
