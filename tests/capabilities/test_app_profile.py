"""App profiles: what they hold, and what is said of one that is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from procession.capabilities.profile import (
    FILE_BYTES_MAX,
    SHIPPED,
    Elements,
    Links,
    ProfileInvalid,
    chosen,
    load,
)

DEMO = (SHIPPED / "demo.toml").read_text()
LEAST = '[app]\nname = "x"\npackage = "a.b"\nactivity = "a.b/.C"\n'


def test_the_shipped_profile_describes_the_demo_app_in_full() -> None:
    profile = load(SHIPPED / "demo.toml")
    assert profile.app.package == "app.procession.demo"
    for part, kind in ((profile.links, Links), (profile.elements, Elements)):
        assert all(getattr(part, name) for name in kind.__struct_fields__)


def test_only_the_app_itself_must_be_named(tmp_path: Path) -> None:
    file = tmp_path / "least.toml"
    file.write_text(LEAST)
    assert load(file).links.feed is None


def test_the_demo_app_is_driven_unless_told_otherwise() -> None:
    assert chosen({}).app.name == "demo"
    assert chosen({"PROCESSION_APP_PROFILE": ""}).app.name == "demo"
    assert chosen({"PROCESSION_APP_PROFILE": "demo"}).app.name == "demo"


def test_an_operators_file_is_chosen_by_path(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(DEMO.replace('name = "demo"', 'name = "mine"'))
    assert chosen({"PROCESSION_APP_PROFILE": str(file)}).app.name == "mine"


@pytest.mark.parametrize("name", ["other", "..", "Demo", "a b", "x" * 5_000])
def test_a_name_that_is_not_shipped_is_refused_with_those_that_are(name: str) -> None:
    with pytest.raises(ProfileInvalid, match=r"neither a file nor .* \(demo\)"):
        chosen({"PROCESSION_APP_PROFILE": name})


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('package = "app.procession.demo"', "", "app.package: is required and missing"),
        ('package = "app.procession.demo"', 'package = "a; reboot"', "app.package: expected"),
        ("[links]", "[link]", "link: is not known"),
        ("search_field =", "search_feild =", "elements.search_feild: is not known"),
        ('"app.procession.demo:id/bio"', '"bio"', "elements.profile_bio: expected `str` matching"),
        ('"app.procession.demo:id/bio"', "7", "elements.profile_bio: expected `str | null`, got"),
        ("appear_s = 15", "appear_s = 0", "timing.appear_s: expected `float` >= 0.5"),
        ("?asset={asset}&", "?", "links.compose: needs {asset}"),
        ("feed?account={account}", "feed?account={acount}", "links.feed: {acount} is not"),
        ("feed?account={account}", "feed?account={", "links.feed: "),
        ("feed?account={account}", "feed?account={account!r}", "links.feed: {account}"),
        ("{b64}", "{text}", "input.set_text: {text} is not {b64}"),
        ("--es b64 {b64}", "--es b64", "input.set_text: needs {b64}"),
        ("[app]", "[app", "not TOML: .* (at line 3"),
        ('name = "demo"', 'name = "demo"\nname = "demo"', "not TOML: "),
    ],
)
def test_a_mistake_names_file_key_and_rule(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in DEMO
    file = tmp_path / "wrong.toml"
    file.write_text(DEMO.replace(old, new))
    with pytest.raises(ProfileInvalid) as refusal:
        load(file)
    assert str(refusal.value).startswith(f"app profile {file}: ")
    for part in said.split(".* "):
        assert part in str(refusal.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(ProfileInvalid, match=str(path)):
            load(path)


def test_a_file_that_is_no_text_or_too_large_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ProfileInvalid, match="not TOML"):
        load(file)
    file.write_bytes(b"#" * (FILE_BYTES_MAX + 1))
    with pytest.raises(ProfileInvalid, match="larger than"):
        load(file)


def test_an_accounts_app_names_a_profile_in_the_operators_folder(tmp_path: Path) -> None:
    (tmp_path / "shop.toml").write_text((SHIPPED / "demo.toml").read_text())
    chosen({"PROCESSION_APP": "shop", "PROCESSION_APP_PROFILES": str(tmp_path)})
    chosen({"PROCESSION_APP": "demo", "PROCESSION_APP_PROFILES": str(tmp_path)})


@pytest.mark.parametrize("app", ["unknown", "../shop", "/etc/passwd", "shop.toml", ""])
def test_an_accounts_app_is_never_a_path(app: str, tmp_path: Path) -> None:
    folder = tmp_path / "profiles"
    folder.mkdir()
    (tmp_path / "shop.toml").write_text((SHIPPED / "demo.toml").read_text())
    environ = {"PROCESSION_APP": app or "x" * 100, "PROCESSION_APP_PROFILES": str(folder)}
    with pytest.raises(ProfileInvalid, match="app profile"):
        chosen(environ)
