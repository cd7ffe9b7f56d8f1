"""Where work goes: fan-outs, groups, labels, paused phones, leases ended by hand."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from api import Api, cancelled_within_s
from deadline import until
from history import Book, at, verify_log
from world import World, account_of

FOUR = ["phone_01", "phone_02", "phone_03", "phone_04"]


def edit(api: Api, phone_id: str, **changes: Any) -> Any:
    reply = api.call("PATCH", f"/phones/{phone_id}", changes)
    assert reply.status == 200, reply
    return reply.body


def test_a_fan_out_runs_on_its_four_phones_at_once(calm: World) -> None:
    process_id = calm.api.submit("sleep", {"seconds": 1.5}, routing="group", phone_ids=FOUR)
    record = calm.api.completed(process_id)
    items = calm.api.items(process_id)
    assert sorted(item["phone_id"] for item in items) == FOUR
    assert max(item["claimed_at"] for item in items) < min(item["finished_at"] for item in items)
    assert record["partial_progress"]["items_total"] == 4
    assert record["partial_progress"]["items_completed"] == 4
    linked = record["linked_ids"]
    assert linked["queue_item_ids"] == linked["completed_queue_item_ids"]
    assert linked["queue_item_ids"] == [item["queue_item_id"] for item in items]
    verify_log(calm.api, process_id)


def test_a_cancelled_fan_out_ends_what_runs_and_what_waits(calm: World) -> None:
    busy = calm.api.submit("sleep", {"seconds": 300}, phone=FOUR[0])
    calm.api.until_status(busy, "executing")
    process_id = calm.api.submit("sleep", {"seconds": 300}, routing="group", phone_ids=FOUR)
    until(lambda: [i["queue_status"] for i in calm.api.items(process_id)].count("EXECUTING") == 3)
    answer = calm.api.cancel(process_id, "hard")
    (waiting,) = answer["cancelled_queue_item_ids"]
    assert waiting == calm.api.items(process_id)[0]["queue_item_id"]
    assert len(answer["active_queue_item_ids"]) == 3
    record = calm.api.ended(process_id)
    assert cancelled_within_s(record) <= 5
    assert record["partial_progress"]["items_cancelled"] == 4
    calm.api.cancel(busy, "hard")
    calm.api.ended(busy)


def test_a_group_of_accounts_goes_to_their_own_phones(calm: World) -> None:
    accounts = [account_of(phone_id) for phone_id in FOUR[1:]]
    process_id = calm.api.submit("echo", {"n": 3}, routing="group", account_ids=accounts)
    calm.api.completed(process_id)
    placed = {item["account_id"]: item["phone_id"] for item in calm.api.items(process_id)}
    assert placed == dict(zip(accounts, FOUR[1:], strict=True))


def test_queued_work_for_a_label_goes_only_where_the_label_is(calm: World) -> None:
    edit(calm.api, "phone_05", labels=["tall"])
    runs = [calm.api.submit("echo", {"n": n}, phone_group="tall") for n in range(4)]
    for process_id in runs:
        calm.api.completed(process_id)
        assert calm.api.item(process_id)["phone_id"] == "phone_05"


def test_a_paused_phone_is_given_nothing_until_it_goes_on(calm: World) -> None:
    phone_id = "phone_06"
    assert edit(calm.api, phone_id, paused=True)["state"] == "paused"
    waiting = calm.api.submit("echo", {"n": 1}, phone=phone_id)
    seen = at(calm.api.phone(phone_id)["last_seen_at"]) + timedelta(seconds=1.5)
    until(lambda: at(calm.api.phone(phone_id)["last_seen_at"]) > seen, 15, "its agent's reports")
    record = calm.api.record(waiting)
    assert (record["status"], record["version"]) == ("queued", 2)
    assert record["wait_reason"]["position"] == 1
    assert edit(calm.api, phone_id, paused=False)["state"] == "available"
    calm.api.completed(waiting)


def test_a_released_phone_lets_its_run_go_and_takes_the_next(calm: World) -> None:
    phone_id, book = "phone_07", Book(calm.book.folder)
    stuck = calm.api.submit("witness_fail", book.inputs(300, ignore_stop=True), phone=phone_id)
    book.until_begun(stuck)
    following = calm.api.submit("witness", book.inputs(0.1), phone=phone_id)
    assert calm.api.phone(phone_id)["lease"]["process_id"] == stuck
    released = calm.api.post(f"/phones/{phone_id}/release")
    assert released["lease"] is None
    record = calm.api.ended(stuck)
    assert (record["status"], record["error"]["category"]) == ("failed_terminal", "lease_lost")
    assert calm.api.completed(following)["result"] == {"attempt": 1}
    book.verify()
    for process_id in (stuck, following):
        verify_log(calm.api, process_id)
