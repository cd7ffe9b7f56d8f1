"""The compose files: valid, at one with each other, the image and the program."""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest
import yaml
from manifests import DEPLOY, ROOT, Object, compose
from program import drain_ms_of, fits_a_command

from procession.agent.agent import LAST_CLAIMS_S, LAST_RESULTS_S, STOP_ROOM_S
from procession.settings import read_settings

FILES = ("compose.yaml", "compose.usb.yaml")
SERVICES: dict[str, Object] = compose()["services"]
OURS = pytest.mark.parametrize(
    "name", [name for name, one in SERVICES.items() if one["image"].startswith("procession-")]
)
SERVERS = pytest.mark.parametrize("name", ["server-1", "server-2"])
SERVER_ENDS_S = 5


def seconds(text: str) -> int:
    assert text.endswith("s")
    return int(text[:-1])


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "secrets"
    subprocess.run([DEPLOY / "make-secrets", folder], check=True)
    return folder


@pytest.mark.parametrize("file", FILES)
def test_a_file_is_valid(file: str) -> None:
    schema = files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"
    jsonschema.validate(compose(file), yaml.safe_load(schema.read_text()))


def test_the_file_for_usb_changes_only_what_is_there() -> None:
    changed = compose("compose.usb.yaml")["services"]
    assert changed.keys() <= SERVICES.keys()


@OURS
def test_arguments_and_variables_are_those_of_the_command(name: str) -> None:
    one = SERVICES[name]
    by_image = {"procession-server": ["serve"], "procession-agent": ["agent"]}
    words = one.get("command") or by_image[one["image"].split(":")[0]]
    fits_a_command(words, one.get("environment", {}))


@OURS
def test_an_image_is_of_this_version(name: str) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert SERVICES[name]["image"].endswith(f":{version}")


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_names_exists(name: str) -> None:
    whole, one = compose(), SERVICES[name]
    assert set(one.get("depends_on", {})) <= SERVICES.keys()
    assert set(one.get("secrets", [])) <= whole["secrets"].keys()
    assert set(one.get("networks", [])) <= whole["networks"].keys()
    for volume in one.get("volumes", []):
        source = volume.split(":")[0]
        assert source in whole["volumes"] or (DEPLOY / source).is_file()
    for other, how in one.get("depends_on", {}).items():
        healthy = how["condition"] == "service_healthy"
        assert not healthy or "healthcheck" in SERVICES[other]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_comes_back_and_is_told_to_end_in_time(name: str) -> None:
    one = SERVICES[name]
    assert one["restart"] == "unless-stopped"
    assert "stop_grace_period" in one or name == "phones"


@SERVERS
def test_a_server_has_time_to_drain(name: str) -> None:
    one = SERVICES[name]
    needed_s = drain_ms_of("serve", one["environment"]) / 1000 + SERVER_ENDS_S
    assert seconds(one["stop_grace_period"]) > needed_s


def test_an_agent_has_time_to_drain() -> None:
    agent = SERVICES["agent"]
    last_s = LAST_CLAIMS_S + STOP_ROOM_S + LAST_RESULTS_S
    needed_s = drain_ms_of("agent", agent["environment"]) / 1000 + last_s
    assert seconds(agent["stop_grace_period"]) > needed_s


def test_an_agent_behind_a_proxy_trusts_no_refused_connection() -> None:
    assert SERVICES["agent"]["environment"]["PROCESSION_FENCE"] == "always"


@SERVERS
def test_health_is_asked_where_the_server_listens(
    name: str, open_status: Callable[[str], int]
) -> None:
    one = SERVICES[name]
    address = re.search(r"127\.0\.0\.1:(\d+)(/\w+)", " ".join(one["healthcheck"]["test"]))
    assert address and address[1] == one["environment"]["PROCESSION_PORT"]
    assert open_status(address[2]) == 200


def test_the_proxy_knows_every_server_by_its_port() -> None:
    told = SERVICES["proxy"]["environment"]
    for number in (1, 2):
        host, _, port = told[f"SERVER_{number}"].partition(":")
        assert SERVICES[host]["environment"]["PROCESSION_PORT"] == port
    listening = told["LISTEN"].partition(":")[2]
    assert SERVICES["agent"]["environment"]["PROCESSION_SERVER"] == f"http://proxy:{listening}"
    assert [each.rsplit(":", 1)[1] for each in SERVICES["proxy"]["ports"]] == [listening]


def test_nothing_listens_beyond_this_machine() -> None:
    ports = [port for one in SERVICES.values() for port in one.get("ports", [])]
    assert ports and all(port.startswith("127.0.0.1:") for port in ports)


def test_no_secret_stands_in_a_file() -> None:
    for file in FILES:
        assert not re.search(r"whsec_|htk_|://\w+:\w+@", (DEPLOY / file).read_text())


def test_made_secrets_are_the_files_that_are_read(secrets: Path) -> None:
    wanted = {Path(one["file"]).name for one in compose()["secrets"].values()}
    wanted |= {Path(file).name for file in SERVICES["agent"]["env_file"]}
    assert {file.name for file in secrets.iterdir()} == wanted


def test_made_settings_are_taken_and_reach_the_database_of_the_file(secrets: Path) -> None:
    settings = read_settings({}, environment={}, file=secrets / "server.toml")
    made = SERVICES["postgres"]["environment"]
    password = (secrets / "postgres_password").read_text()
    user, name = made["POSTGRES_USER"], made["POSTGRES_DB"]
    assert settings.database == f"postgresql://{user}:{password}@postgres/{name}"
    assert len(password) >= 32 and settings.bootstrap_token and settings.callback_secrets


def test_secrets_are_closed_to_others_and_made_once(secrets: Path) -> None:
    before = {file: file.read_bytes() for file in secrets.iterdir()}
    subprocess.run([DEPLOY / "make-secrets", secrets], check=True)
    assert {file: file.read_bytes() for file in secrets.iterdir()} == before
    assert secrets.stat().st_mode & 0o077 == 0


def test_secrets_are_ignored_by_git() -> None:
    inside = [str(DEPLOY / "secrets" / "server.toml")]
    told = subprocess.run(["git", "-C", str(ROOT), "check-ignore", "-q", *inside], check=False)
    assert told.returncode == 0
