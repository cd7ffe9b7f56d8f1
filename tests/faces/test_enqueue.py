"""Submissions: the field rules, the capability table, targets, idempotency."""

from __future__ import annotations

from typing import Any

import pytest
from living_server import THEIRS, Api, Reply, until
from requests_by_hand import account, capability_request, direct, enqueue, fresh
from worker_by_hand import Worker

PATH = "/capability-requests/enqueue"


def pointers(reply: Reply) -> set[str]:
    """What a 422 names; also that it is a whole problem."""
    assert reply.status == 422, reply
    assert reply.headers["content-type"] == "application/problem+json"
    problem = reply.json
    assert problem["status"] == 422 and problem["title"] and problem["code"]
    assert problem["detail"] == problem["error"]
    assert all(error["message"] for error in problem["errors"])
    return {error["pointer"] for error in problem["errors"]}


def without(message: dict[str, Any], *path: str) -> dict[str, Any]:
    return changed(message, path, None, remove=True)


def changed(
    message: dict[str, Any], path: tuple[str, ...], value: Any, *, remove: bool = False
) -> dict[str, Any]:
    copy = dict(message)
    if len(path) > 1:
        copy[path[0]] = changed(message[path[0]], path[1:], value, remove=remove)
    elif remove:
        del copy[path[0]]
    else:
        copy[path[0]] = value
    return copy


def test_a_new_request_is_accepted_with_its_place(api: Api) -> None:
    reply = enqueue(api, request_id=(request_id := fresh()))
    assert reply.status == 202
    process_id = reply.json["process_id"]
    assert list(reply.json.items()) == [
        ("status", "accepted"),
        ("process_id", process_id),
        ("request_id", request_id),
        ("process_type", "echo"),
    ]
    assert reply.headers["location"] == f"/processes/{process_id}"
    assert api.get(reply.headers["location"]).json["process_id"] == process_id


def test_a_duplicate_is_answered_with_the_existing_process(api: Api) -> None:
    message = capability_request()
    first = api.post(PATH, message)
    again = api.post(PATH, message)
    assert again.status == 200
    assert list(again.json.items()) == [
        *first.json.items(),
        ("duplicate", True),
        ("process_status", "queued"),
        ("payload_matches", True),
    ]
    reordered = dict(reversed(message.items()))
    assert api.post(PATH, reordered).json["payload_matches"] is True
    other = api.post(PATH, message | {"inputs": {"say": "something else"}})
    assert (other.status, other.json["payload_matches"]) == (200, False)
    assert other.json["process_id"] == first.json["process_id"]


def test_the_key_is_type_system_and_request_id_within_the_tenant(api: Api) -> None:
    message = capability_request()
    first = api.post(PATH, message).json["process_id"]
    others = [
        api.post(PATH, message | {"capability": "sleep", "inputs": {"seconds": 1}}),
        api.post(PATH, changed(message, ("requested_by", "system"), "another")),
        api.post(PATH, message | {"request_id": fresh()}),
        api.as_(THEIRS).post(PATH, message),
    ]
    assert [reply.status for reply in others] == [202] * 4
    assert len({first, *(reply.json["process_id"] for reply in others)}) == 5


def test_what_was_accepted_stays_accepted_though_its_account_went(api: Api) -> None:
    Worker(api, "phone-stays").register()
    name = account(api)
    message = direct("phone-stays", name)
    assert api.post(PATH, message).status == 202
    assert api.patch(f"/accounts/{name}", {"active": False}).status == 200
    again = api.post(PATH, message)
    assert (again.status, again.json["duplicate"]) == (200, True)
    assert api.post(PATH, message | {"request_id": fresh()}).status == 404


@pytest.mark.parametrize(
    "path",
    [
        ("request_id",),
        ("capability",),
        ("mode",),
        ("target",),
        ("inputs",),
        ("callback",),
        ("requested_by",),
        ("callback", "url"),
        ("requested_by", "system"),
        ("target", "routing"),
    ],
)
def test_a_required_field_that_is_missing_is_named(api: Api, path: tuple[str, ...]) -> None:
    assert pointers(api.post(PATH, without(capability_request(), *path))) == {"/" + "/".join(path)}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("request_id",), ""),
        (("request_id",), "x" * 201),
        (("request_id",), 5),
        (("request_id",), None),
        (("capability",), []),
        (("capability",), "no_such_capability"),
        (("mode",), "automatic"),
        (("mode",), None),
        (("target",), "group"),
        (("target", "routing"), "everywhere"),
        (("target", "account_id"), 7),
        (("target", "account_ids"), "a"),
        (("inputs",), []),
        (("inputs",), "x"),
        (("inputs",), None),
        (("callback",), None),
        (("callback", "url"), 1),
        (("callback", "url"), ""),
        (("callback", "url"), "ftp://example.com/x"),
        (("callback", "url"), "example.com"),
        (("callback", "url"), "http://0x0a000001/x"),
        (("callback", "url"), "http://10.1/x"),
        (("callback", "url"), "http://user:secret@example.com/"),
        (("callback", "url"), "http://example.com/" + "x" * 2_048),
        (("callback", "metadata"), []),
        (("callback", "metadata"), None),
        (("requested_by",), "me"),
        (("requested_by", "system"), ""),
        (("requested_by", "user"), 5),
        (("requested_by", "metadata"), "x"),
    ],
)
def test_a_wrong_value_is_named(api: Api, path: tuple[str, ...], value: Any) -> None:
    message = changed(capability_request(), path, value)
    assert pointers(api.post(PATH, message)) == {"/" + "/".join(path)}


