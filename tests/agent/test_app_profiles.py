"""Which app profile a run is given: the operator's, or that of its account's app."""

from __future__ import annotations

import pytest

from procession.agent.confine import additions
from procession.agent.frames import Limits, Start
from procession.agent.nursery import zygote_environment


def start(app: str | None) -> Start:
    return Start(
        process_id="p",
        item_id="i",
        attempt=1,
        capability="echo",
        inputs=b"{}",
        phone_id="phone_01",
        serial="",
        adb_port=5037,
        account_id="a",
        app=app,
        limits=Limits(64, 64),
        until_s=0.0,
    )


def test_the_operators_profiles_reach_the_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROCESSION_APP_PROFILE", "/etc/app.toml")
    monkeypatch.setenv("PROCESSION_APP_PROFILES", "/etc/profiles")
    environment = zygote_environment("mark")
    assert environment["PROCESSION_APP_PROFILE"] == "/etc/app.toml"
    assert environment["PROCESSION_APP_PROFILES"] == "/etc/profiles"


def test_a_run_is_told_its_accounts_app() -> None:
    assert additions(start("shop"), "/tmp/home")["PROCESSION_APP"] == "shop"
    assert "PROCESSION_APP" not in additions(start(None), "/tmp/home")
