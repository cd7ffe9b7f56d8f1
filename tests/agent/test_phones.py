"""Which phones may work: adb's list, our own probes, gates and quarantine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from nest import until
from software_phones import Bench, bench

from procession.agent.health import FAILURES_MAX, Gates, Quarantine, Vitals, unfit
from procession.agent.phones import Phones, free_kilobytes
from procession.agent.settings import AgentSettings
from procession.protocol import PhoneReport
from procession.simulator.faults import Fault

GATES = Gates(battery_percent_min=15, temperature_c_max=45.0, storage_free_mb_min=200)


def watching(
    story: Callable[[Bench, Phones], Awaitable[None]], count: int = 1, **settings: Any
) -> None:
    async def whole() -> None:
        async with bench(count) as one:
            chosen = AgentSettings(
                server="http://127.0.0.1:1",
                token="t",
                adb_port=one.adb_port,
                probe_every_ms=200,
                probe_timeout_ms=700,
                **settings,
            )
            phones = Phones(chosen, lambda: None)
            watch = asyncio.create_task(phones.watch())
            try:
                await phones.first_look()
                await story(one, phones)
            finally:
                watch.cancel()
                await asyncio.gather(watch, return_exceptions=True)

    asyncio.run(whole())


def report(phones: Phones, phone_id: str = "phone_01") -> PhoneReport:
    return next(one for one in phones.reports() if one.phone_id == phone_id)


def test_phones_are_known_by_their_own_serial_number_with_their_vitals() -> None:
    async def story(one: Bench, phones: Phones) -> None:
        assert sorted(phones.ids()) == ["phone_01", "phone_02"]
        seen = report(phones)
        assert (seen.state, seen.serial) == ("available", one.phone.address)
        assert seen.battery_percent and seen.temperature_c and seen.storage_free_mb
        assert phones.ready("phone_01") and not phones.ready("phone_99")

    watching(story, count=2)


def test_only_the_chosen_phones_are_used() -> None:
    async def whole() -> None:
        async with bench(2) as one:
            settings = AgentSettings(
                server="http://127.0.0.1:1",
                token="t",
                adb_port=one.adb_port,
                phones=[one.fleet.phones[1].address],
            )
            phones = Phones(settings, lambda: None)
            watch = asyncio.create_task(phones.watch())
            await phones.first_look()
            assert phones.ids() == ["phone_02"]
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)

    asyncio.run(whole())


def test_a_hung_phone_is_found_by_the_probe_and_comes_back() -> None:
    async def story(one: Bench, phones: Phones) -> None:
        one.phone.faults.set(Fault.HANG)
        begun = time.monotonic()
        await until(lambda: not phones.ready("phone_01"))
        assert time.monotonic() - begun < 10
        seen = report(phones)
        assert seen.state == "offline" and "silent" in seen.detail
        one.phone.faults.clear()
        await one.adb("disconnect", one.phone.address)
        await one.adb("connect", one.phone.address)
        await until(lambda: phones.ready("phone_01"))

    watching(story)


@pytest.mark.parametrize(
    ("fault", "word"),
    [(Fault.HOT_BATTERY, "°C"), (Fault.LOW_BATTERY, "battery"), (Fault.LOW_STORAGE, "free")],
)
def test_an_unhealthy_phone_is_given_no_work_until_it_recovers(fault: Fault, word: str) -> None:
    async def story(one: Bench, phones: Phones) -> None:
        one.phone.faults.set(fault)
        await until(lambda: not phones.ready("phone_01"))
        seen = report(phones)
        assert seen.state == "unhealthy" and word in seen.detail
        one.phone.faults.clear()
        await until(lambda: phones.ready("phone_01"))

    watching(story)


def test_an_unauthorized_phone_is_reported_as_such() -> None:
    async def story(one: Bench, phones: Phones) -> None:
        one.phone.faults.set(Fault.UNAUTHORIZED)
        await until(lambda: report(phones).state == "unauthorized", 40)

    watching(story)


def test_a_phone_that_is_gone_is_offline() -> None:
    async def story(one: Bench, phones: Phones) -> None:
        await one.adb("disconnect", one.phone.address)
        await until(lambda: report(phones).state == "offline")
        assert "does not show" in report(phones).detail

    watching(story)


def test_network_phones_come_back_after_others_ended_the_adb_server() -> None:
    async def story(one: Bench, phones: Phones) -> None:
        await one.adb("kill-server")
        await until(lambda: not phones.ready("phone_01"))
        await until(lambda: phones.ready("phone_01"), 30)

    watching(story)


def test_gates_close_at_the_limit_and_open_only_past_a_margin() -> None:
    fit = Vitals("p", True, 50, 30.0, 5_000)
    assert unfit(fit, GATES, was_unfit=True) == ""
    low = Vitals("p", True, 14, 30.0, 5_000)
    assert "battery" in unfit(low, GATES, was_unfit=False)
    recovering = Vitals("p", True, 17, 30.0, 5_000)
    assert unfit(recovering, GATES, was_unfit=False) == ""
    assert "battery" in unfit(recovering, GATES, was_unfit=True)
    hot = Vitals("p", True, 50, 45.1, 5_000)
    assert "°C" in unfit(hot, GATES, was_unfit=False)
    full = Vitals("p", True, 50, 30.0, 199)
    assert "MB" in unfit(full, GATES, was_unfit=False)
    assert unfit(Vitals("p", False), GATES, was_unfit=False) == "still booting"
    assert unfit(Vitals("p", True), GATES, was_unfit=False) == ""


def test_quarantine_grows_and_ends_by_a_probe_after_its_time() -> None:
    one = Quarantine()
    lengths = []
    now_s = 0.0
    for _ in range(4):
        entered = [one.failed(now_s) for _ in range(FAILURES_MAX)]
        assert entered == [False] * (FAILURES_MAX - 1) + [True]
        assert one.until_s is not None
        lengths.append(one.until_s - now_s)
        assert not one.probed(one.until_s - 1) and one.holds
        assert one.probed(one.until_s) and not one.holds
    assert lengths == [60.0, 300.0, 1800.0, 1800.0]


def test_a_completed_run_forgives_failures_and_an_operator_lifts() -> None:
    one = Quarantine()
    one.failed(0.0)
    one.failed(0.0)
    one.worked()
    assert not one.failed(0.0)
    one.failed(0.0)
    assert one.failed(0.0) and one.holds
    one.lift()
    assert not one.holds


def test_free_space_is_read_from_any_layout_of_df() -> None:
    listing = "Filesystem 1K-blocks Used Available Use% Mounted on\n/dev/x 100 40 60 40% /data\n"
    assert free_kilobytes(listing) == 60
    assert free_kilobytes("df: /data: Permission denied") is None
    assert free_kilobytes("") is None
