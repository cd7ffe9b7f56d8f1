"""What both adb binaries get from a phone's shell."""

from __future__ import annotations

import json
import struct
import zlib
from xml.etree import ElementTree

from own_adb import OwnAdb

from procession.simulator.phone import Phone


def test_a_connected_phone_is_listed_with_its_model(adb: OwnAdb, phone: Phone) -> None:
    listed = adb("devices", "-l").stdout
    assert f"{phone.address} " in listed
    assert "product:procession_p1 model:Procession_P1 device:p1" in listed


def test_a_phone_tells_its_serial_number(adb: OwnAdb, phone: Phone) -> None:
    assert adb.shell(phone, "getprop ro.serialno").stdout == "phone_01\n"
    assert "[ro.build.version.sdk]: [34]" in adb.shell(phone, "getprop").stdout


def test_exit_code_and_errors_come_apart_from_output(adb: OwnAdb, phone: Phone) -> None:
    answer = adb.shell(phone, "echo out; ls /nowhere; exit 7")
    assert (answer.returncode, answer.stdout) == (7, "out\n")
    assert answer.stderr == "ls: /nowhere: No such file or directory\n"


def test_an_unknown_command_exits_with_127(adb: OwnAdb, phone: Phone) -> None:
    answer = adb.shell(phone, "no-such-thing --at all")
    assert (answer.returncode, answer.stdout) == (127, "")
    assert "no-such-thing: inaccessible or not found" in answer.stderr


def test_the_old_shell_service_mixes_errors_into_output(adb: OwnAdb, phone: Phone) -> None:
    answer = adb.on(phone, "shell", "-x", "echo out; ls /nowhere; exit 7")
    assert answer.stdout == "out\nls: /nowhere: No such file or directory\n"
    assert (answer.returncode, answer.stderr) == (0, "")


def test_a_typed_shell_runs_line_by_line(adb: OwnAdb, phone: Phone) -> None:
    answer = adb.on(phone, "shell", typed="echo one\necho two >&2\nfalse\nexit\n")
    assert (answer.returncode, answer.stdout, answer.stderr) == (1, "one\n", "two\n")


def test_output_is_seen_before_the_command_ends(adb: OwnAdb, phone: Phone) -> None:
    import subprocess

    command = [adb.path, "-P", str(adb.port), "-s", phone.address, "shell", "echo a; sleep 60"]
    with subprocess.Popen(command, env=adb.env, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "a\n"
        running.kill()


def test_a_screenshot_is_a_png_that_depends_on_the_screen(adb: OwnAdb, phone: Phone) -> None:
    launcher = adb.binary(phone, "exec-out", "screencap -p")
    adb.shell(phone, "am start -d 'procession-demo://search' app.procession.demo")
    search = adb.binary(phone, "exec-out", "screencap -p")
    assert [png_size(launcher), png_size(search)] == [(270, 480), (270, 480)]
    assert launcher != search
    assert adb.shell(phone, "wm size").stdout == "Physical size: 270x480\n"


def png_size(data: bytes) -> tuple[int, int]:
    """Width and height of a PNG whose pixels are all there."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, height, depth, kind = struct.unpack(">IIBB", data[16:26])
    start = data.index(b"IDAT")
    (length,) = struct.unpack(">I", data[start - 4 : start])
    rows = zlib.decompress(data[start + 4 : start + 4 + length])
    assert (depth, kind, len(rows)) == (8, 3, height * (width + 1))
    return width, height


def test_the_screen_is_dumped_as_xml(adb: OwnAdb, phone: Phone) -> None:
    adb.shell(phone, "am start -d procession-demo://profile/edit app.procession.demo")
    said = adb.shell(phone, "uiautomator dump /sdcard/x.xml").stdout
    assert said == "UI hierchary dumped to: /sdcard/x.xml\n"
    nodes = list(ElementTree.fromstring(adb.shell(phone, "cat /sdcard/x.xml").stdout).iter("node"))
    ids = [node.attrib["resource-id"].rpartition("/")[2] for node in nodes]
    assert ids == ["", "display_name", "username", "bio", "save_button", "status_text"]
    assert nodes[1].attrib["bounds"] == "[8,40][262,80]"
    assert adb.on(phone, "exec-out", "uiautomator dump /dev/tty").stdout.startswith("<?xml")


def test_what_the_phone_is_set_to_is_kept(adb: OwnAdb, phone: Phone) -> None:
    adb.shell(phone, "setprop debug.mine 'a b' && settings put global stay_on 3")
    assert adb.shell(phone, "getprop debug.mine").stdout == "a b\n"
    assert adb.shell(phone, "settings get global stay_on").stdout == "3\n"
    assert adb.shell(phone, "settings get global unknown").stdout == "null\n"
    assert adb.shell(phone, "setprop ro.serialno other").returncode == 1


def test_what_is_in_front_is_told_by_dumpsys(adb: OwnAdb, phone: Phone) -> None:
    assert "launcher3" in adb.shell(phone, "dumpsys window").stdout
    adb.shell(phone, "am start -n app.procession.demo/.MainActivity")
    assert "app.procession.demo/" in adb.shell(phone, "dumpsys window").stdout
    assert "mResumedActivity" in adb.shell(phone, "dumpsys activity activities").stdout
    assert "level: 67" in adb.shell(phone, "dumpsys battery | grep level").stdout


def test_faults_can_be_switched_from_the_shell(adb: OwnAdb, phone: Phone) -> None:
    assert adb.shell(phone, "simctl fault hot_battery").returncode == 0
    assert json.loads(adb.shell(phone, "simctl faults").stdout) == ["hot_battery"]
    assert adb.shell(phone, "simctl clear; simctl faults").stdout == "[]\n"
    assert adb.shell(phone, "simctl fault nonsense").returncode == 2
    assert adb.shell(phone, "simctl fault hang -1").returncode == 2
