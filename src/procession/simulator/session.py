"""Runs a shell line on a phone: one pipeline after the other, output handed on as it comes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from procession.simulator.commands import COMMANDS
from procession.simulator.commands.command import Call, Output
from procession.simulator.files import FILE_MODE, FileRefused
from procession.simulator.phone import Phone
from procession.simulator.shell import Pipeline, Simple, SyntaxRefused, Word, parse

STDOUT, STDERR = 1, 2
NOWHERE = "/dev/null"

Emit = Callable[[list[tuple[int, bytes]]], Awaitable[None]]


class Session:
    """One shell on one phone. `emit` gets pieces of (1 or 2 for the stream, bytes)."""

    def __init__(self, phone: Phone, emit: Emit) -> None:
        self._phone = phone
        self._emit = emit
        self._pieces: list[tuple[int, bytes]] = []
        self._afterwards: list[Callable[[], None]] = []
        self._variables = {"?": "0", "USER": "shell", "HOME": "/", "PATH": "/system/bin"}

    async def run(self, line: str) -> int:
        """Run a line; returns the exit code of the last command that ran."""
        try:
            pipelines = parse(line)
        except SyntaxRefused as refused:
            self._pieces.append((STDERR, f"/system/bin/sh: {refused}\n".encode()))
            return 1
        code = 0
        for pipeline in pipelines:
            if (pipeline.join == "&&" and code != 0) or (pipeline.join == "||" and code == 0):
                continue
            if pipeline.commands[0].words[0].filled(self._variables) == "exit":
                return self._exit_code(pipeline.commands[0], code)
            code = await self._run_pipeline(pipeline)
            self._variables["?"] = str(code)
        return code

    async def flush(self) -> None:
        """Hand on what was said so far."""
        pieces, self._pieces = self._pieces, []
        if pieces:
            await self._emit(pieces)

    def finish(self) -> None:
        """Do what was to happen once the answer is received."""
        while self._afterwards:
            self._afterwards.pop(0)()

    def take(self) -> list[tuple[int, bytes]]:
        """What was said and not handed on yet."""
        pieces, self._pieces = self._pieces, []
        return pieces

    def _exit_code(self, command: Simple, code: int) -> int:
        words = [word.filled(self._variables) for word in command.words]
        return int(words[1]) & 0xFF if len(words) > 1 and words[1].isdecimal() else code

    async def _run_pipeline(self, pipeline: Pipeline) -> int:
        handed, code = b"", 0
        for number, command in enumerate(pipeline.commands, 1):
            try:
                output = await self._run_simple(command, handed)
            except FileRefused as refused:
                output = Output(1, b"", f"/system/bin/sh: {refused}\n".encode())
            handed, code = output.stdout, output.code
            if number == len(pipeline.commands) and handed:
                self._pieces.append((STDOUT, handed))
            if output.afterwards is not None:
                self._afterwards.append(output.afterwards)
            if output.stderr:
                self._pieces.append((STDERR, output.stderr))
        return code

    async def _run_simple(self, command: Simple, handed: bytes) -> Output:
        if command.stdin_path is not None:
            handed = self._read(command.stdin_path)
        argv = [word.filled(self._variables) for word in command.words]
        output = await self._execute(argv, handed)
        return self._redirected(command, output)

    async def _execute(self, argv: list[str], stdin: bytes) -> Output:
        known = COMMANDS.get(argv[0].rpartition("/")[2])
        if known is None:
            return Output(
                127, b"", f"/system/bin/sh: {argv[0]}: inaccessible or not found\n".encode()
            )
        try:
            answer = known(Call(self._phone, argv, stdin))
        except FileRefused as refused:
            return Output(1, b"", f"{argv[0]}: {refused}\n".encode())
        if isinstance(answer, Output):
            return answer
        await self.flush()
        return await answer

    def _redirected(self, command: Simple, output: Output) -> Output:
        _, stdout, stderr, _ = output
        if command.merges == "1":
            stdout, stderr = stdout + stderr, b""
        elif command.merges == "2":
            stdout, stderr = b"", stderr + stdout
        if command.stdout_path is not None:
            self._write(command.stdout_path, stdout, command.appends)
            stdout = b""
        if command.stderr_path is not None:
            self._write(command.stderr_path, stderr, False)
            stderr = b""
        return output._replace(stdout=stdout, stderr=stderr)

    def _read(self, word: Word) -> bytes:
        path = word.filled(self._variables)
        return b"" if path == NOWHERE else self._phone.files.read(path)

    def _write(self, word: Word, data: bytes, appends: bool) -> None:
        path = word.filled(self._variables)
        if path == NOWHERE:
            return
        if appends and self._phone.files.find(path) is not None:
            data = self._phone.files.read(path) + data
        self._phone.files.write(path, data, FILE_MODE, int(self._phone.wall()))
