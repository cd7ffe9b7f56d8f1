"""One server with a mailbox for the tests of this folder; each test brings its own ids."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

for folder in ("faces", "sinks", "webhooks", "forms", "e2e"):
    sys.path.append(str(Path(__file__).parents[1] / folder))

if TYPE_CHECKING:
    from living_server import Api, Living
    from mail_server import Mailbox


@pytest.fixture(scope="package")
def box() -> Mailbox:
    """What was mailed."""
    from mail_server import Mailbox

    return Mailbox()


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory, box: Mailbox) -> Iterator[Living]:
    from living_server import living
    from mail_server import mail_server

    folder = tmp_path_factory.mktemp("tasks")
    with mail_server(box) as port:
        mail = {"smtp_url": f"smtp://127.0.0.1:{port}", "mail_from": "Forms <forms@example.com>"}
        with living(folder, **mail) as one:
            yield one


def _calls(server: Living, token: str | None) -> Iterator[Api]:
    from living_server import Api

    one = Api(server.port, token)
    yield one
    one.close()


@pytest.fixture
def api(server: Living) -> Iterator[Api]:
    from living_server import OURS

    yield from _calls(server, OURS)


@pytest.fixture
def theirs(server: Living) -> Iterator[Api]:
    from living_server import THEIRS

    yield from _calls(server, THEIRS)


@pytest.fixture
def nobody(server: Living) -> Iterator[Api]:
    """Somebody without a token."""
    yield from _calls(server, None)
