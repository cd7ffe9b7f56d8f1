"""An import broken off anywhere leaves at most one database in use, and once more finishes it."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest
from imports import Fault, Planted, everything, imported, on_target, source_is_used, target_is_used

from procession.store.importing import TargetNotEmpty
from procession.store.migrate import ImportUnfinished

SOURCE_USED = (
    "source: put_meta",
    "source: commits",
    "source: committed",
    "target: begins",
    "target: insert_migration",
    "target: copied event",
    "target: sums event",
    "target: put_meta",
    "target: commits",
    "target: committed",
    "source: put_meta, again",
    "source: refuses writes",
    "source: commits, again",
)
NEITHER_USED = (
    "source: committed, again",
    "target: begins, again",
    "target: forget_meta",
    "target: commits, again",
)
TARGET_USED = ("target: committed, again", "target: analyzes")


@pytest.mark.parametrize("where", SOURCE_USED + NEITHER_USED + TARGET_USED)
def test_broken_off_anywhere_at_most_one_is_used_and_once_more_finishes_it(
    old: Path, address: str, where: str
) -> None:
    async def run() -> None:
        with pytest.raises((Planted, ImportUnfinished)):
            await imported(old, address, Fault(where))
        assert await source_is_used(old) is (where in SOURCE_USED)
        assert await target_is_used(address) is (where in TARGET_USED)
        if where not in TARGET_USED:
            await imported(old, address)
        assert await target_is_used(address) and not await source_is_used(old)
        here, there = await everything(old, address)
        assert here == there

    asyncio.run(run())


def test_interrupted_while_it_copies_an_import_leaves_the_target_empty(
    old: Path, address: str
) -> None:
    async def run() -> None:
        with pytest.raises(Planted):
            await imported(old, address, Fault("target: sums event"))
        assert await on_target(address, "SELECT 1 FROM pg_tables WHERE schemaname = 'public'") == []

    asyncio.run(run())


def test_what_another_import_left_unfinished_is_left_alone(
    installation: Path, old: Path, address: str, tmp_path: Path
) -> None:
    other = Path(shutil.copy(installation, tmp_path / "other.db"))

    async def run() -> None:
        with pytest.raises(Planted):
            await imported(other, address, Fault("source: committed, again"))
        with pytest.raises(TargetNotEmpty, match="another import"):
            await imported(old, address)
        assert await source_is_used(old)
        await imported(other, address)
        assert await target_is_used(address)

    asyncio.run(run())
