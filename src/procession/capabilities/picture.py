"""A screenshot as a result: what it is, and itself where it fits."""

from __future__ import annotations

import base64
import hashlib
import struct
from typing import Any

from procession.capabilities.capability import RunFailed

KEPT_CHARS_MAX = 32_768
"""Of base64 in one result, so that results stay small; a larger picture is only described."""

PNG_START = b"\x89PNG\r\n\x1a\n"
SIZE_AT = 16


class NoPicture(RunFailed):
    """The phone did not answer with a PNG image."""


def pictured(png: bytes, kept_chars: int) -> dict[str, Any]:
    """`width`, `height` in pixels, `bytes`, `sha256`; `png_base64` null where it does not fit.

    `kept_chars`: how much base64 the result holds already. Raises NoPicture.
    """
    if not png.startswith(PNG_START) or len(png) < SIZE_AT + 8:
        raise NoPicture(f"the screenshot is {len(png)} bytes and no PNG image", retry=True)
    width, height = struct.unpack(">II", png[SIZE_AT : SIZE_AT + 8])
    encoded = base64.b64encode(png).decode()
    return {
        "width": width,
        "height": height,
        "bytes": len(png),
        "sha256": hashlib.sha256(png).hexdigest(),
        "png_base64": encoded if kept_chars + len(encoded) <= KEPT_CHARS_MAX else None,
    }
