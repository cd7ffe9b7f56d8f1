"""`post_video`: publishes a video of the operator's own through the app's compose screen."""

from __future__ import annotations

import os
import re
import shlex
from contextlib import suppress
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Annotated, Any, ClassVar
from urllib.parse import urlsplit

from msgspec import Meta, Struct, field

from procession.capabilities.app import App
from procession.capabilities.capability import (
    MODES,
    NO_BLOCKS,
    ROUTINGS,
    Job,
    Mode,
    OnInterrupted,
    PhoneFault,
    Routing,
    RunFailed,
)
from procession.capabilities.download import Asset, Download, download
from procession.capabilities.profile import chosen

ID_CHARS_MAX = 200
CAPTION_CHARS_MAX = 4_000
HASHTAGS_MAX = 100
HASHTAG_CHARS_MAX = 100
URL_CHARS_MAX = 2_048
FOLDER = "/sdcard/Download"
FILE_PREFIX = "procession-asset-"
SUFFIX = re.compile(r"\.[a-z0-9]{1,5}")
SUFFIX_DEFAULT = ".mp4"
PUSH_S_MAX = 900.0
TIME_LIMIT_MS = 3_600_000

Identity = Annotated[str, Meta(min_length=1, max_length=ID_CHARS_MAX)]
Url = Annotated[str, Meta(max_length=URL_CHARS_MAX, pattern=r"^https?://[^\s/]+")]
Hashtag = Annotated[str, Meta(min_length=1, max_length=HASHTAG_CHARS_MAX)]


class PostVideoInput(Struct, frozen=True):
    """`sound_id` and `cover_image_path` are the caller's notes: no app profile can set them."""

    content_id: Identity
    video_path: Url
    caption: Annotated[str, Meta(min_length=1, max_length=CAPTION_CHARS_MAX)]
    hashtags: Annotated[list[Hashtag], Meta(max_length=HASHTAGS_MAX)] = []
    account_id: Identity | None = None
    sound_id: Identity | None = None
    cover_image_path: Url | None = None
    metadata: dict[str, Any] = field(default_factory=dict)


class PostVideo:
    """Fetches the video, pushes it to the phone, composes, submits, and sees it posted.

    A run that fails before the submit may be tried again; after it never, since a post that
    went through must not be made twice.
    """

    name: ClassVar[str] = "post_video"
    Input: ClassVar[type[Struct] | None] = PostVideoInput
    modes: ClassVar[frozenset[Mode]] = MODES
    routings: ClassVar[frozenset[Routing]] = ROUTINGS
    blocked: ClassVar[dict[Mode, str]] = NO_BLOCKS
    needs_phone: ClassVar[bool] = True
    on_interrupted: ClassVar[OnInterrupted] = "fail"
    attempts_max: ClassVar[int] = 3
    time_limit_ms: ClassVar[int] = TIME_LIMIT_MS

    def __init__(self, download: Download = download) -> None:
        self._download = download

    def run(self, job: Job) -> Any:
        wanted: PostVideoInput = job.input
        app = App(job, chosen(os.environ))
        with TemporaryDirectory(prefix=FILE_PREFIX) as folder:
            local = Path(folder) / "asset"
            job.progress(0, "fetching the video")
            asset = self._download(
                wanted.video_path, local, lambda: job.progress(5, "fetching the video")
            )
            _remove_leftovers(app)
            remote = f"{FOLDER}/{FILE_PREFIX}{asset.sha256[:16]}{_suffix(wanted.video_path)}"
            try:
                job.progress(20, f"pushing {asset.size_bytes} bytes to the phone")
                _push(app, local, remote, asset)
                caption = _compose(job, app, remote)
            except BaseException:
                _remove(app, remote)
                raise
        job.progress(100, "posted")
        return _result(wanted, asset, remote, caption)


def caption_of(wanted: PostVideoInput) -> str:
    """The caption, followed by the hashtags that it does not hold already."""
    present = set(wanted.caption.split())
    tags = dict.fromkeys("#" + tag.strip().lstrip("#") for tag in wanted.hashtags)
    return " ".join([wanted.caption, *(tag for tag in tags if tag != "#" and tag not in present)])


def _push(app: App, local: Path, remote: str, asset: Asset) -> None:
    app.phone.push(str(local), remote, timeout_s=PUSH_S_MAX)
    held = app.shell(f"sha256sum {shlex.quote(remote)}", timeout_s=120.0).split()
    if held[:1] != [asset.sha256]:
        raise RunFailed("the video arrived on the phone damaged", retry=True)


def _compose(job: Job, app: App, remote: str) -> str:
    """Open, type, submit, see it posted; returns the caption. Raises RunFailed."""
    caption, posted = caption_of(job.input), app.profile.texts.compose_done
    job.progress(50, "composing")
    app.open("compose", asset=remote)
    app.fill("compose_caption", caption)
    if app.read_now("compose_done") == posted:
        raise RunFailed(f"the app said {posted!r} before anything was submitted")
    submit = app.wait_for("compose_submit")
    job.progress(80, "submitting")
    try:
        app.screen.tap(submit)
        app.wait_for("compose_done", posted, within_s=app.profile.timing.done_s)
    except RunFailed as failure:
        failure.args = (f"submitted, but not seen to be posted: {failure}",)
        failure.retry = False
        raise
    return caption


def _remove_leftovers(app: App) -> None:
    """Earlier posts leave their file for the app to finish with; one stays on a phone at most."""
    try:
        names = app.shell(f"ls {FOLDER}").split("\n")
    except PhoneFault:
        raise
    except RunFailed:
        return
    for name in names:
        if name.startswith(FILE_PREFIX):
            app.shell(f"rm -f {shlex.quote(f'{FOLDER}/{name}')}")


def _remove(app: App, remote: str) -> None:
    """Also when the run was told to stop; a phone that does not answer keeps the file."""
    with suppress(RunFailed):
        app.phone.shell(f"rm -f {shlex.quote(remote)}")


def _suffix(url: str) -> str:
    suffix = PurePosixPath(urlsplit(url).path).suffix.lower()
    return suffix if SUFFIX.fullmatch(suffix) else SUFFIX_DEFAULT


def _result(wanted: PostVideoInput, asset: Asset, remote: str, caption: str) -> dict[str, Any]:
    notes = {"sound_id": wanted.sound_id, "cover_image_path": wanted.cover_image_path}
    return {
        "content_id": wanted.content_id,
        "asset": remote,
        "asset_sha256": asset.sha256,
        "asset_bytes": asset.size_bytes,
        "caption": caption,
        "not_applied": [name for name, value in notes.items() if value is not None],
    }
