"""The phone as a run uses it, against simulated phones behind a real adb server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest
from software_phones import Bench, bench

from procession.agent.adb import AdbPhone, ShellFailed
from procession.capabilities.capability import PhoneFault, RunFailed
from procession.simulator.faults import Fault

T = TypeVar("T")


def with_phone(story: Callable[[Bench, AdbPhone], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with bench() as one:
            await story(one, AdbPhone("phone_01", one.phone.address, one.adb_port))

    asyncio.run(whole())


async def aside(work: Callable[[], T]) -> T:
    """Run waiting code beside the loop that the simulated phones live on."""
    return await asyncio.to_thread(work)


def test_a_shell_gives_output_and_tells_failure() -> None:
    async def story(one: Bench, phone: AdbPhone) -> None:
        assert await aside(lambda: phone.shell("getprop ro.serialno")) == "phone_01\n"
        with pytest.raises(ShellFailed) as caught:
            await aside(lambda: phone.shell("no_such_command"))
        assert caught.value.status == 127 and not caught.value.infrastructure

    with_phone(story)


def test_what_is_pushed_is_pulled_unchanged(tmp_path: Path) -> None:
    local = tmp_path / "asset.bin"
    local.write_bytes(bytes(range(256)) * 1000)

    async def story(one: Bench, phone: AdbPhone) -> None:
        await aside(lambda: phone.push(str(local), "/sdcard/asset.bin"))
        assert await aside(lambda: phone.pull("/sdcard/asset.bin")) == local.read_bytes()
        with pytest.raises(RunFailed) as caught:
            await aside(lambda: phone.pull("/sdcard/absent"))
        assert not isinstance(caught.value, PhoneFault)

    with_phone(story)


def test_a_screenshot_is_a_png() -> None:
    async def story(one: Bench, phone: AdbPhone) -> None:
        assert (await aside(phone.screenshot)).startswith(b"\x89PNG\r\n")

    with_phone(story)


def test_a_hung_phone_is_a_fault_within_the_deadline() -> None:
    async def story(one: Bench, phone: AdbPhone) -> None:
        one.phone.faults.set(Fault.HANG)
        begun = time.monotonic()
        with pytest.raises(PhoneFault):
            await aside(lambda: phone.shell("getprop", timeout_s=0.5))
        assert time.monotonic() - begun < 10

    with_phone(story)


def test_a_connection_that_breaks_in_a_command_is_a_fault() -> None:
    async def story(one: Bench, phone: AdbPhone) -> None:
        one.phone.faults.set(Fault.CRASH_MID_COMMAND)
        with pytest.raises(PhoneFault):
            await aside(lambda: phone.shell("getprop", timeout_s=5))

    with_phone(story)


def test_a_phone_that_is_not_there_is_a_fault() -> None:
    async def story(one: Bench, phone: AdbPhone) -> None:
        absent = AdbPhone("phone_99", "127.0.0.1:1", one.adb_port)
        with pytest.raises(PhoneFault):
            await aside(lambda: absent.shell("getprop"))
        no_server = AdbPhone("phone_01", one.phone.address, 1)
        with pytest.raises(PhoneFault):
            await aside(lambda: no_server.shell("getprop"))

    with_phone(story)


def test_a_reboot_ends_when_the_phone_has_booted_again() -> None:
    async def story(one: Bench, phone: AdbPhone) -> None:
        await aside(lambda: phone.reboot(timeout_s=40))
        assert await aside(lambda: phone.shell("getprop sys.boot_completed")) == "1\n"

    with_phone(story)
