"""An agent's token opens its own work and nothing else, and is nowhere to be found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from api import Api
from callbacks import SECRET
from history import item_of, verify_log
from stories import Told
from world import TOKEN, World

from procession.agent import processes
from procession.protocol import PATH, PROTOCOL_VERSION


def say(api: Api, verb: str, **message: Any) -> Any:
    return api.call("POST", f"{PATH}/{verb}", message)


def register(api: Api, agent_id: str) -> Any:
    facts = {"protocol": PROTOCOL_VERSION, "version": "0", "capabilities": ["witness"]}
    return say(api, "register", agent_id=agent_id, phones=[], **facts)


def strangers_get_nothing(world: World) -> None:
    """Every verb, with another token of the tenant and with one of another tenant."""
    (phone,) = world.own_phones(1)
    owner = world.make_token("worker")
    other = world.caller(world.make_token("worker"))
    foreign = world.caller(world.make_token("worker", tenant="elsewhere"))
    world.start_agent("owned", [phone], owner)
    process_id = world.api.submit("witness", world.book.inputs(2.5), phone=phone)
    world.book.until_begun(process_id)
    run = {"item_id": item_of(process_id), "attempt": 1}
    result = run | {"outcome": "completed", "result": {"forged": True}}
    assert register(other, "owned").status == 403
    assert register(foreign, "owned").status == 200
    assert say(other, "claim", agent_id="owned", phones=[phone], wait_ms=0).status == 404
    for verb in ("heartbeat", "report"):
        assert say(other, verb, agent_id="owned", runs=[run]).status == 404
    assert say(other, "finish", agent_id="owned", results=[result]).status == 404
    assert say(other, "drain", agent_id="owned").status == 404
    assert register(other, "another").status == 200
    for api, agent_id in ((other, "another"), (foreign, "owned")):
        for verb in ("heartbeat", "report"):
            (order,) = say(api, verb, agent_id=agent_id, runs=[run]).body["orders"]
            assert order == run | {"order": "lost"}
        (answer,) = say(api, "finish", agent_id=agent_id, results=[result]).body["answers"]
        assert (answer["accepted"], answer["code"]) in {(False, "lease_lost"), (False, "not_found")}
        claimed = say(api, "claim", agent_id=agent_id, phones=[phone], wait_ms=0)
        assert claimed.body["items"] == []
    assert foreign.call("GET", f"/processes/{process_id}").status in (403, 404)
    assert world.caller(owner).call("GET", f"/processes/{process_id}").status == 403
    assert world.api.completed(process_id)["result"] == {"attempt": 1}
    assert world.api.item(process_id)["agent_id"] == "owned"
    verify_log(world.api, process_id)


def secrets_are_nowhere(world: World) -> None:
    (phone,) = world.own_phones(1)
    token = world.make_token("worker")
    agent = world.start_agent("secretive", [phone], token)
    process_id = world.api.submit("witness", world.book.inputs(30), phone=phone)
    run = world.book.until_begun(process_id)
    family = processes.descendants([agent.program.pid])
    assert run in family
    secrets = [text.encode() for text in (token, TOKEN, SECRET)]
    for pid in family | {agent.program.pid}:
        for name in ("environ", "cmdline"):
            told = Path(f"/proc/{pid}/{name}").read_bytes()
            assert not any(secret in told for secret in secrets), (pid, name)
    assert not any(secret in command(world.server.pid) for secret in secrets)
    world.api.cancel(process_id, "hard")
    world.api.ended(process_id)
    files = [file for file in world.home.rglob("*") if file.is_file()]
    assert {"server.log", "secretive.log", "procession.db", "spool.jsonl"} <= {
        f.name for f in files
    }
    for file in files:
        content = file.read_bytes()
        assert not any(secret in content for secret in secrets), file


def command(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


STORIES = [strangers_get_nothing, secrets_are_nowhere]


def test_no_token_reaches_the_work_of_another_ones_agent(told: Told) -> None:
    told(strangers_get_nothing)


def test_no_secret_is_in_a_child_a_log_or_a_file(told: Told) -> None:
    told(secrets_are_nowhere)
