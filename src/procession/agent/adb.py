"""The phone inside a run: the adb server's own protocol over a socket, a deadline on every call.

Spoken directly because a run must import quickly and must never wait longer than it said; adb's
own programs wait for a hung phone for ever.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from procession.agent import adbwire
from procession.agent.adbwire import AdbRefused
from procession.capabilities.capability import PhoneFault, RunFailed

OUTPUT_BYTES_MAX = 16 * 1024 * 1024
PULL_BYTES_MAX = 256 * 1024 * 1024
BOOT_POLL_S = 0.3
BOOT_PROBE_S = 3.0
PUSH_MODE = 0o100644


class ShellFailed(RunFailed):
    """A command on the phone ended with another status than 0."""

    def __init__(self, command: str, status: int, said: str) -> None:
        super().__init__(f"{command!r} ended with status {status}: {said.strip()[:500]}")
        self.status = status


class _Line:
    """A connection to the adb server on which no wait passes the deadline."""

    def __init__(self, port: int, timeout_s: float) -> None:
        self._deadline_s = time.monotonic() + timeout_s
        self._sock = socket.create_connection(("127.0.0.1", port), timeout_s)

    def _arm(self) -> None:
        left_s = self._deadline_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        self._sock.settimeout(left_s)

    def send(self, data: bytes | memoryview) -> None:
        self._arm()
        self._sock.sendall(data)

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes; raises EOFError, TimeoutError."""
        parts: list[bytes] = []
        while size:
            self._arm()
            part = self._sock.recv(min(size, 262_144))
            if not part:
                raise EOFError("the connection broke")
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def ask(self, service: str) -> None:
        """Request a service; raises AdbRefused with the adb server's reason."""
        self.send(adbwire.request(service))
        if self.read(4) != b"OKAY":
            reason = self.read(int(self.read(4), 16))
            raise AdbRefused(reason.decode("utf-8", "replace"))

    def close(self) -> None:
        self._sock.close()


class AdbPhone:
    """The Phone of capability.py; reaches the one phone of its serial only."""

    def __init__(self, phone_id: str, serial: str, port: int) -> None:
        self.phone_id = phone_id
        self.serial = serial
        self._port = port

    def shell(self, command: str, *, timeout_s: float = 20.0) -> str:
        with self._line(f"shell {command[:60]!r}", timeout_s) as line:
            line.ask("shell,v2,raw:" + command)
            out, err, status = _shell_answer(line)
        if status != 0:
            said = err or out
            raise ShellFailed(command, status, said.decode("utf-8", "replace"))
        return out.decode("utf-8", "replace")

    def push(self, local: str, remote: str, *, timeout_s: float = 300.0) -> None:
        with open(local, "rb") as file, self._line(f"push {remote}", timeout_s) as line:
            line.ask("sync:")
            line.send(adbwire.sync(b"SEND", f"{remote},{PUSH_MODE}".encode()))
            while chunk := file.read(adbwire.SYNC_CHUNK_BYTES):
                line.send(adbwire.sync(b"DATA", chunk))
            modified_s = int(os.fstat(file.fileno()).st_mtime)
            line.send(struct.pack("<4sI", b"DONE", modified_s))
            word, size = struct.unpack("<4sI", line.read(8))
            if word != b"OKAY":
                raise RunFailed(f"push {remote}: {_text(line.read(size))}")

    def pull(self, remote: str, *, timeout_s: float = 300.0) -> bytes:
        with self._line(f"pull {remote}", timeout_s) as line:
            line.ask("sync:")
            line.send(adbwire.sync(b"RECV", remote.encode()))
            return b"".join(_pulled(line, remote))

    def screenshot(self, *, timeout_s: float = 20.0) -> bytes:
        with self._line("screencap", timeout_s) as line:
            line.ask("shell,v2,raw:screencap -p")
            out, err, status = _shell_answer(line)
        if status != 0:
            raise ShellFailed("screencap -p", status, _text(err))
        return out

    def reboot(self, *, timeout_s: float = 180.0) -> None:
        deadline_s = time.monotonic() + timeout_s
        with self._line("reboot", min(timeout_s, 20.0)) as line:
            line.ask("reboot:")
        went_away = False
        while time.monotonic() < deadline_s:
            booted = self._is_booted()
            if booted and went_away:
                return
            went_away = went_away or not booted
            time.sleep(BOOT_POLL_S)
        raise PhoneFault(f"{self.phone_id} did not boot within {timeout_s:g} s")

    def _is_booted(self) -> bool:
        try:
            said = self.shell("getprop sys.boot_completed", timeout_s=BOOT_PROBE_S)
        except (PhoneFault, ShellFailed):
            self._connect_again()
            return False
        return said.strip() == "1"

    def _connect_again(self) -> None:
        """adb forgets a phone on the network when it goes away; one on a cable comes by itself."""
        if ":" not in self.serial:
            return
        with suppress(OSError, EOFError, ValueError, AdbRefused):
            line = _Line(self._port, BOOT_PROBE_S)
            try:
                line.ask(f"host:connect:{self.serial}")
                line.read(4)
            finally:
                line.close()

    @contextmanager
    def _line(self, what: str, timeout_s: float) -> Iterator[_Line]:
        """A connection already switched to the phone; every way to break is a PhoneFault."""
        line: _Line | None = None
        try:
            line = _Line(self._port, timeout_s)
            line.ask(f"host:transport:{self.serial}")
            yield line
        except TimeoutError:
            raise PhoneFault(f"{self.phone_id}: {what}: no answer in {timeout_s:g} s") from None
        except (AdbRefused, EOFError, OSError, struct.error, ValueError) as reason:
            raise PhoneFault(f"{self.phone_id}: {what}: {reason}") from None
        finally:
            if line:
                line.close()


def _shell_answer(line: _Line) -> tuple[bytes, bytes, int]:
    """Standard output, standard error and status of a v2 shell."""
    out, err = bytearray(), bytearray()
    while True:
        kind, size = struct.unpack("<BI", line.read(5))
        data = line.read(size)
        if kind == adbwire.SHELL_EXIT:
            return bytes(out), bytes(err), data[0]
        into = out if kind == adbwire.SHELL_OUT else err
        into += data
        if len(into) > OUTPUT_BYTES_MAX:
            raise RunFailed(f"the command printed more than {OUTPUT_BYTES_MAX} bytes")


def _pulled(line: _Line, remote: str) -> Iterator[bytes]:
    total = 0
    while True:
        word, size = struct.unpack("<4sI", line.read(8))
        if word == b"DONE":
            return
        data = line.read(size)
        if word != b"DATA":
            raise RunFailed(f"pull {remote}: {_text(data)}")
        total += size
        if total > PULL_BYTES_MAX:
            raise RunFailed(f"{remote} is longer than {PULL_BYTES_MAX} bytes")
        yield data


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
