"""The demo app's profile with some of its text replaced, chosen for the runs of a test."""

from __future__ import annotations

from pathlib import Path

import pytest

from procession.capabilities.profile import SHIPPED, VARIABLE


def changed_profile(folder: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, str]) -> Path:
    """Write and choose it; waits for elements are cut to a second."""
    text = (SHIPPED / "demo.toml").read_text()
    for old, new in {"appear_s = 15": "appear_s = 1", **changes}.items():
        assert old in text
        text = text.replace(old, new)
    file = folder / "changed.toml"
    file.write_text(text)
    monkeypatch.setenv(VARIABLE, str(file))
    return file
