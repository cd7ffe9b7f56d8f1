"""`maintenance`: upkeep of a phone and its app, and editing the account's own profile."""

from __future__ import annotations

import os
from typing import Any, ClassVar

from msgspec import Struct

from procession.capabilities.app import App
from procession.capabilities.capability import (
    MODES,
    NO_BLOCKS,
    Job,
    Mode,
    OnInterrupted,
    Phone,
    Routing,
    RunFailed,
)
from procession.capabilities.health import health
from procession.capabilities.maintenance_steps import (
    STEPS_MAX,
    ClearCache,
    EditProfile,
    HealthCheck,
    MaintenanceInput,
    Reboot,
    RestartApp,
    Screenshot,
    Step,
)
from procession.capabilities.picture import pictured
from procession.capabilities.profile import chosen

STEP_MS = 600_000
OVERHEAD_MS = 60_000
SHOWN_CHARS_MAX = 120
TRIM_TO = "1024G"
"""More free space than any phone has: all caches go, no data does."""

PROFILE_FIELDS = ("display_name", "username", "bio")


class Maintenance:
    """Does its steps in order; the first that fails ends the run, and is named."""

    name: ClassVar[str] = "maintenance"
    Input: ClassVar[type[Struct] | None] = MaintenanceInput
    modes: ClassVar[frozenset[Mode]] = MODES
    routings: ClassVar[frozenset[Routing]] = frozenset({"direct", "queue"})
    blocked: ClassVar[dict[Mode, str]] = NO_BLOCKS
    needs_phone: ClassVar[bool] = True
    on_interrupted: ClassVar[OnInterrupted] = "fail"
    attempts_max: ClassVar[int] = 3
    time_limit_ms: ClassVar[int] = STEPS_MAX * STEP_MS + OVERHEAD_MS

    def time_limit_for(self, wanted: MaintenanceInput) -> int:
        return len(wanted.steps) * STEP_MS + OVERHEAD_MS

    def run(self, job: Job) -> Any:
        wanted: MaintenanceInput = job.input
        app = App(job, chosen(os.environ))
        done: list[dict[str, Any]] = []
        for number, step in enumerate(wanted.steps, 1):
            action = str(step.__struct_config__.tag)
            job.progress(100 * len(done) / len(wanted.steps), action)
            try:
                done.append({"action": action, **_do(step, app, done)})
            except RunFailed as failure:
                where = f"step {number} of {len(wanted.steps)} ({action})"
                failure.args = (f"{where}: {failure}",)
                raise
            job.log(f"done: {action}")
        job.progress(100, f"{len(done)} steps done")
        return {"steps": done}


def _do(step: Step, app: App, done: list[dict[str, Any]]) -> dict[str, Any]:
    match step:
        case EditProfile():
            return _edit_profile(step, app)
        case HealthCheck():
            return _check_health(app)
        case Screenshot():
            kept = sum(len(one.get("png_base64") or "") for one in done)
            return pictured(app.phone.screenshot(), kept)
        case RestartApp():
            app.restart()
            return {}
        case ClearCache():
            app.shell(f"pm trim-caches {TRIM_TO}")
            return {}
        case Reboot():
            return _reboot(app.phone)


def _edit_profile(step: EditProfile, app: App) -> dict[str, Any]:
    """Fill the fields, save, then open the screen anew and read what was kept."""
    wanted = {
        field: value
        for field in PROFILE_FIELDS
        if (value := getattr(step.params, field)) is not None
    }
    app.open("profile")
    before = {field: app.read(f"profile_{field}") for field in wanted}
    for field, value in wanted.items():
        app.fill(f"profile_{field}", value)
    app.tap("profile_save")
    app.wait_for("profile_saved", app.profile.texts.profile_saved)
    app.open("profile")
    after = {field: app.wait_for(f"profile_{field}", wanted[field]).text for field in wanted}
    told = {"before": before, "after": after}
    shown = {
        when: {field: value[:SHOWN_CHARS_MAX] for field, value in values.items()}
        for when, values in told.items()
    }
    notes = {"mutation_kind": step.params.mutation_kind, "randomized": step.params.randomized}
    return {**shown, **notes}


def _check_health(app: App) -> dict[str, Any]:
    return health(
        app.profile.app.package,
        app.shell("getprop sys.boot_completed"),
        app.shell("dumpsys battery"),
        app.shell("df -k /data"),
        app.shell("pm list packages"),
    )


def _reboot(phone: Phone) -> dict[str, Any]:
    phone.reboot()
    return {}
