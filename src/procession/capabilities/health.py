"""Reads how a phone and its app are, from what the phone's own commands print. Pure."""

from __future__ import annotations

import re
from typing import Any

BATTERY_PERCENT_MIN = 15
TEMPERATURE_C_MAX = 45.0
STORAGE_FREE_MB_MIN = 500


def health(
    package: str, boot_completed: str, battery: str, df: str, packages: str
) -> dict[str, Any]:
    """What `getprop sys.boot_completed`, `dumpsys battery`, `df -k /data`, `pm list packages` say.

    Battery in percent, temperature in degrees Celsius, storage in MiB; null where not told.
    """
    level, tenths = _number(battery, "level"), _number(battery, "temperature")
    free_mb = _free_mb(df)
    found: dict[str, Any] = {
        "booted": boot_completed.strip() == "1",
        "app_installed": f"package:{package}" in packages.split(),
        "battery_percent": level,
        "temperature_c": None if tenths is None else tenths / 10,
        "storage_free_mb": free_mb,
    }
    return {**found, "problems": _problems(found)}


def _problems(found: dict[str, Any]) -> list[str]:
    level, degrees, free_mb = (
        found[key] for key in ("battery_percent", "temperature_c", "storage_free_mb")
    )
    checks = {
        "the phone has not finished booting": not found["booted"],
        "the app is not installed": not found["app_installed"],
        f"battery under {BATTERY_PERCENT_MIN} %": level is not None and level < BATTERY_PERCENT_MIN,
        f"battery over {TEMPERATURE_C_MAX:g} °C": degrees is not None
        and degrees > TEMPERATURE_C_MAX,
        f"less than {STORAGE_FREE_MB_MIN} MiB free": free_mb is not None
        and free_mb < STORAGE_FREE_MB_MIN,
    }
    return [problem for problem, is_so in checks.items() if is_so]


def _number(text: str, key: str) -> int | None:
    found = re.search(rf"^\s*{key}:\s*(-?\d+)\s*$", text, re.MULTILINE)
    return int(found[1]) if found else None


def _free_mb(df: str) -> int | None:
    """The fourth column, KiB available, of the last line."""
    columns = df.strip().rpartition("\n")[2].split()
    return int(columns[3]) // 1024 if len(columns) > 3 and columns[3].isdigit() else None
