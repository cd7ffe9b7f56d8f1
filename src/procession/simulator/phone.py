"""One phone made of software: what it is and what state it is in."""

from __future__ import annotations

from collections.abc import Callable

from procession.simulator.app import PACKAGE, DemoApp
from procession.simulator.faults import Fault, Faults
from procession.simulator.files import Files

MODEL = "Procession P1"
SDK = 34
TEMPERATURE_C, TEMPERATURE_HOT_C = 28.0, 52.0
BATTERY_LOW_PERCENT = 4
STORAGE_KB = 52_428_800
STORAGE_FREE_KB, STORAGE_FREE_LOW_KB = 31_457_280, 122_880
BOOT_MS = 1_000
PROPERTIES_MAX = 1_000
SETTINGS_MAX = 1_000
FEATURES = ("shell_v2", "stat_v2", "ls_v2", "sendrecv_v2", "fixed_push_mkdir")
SYSTEM_PACKAGES = ("android", "com.android.launcher3", "com.android.settings", "com.android.shell")


class Phone:
    """A simulated phone. `clock` is monotonic seconds, `wall` seconds since 1970.

    `address` is "host:port" once its fleet has started it.
    """

    def __init__(
        self, serial: str, number: int, clock: Callable[[], float], wall: Callable[[], float]
    ) -> None:
        self.serial = serial
        self.address = ""
        self.clock, self.wall = clock, wall
        self.files = Files(int(wall()))
        self.app = DemoApp(self._asset_sha256)
        self.properties = _properties(serial)
        self.settings: dict[str, dict[str, str]] = {"system": {}, "secure": {}, "global": {}}
        self.packages = (*SYSTEM_PACKAGES, PACKAGE)
        self._charge_percent = 60 + number * 7 % 41
        self.started_at = clock() - 3_600
        self.faults = Faults(clock)
        self.faults.watch(self._fault_changed)

    @property
    def battery_percent(self) -> int:
        low = self.faults.is_on(Fault.LOW_BATTERY)
        return BATTERY_LOW_PERCENT if low else self._charge_percent

    @property
    def temperature_c(self) -> float:
        hot = self.faults.is_on(Fault.HOT_BATTERY)
        return TEMPERATURE_HOT_C if hot else TEMPERATURE_C

    @property
    def storage_free_kb(self) -> int:
        full = self.faults.is_on(Fault.LOW_STORAGE)
        free_kb = STORAGE_FREE_LOW_KB if full else STORAGE_FREE_KB
        return free_kb - self.files.bytes_used // 1024

    @property
    def is_reachable(self) -> bool:
        """Whether a connection to it is accepted at all."""
        return not (self.faults.is_on(Fault.DROP) or self.faults.is_on(Fault.REBOOT))

    @property
    def uptime_s(self) -> float:
        return max(0.0, self.clock() - self.started_at)

    def property(self, name: str) -> str:
        """The value of a system property, empty when there is none."""
        if name in ("sys.boot_completed", "dev.bootcomplete"):
            return "1" if self.uptime_s * 1000 >= BOOT_MS else "0"
        return self.properties.get(name, "")

    def banner(self) -> bytes:
        """What the phone says of itself when a connection is made."""
        told = ("ro.product.name", "ro.product.model", "ro.product.device")
        parts = "".join(f"{name}={self.properties[name]};" for name in told)
        return f"device::{parts}features={','.join(FEATURES)}".encode()

    def reboot(self) -> None:
        """Go away for the usual time and come back with the uptime at zero."""
        self.faults.set(Fault.REBOOT)

    def _fault_changed(self, fault: Fault | None) -> None:
        if fault is Fault.REBOOT:
            self.app.stop()
            away_s = self.faults.seconds_left(Fault.REBOOT)
            self.started_at = self.clock() + away_s
        elif fault is None and not self.faults.is_on(Fault.REBOOT):
            # A reboot that was cut short by a clear is over now.
            self.started_at = min(self.started_at, self.clock())

    def _asset_sha256(self, path: str) -> str | None:
        file = self.files.find(path)
        return None if file is None or file.data is None else file.sha256


def _properties(serial: str) -> dict[str, str]:
    return {
        "ro.serialno": serial,
        "ro.boot.serialno": serial,
        "ro.product.name": "procession_p1",
        "ro.product.model": MODEL,
        "ro.product.device": "p1",
        "ro.product.brand": "procession",
        "ro.product.manufacturer": "Procession",
        "ro.product.cpu.abi": "arm64-v8a",
        "ro.product.locale": "en-US",
        "ro.build.version.sdk": str(SDK),
        "ro.build.version.release": "14",
        "ro.build.version.codename": "REL",
        "ro.build.version.security_patch": "2025-06-05",
        "ro.build.type": "user",
        "ro.build.fingerprint": f"procession/procession_p1/p1:14/SIM/{SDK}:user/release-keys",
        "ro.debuggable": "0",
        "ro.sf.lcd_density": "160",
        "persist.sys.timezone": "UTC",
        "persist.sys.locale": "en-US",
    }
