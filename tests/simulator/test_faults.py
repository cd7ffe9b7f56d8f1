"""Every fault, as adb shows it."""

from __future__ import annotations

import subprocess
import time

import pytest
from own_adb import OwnAdb, wait_until

from procession.simulator.faults import Fault
from procession.simulator.phone import Phone


def test_a_hung_phone_answers_nothing_and_still_looks_alive(adb: OwnAdb, phone: Phone) -> None:
    phone.faults.set(Fault.HANG)
    with pytest.raises(subprocess.TimeoutExpired):
        adb.shell(phone, "echo x", seconds=0.5)
    assert adb.shown(phone) == "device"
    phone.faults.clear()
    assert adb.shell(phone, "echo x").stdout == "x\n"


def test_a_hung_phone_lets_itself_be_connected(adb: OwnAdb, phone: Phone) -> None:
    phone.faults.set(Fault.HANG)
    adb("disconnect", phone.address)
    assert "connected to" in adb("connect", phone.address).stdout
    assert adb.shown(phone) == "device"


def test_a_command_that_hung_goes_on_when_the_hang_ends_by_itself(
    adb: OwnAdb, phone: Phone
) -> None:
    phone.faults.set(Fault.HANG, 0.5)
    began = time.monotonic()
    assert adb.shell(phone, "echo x").stdout == "x\n"
    assert time.monotonic() - began >= 0.4


def test_a_phone_can_be_told_over_adb_to_hang(adb: OwnAdb, phone: Phone) -> None:
    assert adb.shell(phone, "simctl fault hang 60").returncode == 0
    assert phone.faults.on() == [Fault.HANG]


def test_a_dropped_phone_is_offline_and_refuses_connections(adb: OwnAdb, phone: Phone) -> None:
    phone.faults.set(Fault.DROP)
    wait_until(lambda: adb.shown(phone) != "device", "the phone is gone")
    adb("disconnect", phone.address)
    assert "refused" in adb("connect", phone.address).stdout
    assert adb.shell(phone, "echo x").returncode == 1
    phone.faults.clear()
    adb.connect(phone)
    assert adb.shell(phone, "echo x").stdout == "x\n"


def test_a_drop_ends_by_itself_at_the_same_address(adb: OwnAdb, phone: Phone) -> None:
    address = phone.address
    phone.faults.set(Fault.DROP, 0.3)
    wait_until(lambda: adb.shown(phone) != "device", "the phone is gone")
    adb.connect(phone)
    assert phone.address == address


def test_a_slow_phone_takes_longer_for_every_command(adb: OwnAdb, phone: Phone) -> None:
    phone.faults.set(Fault.SLOW, ms=300)
    began = time.monotonic()
    assert adb.shell(phone, "echo x").stdout == "x\n"
    assert time.monotonic() - began >= 0.3


def test_an_unauthorized_phone_is_shown_as_such(adb: OwnAdb, phone: Phone) -> None:
    phone.faults.set(Fault.UNAUTHORIZED)
    wait_until(lambda: adb.shown(phone) == "unauthorized", "unauthorized is shown")
    assert "unauthorized" in adb.shell(phone, "echo x").stderr
    phone.faults.clear()
    wait_until(lambda: adb.shown(phone) == "device", "authorized again")


def test_connecting_to_an_unauthorized_phone_fails_to_authenticate(
    adb: OwnAdb, phone: Phone
) -> None:
    adb("disconnect", phone.address)
    phone.faults.set(Fault.UNAUTHORIZED)
    assert "failed to authenticate" in adb("connect", phone.address).stdout
    assert adb.shown(phone) == "unauthorized"


def test_a_rebooted_phone_comes_back_with_a_new_uptime(adb: OwnAdb, phone: Phone) -> None:
    adb.shell(phone, "am start -n app.procession.demo/.MainActivity")
    assert phone.uptime_s > 3_000
    phone.faults.set(Fault.REBOOT, ms=300)
    wait_until(lambda: adb.shown(phone) != "device", "the phone is gone")
    adb.connect(phone)
    assert adb.shell(phone, "getprop sys.boot_completed").stdout in ("0\n", "1\n")
    assert float(adb.shell(phone, "cat /proc/uptime").stdout.split()[0]) < 60
    booted = "getprop sys.boot_completed"
    wait_until(lambda: adb.shell(phone, booted).stdout == "1\n", "the phone has booted")
    assert not adb.app_state(phone)["running"]


