"""The Kubernetes files: valid for the versions in use, at one with each other and the program."""

from __future__ import annotations

import ipaddress
import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import kubernetes_validate
import pytest
from manifests import (
    EXAMPLES,
    KUBERNETES,
    KUSTOMIZATIONS,
    ROOT,
    Object,
    Pod,
    container,
    environment,
    of_kind,
    one,
    pod,
    pods,
    read,
    resources,
)
from program import drain_ms_of, fits_a_command

from procession.agent.agent import LAST_CLAIMS_S, LAST_RESULTS_S, STOP_ROOM_S

VERSIONS = ("1.29", "1.33", "1.37")
KUSTOMIZE = ("kustomize.config.k8s.io/v1beta1", "Kustomization")
PODS = pytest.mark.parametrize("which", pods(), ids=lambda which: which.name)
RESTRICTED = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True}
SERVER_ENDS_S = 5
"""What a server may take beyond `drain_ms`: it writes what its ledger holds."""


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_valid_and_has_no_unknown_key(version: str) -> None:
    objects = [*resources(), *(one for file in EXAMPLES for one in read(file))]
    assert len(objects) > 12
    for each in objects:
        kubernetes_validate.validate(each, version, strict=True)


def test_a_misspelled_key_would_be_found() -> None:
    wrong = one("Deployment", "procession-server")
    wrong["spec"]["template"]["spec"]["terminationGracePeriod"] = 30
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSIONS[0], strict=True)


def test_every_file_is_applied_or_is_an_example() -> None:
    applied = {file.parent / name for file in KUSTOMIZATIONS for name in read(file)[0]["resources"]}
    files = {file for file in KUBERNETES.rglob("*.yaml") if file not in KUSTOMIZATIONS}
    assert files == applied | set(EXAMPLES)


@pytest.mark.parametrize("file", KUSTOMIZATIONS, ids=lambda file: file.parent.name)
def test_a_kustomization_is_one_that_builds(file: Path) -> None:
    """What `kubectl kustomize` refuses, asked without it."""
    (said,) = read(file)
    assert (said["apiVersion"], said["kind"]) == KUSTOMIZE
    assert said.keys() == {"apiVersion", "kind", "namespace", "resources", "images"}
    built = [each for name in said["resources"] for each in read(file.parent / name)]
    names = [(each["kind"], each["metadata"]["name"]) for each in built]
    assert len(names) == len(set(names)) > 0
    for each in built:
        placed = each["metadata"].get("namespace", said["namespace"])
        assert placed == said["namespace"], each["metadata"]["name"]
    assert all(image.keys() == {"name", "newName", "newTag"} for image in said["images"])


def _owned(which: Pod, file: Path) -> bool:
    names = read(file)[0]["resources"]
    return any(which.owner in read(file.parent / name) for name in names)


def test_every_image_is_pinned_to_the_version_of_the_program() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    for file in KUSTOMIZATIONS:
        listed = {image["name"]: image["newTag"] for image in read(file)[0].get("images", [])}
        used = {container(each)["image"] for each in pods() if _owned(each, file)}
        assert listed == dict.fromkeys(used, version)


@PODS
def test_arguments_and_variables_are_those_of_the_command(which: Pod) -> None:
    fits_a_command(container(which)["args"], environment(which))


@PODS
def test_no_service_can_set_a_setting(which: Pod) -> None:
    # Service `procession` would put `PROCESSION_PORT=tcp://…` into every pod.
    assert which.spec["enableServiceLinks"] is False


