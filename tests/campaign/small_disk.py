"""A disk that is soon full: a file system in memory, of a size that is given. Only root may."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

WHY_NOT = "Full disks need root, to mount small file systems."
BLOCK = b"\0" * 4096


class SmallDisk:
    """`folder` is its only place."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self) -> None:
        """Nothing more can be written."""
        filler = os.open(self._filler, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            while os.write(filler, BLOCK):
                pass
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
        finally:
            os.close(filler)

    def clear(self) -> None:
        """There is room again."""
        with contextlib.suppress(FileNotFoundError):
            self._filler.unlink()


@contextmanager
def small_disk(megabytes: int) -> Iterator[SmallDisk]:
    """A folder with so much room, which everybody may look into."""
    # Not below the folders of the tests: what cannot be removed there would stop later ones.
    folder = Path(tempfile.mkdtemp(prefix="procession-disk-"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", folder], check=True)
    try:
        folder.chmod(0o755)
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
        folder.rmdir()
