"""The demo app's flows, driven as a capability drives them."""

from __future__ import annotations

import hashlib
import re
import shlex
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree

from own_adb import OwnAdb

from procession.simulator.phone import Phone

PACKAGE = "app.procession.demo"


def start(adb: OwnAdb, phone: Phone, link: str) -> None:
    line = f"am start -a android.intent.action.VIEW -d {shlex.quote(link)} {PACKAGE}"
    assert adb.shell(phone, line).returncode == 0


def seen(adb: OwnAdb, phone: Phone) -> list[dict[str, str]]:
    said = adb.on(phone, "exec-out", "uiautomator dump /dev/tty").stdout
    xml = said[: said.index("UI hierchary")]
    return [node.attrib for node in ElementTree.fromstring(xml).iter("node")]


def texts(adb: OwnAdb, phone: Phone, name: str) -> list[str]:
    return [n["text"] for n in seen(adb, phone) if n["resource-id"] == f"{PACKAGE}:id/{name}"]


def tap(adb: OwnAdb, phone: Phone, name: str) -> None:
    node = next(n for n in seen(adb, phone) if n["resource-id"] == f"{PACKAGE}:id/{name}")
    left, top, right, bottom = map(int, re.findall(r"\d+", node["bounds"]))
    assert adb.shell(phone, f"input tap {(left + right) // 2} {(top + bottom) // 2}").stderr == ""


def replace_text(adb: OwnAdb, phone: Phone, name: str, text: str) -> None:
    tap(adb, phone, name)
    escaped = shlex.quote(text.replace(" ", "%s"))
    line = f"input keycombination 113 29; input keyevent KEYCODE_DEL; input text {escaped}"
    assert adb.shell(phone, line).returncode == 0


def test_what_was_searched_is_in_the_account(adb: OwnAdb, phone: Phone) -> None:
    start(adb, phone, "procession-demo://search?account=anna&from=test")
    replace_text(adb, phone, "search_field", 'it\'s a "cat" & dog; $HOME')
    tap(adb, phone, "search_button")
    state = adb.app_state(phone)
    assert state["accounts"]["anna"]["searches"] == ['it\'s a "cat" & dog; $HOME']
    assert texts(adb, phone, "result_item")[0] == 'it\'s a "cat" & dog; $HOME 1'
    adb.shell(phone, "input keyevent 123 67 66")
    assert adb.app_state(phone)["accounts"]["anna"]["searches"][1].endswith("; $HOM")


def test_an_edited_profile_is_read_back(adb: OwnAdb, phone: Phone) -> None:
    start(adb, phone, "procession-demo://profile/edit?account=anna")
    assert texts(adb, phone, "bio") == [""]
    replace_text(adb, phone, "display_name", "Anna <A>")
    replace_text(adb, phone, "bio", "first")
    assert adb.app_state(phone)["accounts"]["anna"]["profile"]["bio"] == ""
    tap(adb, phone, "save_button")
    assert texts(adb, phone, "status_text") == ["Saved"]
    start(adb, phone, "procession-demo://profile/edit?account=bob")
    assert texts(adb, phone, "display_name") == [""]
    start(adb, phone, "procession-demo://profile/edit?account=anna")
    assert (texts(adb, phone, "display_name"), texts(adb, phone, "bio")) == (
        ["Anna <A>"],
        ["first"],
    )
    replace_text(adb, phone, "bio", "second")
    tap(adb, phone, "save_button")
    profile = adb.app_state(phone)["accounts"]["anna"]["profile"]
    assert profile == {"display_name": "Anna <A>", "username": "", "bio": "second"}


