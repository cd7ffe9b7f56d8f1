"""Every setting of the server, with its unit, default and meaning: this file is their page."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from procession.webhooks.addresses import parse_networks
from procession.webhooks.delivery import parse_schedule
from procession.webhooks.signing import parse_secrets

PREFIX = "PROCESSION_"
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?|https?://\[[0-9a-f:]+\](:[0-9]{1,5})?")


class SettingInvalid(Exception):
    """A setting breaks a rule."""


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """Read from the command line, else `PROCESSION_<NAME>`, else the settings file (TOML)."""

    database: Annotated[
        str,
        Meta(description="Where everything is kept: `sqlite:///file.db` or `postgresql://…`."),
    ] = "sqlite:///procession.db"
    host: Annotated[str, Meta(description="Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="Port to listen on; 0 picks one.")] = 8700
    public_url: Annotated[
        str,
        Meta(
            description="Where people reach this server, `https://forms.example.com`: what links to"
            " forms and files begin with; empty: the address a caller used."
        ),
    ] = ""
    workers: Annotated[
        int, Meta(ge=1, le=64, description="Server processes that share the port, on PostgreSQL.")
    ] = 1
    worker_port: Annotated[
        int,
        Meta(
            ge=0,
            le=65_535 - 64,
            description="Where the first of several workers answers alone, the second at the next"
            " port, and so on, for their metrics; 0: nowhere.",
        ),
    ] = 0
    bootstrap_token: Annotated[
        str, Meta(description="A token of 32 characters or more that gets every scope at start.")
    ] = ""
    lease_ms: Annotated[
        int,
        Meta(
            ge=1_000,
            le=600_000,
            description="How long a run keeps its phone without a sign of life.",
        ),
    ] = 15_000
    body_bytes_max: Annotated[
        int, Meta(ge=1_024, le=16_777_216, description="Largest request body.")
    ] = 262_144
    body_ms_max: Annotated[
        int, Meta(ge=100, le=600_000, description="How long a body, or a head, may take to arrive.")
    ] = 10_000
    requests_max: Annotated[
        int, Meta(ge=1, description="Requests in work at once; more are answered 503.")
    ] = 2_000
    cors_origins: Annotated[
        str,
        Meta(description="Origins whose front ends may call `/api/`, separated by commas; no `*`."),
    ] = ""
    connections_max: Annotated[
        int, Meta(ge=1, description="Open connections; more are closed at once.")
    ] = 20_000
    rate_per_s_max: Annotated[
        int,
        Meta(
            ge=0, description="Requests per second and token; more are answered 429; 0: no limit."
        ),
    ] = 0
    token_cache_ms: Annotated[
        int,
        Meta(ge=0, le=60_000, description="How long a token is believed without looking again."),
    ] = 1_000
    callback_allow: Annotated[
        str, Meta(description="Networks callbacks may reach though not public, comma-separated.")
    ] = ""
    callback_secrets: Annotated[
        str,
        Meta(description="Secrets callbacks are signed with, newest first, separated by blanks."),
    ] = ""
    callback_retries: Annotated[
        str,
        Meta(
            description="`standard`, `none` (one try), or the pauses before each try: `0s, 5s, 5m`."
        ),
    ] = "standard"
    session_secret: Annotated[
        str,
        Meta(description="Signs sign-ins; 32 characters or more; else one is made and kept."),
    ] = ""
    uploads_dir: Annotated[
        str,
        Meta(
            description="Folder of uploaded files, the same for all servers; empty: beside the"
            " SQLite file, and no uploads on PostgreSQL."
        ),
    ] = ""
    files_url: Annotated[
        str,
        Meta(
            description="Where files of tasks are kept: a folder the same for all servers, or"
            " `s3://bucket/prefix?endpoint=https://host&region=name`; empty: beside the SQLite"
            " file, and no files on PostgreSQL."
        ),
    ] = ""
    files_key_id: Annotated[
        str, Meta(description="Access key of the bucket; empty: `AWS_ACCESS_KEY_ID` and the like.")
    ] = ""
    files_key_secret: Annotated[str, Meta(description="Secret of that access key.")] = ""
    file_bytes_max: Annotated[
        int, Meta(ge=1_024, le=5_368_709_120, description="Largest file of a task.")
    ] = 26_214_400
    file_secret: Annotated[
        str,
        Meta(description="Signs links to files; 32 characters or more; else one is made and kept."),
    ] = ""
    nats_url: Annotated[
        str,
        Meta(description="NATS server with JetStream for sinks, `nats://host:4222`; empty: none."),
    ] = ""
    smtp_url: Annotated[
        str,
        Meta(
            description="Mail server: `smtps://user:password@host`, `smtp+starttls://…`, or"
            " `smtp://host` without a password; empty: no mail is sent."
        ),
    ] = ""
    mail_from: Annotated[
        str, Meta(description="Sender of mail: `forms@example.com` or `Name <forms@example.com>`.")
    ] = ""
    retention_days: Annotated[
        float, Meta(gt=0, le=36_500, description="How long finished processes are kept.")
    ] = 30.0
    drain_ms: Annotated[
        int, Meta(ge=0, le=60_000, description="How long SIGTERM waits for requests under way.")
    ] = 8_000
    log_level: Annotated[
        str,
        Meta(
            pattern="^(debug|info|warning|error)$", description="Least severe line that is logged."
        ),
    ] = "info"

    def __post_init__(self) -> None:
        if self.bootstrap_token and len(self.bootstrap_token) < 32:
            raise ValueError("bootstrap_token must have at least 32 characters")
        if self.session_secret and len(self.session_secret) < 32:
            raise ValueError("session_secret must have at least 32 characters")
        if self.file_secret and len(self.file_secret) < 32:
            raise ValueError("file_secret must have at least 32 characters")
        _checked("public_url", parse_public_url, self.public_url)
        _checked("cors_origins", parse_origins, self.cors_origins)
        _checked("callback_retries", parse_schedule, self.callback_retries)
        _checked("callback_allow", parse_networks, self.callback_allow)
        _checked("callback_secrets", parse_secrets, self.callback_secrets)


def parse_origins(text: str) -> frozenset[str]:
    """The origins of a list. Raises ValueError for one that a browser would not send."""
    origins = frozenset(filter(None, (word.strip() for word in text.split(","))))
    for origin in origins:
        if not _ORIGIN.fullmatch(origin):
            raise ValueError(f"{origin!r} is no origin such as https://app.example.com")
    return origins


def parse_public_url(text: str) -> str:
    """An origin without the slash it may end with. Raises ValueError for anything else."""
    origin = text.strip().rstrip("/")
    if origin and not _ORIGIN.fullmatch(origin):
        raise ValueError(f"{text!r} is no address such as https://forms.example.com")
    return origin


def _checked(name: str, parse: Callable[[str], object], text: str) -> None:
    """Raises ValueError that names the setting."""
    try:
        parse(text)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def read_settings(
    given: Mapping[str, Any], environment: Mapping[str, str] = os.environ, file: Path | None = None
) -> Settings:
    """Settings from these sources, the first that has a value winning. Raises SettingInvalid."""
    values: dict[str, Any] = {}
    if file is not None:
        values |= _file_values(file)
    for field in msgspec.structs.fields(Settings):
        name = PREFIX + field.name.upper()
        if name in environment:
            values[field.name] = environment[name]
    values |= {name: value for name, value in given.items() if value is not None}
    try:
        return msgspec.convert(values, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise SettingInvalid(f"settings: {error}") from None


def _file_values(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingInvalid(f"settings file {file}: {error}") from None
