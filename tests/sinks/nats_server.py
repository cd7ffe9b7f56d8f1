"""A real nats-server with JetStream, on loopback."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import nats
from deadline import until
from free_port import free_port
from nats.js.api import RawStreamMsg, StreamConfig

STREAM = "forms"


class NatsServer:
    """Can be stopped and started again on its port, with what it kept."""

    def __init__(self, folder: str) -> None:
        self.port = free_port()
        self.url = f"nats://127.0.0.1:{self.port}"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        words = ["-js", "-sd", self._folder, "-a", "127.0.0.1", "-p", str(self.port)]
        self._process = subprocess.Popen(
            ["nats-server", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until(self._answers, what="nats-server")

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def make_stream(self, *subjects: str) -> None:
        async def make() -> None:
            client = await nats.connect(self.url)
            await client.jetstream().add_stream(StreamConfig(STREAM, subjects=list(subjects)))
            await client.close()

        asyncio.run(make())

    def kept(self) -> list[RawStreamMsg]:
        async def read() -> list[RawStreamMsg]:
            client = await nats.connect(self.url)
            stream = client.jetstream()
            state = (await stream.stream_info(STREAM)).state
            numbers = range(state.first_seq, state.last_seq + 1)
            found = [await stream.get_msg(STREAM, number) for number in numbers]
            await client.close()
            return found

        return asyncio.run(read())

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as there:
                return there.recv(4) == b"INFO"
        except OSError:
            return False


@contextmanager
def nats_server() -> Iterator[NatsServer]:
    with tempfile.TemporaryDirectory() as folder:
        server = NatsServer(folder)
        server.start()
        try:
            yield server
        finally:
            server.stop()
