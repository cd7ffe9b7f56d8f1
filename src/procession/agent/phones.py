"""The phones of this agent: what adb shows, what probes find, who may take work.

adb calls a hung phone `device` for ever, so each phone is also asked something at every probe,
with a deadline of our own.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import Callable

import adbutils
from msgspec import Struct, field

from procession.agent import processes
from procession.agent.adbserver import AdbServer, AdbUnreachable, PhoneSilent
from procession.agent.adbwire import AdbRefused
from procession.agent.health import Gates, Quarantine, Vitals, unfit
from procession.agent.settings import AgentSettings
from procession.jobs import registry as jobs
from procession.protocol import Health, JobTerms, PhoneReport

FIRST_LOOK_S = 10.0
ADB_AGAIN_S = 1.0
CALL_BACK_EVERY_S = 15.0
STATE_OF_ADB: dict[str, Health] = {"unauthorized": "unauthorized"}
"""Every other word but `device` means offline."""

log = logging.getLogger(__name__)


class Seen(Struct):
    """One serial as adb shows it, with what the last probe found."""

    serial: str
    shown: str
    vitals: Vitals | None = None
    silent: str = "not probed yet"
    unfit: str = ""


class Known(Struct):
    """One phone under its own id, over changes of serial."""

    phone_id: str
    serial: str
    quarantine: Quarantine = field(default_factory=Quarantine)
    job_types: list[JobTerms] | None = None
    """Of a lane for jobs, which is no phone."""


class Phones:
    """Watches phones for ever with `watch`; calls `on_change` when any may have changed."""

    def __init__(self, settings: AgentSettings, on_change: Callable[[], None]) -> None:
        self._settings = settings
        self._on_change = on_change
        self._adb = AdbServer(settings.adb_port, settings.adb_path or adbutils.adb_path())
        self._gates = Gates(
            settings.battery_percent_min, settings.temperature_c_max, settings.storage_free_mb_min
        )
        self._seen: dict[str, Seen] = {}
        self._known: dict[str, Known] = {
            name: Known(name, "") for name in settings.lanes_without_phone
        }
        self._known |= {
            name: Known(name, "", job_types=job_terms()) for name in settings.job_lane_names()
        }
        self._looked = asyncio.Event()
        self._probes: dict[str, asyncio.Task[None]] = {}
        self._addresses = {name for name in settings.phones if ":" in name}

    def ids(self) -> list[str]:
        """Every phone met in this life, present or not."""
        return list(self._known)

    def is_job_lane(self, phone_id: str) -> bool:
        return self._known[phone_id].job_types is not None

    def serial(self, phone_id: str) -> str:
        return self._known[phone_id].serial

    def ready(self, phone_id: str) -> bool:
        """Whether it may be given work now."""
        known = self._known.get(phone_id)
        return known is not None and self._report(known).state == "available"

    def reports(self) -> list[PhoneReport]:
        return [self._report(known) for known in self._known.values()]

    def worked(self, phone_id: str) -> None:
        """A run completed on it."""
        self._known[phone_id].quarantine.worked()

    def failed(self, phone_id: str) -> None:
        """A run failed through the phone's fault."""
        if self._known[phone_id].quarantine.failed(processes.now_s()):
            log.warning("quarantine phone=%s", phone_id)
            self._on_change()

    def lift_quarantines(self) -> None:
        """An operator wants every phone back at work."""
        for known in self._known.values():
            known.quarantine.lift()
        self._on_change()

    async def first_look(self) -> None:
        """Return once every phone shown by adb was probed once, or after 10 s."""
        try:
            await asyncio.wait_for(self._looked.wait(), FIRST_LOOK_S)
        except TimeoutError:
            log.warning("not every phone answered the first probe in %g s", FIRST_LOOK_S)

    async def watch(self) -> None:
        """Follow adb and probe, for ever."""
        settings = self._settings
        if settings.without_adb or (settings.lanes_without_phone and not settings.phones):
            self._looked.set()
            await asyncio.Event().wait()
        calling = asyncio.create_task(self._call_back())
        try:
            while True:
                await self._follow_adb()
        finally:
            calling.cancel()
            for probe in self._probes.values():
                probe.cancel()

    async def _follow_adb(self) -> None:
        try:
            async for shown in self._adb.track():
                self._show(shown)
            log.warning("adb server is gone")
        except (AdbUnreachable, AdbRefused) as reason:
            log.warning("adb server not reached: %s", reason)
        self._show({})
        await asyncio.sleep(ADB_AGAIN_S if self._looked.is_set() else 0)
        await self._bring_back()

    async def _bring_back(self) -> None:
        """Start adb's server and connect the network phones a former one knew."""
        try:
            await self._adb.start()
            for address in sorted(self._addresses):
                await self._adb.connect(address)
        except (AdbUnreachable, AdbRefused) as reason:
            log.warning("adb server not started: %s", reason)
            await asyncio.sleep(ADB_AGAIN_S)

    async def _call_back(self) -> None:
        """Connect network phones adb does not show: named ones, and those it has given up."""
        while True:
            for address in sorted(self._addresses - self._seen.keys()):
                with contextlib.suppress(AdbUnreachable, AdbRefused):
                    await self._adb.connect(address)
            await asyncio.sleep(CALL_BACK_EVERY_S)

    def _show(self, shown: dict[str, str]) -> None:
        """Take in adb's list: probe the new ones, forget the gone ones."""
        wanted = set(self._settings.phones)
        shown = {name: state for name, state in shown.items() if not wanted or name in wanted}
        for serial in self._seen.keys() - shown.keys():
            del self._seen[serial]
            self._probes.pop(serial).cancel()
        for serial, state in shown.items():
            if ":" in serial:
                self._addresses.add(serial)
            seen = self._seen.get(serial)
            if seen is None or seen.shown != state:
                log.info("phone serial=%s adb=%s", serial, state)
                self._seen[serial] = Seen(serial, state)
                if serial in self._probes:
                    self._probes[serial].cancel()
                self._probes[serial] = asyncio.create_task(self._probe_on(serial))
        if not shown:
            self._looked.set()
        self._on_change()

    async def _probe_on(self, serial: str) -> None:
        """Probe one serial for as long as adb shows it in one state."""
        while True:
            seen = self._seen[serial]
            before = (seen.silent, seen.unfit, seen.vitals)
            await self._probe(seen)
            self._lift(seen)
            if (seen.silent, seen.unfit, seen.vitals) != before:
                if (seen.silent, seen.unfit) != before[:2]:
                    log.info("phone serial=%s %s", serial, seen.silent or seen.unfit or "fit")
                self._on_change()
            if all(one.silent != "not probed yet" for one in self._seen.values()):
                self._looked.set()
            await asyncio.sleep(self._settings.probe_every_ms / 1000)

    async def _probe(self, seen: Seen) -> None:
        if seen.shown != "device":
            with contextlib.suppress(AdbUnreachable):
                seen.shown = (await self._adb.devices()).get(seen.serial, seen.shown)
            seen.silent = f"adb says {seen.shown}"
            return
        try:
            async with asyncio.timeout(self._settings.probe_timeout_ms / 1000):
                vitals = await self._vitals(seen.serial)
        except (PhoneSilent, TimeoutError) as reason:
            seen.silent = f"silent: {str(reason) or 'no answer in time'}"
            return
        seen.unfit = unfit(vitals, self._gates, bool(seen.unfit))
        seen.vitals = vitals
        seen.silent = ""
        known = self._known.setdefault(vitals.phone_id, Known(vitals.phone_id, seen.serial))
        current = self._seen.get(known.serial)
        if current is None or current.silent:
            known.serial = seen.serial

    async def _vitals(self, serial: str) -> Vitals:
        timeout_s = self._settings.probe_timeout_ms / 1000

        async def ask(command: str) -> str:
            return (await self._adb.shell(serial, command, timeout_s)).strip()

        battery = await ask("dumpsys battery")
        level = _number(r"^\s*level:\s*(\d+)", battery)
        tenths = _number(r"^\s*temperature:\s*(-?\d+)", battery)
        free_kb = free_kilobytes(await ask("df -k /data"))
        return Vitals(
            phone_id=await ask("getprop ro.serialno") or serial,
            booted=await ask("getprop sys.boot_completed") == "1",
            battery_percent=level,
            temperature_c=None if tenths is None else tenths / 10,
            storage_free_mb=None if free_kb is None else free_kb // 1024,
        )

    def _lift(self, seen: Seen) -> None:
        known = self._known.get(seen.vitals.phone_id) if seen.vitals else None
        if known and not seen.silent and known.quarantine.probed(processes.now_s()):
            log.info("quarantine over phone=%s", known.phone_id)
            self._on_change()

    def _report(self, known: Known) -> PhoneReport:
        state, detail = self._state(known)
        report = PhoneReport(known.phone_id, state, known.serial, detail=detail)
        report.job_types = known.job_types
        seen = self._seen.get(known.serial)
        if seen and seen.vitals:
            report.battery_percent = seen.vitals.battery_percent
            report.temperature_c = seen.vitals.temperature_c
            report.storage_free_mb = seen.vitals.storage_free_mb
        return report

    def _state(self, known: Known) -> tuple[Health, str]:
        seen = self._seen.get(known.serial)
        if not known.serial:
            return (
                ("quarantined", "failed repeatedly")
                if known.quarantine.holds
                else (
                    "available",
                    "",
                )
            )
        if seen is None:
            return "offline", "adb does not show it"
        if seen.silent:
            return STATE_OF_ADB.get(seen.shown, "offline"), seen.silent
        if known.quarantine.holds:
            return "quarantined", "failed repeatedly"
        return ("unhealthy", seen.unfit) if seen.unfit else ("available", "")


def job_terms() -> list[JobTerms]:
    """What a server is told of the job types known here."""
    return [
        JobTerms(one.name, one.attempts_max, one.time_limit_ms, one.on_interrupted)
        for one in map(jobs.find, jobs.names())
    ]


def _number(pattern: str, text: str) -> int | None:
    found = re.search(pattern, text, re.MULTILINE)
    return int(found[1]) if found else None


def free_kilobytes(listing: str) -> int | None:
    """The `Available` column of the last line of `df -k`."""
    rows = [row.split() for row in listing.splitlines() if row.strip()]
    if len(rows) < 2 or "Available" not in rows[0]:
        return None
    value = rows[-1][rows[0].index("Available")] if len(rows[-1]) >= 4 else ""
    return int(value) if value.isdigit() else None
