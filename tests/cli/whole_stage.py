"""A server, an agent, and commands that know both."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

from run_program import CALLBACK, TOKEN, Ran, Running, run, serve

LANES = ["lane_1", "lane_2"]
Ask = Callable[..., Ran]


class Stage:
    """A server, an agent with two lanes, and commands that know both."""

    def __init__(self, home: Path, stack: ExitStack) -> None:
        self.server, self.address = serve(home)
        stack.enter_context(closing(self.server))
        self.agent = Running(
            home / "agent.log",
            *("agent", "--server", self.address, "--name", "cli-tests", "--adb-port", "1"),
            *("--state-dir", str(home / "agent"), "--lanes-without-phone", ",".join(LANES)),
            token=TOKEN,
            adb_path="/bin/false",
        )
        stack.enter_context(closing(self.agent))

    def ask(self, *words: str, stdin: str = "", **variables: str) -> Ran:
        known = {"server": self.address, "token": TOKEN, "callback": CALLBACK}
        return run(*words, stdin=stdin, **(known | variables))

    def phones(self) -> list[dict[str, object]]:
        found: list[dict[str, object]] = self.ask("fleet", "phones", "--json").json["phones"]
        return found
