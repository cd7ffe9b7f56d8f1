"""Every operation that writes, with what it needs to find and how it is asked for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple
from unittest.mock import patch

from msgspec import Raw
from settable_engine import LEASE_MS, OPERATOR, Site

from procession import bulk, fleet, legacy, loops, operations, outbox, reporting, tokens, working
from procession.capabilities.echo import Echo
from procession.core.lifecycle import GRACE_MS
from procession.core.process import Process
from procession.protocol import Assignment, Finish, Heartbeat, PhoneReport, Result, RunReport
from procession.store.store import Filter
from procession.targets import Target
from procession.webhooks.delivery import Answer, DeliveryState, Outcome, Start

TOKEN = "t" * 40
CALLBACK = {"callback_url": "http://a/", "callback_origin": "http://a"}
DAY_MS = 86_400_000


class Found(NamedTuple):
    """What was there before the operation."""

    process: Process
    run: Assignment | None = None
    number: int = 0


class Tried(NamedTuple):
    """An operation: what comes before it, itself, and whether one turn does all of it."""

    name: str
    arrange: Callable[[Site], Awaitable[Found]]
    act: Callable[[Site, Found], Awaitable[Any]]
    whole: bool = True
    again: bool = True
    """Whether it may be repeated after it was done: answered, not refused."""


async def queued(site: Site) -> Found:
    await site.register("a", "p")
    return Found((await site.submit(**CALLBACK)).process)


async def running(site: Site) -> Found:
    found = await queued(site)
    return Found(found.process, await site.run_of(found.process, "a", "p"))


async def failed(site: Site) -> Found:
    found = await running(site)
    assert found.run is not None
    await site.finish("a", found.run, "failed")
    return found


async def waiting(site: Site) -> Found:
    with patch.object(Echo, "on_interrupted", "ask_human"):
        found = await running(site)
    await site.pass_ms(LEASE_MS + GRACE_MS)
    return found


async def lost(site: Site) -> Found:
    found = await running(site)
    site.clock.now_ms += LEASE_MS + GRACE_MS
    return found


async def to_be_forced(site: Site) -> Found:
    found = await running(site)
    await site.cancel(found.process, "soft_then_force", 1_000)
    site.clock.now_ms += 1_000
    return found


async def to_be_given_up(site: Site) -> Found:
    found = await running(site)
    await site.cancel(found.process, "hard")
    site.clock.now_ms += 4_000
    return found


async def old(site: Site) -> Found:
    found = Found((await site.submit()).process)
    await site.cancel(found.process)
    site.clock.now_ms += 40 * DAY_MS
    return found


async def with_account(site: Site) -> Found:
    await site.add_account("acc", phone_id="p")
    return await queued(site)


async def with_clip(site: Site) -> Found:
    found = await with_account(site)
    await ingest(site, found)
    return found


async def with_token(site: Site) -> Found:
    await make_token(site, None)
    return await queued(site)


async def with_silence(site: Site) -> Found:
    found = await queued(site)
    site.clock.now_ms += loops.PHONE_SILENT_MS + 1
    return found


async def begun(site: Site) -> Found:
    found = await queued(site)
    await begin(site, found)
    return found


async def submit(site: Site, _: Found) -> Any:
    target = Target("group", phone_ids=("p",))
    return await site.submit(target, request_id="tried", **CALLBACK)


async def claim(site: Site, _: Found) -> Any:
    return await site.claim("a", "p")


async def beat(site: Site, found: Found) -> Any:
    run = found.run
    assert run is not None
    reports = [RunReport(run.item_id, run.attempt, True, 50.0, "half")]
    phones = [PhoneReport("p", "available", "s", 50)]
    message = Heartbeat("a", reports, phones)
    return await reporting.heartbeat(site.engine, OPERATOR, message)


async def finish(site: Site, found: Found) -> Any:
    run = found.run
    assert run is not None
    result = Result(run.item_id, run.attempt, "completed", output="printed")
    return await reporting.finish(site.engine, OPERATOR, Finish("a", [result], ["p"]))


async def finish_alone(site: Site, found: Found) -> Any:
    run = found.run
    assert run is not None
    result = Result(run.item_id, run.attempt, "completed")
    return await reporting.finish(site.engine, OPERATOR, Finish("a", [result]))


async def retry(site: Site, found: Found) -> Any:
    return await operations.retry(site.engine, OPERATOR, found.process.process_id)


async def answer(site: Site, found: Found) -> Any:
    item = await site.item(found.process)
    return await operations.answer(
        site.engine, OPERATOR, found.process.process_id, item.item_id, "retry"
    )


async def bulk_cancel(site: Site, _: Found) -> Any:
    return await bulk.bulk_cancel(
        site.engine,
        OPERATOR,
        Filter(),
        strategy="hard",
        reason="enough",
        force_after_ms=0,
        dry_run=False,
    )


async def ingest(site: Site, _: Found) -> Any:
    clip = legacy.IngestRequest(
        content_id="clip",
        account_id="acc",
        inputs={"content_id": "clip", "video_path": "http://a/b.mp4", "caption": "hello"},
    )
    return await legacy.ingest(site.engine, OPERATOR, clip)


async def cancel_content(site: Site, _: Found) -> Any:
    return await legacy.cancel_content(site.engine, OPERATOR, "clip", "acc", "no")


async def upsert_snapshot(site: Site, _: Found) -> Any:
    snapshot = legacy.SnapshotRequest(
        account_id="acc", strategy_version=1, strategy_synced_ms=1, body=Raw(b"{}")
    )
    return await legacy.upsert_snapshot(site.engine, OPERATOR, snapshot)


async def make_token(site: Site, _: Found | None) -> Any:
    return await site.engine.ledger.errand(
        lambda turn: tokens.create_token(
            turn, token=TOKEN, token_id="token-x", name="n", scopes=["worker"]
        )
    )


async def revoke_token(site: Site, _: Found) -> Any:
    return await site.engine.ledger.errand(lambda turn: tokens.revoke_token(turn, "token-x"))


def stored_outbox(site: Site) -> outbox.StoredOutbox:
    return outbox.StoredOutbox(site.engine, lambda sight, milestone, at_ms: b"{}")


async def begin(site: Site, _: Found) -> Any:
    box, now_ms = stored_outbox(site), site.clock.now_ms
    due = await box.due("http://a", now_ms, 1)
    return await box.begin([Start(delivery, now_ms + 5_000) for delivery in due])


async def record(site: Site, _: Found) -> Any:
    outcome = Outcome(1, 1, DeliveryState.DELIVERED, None, Answer(200, None, 5))
    return await stored_outbox(site).record([outcome], site.clock.now_ms)


async def resend(site: Site, found: Found) -> Any:
    return await outbox.resend(site.engine, OPERATOR, found.process.process_id, 1)


async def edit_phone(site: Site, _: Found) -> Any:
    return await fleet.edit_phone(site.engine, OPERATOR, "p", labels=["lab"], paused=True)


async def edit_account(site: Site, _: Found) -> Any:
    return await fleet.edit_account(site.engine, OPERATOR, "acc", {"active": False})


TRIED = [
    Tried("submit", queued, submit),
    Tried("cancel what waits", queued, lambda s, f: s.cancel(f.process)),
    Tried("cancel what runs", running, lambda s, f: s.cancel(f.process)),
    Tried("retry", failed, retry, again=False),
    Tried("answer", waiting, answer, again=False),
    Tried("bulk cancel", running, bulk_cancel),
    Tried("register", queued, lambda s, f: s.register("a", "q", "r")),
    Tried("claim", queued, claim),
    Tried("heartbeat", running, beat, whole=False),
    Tried("finish", running, finish_alone),
    Tried("finish, output and claim", running, finish, whole=False),
    Tried("drain", running, lambda s, f: working.drain(s.engine, OPERATOR, "a")),
    Tried("edit a phone", queued, edit_phone),
    Tried(
        "release a phone",
        running,
        lambda s, f: fleet.release_phone(s.engine, OPERATOR, "p"),
        whole=False,
    ),
    Tried("create an account", queued, lambda s, f: s.add_account("new"), again=False),
    Tried("edit an account", with_account, edit_account),
    Tried("a lost lease", lost, lambda s, f: s.step()),
    Tried("a cancel to be forced", to_be_forced, lambda s, f: s.step()),
    Tried("a cancel to be given up", to_be_given_up, lambda s, f: s.step()),
    Tried("retention", old, lambda s, f: loops.Retention(s.engine).step(s.clock())),
    Tried("silence", with_silence, lambda s, f: loops.SilentPhones(s.engine).step(s.clock())),
    Tried("leases at start", lost, lambda s, f: loops.renew_all_leases(s.engine, alone=True)),
    Tried("ingest", with_account, ingest),
    Tried("cancel a clip", with_clip, cancel_content, again=False),
    Tried("a snapshot", with_account, upsert_snapshot),
    Tried("make a token", queued, make_token),
    Tried("revoke a token", with_token, revoke_token, again=False),
    Tried("begin a delivery", queued, begin),
    Tried("record a delivery", begun, record),
    Tried("send a delivery again", begun, resend),
]
