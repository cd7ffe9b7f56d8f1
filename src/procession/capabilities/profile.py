"""App profiles: what an operator writes down about an app so that runs can drive it."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from procession.capabilities.capability import RunFailed
from procession.capabilities.inputs import located, named

VARIABLE = "PROCESSION_APP_PROFILE"
FOLDER = "PROCESSION_APP_PROFILES"
APP = "PROCESSION_APP"
SHIPPED = Path(__file__).parent / "profiles"
DEFAULT = "demo"
FILE_BYTES_MAX = 65_536
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")

PackageName = Annotated[str, Meta(pattern=r"^[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)+$")]
ActivityName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.]+/[A-Za-z0-9_.$]+$")]
LinkTemplate = Annotated[str, Meta(min_length=1, max_length=2_000, pattern=r"^[A-Za-z]")]
ResourceId = Annotated[str, Meta(max_length=300, pattern=r"^[A-Za-z0-9_.]+:id/[A-Za-z0-9_.]+$")]
Shown = Annotated[str, Meta(min_length=1, max_length=300)]


class ProfileInvalid(RunFailed):
    """The app profile cannot be used; the message names file, key and rule."""


class AppNames(Struct, frozen=True, forbid_unknown_fields=True):
    name: Annotated[str, Meta(min_length=1, max_length=100)]
    package: PackageName
    activity: ActivityName


class Links(Struct, frozen=True, forbid_unknown_fields=True):
    """Deep links; `{account}` and `{asset}` are replaced by the url-encoded value."""

    feed: LinkTemplate | None = None
    search: LinkTemplate | None = None
    profile: LinkTemplate | None = None
    compose: LinkTemplate | None = None


class Elements(Struct, frozen=True, forbid_unknown_fields=True):
    """Resource ids of the elements a run reads, taps and fills."""

    search_field: ResourceId | None = None
    search_submit: ResourceId | None = None
    search_results: ResourceId | None = None
    feed_item: ResourceId | None = None
    feed_position: ResourceId | None = None
    profile_display_name: ResourceId | None = None
    profile_username: ResourceId | None = None
    profile_bio: ResourceId | None = None
    profile_save: ResourceId | None = None
    profile_saved: ResourceId | None = None
    compose_caption: ResourceId | None = None
    compose_submit: ResourceId | None = None
    compose_done: ResourceId | None = None


class Texts(Struct, frozen=True, forbid_unknown_fields=True):
    """What `profile_saved` and `compose_done` read once the app has done it."""

    profile_saved: Shown = "Saved"
    compose_done: Shown = "Posted"


class Typing(Struct, frozen=True, forbid_unknown_fields=True):
    """`set_text`: a command on the phone that sets the focused field's text from `{b64}`."""

    set_text: Annotated[str, Meta(max_length=2_000)] | None = None


class Timing(Struct, frozen=True, forbid_unknown_fields=True):
    """How long a run waits: for elements, for the app to be done, between two looks, per clip."""

    appear_s: Annotated[float, Meta(ge=0.5, le=120)] = 15.0
    done_s: Annotated[float, Meta(ge=0.5, le=600)] = 60.0
    poll_s: Annotated[float, Meta(ge=0.05, le=5)] = 0.3
    clip_s: Annotated[float, Meta(ge=0.5, le=600)] = 6.0


class AppProfile(Struct, frozen=True, forbid_unknown_fields=True):
    """One app, as an operator described it."""

    app: AppNames
    links: Links = Links()
    elements: Elements = Elements()
    texts: Texts = Texts()
    input: Typing = Typing()
    timing: Timing = Timing()


def chosen(environ: Mapping[str, str]) -> AppProfile:
    """The profile of the account's app, else the one in PROCESSION_APP_PROFILE, else the demo's.

    An account's app is a name: of a file in the folder PROCESSION_APP_PROFILES, or of a shipped
    profile. In PROCESSION_APP_PROFILE a value with a slash or ending in .toml is a file, any other
    the name of a shipped profile. Raises ProfileInvalid.
    """
    if app := environ.get(APP):
        return _of_app(app, environ)
    wanted = environ.get(VARIABLE) or DEFAULT
    if "/" in wanted or wanted.endswith(".toml"):
        return load(Path(wanted))
    if not NAME.fullmatch(wanted) or not (SHIPPED / f"{wanted}.toml").is_file():
        names = ", ".join(sorted(file.stem for file in SHIPPED.glob("*.toml")))
        raise ProfileInvalid(
            f"{VARIABLE} is {wanted[:200]!r}: neither a file nor one of the shipped ones ({names})"
        )
    return load(SHIPPED / f"{wanted}.toml")


def _of_app(app: str, environ: Mapping[str, str]) -> AppProfile:
    """Callers choose this name, so it never becomes a path of theirs."""
    folders = [Path(environ[FOLDER])] if environ.get(FOLDER) else []
    for folder in [*folders, SHIPPED]:
        if NAME.fullmatch(app) and (folder / f"{app}.toml").is_file():
            return load(folder / f"{app}.toml")
    raise ProfileInvalid(
        f"the account's app is {app[:200]!r}, and there is no app profile of that name in {FOLDER}"
    )


def load(path: Path) -> AppProfile:
    """Read a profile file. Raises ProfileInvalid."""
    try:
        with path.open("rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
    except OSError as reason:
        raise ProfileInvalid(f"app profile {path}: {reason.strerror}") from None
    if len(content) > FILE_BYTES_MAX:
        raise ProfileInvalid(f"app profile {path}: larger than {FILE_BYTES_MAX} bytes")
    try:
        profile = msgspec.toml.decode(content, type=AppProfile)
    except msgspec.ValidationError as refusal:
        parts, rule = located(str(refusal))
        raise ProfileInvalid(f"app profile {path}: {named('', parts)}: {rule}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as refusal:
        raise ProfileInvalid(f"app profile {path}: not TOML: {refusal}") from None
    _check_templates(path, profile)
    return profile


def _check_templates(path: Path, profile: AppProfile) -> None:
    allowed = {"account", "asset"}
    for link in Links.__struct_fields__:
        _check_places(path, f"links.{link}", getattr(profile.links, link), allowed)
    _check_places(path, "input.set_text", profile.input.set_text, {"b64"})
    if profile.links.compose and "{asset}" not in profile.links.compose:
        raise ProfileInvalid(f"app profile {path}: links.compose: needs {{asset}}")
    if profile.input.set_text and "{b64}" not in profile.input.set_text:
        raise ProfileInvalid(f"app profile {path}: input.set_text: needs {{b64}}")


def _check_places(path: Path, key: str, template: str | None, allowed: set[str]) -> None:
    """Only plain places of the allowed names, so that filling in can never fail in a run."""
    try:
        places = [part for part in string.Formatter().parse(template or "") if part[1] is not None]
    except ValueError as reason:
        raise ProfileInvalid(f"app profile {path}: {key}: {reason}") from None
    for _, place, layout, conversion in places:
        if place not in allowed or layout or conversion:
            words = " or ".join(f"{{{word}}}" for word in sorted(allowed))
            raise ProfileInvalid(f"app profile {path}: {key}: {{{place}}} is not {words}")
