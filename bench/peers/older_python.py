"""Makes Oban's one line of Python 3.12 syntax, an alias of types, readable for Python 3.11."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

NEWER = "type Result[T] = Cancel | Snooze | Record | T | None"
OLDER = """\
T = TypeVar("T")
Result = Cancel | Snooze | Record | T | None"""


def main() -> None:
    if sys.version_info >= (3, 12):
        return
    found = find_spec("oban")
    assert found is not None and found.origin is not None
    file = Path(found.origin).with_name("job.py")
    text = file.read_text()
    if NEWER in text:
        # `from typing import Any, TypeVar` is there already.
        file.write_text(text.replace(NEWER, OLDER))


if __name__ == "__main__":
    main()
