"""Front ends of other origins: those that are named, for one API, and never with cookies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from living_server import Api, Living, living

from procession.settings import SettingInvalid, read_settings

OURS = "https://app.example.com"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Living]:
    folder: Path = tmp_path_factory.mktemp("cors")
    with living(folder, cors_origins=f"{OURS}, http://127.0.0.1:5173") as one:
        yield one


def test_a_named_origin_gets_its_preflight_and_its_answers(api: Api) -> None:
    asked = {"Origin": OURS, "Access_Control_Request_Method": "POST"}
    preflight = api.as_(None).send("OPTIONS", "/api/processes", **asked)
    assert (preflight.status, preflight.body) == (204, b"")
    assert preflight.headers["access-control-allow-origin"] == OURS
    assert "Last-Event-ID" in preflight.headers["access-control-allow-headers"]
    assert "access-control-allow-credentials" not in preflight.headers
    for reply in (
        api.get("/api/processes", Origin=OURS),
        api.as_(None).get("/api/processes", Origin=OURS),
        api.get("/api/nowhere", Origin=OURS),
    ):
        assert reply.headers["access-control-allow-origin"] == OURS
        assert "ETag" in reply.headers["access-control-expose-headers"]
        assert reply.headers["vary"] == "Origin"


@pytest.mark.parametrize("origin", ["https://evil.example.com", "null", f"{OURS}.evil.com", ""])
def test_any_other_origin_gets_nothing(api: Api, origin: str) -> None:
    preflight = api.as_(None).send("OPTIONS", "/api/processes", Origin=origin)
    assert preflight.status == 405
    reply = api.get("/api/processes", Origin=origin)
    assert reply.status == 200
    assert not [name for name in reply.headers if name.startswith("access-control")]


def test_the_other_apis_are_open_to_no_origin(api: Api) -> None:
    reply = api.get("/processes", Origin=OURS)
    assert "access-control-allow-origin" not in reply.headers


@pytest.mark.parametrize(
    "given", ["*", "app.example.com", "https://a.example.com/path", "file://x"]
)
def test_a_setting_that_is_no_origin_is_refused_by_name(given: str) -> None:
    with pytest.raises(SettingInvalid, match="cors_origins"):
        read_settings({"cors_origins": given}, {})