@pytest.mark.parametrize("url", ["http://10.0.0.1/x", "http://[::ffff:10.0.0.1]/x"])
def test_a_callback_that_may_not_be_called_refuses_no_work(api: Api, url: str) -> None:
    reply = enqueue(api, callback={"url": url})
    assert reply.status == 202
    path = reply.headers["location"] + "/deliveries"
    until(lambda: all(one["tries"] for one in api.get(path).json["deliveries"]))
    tried = api.get(path).json["deliveries"][0]["tries"][0]
    assert tried["status"] is None and "may not be called" in tried["error"]


def test_everything_wrong_is_named_together(api: Api) -> None:
    message = capability_request(
        target={"routing": "direct"},
        inputs=[],
        callback={"url": "ftp://10.0.0.1/", "metadata": 5},
    )
    assert pointers(api.post(PATH, message)) == {
        "/target/phone_id",
        "/target/account_id",
        "/inputs",
        "/callback/metadata",
        "/callback/url",
    }


def test_optional_fields_have_their_defaults(api: Api) -> None:
    message = capability_request(
        callback={"url": "https://example.com/x"}, requested_by={"system": "small"}
    )
    record = api.get(api.post(PATH, message).headers["location"]).json
    assert record["callback"] == {"url": "https://example.com/x", "metadata": {}}
    assert record["requested_by"] == {"system": "small", "user": None, "metadata": {}}


def test_a_callback_that_may_not_be_called_refuses_nothing(api: Api) -> None:
    for url in ("http://10.0.0.1/x", "http://[::ffff:10.0.0.1]/x", "http://127.0.0.1:22/"):
        assert enqueue(api, callback={"url": url}).status == 202


def test_unknown_keys_are_ignored(api: Api) -> None:
    assert enqueue(api, something_new={"a": [1]}).status == 202


@pytest.mark.parametrize("mode", ["manual", "unattended"])
@pytest.mark.parametrize("routing", ["direct", "queue", "group"])
@pytest.mark.parametrize(
    ("capability", "inputs"),
    [
        ("keyword_warmup", {"keywords": ["a"]}),
        ("fyp_warmup", {"minutes": 1}),
        ("maintenance", {"steps": [{"action": "health_check"}]}),
        ("echo", {}),
    ],
)
def test_the_table_of_capabilities_modes_and_routings(
    api: Api, capability: str, inputs: dict[str, Any], mode: str, routing: str
) -> None:
    Worker(api, "phone-table").register()
    name = account(api)
    target = {"routing": routing, "phone_id": "phone-table", "account_id": name}
    if routing == "group":
        target = {"routing": routing, "account_ids": [name]}
    reply = enqueue(api, capability=capability, inputs=inputs, mode=mode, target=target)
    if (capability, mode) == ("fyp_warmup", "unattended"):
        assert pointers(reply) == {"/mode"}
        assert reply.json["code"] == "capability_not_live_verified:fyp_warmup"
        assert "capability_not_live_verified:fyp_warmup" in reply.json["error"]
    elif (capability, routing) == ("maintenance", "group"):
        assert pointers(reply) == {"/target/routing"}
    else:
        assert reply.status == 202, reply


@pytest.mark.parametrize(
    ("capability", "inputs", "pointer"),
    [
        ("keyword_warmup", {}, "/inputs/keywords"),
        ("keyword_warmup", {"keywords": []}, "/inputs/keywords"),
        ("keyword_warmup", {"keywords": ["a"] * 51}, "/inputs/keywords"),
        (
            "keyword_warmup",
            {"keywords": ["a"], "minutes_per_keyword": 31},
            "/inputs/minutes_per_keyword",
        ),
        ("fyp_warmup", {"minutes": 0}, "/inputs/minutes"),
        ("fyp_warmup", {"minutes": "ten"}, "/inputs/minutes"),
        ("maintenance", {"steps": []}, "/inputs/steps"),
        ("maintenance", {"steps": [{"action": "explode"}]}, "/inputs/steps/0/action"),
        (
            "maintenance",
            {"steps": [{"action": "edit_profile", "params": {}}]},
            "/inputs/steps/0/params",
        ),
        ("sleep", {"seconds": -1}, "/inputs/seconds"),
    ],
)
def test_inputs_are_checked_against_the_capability(
    api: Api, capability: str, inputs: dict[str, Any], pointer: str
) -> None:
    reply = enqueue(api, capability=capability, inputs=inputs, target={"routing": "queue"})
    assert pointers(reply) == {pointer}


