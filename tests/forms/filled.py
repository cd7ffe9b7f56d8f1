"""A form with every kind of block and field, and answers to it."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Any

from msgspec import Struct


def asking(name: str, label: str, kind: str, **more: Any) -> dict[str, Any]:
    """An input block."""
    return {"type": "input", "field": {"name": name, "label": label, "kind": kind, **more}}


STATE = [
    {"type": "mdsvex", "content": "## What counts\n\n- scratches\n- dents\n\n> Wear is fine."},
    {
        "type": "callout",
        "tone": "warning",
        "title": "Mind the battery",
        "content": "Take it out **first**.",
    },
    {
        "type": "table",
        "title": "Deposits",
        "columns": ["Part", "Deposit"],
        "rows": [["Frame", 200], ["Battery", "350 €"]],
    },
    asking("code", "Number on the frame", "text", placeholder="B-1234"),
    asking("damage", "What is damaged?", "textarea", required=False),
    asking(
        "km", "Kilometres", "number", min=0, max=5000, description_mdsvex="As the display shows it."
    ),
    asking("colour", "Colour", "select", options=["red", {"value": "blue", "label": "Ocean blue"}]),
]
PROOF = [
    {
        "type": "image",
        "url": "/api/v1/files/o/k/bike.png",
        "alt": "A red bicycle",
        "caption": "As it left us",
    },
    {"type": "image", "url": "https://pictures.example/bike.png", "alt": "The bicycle in the shop"},
    {"type": "pdf", "url": "/api/v1/files/o/k/contract.pdf", "title": "Rental contract"},
    {"type": "download", "url": "https://docs.example/list.csv", "label": "Price list"},
    asking(
        "photos",
        "Photos",
        "file",
        accept="image/*",
        max_file_size=1_000_000,
        max_files=2,
        required=False,
    ),
    asking("cleaned", "I cleaned it", "checkbox"),
    asking("agree", "I agree to the terms", "checkbox", required=True),
    asking("signed", "Signature", "signature"),
]
EVERY_KIND: dict[str, Any] = {
    "title": "Return of a rented bicycle",
    "instructions_mdsvex": "Answer **before noon**. Questions? [Write to us](mailto:a@b.example).",
    "steps": [
        {
            "id": "state",
            "title": "How is the bicycle?",
            "description_mdsvex": "Look at the *frame*, the brakes and the lights.",
            "blocks": STATE,
        },
        {"id": "proof", "title": "Pictures and signature", "blocks": PROOF},
    ],
}


class Stored(Struct, frozen=True):
    """A stored file."""

    key: str
    name: str
    size: int
    type: str


FILES = {
    "o/a/one.png": Stored("o/a/one.png", "one.png", 1_200, "image/png"),
    "o/b/two.jpg": Stored("o/b/two.jpg", "two.jpg", 9_000, "image/jpeg"),
    "o/c/big.png": Stored("o/c/big.png", "big.png", 2_000_000, "image/png"),
    "o/d/list.csv": Stored("o/d/list.csv", "list.csv", 10, "text/csv; charset=utf-8"),
}


def png(width: int = 8, height: int = 4, data: bytes | None = None) -> bytes:
    """A white RGB picture; `data` in place of its packed pixels."""
    pixels = zlib.compress((b"\x00" + b"\xff\xff\xff" * width) * height) if data is None else data
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", head)
        + _chunk(b"IDAT", pixels)
        + _chunk(b"IEND", b"")
    )


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def data_url(picture: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(picture).decode()


def good_answers() -> dict[str, Any]:
    return {
        "code": "B-77",
        "damage": "A bell.\nOne lamp.",
        "km": 412.5,
        "colour": "blue",
        "photos": [{"key": "o/a/one.png", "url": "/api/v1/files/o/a/one.png"}, "o/b/two.jpg"],
        "cleaned": False,
        "agree": True,
        "signed": data_url(png()),
    }
