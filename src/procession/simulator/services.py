"""What a connection can ask a phone for: a shell, a command's bare output, files, a reboot."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from struct import Struct

from procession.simulator.phone import Phone
from procession.simulator.session import Session
from procession.simulator.stream import Stream
from procession.simulator.sync import serve_files

STDIN, EXIT, CLOSE_STDIN = 0, 3, 4
PACKET = Struct("<BI")
LINE_BYTES_MAX = 64 * 1024

Service = Callable[[Stream], Awaitable[None]]


def find(phone: Phone, name: str) -> Service | None:
    """The service of that name, for example `shell,v2,raw:ls`; None when there is none."""
    kind, colon, argument = name.partition(":")
    kind, *options = kind.split(",")
    if not colon:
        return None
    if kind == "shell" and not argument:
        return lambda stream: _interactive(phone, stream, "v2" in options)
    if kind in ("shell", "exec"):
        return lambda stream: _command(phone, stream, argument, "v2" in options)
    if kind == "sync":
        return lambda stream: serve_files(phone, stream)
    if kind == "reboot":
        return lambda stream: _reboot(phone, stream)
    return None


def packets(pieces: list[tuple[int, bytes]]) -> bytes:
    """Output in the frames of shell v2, which keep stdout and stderr apart."""
    return b"".join(PACKET.pack(kind, len(data)) + data for kind, data in pieces)


def half(pieces: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """The first half of an output."""
    left, kept = sum(len(data) for _, data in pieces) // 2, []
    for kind, data in pieces:
        kept.append((kind, data[:left]))
        left -= len(kept[-1][1])
    return [(kind, data) for kind, data in kept if data]


def _bare(pieces: list[tuple[int, bytes]]) -> bytes:
    return b"".join(data for _, data in pieces)


async def _command(phone: Phone, stream: Stream, line: str, framed: bool) -> None:
    encode = packets if framed else _bare
    latency_ms = phone.faults.latency_ms()
    if latency_ms:
        await asyncio.sleep(latency_ms / 1000)

    async def emit(pieces: list[tuple[int, bytes]]) -> None:
        await stream.write(encode(pieces), lambda: encode(half(pieces)))

    session = Session(phone, emit)
    code = await session.run(line)
    ending = [(EXIT, bytes([code & 0xFF]))] if framed else []
    pieces = session.take()
    await stream.write(encode([*pieces, *ending]), lambda: encode(half(pieces)))
    await stream.written()
    session.finish()


async def _interactive(phone: Phone, stream: Stream, framed: bool) -> None:
    encode = packets if framed else _bare

    async def emit(pieces: list[tuple[int, bytes]]) -> None:
        await stream.write(encode(pieces))

    session, typed, code, ended = Session(phone, emit), b"", 0, False
    received = bytearray()
    while not ended and len(typed) + len(received) <= LINE_BYTES_MAX:
        received += await stream.read()
        data, ended = _typed(received) if framed else (bytes(received), False)
        if not framed:
            received.clear()
        *lines, typed = (typed + data).replace(b"\r", b"\n").split(b"\n")
        for line in lines:
            if line.strip() == b"exit":
                ended = True
                break
            code = await session.run(line.decode(errors="replace"))
            await session.flush()
            session.finish()
    await stream.write(encode([(EXIT, bytes([code]))] if framed else []))


def _typed(received: bytearray) -> tuple[bytes, bool]:
    """Takes whole frames off `received`: what was typed, and whether the input has ended."""
    data, ended = b"", False
    while len(received) >= PACKET.size:
        kind, length = PACKET.unpack_from(received)
        if len(received) < PACKET.size + length:
            break
        if kind == STDIN:
            data += received[PACKET.size : PACKET.size + length]
        ended = ended or kind == CLOSE_STDIN
        del received[: PACKET.size + length]
    return data, ended


async def _reboot(phone: Phone, stream: Stream) -> None:
    await stream.write(b"")
    phone.reboot()