@pytest.mark.parametrize("missing", ["phone_id", "account_id"])
def test_direct_needs_both_ids(api: Api, missing: str) -> None:
    message = direct("p", "a")
    assert pointers(api.post(PATH, without(message, "target", missing))) == {f"/target/{missing}"}


@pytest.mark.parametrize("target", [{}, {"account_ids": []}, {"phone_ids": [], "phone_id": "x"}])
def test_a_group_needs_members(api: Api, target: dict[str, Any]) -> None:
    assert pointers(enqueue(api, target={"routing": "group"} | target)) == {"/target"}


@pytest.mark.parametrize(
    "target",
    [
        {"routing": "queue", "account_id": "nobody"},
        {"routing": "direct", "account_id": "nobody", "phone_id": "nothing"},
        {"routing": "group", "account_ids": ["nobody"]},
        {"routing": "group", "phone_ids": ["nothing"]},
    ],
)
def test_an_unknown_account_or_phone_is_not_found(api: Api, target: dict[str, Any]) -> None:
    reply = enqueue(api, target=target)
    assert reply.status == 404
    assert reply.json["code"] in ("account_not_found", "phone_not_found")


def test_a_group_becomes_one_item_a_member(api: Api) -> None:
    Worker(api, "phone-g1", "phone-g2").register()
    first, second = account(api, phone_id="phone-g1"), account(api, phone_id="phone-g2")
    record = api.get(
        enqueue(api, target={"routing": "group", "account_ids": [first, second]}).headers[
            "location"
        ]
    ).json
    ids = record["linked_ids"]["queue_item_ids"]
    assert len(ids) == 2
    found = api.get(f"/processes/{record['process_id']}/items").json["items"]
    assert [item["queue_item_id"] for item in found] == ids
    assert [item["account_id"] for item in found] == [first, second]
    assert record["target"]["account_ids"] == [first, second]
    assert record["partial_progress"]["items_total"] == 2


def test_a_group_may_be_named_by_its_label(api: Api) -> None:
    label = fresh("label")
    members = [account(api, labels=[label]) for _ in range(3)]
    reply = enqueue(api, target={"routing": "group", "account_group": label})
    items = api.get(reply.headers["location"] + "/items").json["items"]
    assert sorted(item["account_id"] for item in items) == sorted(members)
    nobody = enqueue(api, target={"routing": "group", "account_group": "nobody-has-it"})
    assert pointers(nobody) == {"/target/account_group"}


def maintenance(account_id: str, **changes: Any) -> dict[str, Any]:
    message = capability_request(inputs={"steps": [{"action": "health_check"}], "metadata": {}})
    for key in ("capability", "mode", "target"):
        del message[key]
    return message | {"account_id": account_id} | changes


def test_maintenance_needs_no_mode_and_no_target(api: Api) -> None:
    name = account(api)
    message = maintenance(name)
    reply = api.post("/maintenance/requests", message)
    assert reply.status == 202 and reply.json["process_type"] == "maintenance"
    record = api.get(reply.headers["location"]).json
    assert record["target"]["account_id"] == name
    assert api.post("/maintenance/requests", message).json["payload_matches"] is True


def test_maintenance_of_an_unknown_or_inactive_account_is_not_found(api: Api) -> None:
    sleeping = account(api, active=False)
    for name in ("nobody", sleeping):
        reply = api.post("/maintenance/requests", maintenance(name))
        assert (reply.status, reply.json["code"]) == (404, "account_not_found")


@pytest.mark.parametrize(
    ("params", "accepted"),
    [
        ({"display_name": "A"}, True),
        ({"bio": "b", "mutation_kind": "seasonal", "randomized": True}, True),
        ({"username": "u"}, True),
        ({}, False),
        ({"mutation_kind": "seasonal"}, False),
        ({"bio": 5}, False),
        ({"bio": "b", "randomized": "yes"}, False),
    ],
)
def test_a_profile_edit_needs_something_to_edit(
    api: Api, params: dict[str, Any], accepted: bool
) -> None:
    steps = {"steps": [{"action": "edit_profile", "params": params}]}
    reply = api.post("/maintenance/requests", maintenance(account(api), inputs=steps))
    if accepted:
        assert reply.status == 202, reply
    else:
        assert all(pointer.startswith("/inputs/steps/0") for pointer in pointers(reply))
