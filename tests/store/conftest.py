"""Every test of the store runs over every database."""

from __future__ import annotations

from pathlib import Path

import pytest
from databases import Database, SqliteDatabase

DATABASES = {"sqlite": SqliteDatabase}


@pytest.fixture(params=sorted(DATABASES))
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    made: Database = DATABASES[request.param](tmp_path)
    return made
