"""The file service, which `adb push`, `adb pull` and `adb ls` use."""

from __future__ import annotations

import stat
from struct import Struct

from procession.simulator.files import FILES_BYTES_MAX, PATH_BYTES_MAX, File, FileRefused
from procession.simulator.phone import Phone
from procession.simulator.stream import Stream

HEADER = Struct("<4sI")
STAT_V1 = Struct("<4sIII")
STAT_V2 = Struct("<4sIQQIIIIQqqq")
ENTRY_V1 = Struct("<4sIIII")
ENTRY_V2 = Struct("<4sIQQIIIIQqqqI")
SEND_V2 = Struct("<4sII")
RECEIVE_V2 = Struct("<4sI")
CHUNK_BYTES_MAX = 64 * 1024
NOT_FOUND = 2


class MalformedRequest(Exception):
    """The file service was asked for something it does not know."""


class _Reader:
    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._buffer = bytearray()

    async def exactly(self, count: int) -> bytes:
        while len(self._buffer) < count:
            self._buffer += await self._stream.read()
        data = bytes(memoryview(self._buffer)[:count])
        del self._buffer[:count]
        return data

    async def header(self) -> tuple[bytes, int]:
        word, number = HEADER.unpack(await self.exactly(HEADER.size))
        return word, number


async def serve_files(phone: Phone, stream: Stream) -> None:
    """Answer requests until QUIT."""
    reader = _Reader(stream)
    while True:
        word, length = await reader.header()
        if word == b"QUIT":
            return
        if length > PATH_BYTES_MAX:
            await stream.write(_fail("path too long"))
            return
        path = (await reader.exactly(length)).decode(errors="replace")
        try:
            await _answer(phone, stream, reader, word, path)
        except MalformedRequest:
            await stream.write(_fail(f"unknown request {word!r}"))
            return


async def _answer(phone: Phone, stream: Stream, reader: _Reader, word: bytes, path: str) -> None:
    if word in (b"STAT", b"STA2", b"LST2"):
        await stream.write(_stat(word, phone.files.find(path)))
    elif word in (b"LIST", b"LIS2"):
        await stream.write(_entries(phone, word, path))
    elif word in (b"RECV", b"RCV2"):
        if word == b"RCV2":
            _require_plain(*RECEIVE_V2.unpack(await reader.exactly(RECEIVE_V2.size)))
        await stream.write(_content(phone, path))
    elif word == b"SEND":
        path, _, mode = path.rpartition(",")
        await stream.write(await _store(phone, reader, path, int(mode) if mode.isdecimal() else 0))
    elif word == b"SND2":
        again, mode_bits, flags = SEND_V2.unpack(await reader.exactly(SEND_V2.size))
        _require_plain(again, flags)
        await stream.write(await _store(phone, reader, path, mode_bits))
    else:
        raise MalformedRequest


def _require_plain(_word: bytes, flags: int) -> None:
    if flags:  # compressed transfers are not announced
        raise MalformedRequest


def _stat(word: bytes, file: File | None) -> bytes:
    if word == b"STAT":
        return STAT_V1.pack(word, *((file.mode, file.size, file.mtime) if file else (0, 0, 0)))
    return STAT_V2.pack(word, *_facts(file))


def _facts(file: File | None) -> tuple[int, ...]:
    """error, device, inode, mode, links, user, group, size, and three times."""
    if file is None:
        return (NOT_FOUND, *([0] * 10))
    return (0, 1, 1, file.mode, 1, 2000, 2000, file.size, file.mtime, file.mtime, file.mtime)


def _entries(phone: Phone, word: bytes, path: str) -> bytes:
    parts: list[bytes] = []
    for name in phone.files.names(path):
        file, raw = phone.files.find(f"{path}/{name}"), name.encode()
        assert file is not None
        if word == b"LIST":
            facts = (file.mode, file.size, file.mtime, len(raw))
            parts.append(ENTRY_V1.pack(b"DENT", *facts) + raw)
        else:
            parts.append(ENTRY_V2.pack(b"DNT2", *_facts(file), len(raw)) + raw)
    size = ENTRY_V1.size if word == b"LIST" else ENTRY_V2.size
    return b"".join(parts) + b"DONE".ljust(size, b"\0")


def _content(phone: Phone, path: str) -> bytes:
    try:
        data = phone.files.read(path)
    except FileRefused as refused:
        return _fail(f"open failed: {refused}")
    parts: list[bytes] = []
    for start in range(0, len(data), CHUNK_BYTES_MAX):
        chunk = data[start : start + CHUNK_BYTES_MAX]
        parts += [HEADER.pack(b"DATA", len(chunk)), chunk]
    return b"".join(parts) + HEADER.pack(b"DONE", 0)


async def _store(phone: Phone, reader: _Reader, path: str, mode: int) -> bytes:
    data = bytearray()
    while True:
        word, number = await reader.header()
        if word == b"DONE":
            break
        if word != b"DATA" or number > CHUNK_BYTES_MAX:
            raise MalformedRequest
        chunk = await reader.exactly(number)
        # Beyond the limit the rest is read and dropped, so that the answer is understood.
        if len(data) <= FILES_BYTES_MAX:
            data += chunk
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        return _fail("only plain files can be stored")
    if len(data) > phone.storage_free_kb * 1024:
        return _fail("couldn't write: No space left on device")
    try:
        phone.files.write(path, bytes(data), mode, number, parents=True)
    except FileRefused as refused:
        return _fail(f"couldn't create file: {refused}")
    return HEADER.pack(b"OKAY", 0)


def _fail(text: str) -> bytes:
    raw = text.encode()
    return HEADER.pack(b"FAIL", len(raw)) + raw
