"""Commands about the device: properties, battery, settings, radio switches."""

from __future__ import annotations

from procession.simulator.commands.command import Call, Command, Output, refused, said
from procession.simulator.faults import Fault
from procession.simulator.phone import (
    PROPERTIES_MAX,
    SETTINGS_MAX,
    STORAGE_KB,
    TEMPERATURE_HOT_C,
    Phone,
)

SWITCHES = ("wifi", "data", "bluetooth", "nfc", "usb", "power")
CHARGING, DISCHARGING = 2, 3
HEALTH_GOOD, HEALTH_OVERHEAT = 2, 3


def getprop(call: Call) -> Output:
    if not call.args:
        names = [*call.phone.properties, "sys.boot_completed", "dev.bootcomplete"]
        return said("\n".join(f"[{n}]: [{call.phone.property(n)}]" for n in sorted(names)))
    default = call.args[1] if len(call.args) > 1 else ""
    return said(call.phone.property(call.args[0]) or default)


def setprop(call: Call) -> Output:
    if len(call.args) != 2:
        return refused("usage: setprop NAME VALUE")
    name, value = call.args
    properties = call.phone.properties
    if name.startswith("ro.") or (name not in properties and len(properties) >= PROPERTIES_MAX):
        return refused(f"setprop: failed to set property '{name}' to '{value}'")
    properties[name] = value
    return Output(0)


def dumpsys(call: Call) -> Output:
    service = call.args[0] if call.args else ""
    report = REPORTS.get(service)
    if report is None:
        return refused(f"Can't find service: {service}", 0)
    return said(report(call.phone))


def _battery(phone: Phone) -> str:
    low = phone.faults.is_on(Fault.LOW_BATTERY)
    hot = phone.temperature_c >= TEMPERATURE_HOT_C
    return "\n".join((
        "Current Battery Service state:",
        "  AC powered: false",
        f"  USB powered: {'false' if low else 'true'}",
        "  Wireless powered: false",
        "  Max charging current: 500000",
        "  Max charging voltage: 5000000",
        f"  Charge counter: {phone.battery_percent * 45_000}",
        f"  status: {DISCHARGING if low else CHARGING}",
        f"  health: {HEALTH_OVERHEAT if hot else HEALTH_GOOD}",
        "  present: true",
        f"  level: {phone.battery_percent}",
        "  scale: 100",
        "  voltage: 4100",
        f"  temperature: {phone.temperature_c * 10:.0f}",
        "  technology: Li-ion",
    ))  # fmt: skip


def _activity(phone: Phone) -> str:
    return f"ACTIVITY MANAGER ACTIVITIES (dumpsys activity activities)\n  {_resumed(phone)}"


def _window(phone: Phone) -> str:
    return f"WINDOW MANAGER WINDOWS (dumpsys window windows)\n  {_focused(phone)}"


def _resumed(phone: Phone) -> str:
    return f"mResumedActivity: ActivityRecord{{1a2b3c u0 {_in_front(phone)} t1}}"


def _focused(phone: Phone) -> str:
    return f"mCurrentFocus=Window{{1a2b3c u0 {_in_front(phone)}}}"


def _in_front(phone: Phone) -> str:
    if phone.app.foreground:
        return "app.procession.demo/app.procession.demo.MainActivity"
    return "com.android.launcher3/com.android.launcher3.Launcher"


def _diskstats(phone: Phone) -> str:
    free = phone.storage_free_kb
    return f"Data-Free: {free}K / {STORAGE_KB}K total = {free * 100 // STORAGE_KB}% free"


def settings(call: Call) -> Output:
    verb, kept = call.args[:1], call.phone.settings.get(call.args[1] if call.args[1:] else "")
    names = call.args[2:]
    if kept is None or (verb != ["list"] and not names):
        return refused("Invalid arguments for settings command", 255)
    if verb == ["list"]:
        return Output(0, "".join(f"{k}={v}\n" for k, v in sorted(kept.items())).encode())
    if verb == ["get"]:
        return said(kept.get(names[0], "null"))
    if verb == ["delete"]:
        return said(f"Deleted {int(kept.pop(names[0], None) is not None)} rows")
    if verb != ["put"] or len(names) < 2 or len(kept) >= SETTINGS_MAX:
        return refused("Bad arguments", 255)
    kept[names[0]] = names[1]
    return Output(0)


def svc(call: Call) -> Output:
    if not call.args or call.args[0] not in SWITCHES:
        return said("Available commands:\n" + "\n".join(f"    {name}" for name in SWITCHES))
    if call.args[:2] == ["power", "reboot"]:
        return reboot(call)
    if len(call.args) > 1:
        call.phone.settings["global"][f"svc_{call.args[0]}"] = " ".join(call.args[1:])
    return Output(0)


def reboot(call: Call) -> Output:
    return Output(0, afterwards=call.phone.reboot)


def uptime(call: Call) -> Output:
    minutes = int(call.phone.uptime_s) // 60
    return said(
        f" up {minutes // 60}:{minutes % 60:02d},  0 users,  load average: 0.10, 0.10, 0.10"
    )


REPORTS = {
    "battery": _battery,
    "activity": _activity,
    "window": _window,
    "diskstats": _diskstats,
}

COMMANDS: dict[str, Command] = {
    "dumpsys": dumpsys,
    "getprop": getprop,
    "reboot": reboot,
    "setprop": setprop,
    "settings": settings,
    "svc": svc,
    "uptime": uptime,
}
