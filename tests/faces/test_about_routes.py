"""Capabilities, the API's own description, health and numbers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from living_server import Api, Living
from prometheus_client.parser import text_string_to_metric_families
from requests_by_hand import process_of

from procession.capabilities import registry


def test_every_registered_capability_is_described(api: Api) -> None:
    found = {one["name"]: one for one in api.get("/capabilities").json["capabilities"]}
    assert sorted(found) == registry.names()
    warmup = found["fyp_warmup"]
    assert warmup["modes"] == ["manual"]
    assert warmup["blocked"] == {"unattended": "capability_not_live_verified:fyp_warmup"}
    assert found["maintenance"]["routings"] == ["direct", "queue"]
    assert found["echo"]["blocked"] is None
    keywords = found["keyword_warmup"]["inputs"]["properties"]["keywords"]
    assert (keywords["minItems"], keywords["maxItems"]) == (1, 50)


def refs(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, held in value.items():
            if key == "$ref":
                yield held
            else:
                yield from refs(held)
    elif isinstance(value, list):
        for held in value:
            yield from refs(held)


def test_the_description_names_every_endpoint_and_is_whole(server: Living, api: Api) -> None:
    document = api.as_(None).get("/openapi.json").json
    assert document["openapi"] == "3.1.0"
    served = {
        (endpoint.method.lower(), endpoint.path)
        for face in server.app._faces
        if face.name == "execution"
        for endpoint in face.endpoints
    }
    described = {
        (method, path) for path, methods in document["paths"].items() for method in methods
    }
    assert described == served
    schemas = document["components"]["schemas"]
    for ref in refs(document):
        assert ref.removeprefix("#/components/schemas/") in schemas
    ids = [one["operationId"] for path in document["paths"].values() for one in path.values()]
    assert len(ids) == len(set(ids))
    for path, methods in document["paths"].items():
        for operation in methods.values():
            named = {one["name"] for one in operation["parameters"] if one["in"] == "path"}
            assert named == {part[1:-1] for part in path.split("/") if part.startswith("{")}


def test_statuses_that_are_answered_are_described(server: Living, api: Api) -> None:
    process_of(api)
    for path in ("/processes/x", "/processes?limit=0", "/phones", "/capabilities"):
        api.get(path)
    document = api.get("/openapi.json").json
    for method, path, status in server.app.load.answered:
        operation = document["paths"].get(path, {}).get(method.lower())
        if operation is not None:
            assert str(status) in operation["responses"], (method, path, status)


def test_health_needs_no_token_and_says_ok(api: Api) -> None:
    reply = api.as_(None).get("/healthz")
    assert (reply.status, reply.json) == (200, {"status": "ok"})
    assert "x-request-id" in reply.headers


def test_numbers_count_what_happened(api: Api) -> None:
    api.get("/processes/unknown")
    families = {
        family.name: family
        for family in text_string_to_metric_families(api.get("/metrics").body.decode())
    }
    samples = {
        tuple(sorted(one.labels.items())): one.value
        for one in families["procession_requests"].samples
    }
    key = (("method", "GET"), ("path", "/processes/{process_id}"), ("status", "404"))
    assert samples[key] >= 1
    assert families["procession_streams_open"].samples[0].value == 0
    states = {one.labels["state"] for one in families["procession_processes"].samples}
    assert "queued" in states or not states


def test_numbers_are_for_this_machine_or_for_a_token(api: Api) -> None:
    nobody = api.as_(None)
    assert nobody.get("/metrics").status == 200
    assert nobody.get("/metrics", X_Forwarded_For="203.0.113.9").status == 401
    assert nobody.get("/metrics", Forwarded="for=203.0.113.9").status == 401
    assert api.get("/metrics", X_Forwarded_For="203.0.113.9").status == 200


def test_answers_are_json_without_surprises(api: Api) -> None:
    for path in ("/processes", "/phones", "/accounts", "/capabilities", "/openapi.json"):
        reply = api.get(path)
        assert reply.headers["content-type"] == "application/json"
        assert int(reply.headers["content-length"]) == len(reply.body)
        json.loads(reply.body)
