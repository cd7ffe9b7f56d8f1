"""What `maintenance` takes: a list of steps, each an action with its parameters."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct, field

STEPS_MAX = 20
NAME_CHARS_MAX = 200
BIO_CHARS_MAX = 2_000

Name = Annotated[str, Meta(min_length=1, max_length=NAME_CHARS_MAX)]


class NoParams(Struct, frozen=True):
    """Takes no parameters."""


class ProfileEdit(Struct, frozen=True):
    """At least one of the three fields.

    `mutation_kind` and `randomized` are the caller's notes; they come back with the result and
    change nothing.
    """

    display_name: Name | None = None
    bio: Annotated[str, Meta(max_length=BIO_CHARS_MAX)] | None = None
    username: Name | None = None
    mutation_kind: Annotated[str, Meta(max_length=NAME_CHARS_MAX)] | None = None
    randomized: bool | None = None

    def __post_init__(self) -> None:
        if self.display_name is None and self.bio is None and self.username is None:
            raise ValueError("needs at least one of display_name, bio, username")


class EditProfile(Struct, frozen=True, tag_field="action", tag="edit_profile"):
    """Change the account's own profile, and read it back."""

    params: ProfileEdit


class HealthCheck(Struct, frozen=True, tag_field="action", tag="health_check"):
    """Report battery, temperature, storage and whether the app is installed."""

    params: NoParams = NoParams()


class Screenshot(Struct, frozen=True, tag_field="action", tag="screenshot"):
    """Take a picture of the screen."""

    params: NoParams = NoParams()


class RestartApp(Struct, frozen=True, tag_field="action", tag="restart_app"):
    """Close the app and start it again."""

    params: NoParams = NoParams()


class ClearCache(Struct, frozen=True, tag_field="action", tag="clear_cache"):
    """Have the phone give up its apps' caches; no data is lost."""

    params: NoParams = NoParams()


class Reboot(Struct, frozen=True, tag_field="action", tag="reboot"):
    """Reboot the phone and wait until it is back."""

    params: NoParams = NoParams()


Step = EditProfile | HealthCheck | Screenshot | RestartApp | ClearCache | Reboot


class MaintenanceInput(Struct, frozen=True):
    """Steps are done in order. `metadata` is the caller's own."""

    steps: Annotated[list[Step], Meta(min_length=1, max_length=STEPS_MAX)]
    metadata: dict[str, Any] = field(default_factory=dict)