@PODS
def test_a_pod_meets_the_restricted_standard(which: Pod) -> None:
    own = which.spec["securityContext"]
    assert own["runAsNonRoot"] is True and own["runAsUser"] == 10001
    assert own["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container(which)["securityContext"] == RESTRICTED | {"capabilities": {"drop": ["ALL"]}}
    assert which.spec["automountServiceAccountToken"] is False
    assert not any("hostPath" in volume for volume in which.spec.get("volumes", []))


@PODS
def test_secrets_and_configurations_exist_with_their_keys(which: Pod) -> None:
    for each in container(which)["env"]:
        if wanted := each.get("valueFrom", {}).get("secretKeyRef"):
            assert wanted["key"] in one("Secret", wanted["name"])["stringData"]
    for source in container(which).get("envFrom", []):
        assert one("ConfigMap", source["configMapRef"]["name"])["data"]
    assert one("ServiceAccount", which.spec["serviceAccountName"])


def test_no_secret_stands_in_an_object_that_is_applied() -> None:
    assert not [each for each in resources() if each["kind"] == "Secret"]
    text = "".join(json.dumps(each) for each in resources())
    assert "postgresql://" not in text and "htk_" not in text and "whsec_" not in text


def test_selectors_find_the_pods_they_mean() -> None:
    for owner in of_kind("Deployment", "StatefulSet"):
        labels = owner["spec"]["template"]["metadata"]["labels"]
        assert owner["spec"]["selector"]["matchLabels"].items() <= labels.items()
    for selecting in of_kind("Service", "PodDisruptionBudget", "NetworkPolicy"):
        found = {
            which.name for which in pods() if selector(selecting).items() <= which.labels.items()
        }
        assert found == {selecting["metadata"]["name"]}


def selector(selecting: Object) -> dict[str, str]:
    spec = selecting["spec"]
    chosen = spec.get("podSelector") or spec["selector"]
    labels: dict[str, str] = chosen.get("matchLabels", chosen)
    return labels


def test_the_autoscaler_scales_the_servers_and_nobody_else_does() -> None:
    target = one("HorizontalPodAutoscaler", "procession-server")["spec"]["scaleTargetRef"]
    deployment = one(target["kind"], target["name"])
    assert target["apiVersion"] == deployment["apiVersion"]
    assert "replicas" not in deployment["spec"]
    assert "cpu" in container(pod(target["name"]))["resources"]["requests"]


def test_the_budget_leaves_a_server_when_one_is_taken() -> None:
    least = one("HorizontalPodAutoscaler", "procession-server")["spec"]["minReplicas"]
    spare = one("PodDisruptionBudget", "procession-server")["spec"]["maxUnavailable"]
    assert 1 <= spare < least


def test_probes_ask_paths_that_are_served_without_a_token(
    open_status: Callable[[str], int],
) -> None:
    server = container(pod("procession-server"))
    ports = {each["name"]: each["containerPort"] for each in server["ports"]}
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        asked = server[probe]["httpGet"]
        assert open_status(asked["path"]) == 200
        assert ports[asked["port"]] == int(environment(pod("procession-server"))["PROCESSION_PORT"])


def test_a_database_that_is_away_restarts_no_server() -> None:
    server = container(pod("procession-server"))
    assert server["readinessProbe"]["httpGet"]["path"] == "/healthz"
    assert server["livenessProbe"]["httpGet"]["path"] != "/healthz"


def test_ports_are_the_same_everywhere() -> None:
    service = one("Service", "procession-server")["spec"]["ports"]
    (port,) = container(pod("procession-server"))["ports"]
    assert [each["targetPort"] for each in service] == [port["name"]]
    agent = environment(pod("procession-agent"))
    assert agent["PROCESSION_SERVER"] == f"http://procession-server:{service[0]['port']}"
    allowed = [
        each["port"]
        for rule in one("NetworkPolicy", "procession-agent")["spec"]["egress"]
        for each in rule.get("ports", [])
    ]
    assert port["containerPort"] in allowed


def test_a_server_has_time_to_drain() -> None:
    which = pod("procession-server")
    waited_s = int(container(which)["lifecycle"]["preStop"]["exec"]["command"][1])
    needed_s = waited_s + drain_ms_of("serve", environment(which)) / 1000 + SERVER_ENDS_S
    assert which.spec["terminationGracePeriodSeconds"] > needed_s


def test_an_agent_has_time_to_drain() -> None:
    which = pod("procession-agent")
    last_s = LAST_CLAIMS_S + STOP_ROOM_S + LAST_RESULTS_S
    needed_s = drain_ms_of("agent", environment(which)) / 1000 + last_s
    assert which.spec["terminationGracePeriodSeconds"] > needed_s


def test_an_agent_of_several_servers_trusts_no_refused_connection() -> None:
    assert environment(pod("procession-agent"))["PROCESSION_FENCE"] == "always"


def test_what_an_agent_must_keep_lies_on_its_volume() -> None:
    which = pod("procession-agent")
    (claim,) = which.owner["spec"]["volumeClaimTemplates"]
    mounts = {each["name"]: each["mountPath"] for each in container(which)["volumeMounts"]}
    state = environment(which)["PROCESSION_STATE_DIR"]
    assert state.startswith(mounts[claim["metadata"]["name"]])
    assert which.owner["spec"]["replicas"] == 1


@pytest.mark.parametrize("address", ["10.1.2.3", "172.20.0.1", "192.168.1.1", "169.254.169.254"])
def test_callbacks_reach_nothing_private(address: str) -> None:
    blocks = [
        block["ipBlock"]
        for rule in one("NetworkPolicy", "procession-server")["spec"]["egress"]
        for block in rule.get("to", [])
        if "ipBlock" in block
    ]
    given = ipaddress.ip_address(address)
    for block in blocks:
        inside = [given in ipaddress.ip_network(one) for one in block["except"]]
        assert given not in ipaddress.ip_network(block["cidr"]) or any(inside)
