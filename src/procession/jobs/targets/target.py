"""What a target can do, and how the operator of a worker names some."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, Protocol

import msgspec
from msgspec import Struct

SETTING = "PROCESSION_IMPORT_TARGETS"
"""A TOML file, or the TOML itself."""

Network = IPv4Network | IPv6Network
Columns = Sequence[Sequence[Any]]
"""The values of all rows for each of the fields that are named beside them."""


class TargetsInvalid(Exception):
    """The targets of this worker cannot be read."""


class TargetUnknown(Exception):
    """This worker has no target of that name."""


class TargetRefused(Exception):
    """The target does not take the rows; trying again does not help."""


class TargetAway(Exception):
    """The target cannot be reached now; another try may help."""


class Named(Struct, frozen=True, forbid_unknown_fields=True):
    """One target: a `table` of a `database`, or a `url` rows are posted to.

    `networks` limits the addresses the host of a URL may have.
    """

    database: str = ""
    table: str = ""
    schema: str = ""
    url: str = ""
    authorization: str = ""
    networks: list[str] = []

    def __post_init__(self) -> None:
        if bool(self.database and self.table) == bool(self.url):
            raise ValueError("either database and table, or url")
        if self.url and not self.url.startswith(("http://", "https://")):
            raise ValueError("url must be http:// or https://")
        self.allowed()

    def allowed(self) -> list[Network]:
        return [ip_network(text) for text in self.networks]

    def __repr__(self) -> str:
        return f"Named(table={self.table!r})"


class Mark(Struct, frozen=True):
    """Up to which row of its source a job is done, and how many rows of them were taken."""

    done: int = 0
    applied: int = 0


class Target(Protocol):
    """Takes rows in batches, each at most once.

    Every method raises TargetRefused or TargetAway.
    """

    def missing(self, fields: Sequence[str]) -> dict[str, str]:
        """The fields it does not have, each with a sentence."""
        ...

    def mark(self, known: Mark) -> Mark:
        """How far the job's rows are in; `known` is what a checkpoint says."""
        ...

    def apply(self, mark: Mark, upto: int, fields: Sequence[str], columns: Columns) -> Mark:
        """Take the rows after the mark up to row `upto`, all or none; the mark after them."""
        ...

    def close(self) -> None: ...


def read_targets(text: str) -> dict[str, Named]:
    """The targets a setting names. Raises TargetsInvalid, which holds no secret."""
    try:
        toml = text if "\n" in text or "=" in text else Path(text).read_text(encoding="utf-8")
        return msgspec.convert(tomllib.loads(toml), dict[str, Named])
    except OSError as reason:
        raise TargetsInvalid(f"{SETTING}: {reason.strerror}: {text}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise TargetsInvalid(f"{SETTING} is no TOML") from None
    except msgspec.ValidationError as reason:
        raise TargetsInvalid(f"{SETTING}: {reason}") from None


def target_for(name: str, job_key: str, environment: Mapping[str, str] = os.environ) -> Target:
    """The target of that name, for one job. Raises TargetsInvalid, TargetUnknown and the rest."""
    known = read_targets(environment[SETTING]) if environment.get(SETTING) else {}
    if name not in known:
        raise TargetUnknown(f"this worker knows no target {name!r}; {SETTING} names its targets")
    named = known[name]
    if named.url:
        from procession.jobs.targets.posting import Posting

        return Posting(named, job_key)
    from procession.jobs.targets.table import TableTarget

    return TableTarget(named, job_key)
