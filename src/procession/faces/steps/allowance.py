"""How much may be sent through one link: whoever has it needs no token, and fills a disk else."""

from __future__ import annotations

from collections import OrderedDict

from procession.files.multipart import FormTooLarge
from procession.forms.blocks import Definition, FileField

HOUR_MS = 3_600_000
KNOWN_MAX = 10_000
TIMES_MAX = 4
"""All files of a form, so often an hour: a person who corrects something sends few again."""


def bytes_of(definition: Definition) -> int:
    """What the files of one answer may have together."""
    fields = (field for field in definition.fields if isinstance(field, FileField))
    return sum(field.max_file_size * field.max_files for field in fields)


class Allowance:
    """Counts bytes by link, on this server, for an hour from the first."""

    def __init__(self) -> None:
        self._taken: OrderedDict[str, tuple[int, int]] = OrderedDict()

    def take(self, link_id: str, size: int, bytes_max: int, now_ms: int) -> None:
        """Raises FormTooLarge when the hour's bytes are used up."""
        until_ms, taken = self._taken.get(link_id, (now_ms + HOUR_MS, 0))
        if now_ms >= until_ms:
            until_ms, taken = now_ms + HOUR_MS, 0
        if taken + size > bytes_max:
            raise FormTooLarge("too many files were sent through this link; wait an hour")
        self._taken[link_id] = (until_ms, taken + size)
        self._taken.move_to_end(link_id)
        if len(self._taken) > KNOWN_MAX:
            self._taken.popitem(last=False)
