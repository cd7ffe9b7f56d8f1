"""One server for the tests of a file; each test brings its own ids."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from living_server import OURS, THEIRS, Api, Living, living
from requests_by_hand import IDLE_PHONE
from worker_by_hand import Worker


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Living]:
    folder: Path = tmp_path_factory.mktemp("server")
    with living(folder) as one:
        for token in (OURS, THEIRS):
            api = Api(one.port, token)
            Worker(api, IDLE_PHONE, agent_id="idle").register()
            api.close()
        yield one


@pytest.fixture
def api(server: Living) -> Iterator[Api]:
    one = Api(server.port, OURS)
    yield one
    one.close()
