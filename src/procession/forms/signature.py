"""Drawn signatures: a PNG in a data URL, looked through before anybody else has to decode it."""

from __future__ import annotations

import base64
import binascii
import struct
import zlib

PREFIX = "data:image/png;base64,"
PNG_BYTES_MAX = 150 * 1024
PIXELS_MAX = 2_000_000
_MAGIC = b"\x89PNG\r\n\x1a\n"
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""How many values a pixel has, by PNG colour type."""
_CHUNK_BYTES_MIN = 12


class SignatureInvalid(ValueError):
    """The signature is not a picture that can be kept."""


def check_signature(data_url: str) -> None:
    """Raises SignatureInvalid unless it is a whole, sound PNG of bounded size."""
    if not data_url.startswith(PREFIX):
        raise SignatureInvalid("must be a PNG picture in a data URL")
    if len(data_url) > len(PREFIX) + PNG_BYTES_MAX * 4 // 3 + 4:
        raise SignatureInvalid(f"must have at most {PNG_BYTES_MAX} bytes")
    try:
        png = base64.b64decode(data_url[len(PREFIX) :], validate=True)
        _check_png(png)
    except (binascii.Error, struct.error, zlib.error, KeyError):
        raise SignatureInvalid("is not a sound PNG picture") from None


def _check_png(png: bytes) -> None:
    if not png.startswith(_MAGIC):
        raise SignatureInvalid("is not a PNG picture")
    chunks = _chunks(png[len(_MAGIC) :])
    if not chunks or chunks[0][0] != b"IHDR" or chunks[-1][0] != b"IEND":
        raise SignatureInvalid("is not a whole PNG picture")
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", chunks[0][1])
    if not 0 < width * height <= PIXELS_MAX or depth != 8 or interlaced:
        raise SignatureInvalid(f"must be a plain 8-bit picture of at most {PIXELS_MAX} pixels")
    row_bytes = 1 + width * _SAMPLES[colour]
    pixels = b"".join(body for kind, body in chunks if kind == b"IDAT")
    if _inflated_bytes(pixels, row_bytes * height) != row_bytes * height:
        raise SignatureInvalid("is not a whole PNG picture")


def _chunks(rest: bytes) -> list[tuple[bytes, bytes]]:
    chunks = []
    while rest:
        (length,) = struct.unpack(">I", rest[:4])
        kind, body, crc = rest[4:8], rest[8 : 8 + length], rest[8 + length : 12 + length]
        if len(rest) < length + _CHUNK_BYTES_MIN or zlib.crc32(kind + body) != int.from_bytes(crc):
            raise SignatureInvalid("is not a sound PNG picture")
        chunks.append((kind, body))
        rest = rest[12 + length :]
    return chunks


def _inflated_bytes(pixels: bytes, expected: int) -> int:
    """How much it inflates to; one byte more than expected at most, however it was packed."""
    return len(zlib.decompressobj().decompress(pixels, expected + 1))