def test_adb_can_reboot_a_phone(adb: OwnAdb, phone: Phone) -> None:
    assert adb.on(phone, "reboot").returncode == 0
    wait_until(lambda: not phone.is_reachable, "the phone reboots")
    wait_until(lambda: adb.shown(phone) != "device", "the phone is gone")
    phone.faults.clear()
    adb.connect(phone)
    assert phone.uptime_s < 60


def test_a_hot_battery_reads_52_degrees(adb: OwnAdb, phone: Phone) -> None:
    assert "temperature: 280" in adb.shell(phone, "dumpsys battery").stdout
    phone.faults.set(Fault.HOT_BATTERY)
    assert "temperature: 520" in adb.shell(phone, "dumpsys battery").stdout


def test_a_low_battery_is_nearly_empty(adb: OwnAdb, phone: Phone) -> None:
    phone.faults.set(Fault.LOW_BATTERY)
    said = adb.shell(phone, "dumpsys battery").stdout
    assert "level: 4\n" in said
    assert "USB powered: false" in said


def test_low_storage_shows_in_df_and_dumpsys(adb: OwnAdb, phone: Phone) -> None:
    free_kb = int(adb.shell(phone, "df -k /data").stdout.splitlines()[1].split()[3])
    phone.faults.set(Fault.LOW_STORAGE)
    nearly_full = adb.shell(phone, "df -k /data").stdout.splitlines()[1].split()
    assert int(nearly_full[3]) < 200_000 < free_kb
    assert nearly_full[4] == "100%"
    assert "Data-Free: 122880K" in adb.shell(phone, "dumpsys diskstats").stdout


def test_a_crash_cuts_the_connection_in_the_middle_of_the_output(adb: OwnAdb, phone: Phone) -> None:
    phone.faults.set(Fault.CRASH_MID_COMMAND)
    answer = adb.shell(phone, "echo 0123456789")
    assert answer.stdout == "01234"
    # The older adb tells half an answer as a success: only a newer one says 255.
    assert answer.returncode == (0 if adb.is_old else 255)
    adb.connect(phone)
    assert adb.shell(phone, "echo 0123456789").stdout == "0123456789\n"


def test_a_crash_with_a_duration_strikes_every_command(adb: OwnAdb, phone: Phone) -> None:
    phone.faults.set(Fault.CRASH_MID_COMMAND, 60)
    for _ in range(2):
        assert adb.shell(phone, "echo 0123456789").stdout == "01234"
        adb.connect(phone)
    phone.faults.clear(Fault.CRASH_MID_COMMAND)
    assert adb.shell(phone, "echo 0123456789").stdout == "0123456789\n"


def test_a_crash_strikes_a_command_that_says_nothing(adb: OwnAdb, phone: Phone) -> None:
    phone.faults.set(Fault.CRASH_MID_COMMAND)
    adb.shell(phone, "true")
    wait_until(lambda: phone.faults.on() == [], "the crash was used up")
    adb.connect(phone)
    assert adb.shell(phone, "true").returncode == 0


def test_clearing_another_fault_does_not_end_a_reboot() -> None:
    now = [0.0]
    phone = Phone("phone_01", 1, lambda: now[0], lambda: 0.0)
    phone.faults.set(Fault.LOW_BATTERY)
    phone.faults.set(Fault.REBOOT, 10)
    phone.faults.clear(Fault.LOW_BATTERY)
    assert (phone.is_reachable, phone.uptime_s) == (False, 0)
    now[0] = 10.5
    assert (phone.is_reachable, phone.uptime_s) == (True, 0.5)
    assert phone.property("sys.boot_completed") == "0"
    now[0] = 11.0
    assert phone.property("sys.boot_completed") == "1"
