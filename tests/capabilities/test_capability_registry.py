"""What is registered, what may be asked for, and what other packages may add."""

from __future__ import annotations

import logging
from importlib.metadata import EntryPoint
from typing import Any, ClassVar

import msgspec
import pytest
from msgspec import Struct

from procession.capabilities import registry
from procession.capabilities.capability import MODES, NO_BLOCKS, ROUTINGS, Job
from procession.capabilities.errors import (
    CapabilityBlocked,
    CapabilityUnknown,
    RoutingUnsupported,
)

LEAST: dict[str, dict[str, Any]] = {
    "echo": {},
    "fail": {},
    "fyp_warmup": {},
    "keyword_warmup": {"keywords": ["a"]},
    "maintenance": {"steps": [{"action": "reboot"}]},
    "post_video": {"content_id": "c", "video_path": "http://h/v.mp4", "caption": "x"},
    "sleep": {"seconds": 0},
}
NO_GROUP = {("maintenance", "group")}
NOT_UNATTENDED = {"fyp_warmup"}


class Extra:
    """A capability of another package."""

    name: ClassVar[str] = "extra"
    Input: ClassVar[type[Struct] | None] = None
    modes = MODES
    routings = ROUTINGS
    blocked = NO_BLOCKS
    needs_phone = False
    on_interrupted = "retry"
    attempts_max = 1
    time_limit_ms = 1_000

    def run(self, job: Job) -> Any:
        return job.input


class EchoAgain(Extra):
    name = "echo"


class HalfMade:
    name = "half_made"


class OddRouting(Extra):
    name = "odd_routing"
    routings: ClassVar[Any] = frozenset({"teleport"})


class Exploding(Extra):
    name = "exploding"

    def __init__(self) -> None:
        raise RuntimeError("no licence")


def offered(name: str, target: str) -> EntryPoint:
    return EntryPoint(name, f"test_capability_registry:{target}", registry.GROUP)


def allowed(name: str, mode: str, routing: str) -> bool:
    raw = msgspec.json.encode(LEAST[name])
    try:
        registry.check(registry.find(name), mode, routing, raw)
    except (CapabilityBlocked, RoutingUnsupported):
        return False
    return True


def test_the_built_in_capabilities_are_registered() -> None:
    assert registry.names() == sorted(LEAST)
    assert [one.name for one in registry.all_capabilities()] == sorted(LEAST)
    assert registry.broken() == {}


def test_an_unknown_name_is_refused_by_name() -> None:
    with pytest.raises(CapabilityUnknown, match="'follow_everyone'") as refusal:
        registry.find("follow_everyone")
    assert refusal.value.name == "follow_everyone"


@pytest.mark.parametrize("name", sorted(LEAST))
@pytest.mark.parametrize("mode", sorted(MODES))
@pytest.mark.parametrize("routing", sorted(ROUTINGS))
def test_modes_and_routings_are_those_of_the_contract(name: str, mode: str, routing: str) -> None:
    blocked = mode == "unattended" and name in NOT_UNATTENDED
    assert allowed(name, mode, routing) == (not blocked and (name, routing) not in NO_GROUP)


def test_a_blocked_mode_answers_its_stable_code() -> None:
    with pytest.raises(CapabilityBlocked) as refusal:
        registry.check(registry.find("fyp_warmup"), "unattended", "direct", b"{}")
    assert refusal.value.code == "capability_not_live_verified:fyp_warmup"


def test_a_block_is_told_before_a_mistake_in_the_inputs() -> None:
    with pytest.raises(CapabilityBlocked):
        registry.check(registry.find("fyp_warmup"), "unattended", "nowhere", b"[]")


def test_an_unknown_mode_is_blocked_with_a_code_too() -> None:
    with pytest.raises(CapabilityBlocked) as refusal:
        registry.check(registry.find("echo"), "remote", "direct", b"{}")
    assert refusal.value.code == "capability_mode_unsupported:echo"


def test_an_unsupported_routing_names_itself() -> None:
    raw = msgspec.json.encode(LEAST["maintenance"])
    with pytest.raises(RoutingUnsupported, match=r"maintenance does not support .*'group'"):
        registry.check(registry.find("maintenance"), "manual", "group", raw)


def test_a_capability_of_another_package_is_found() -> None:
    catalog = registry.collect([offered("extra", "Extra")])
    assert catalog.capabilities["extra"].name == "extra"
    assert catalog.broken == {}


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (offered("gone", "NoSuchClass"), "AttributeError"),
        (EntryPoint("gone", "no_such_module:X", registry.GROUP), "No module named"),
        (offered("half_made", "HalfMade"), "modes"),
        (offered("odd_routing", "OddRouting"), "a word that is not known"),
        (offered("exploding", "Exploding"), "RuntimeError: no licence"),
        (offered("echo", "EchoAgain"), "the name echo is taken"),
        (offered("other", "Extra"), "the entry point is called other, the class extra"),
    ],
)
def test_a_broken_one_is_reported_and_harms_no_other(
    entry: EntryPoint, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        catalog = registry.collect([entry, offered("extra", "Extra")])
    assert reason in catalog.broken[f"unknown:{entry.name}"]
    assert entry.name in caplog.text
    assert set(catalog.capabilities) == {*LEAST, "extra"}


@pytest.mark.parametrize("name", sorted(LEAST))
def test_every_capability_describes_its_inputs(name: str) -> None:
    schema = registry.input_schema(registry.find(name))
    assert schema["type"] == "object"
    for needed in schema.get("required", []):
        assert needed in LEAST[name]


def test_the_schema_holds_every_part_it_refers_to() -> None:
    schema = registry.input_schema(registry.find("maintenance"))
    text = msgspec.json.encode(schema).decode()
    for part in ("EditProfile", "ProfileEdit", "Reboot", "NoParams"):
        assert f'"#/$defs/{part}"' in text
        assert part in schema["$defs"]


@pytest.mark.parametrize("name", sorted(LEAST))
def test_a_run_has_a_limit_that_its_inputs_bring_down(name: str) -> None:
    capability = registry.find(name)
    limit = registry.time_limit_ms(capability, msgspec.json.encode(LEAST[name]))
    assert 10_000 <= limit <= capability.time_limit_ms <= 48 * 3_600_000


def test_a_minute_of_feed_does_not_get_two_hours() -> None:
    assert registry.time_limit_ms(registry.find("fyp_warmup"), b'{"minutes": 1}') < 900_000
