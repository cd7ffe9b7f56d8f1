"""A server as it is served, for tests that ask whether a path is."""

from __future__ import annotations

import os
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator

import pytest
from behind_proxy import PROGRAM, until
from free_port import free_port


@pytest.fixture(scope="session")
def open_status(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], int]]:
    """What a GET of a path without a token is answered with; 0 for no answer."""
    home, port = tmp_path_factory.mktemp("served"), free_port()
    words = [PROGRAM, "serve", "--database", f"sqlite:///{home}/served.db", "--port", str(port)]

    def ask(path: str) -> int:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code
        except OSError:
            return 0

    with (home / "log").open("wb") as log:
        server = subprocess.Popen(words, env=os.environ, stdout=log, stderr=log)
    try:
        until(lambda: ask("/healthz") != 0, "the server")
        yield ask
    finally:
        server.terminate()
        server.wait(20)
