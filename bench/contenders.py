"""The three servers that are compared: ours, the constant one, the naive one."""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from bench.children import SERVER_CORE, BenchFailed, Server, free_port, uvicorn
from bench.wanted import TOKEN, body

OURS, CONSTANT, NAIVE = "procession", "constant", "naive"
CALL_S_MAX = 30


def procession(*words: str) -> list[str]:
    """The program of the environment this runs in."""
    return [str(Path(sys.executable).with_name("procession")), *words]


def start_ours(
    folder: Path,
    environment: dict[str, str] | None = None,
    *,
    database: str | None = None,
    name: str = OURS,
    core: int = SERVER_CORE,
) -> Server:
    """`procession serve` with its callbacks allowed to the loopback; by default on SQLite."""
    port = free_port()
    command = [
        *procession("serve"),
        *("--database", database or f"sqlite:///{folder / 'ours.db'}", "--host", "127.0.0.1"),
        *("--port", str(port), "--bootstrap-token", TOKEN),
    ]
    settings = {"PROCESSION_CALLBACK_ALLOW": "127.0.0.0/8", "PROCESSION_LOG_LEVEL": "warning"}
    return Server(name, command, folder, port, settings | (environment or {}), core=core)


def start_naive(folder: Path) -> Server:
    port = free_port()
    environment = {"BENCH_DATABASE": str(folder / "naive.db")}
    return Server(NAIVE, uvicorn("bench.naive:app", folder, port), folder, port, environment)


def start_constant(folder: Path, answers: dict[str, str]) -> Server:
    """`answers`: the bodies it repeats for `post` and `get`."""
    port = free_port()
    file = folder / "answers.json"
    file.write_text(json.dumps(answers))
    command = [sys.executable, str(Path(__file__).with_name("constant.py")), str(port)]
    return Server(CONSTANT, command, folder, port, {"BENCH_ANSWERS": str(file)})


@contextmanager
def three_servers(folder: Path) -> Generator[dict[str, Server], None, None]:
    """All three; the constant one repeats what ours really answers.

    Raises BenchFailed when the naive one does not answer the same.
    """
    with ExitStack() as stack:
        ours = stack.enter_context(start_ours(folder))
        naive = stack.enter_context(start_naive(folder))
        answers = real_answers(ours)
        must_be_alike(answers, real_answers(naive))
        constant = stack.enter_context(start_constant(folder, answers))
        yield {server.name: server for server in (ours, constant, naive)}


def real_answers(server: Server) -> dict[str, str]:
    """What it says to one submission and to the read of it."""
    accepted = call(server, "/capability-requests/enqueue", body("the-first-of-all"))
    record = call(server, f"/processes/{json.loads(accepted)['process_id']}")
    return {"post": accepted, "get": record}


def must_be_alike(ours: dict[str, str], naive: dict[str, str]) -> None:
    """Raises BenchFailed when an answer has other keys, or another size by more than a tenth."""
    for verb, text in ours.items():
        keys, others = keys_of(json.loads(text)), keys_of(json.loads(naive[verb]))
        if keys != others:
            raise BenchFailed(f"naive answers a {verb} otherwise: {sorted(keys ^ others)}")
        if not 0.9 < len(text) / len(naive[verb]) < 1.1:
            raise BenchFailed(f"naive answers a {verb} of another size: {naive[verb]}")


def keys_of(answer: Any, path: str = "") -> set[str]:
    """Every key of an answer, with the keys it lies under."""
    if not isinstance(answer, dict):
        return set()
    own = {f"{path}/{key}" for key in answer}
    return own.union(*(keys_of(value, f"{path}/{key}") for key, value in answer.items()))


def call(
    server: Server, path: str, message: dict[str, Any] | None = None, method: str | None = None
) -> str:
    """One request; the body of its answer. Raises BenchFailed for a refusal."""
    request = urllib.request.Request(
        server.url + path,
        data=None if message is None else json.dumps(message).encode(),
        headers={"Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}"},
        method=method,
    )
    try:
        with urllib.request.urlopen(request, timeout=CALL_S_MAX) as response:
            text: str = response.read().decode()
            return text
    except urllib.error.HTTPError as refusal:
        said = refusal.read().decode(errors="replace")
        raise BenchFailed(f"{server.name}: {path}: {refusal.code} {said}") from None


@contextmanager
def alone(server: Server, servers: dict[str, Server]) -> Generator[None, None, None]:
    """The others stand still meanwhile, so that what they do on the side costs this one nothing."""
    others = [other for other in servers.values() if other is not server]
    for other in others:
        other.pause()
    try:
        yield
    finally:
        for other in others:
            other.go_on()
