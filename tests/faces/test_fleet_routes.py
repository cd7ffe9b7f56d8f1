"""Phones and accounts as callers see and edit them."""

from __future__ import annotations

from typing import Any

import pytest
from living_server import Api
from requests_by_hand import account, fresh, process_of
from worker_by_hand import Worker

PHONE_KEYS = [
    "phone_id",
    "state",
    "agent_id",
    "labels",
    "battery_percent",
    "temperature_c",
    "storage_free_mb",
    "lease",
    "queue_length",
    "quarantine",
    "last_seen_at",
]


def shown(api: Api, phone_id: str) -> dict[str, Any]:
    (phone,) = [one for one in api.get("/phones").json["phones"] if one["phone_id"] == phone_id]
    found: dict[str, Any] = phone
    return found


def test_a_phone_shows_who_holds_it_and_who_waits(api: Api) -> None:
    phone = fresh("phone")
    worker = Worker(api, phone, agent_id=fresh("agent")).register()
    free = shown(api, phone)
    assert list(free)[: len(PHONE_KEYS)] == PHONE_KEYS
    assert (free["state"], free["lease"], free["queue_length"]) == ("available", None, 0)
    target = {"routing": "group", "phone_ids": [phone]}
    process_id = process_of(api, target=target)
    item = worker.claim()
    process_of(api, target=target)
    busy = shown(api, phone)
    assert (busy["state"], busy["queue_length"]) == ("busy", 1)
    assert busy["lease"]["process_id"] == process_id
    assert busy["lease"]["queue_item_id"] == item["item_id"]
    assert busy["lease"]["expires_at"] > busy["last_seen_at"]
    worker.run(item)


def test_a_phone_is_labelled_and_paused(api: Api) -> None:
    phone = fresh("phone")
    Worker(api, phone, agent_id=fresh("agent")).register()
    path = f"/phones/{phone}"
    assert api.patch(path, {"labels": ["Shelf-1"]}).json["labels"] == ["shelf-1"]
    paused = api.patch(path, {"paused": True}).json
    assert (paused["state"], paused["labels"]) == ("paused", ["shelf-1"])
    assert api.patch(path, {}).json["state"] == "paused"
    assert api.patch(path, {"paused": False, "labels": []}).json["state"] == "available"


def test_a_stuck_lease_can_be_ended(api: Api) -> None:
    phone = fresh("phone")
    worker = Worker(api, phone, agent_id=fresh("agent")).register()
    process_of(api, target={"routing": "group", "phone_ids": [phone]})
    worker.start(worker.claim())
    released = api.post(f"/phones/{phone}/release")
    assert (released.status, released.json["lease"]) == (200, None)


def test_an_account_is_made_once_and_edited(api: Api) -> None:
    name = fresh("acc/ount ü")
    made = api.post("/accounts", {"account_id": name, "labels": ["Eu"], "app": "demo"})
    assert made.status == 201
    assert list(made.json.items()) == [
        ("account_id", name),
        ("phone_id", None),
        ("app", "demo"),
        ("labels", made.json["labels"]),
        ("active", True),
    ]
    again = api.post("/accounts", {"account_id": name})
    assert (again.status, again.json["code"]) == (409, "request_reused")
    path = made.headers["location"]
    edited = api.patch(path, {"phone_id": "p", "active": False})
    assert edited.status == 200, (path, edited)
    assert (edited.json["phone_id"], edited.json["app"], edited.json["active"]) == (
        "p",
        "demo",
        False,
    )
    assert api.patch(path, {"phone_id": None}).json["phone_id"] is None
    (listed,) = [one for one in api.get("/accounts").json["accounts"] if one["account_id"] == name]
    assert listed["active"] is False


@pytest.mark.parametrize(
    ("path", "message", "pointer"),
    [
        ("/accounts", {}, "/account_id"),
        ("/accounts", {"account_id": ""}, "/account_id"),
        ("/accounts", {"account_id": "x", "labels": ["a b"]}, "/labels/0"),
        ("/accounts", {"account_id": "x", "labels": ["a"] * 51}, "/labels"),
        ("/accounts", {"account_id": "x", "active": 1}, "/active"),
    ],
)
def test_a_wrong_account_is_refused(
    api: Api, path: str, message: dict[str, Any], pointer: str
) -> None:
    reply = api.post(path, message)
    assert (reply.status, reply.json["errors"][0]["pointer"]) == (422, pointer)


@pytest.mark.parametrize(
    ("message", "pointer"),
    [({"labels": None}, "/labels"), ({"paused": "yes"}, "/paused"), ({"active": None}, "")],
)
def test_a_wrong_edit_is_refused(api: Api, message: dict[str, Any], pointer: str) -> None:
    phone = fresh("phone")
    Worker(api, phone, agent_id=fresh("agent")).register()
    reply = api.patch(f"/phones/{phone}", message)
    if pointer:
        assert (reply.status, reply.json["errors"][0]["pointer"]) == (422, pointer)
    else:
        assert reply.status == 200
    assert api.patch(f"/accounts/{account(api)}", {"active": None}).status == 422