def test_a_posted_asset_has_the_bytes_that_were_pushed(
    adb: OwnAdb, phone: Phone, tmp_path: Path
) -> None:
    asset, path = tmp_path / "clip.mp4", "/sdcard/Movies/my clip&1.mp4"
    asset.write_bytes(b"moving pictures" * 1000)
    assert adb.on(phone, "push", str(asset), path).returncode == 0
    start(adb, phone, f"procession-demo://compose?account=anna&asset={quote(path, safe='')}")
    assert texts(adb, phone, "asset_name") == ["my clip&1.mp4"]
    replace_text(adb, phone, "caption_field", "look at 100%")
    tap(adb, phone, "post_button")
    tap(adb, phone, "post_button")
    assert texts(adb, phone, "status_text") == ["Posted"]
    digest = hashlib.sha256(asset.read_bytes()).hexdigest()
    expected = {"asset": path, "asset_sha256": digest, "caption": "look at 100%"}
    assert adb.app_state(phone)["accounts"]["anna"]["posts"] == [expected]


def test_a_missing_asset_is_not_posted(adb: OwnAdb, phone: Phone) -> None:
    start(adb, phone, "procession-demo://compose?asset=%2Fsdcard%2Fnone.mp4")
    tap(adb, phone, "post_button")
    assert texts(adb, phone, "status_text") == ["Asset not found"]
    assert adb.app_state(phone)["accounts"]["default"]["posts"] == []


def test_a_swipe_up_shows_the_next_clip(adb: OwnAdb, phone: Phone) -> None:
    start(adb, phone, "procession-demo://feed")
    assert texts(adb, phone, "feed_position") == ["1"]
    adb.shell(phone, "input swipe 135 400 135 100 300; input swipe 135 400 135 100")
    assert texts(adb, phone, "feed_item") == ["Clip 3", "Clip 4", "Clip 5"]
    adb.shell(phone, "input swipe 135 100 135 400")
    assert texts(adb, phone, "feed_position") == ["2"]
    assert adb.app_state(phone)["accounts"]["default"]["clips_seen"] == 3


def test_the_focused_field_is_marked(adb: OwnAdb, phone: Phone) -> None:
    start(adb, phone, "procession-demo://profile/edit")
    tap(adb, phone, "username")
    focused = [n["resource-id"] for n in seen(adb, phone) if n["focused"] == "true"]
    assert focused == [f"{PACKAGE}:id/username"]


def test_closing_keeps_and_clearing_wipes_what_accounts_did(adb: OwnAdb, phone: Phone) -> None:
    start(adb, phone, "procession-demo://search")
    replace_text(adb, phone, "search_field", "cats")
    adb.shell(phone, "input keyevent KEYCODE_ENTER; am force-stop app.procession.demo")
    state = adb.app_state(phone)
    assert (state["running"], state["accounts"]["default"]["searches"]) == (False, ["cats"])
    assert "launcher" in seen(adb, phone)[0]["package"]
    assert adb.shell(phone, f"pm clear {PACKAGE}").stdout == "Success\n"
    assert adb.app_state(phone)["accounts"] == {}


def test_text_that_no_key_types_needs_the_broadcast(adb: OwnAdb, phone: Phone) -> None:
    start(adb, phone, "procession-demo://profile/edit")
    tap(adb, phone, "bio")
    assert adb.shell(phone, "input text 'héllo'").returncode == 255
    adb.shell(phone, f"am broadcast -a {PACKAGE}.SET_TEXT --es b64 aMOpbGxvIPCfmIA=")
    assert texts(adb, phone, "bio") == ["héllo 😀"]


def test_the_package_manager_knows_the_app(adb: OwnAdb, phone: Phone) -> None:
    assert f"package:{PACKAGE}\n" in adb.shell(phone, "pm list packages").stdout
    assert adb.shell(phone, "pm list packages -3").stdout == f"package:{PACKAGE}\n"
    assert adb.shell(phone, f"pm path {PACKAGE}").stdout.startswith("package:/data/app/")
    assert adb.shell(phone, "pm path not.here").returncode == 1


def test_a_link_that_leads_nowhere_is_refused(adb: OwnAdb, phone: Phone) -> None:
    answer = adb.shell(phone, f"am start -d procession-demo://nowhere {PACKAGE}")
    assert answer.returncode == 1
    assert "unable to resolve Intent" in answer.stderr
    assert adb.app_state(phone)["accounts"] == {}
