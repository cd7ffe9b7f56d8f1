"""Lists: filters, pages, cursors that stay right while work comes in."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from living_server import THEIRS, Api
from requests_by_hand import cancel_request, fresh, process_of
from worker_by_hand import Worker


def listed(api: Api, query: str) -> list[str]:
    reply = api.get(f"/processes?{query}")
    assert reply.status == 200, reply
    return [record["process_id"] for record in reply.json["processes"]]


def test_the_newest_comes_first(api: Api) -> None:
    word = fresh("order")
    ids = [process_of(api, request_id=f"{word}-{number}") for number in range(3)]
    assert listed(api, f"search={word}") == ids[::-1]


def test_pages_follow_each_other_while_new_work_comes_in(api: Api) -> None:
    word = fresh("paged")
    ids = [process_of(api, request_id=f"{word}-{number}") for number in range(7)]
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = api.get(f"/processes?search={word}&limit=3&cursor={quote(cursor)}").json
        assert len(page["processes"]) <= 3
        seen += [record["process_id"] for record in page["processes"]]
        process_of(api, request_id=f"{word}-late-{len(seen)}")
        cursor = page["next_cursor"]
    assert seen == ids[::-1]


def test_a_full_last_page_has_no_next(api: Api) -> None:
    word = fresh("exact")
    for number in range(2):
        process_of(api, request_id=f"{word}-{number}")
    assert api.get(f"/processes?search={word}&limit=2").json["next_cursor"] is None


@pytest.mark.parametrize(
    "cursor", ["x", "AAAA", "A" * 16, "%FF", "ü", "-1", "12345678901234567890", "A" * 300]
)
def test_a_cursor_that_is_none_of_ours_is_refused(api: Api, cursor: str) -> None:
    reply = api.get(f"/processes?cursor={quote(cursor, safe='%')}")
    assert reply.status == 422


@pytest.mark.parametrize("limit", ["0", "201", "-1", "many", "1.5", ""])
def test_a_wrong_limit_is_refused(api: Api, limit: str) -> None:
    reply = api.get(f"/processes?limit={limit}")
    assert (reply.status, reply.json["errors"][0]["pointer"]) == (422, "/limit")


def test_every_filter_narrows(api: Api) -> None:
    phone, word = fresh("phone"), fresh("Filter")
    worker = Worker(api, phone, agent_id=fresh("agent")).register()
    target = {"routing": "group", "phone_ids": [phone]}
    mine = process_of(api, request_id=f"{word}-1", target=target)
    slow = process_of(api, request_id=f"{word}-2", capability="sleep", inputs={"seconds": 1})
    both = {mine, slow}
    worker.run(worker.claim())
    assert set(listed(api, f"search={word.upper()}")) == both
    assert listed(api, f"search={word}&status=completed") == [mine]
    assert listed(api, f"search={word}&status=queued") == [slow]
    assert set(listed(api, f"search={word}&status=queued,completed")) == both
    assert listed(api, f"search={word}&process_type=sleep") == [slow]
    assert listed(api, f"phone_id={phone}") == [mine]
    assert listed(api, f"request_id={word}-1") == [mine]
    assert set(listed(api, f"search={word}&namespace=default")) == both
    assert listed(api, f"search={word}&namespace=elsewhere") == []
    assert listed(api, f"search={word}%25") == [] and listed(api, f"search={word}_1") == []


def test_the_total_is_told_when_it_is_asked_for(api: Api) -> None:
    word = fresh("total")
    for number in range(3):
        process_of(api, request_id=f"{word}-{number}")
    page = api.get(f"/processes?search={word}&limit=1&total=true").json
    assert (page["total"], page["total_exact"], len(page["processes"])) == (3, True, 1)
    assert "total" not in api.get(f"/processes?search={word}").json
    assert api.get("/processes?total=perhaps").status == 422


def test_a_phone_finds_the_fan_outs_it_has_a_part_in(api: Api) -> None:
    phone, other = fresh("phone"), fresh("phone")
    Worker(api, phone, agent_id=fresh("agent")).register()
    Worker(api, other, agent_id=fresh("agent")).register()
    both = process_of(api, target={"routing": "group", "phone_ids": [phone, other]})
    own = process_of(api, target={"routing": "group", "phone_ids": [phone]})
    assert listed(api, f"phone_id={phone}") == [own, both]
    assert listed(api, f"phone_id={other}&status=queued") == [both]


def test_a_cancelling_process_is_listed_as_executing(api: Api) -> None:
    phone = fresh("phone")
    worker = Worker(api, phone, agent_id=fresh("agent")).register()
    process_id = process_of(api, target={"routing": "group", "phone_ids": [phone]})
    item = worker.claim()
    api.post(f"/processes/{process_id}/cancel", cancel_request("soft"))
    assert listed(api, f"phone_id={phone}&status=executing") == [process_id]
    worker.finish(item, "cancelled")
    assert listed(api, f"phone_id={phone}&status=cancelled") == [process_id]


@pytest.mark.parametrize("status", ["running", "QUEUED", "queued,nonsense"])
def test_an_unknown_status_is_refused(api: Api, status: str) -> None:
    reply = api.get(f"/processes?status={status}")
    assert (reply.status, reply.json["errors"][0]["pointer"]) == (422, "/status")


def test_a_tenant_sees_its_own_only(api: Api) -> None:
    word = fresh("tenant")
    process_of(api, request_id=word)
    assert listed(api.as_(THEIRS), f"search={word}") == []
