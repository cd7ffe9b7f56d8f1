"""The program `procession` begun once and forked for every command: as another process each.

What a command costs is mostly its interpreter and its imports, the same for all of them.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

START_S_MAX = 60.0
REQUEST_BYTES_MAX = 1 << 20


def run_forked(
    words: list[str], given: str, cwd: Path | None, env: Mapping[str, str], s_max: float
) -> subprocess.CompletedProcess[str]:
    """What `subprocess.run` would say of the command. Raises TimeoutError."""
    with tempfile.TemporaryDirectory(prefix="procession-cli-") as folder:
        files = [Path(folder, name) for name in ("in", "out", "err")]
        files[0].write_text(given)
        order = [words, dict(env), str(cwd or Path.cwd()), [str(file) for file in files]]
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as line:
            line.settimeout(s_max)
            line.connect(_server())
            line.sendall(json.dumps(order).encode())
            status = int(line.recv(16))
        return subprocess.CompletedProcess(
            words, status, files[1].read_text(), files[2].read_text()
        )


@cache
def _server() -> str:
    """The address of this process's own; it ends with it."""
    folder = tempfile.mkdtemp(prefix="procession-cli-")
    address = f"{folder}/line"
    server = subprocess.Popen(
        [sys.executable, __file__, address], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert server.stdin and server.stdout and server.stdout.readline()

    def end() -> None:
        server.kill()
        server.communicate()
        os.unlink(address)
        os.rmdir(folder)

    atexit.register(end)
    return address


def serve(address: str) -> None:
    """Fork for every order; end when killed or with whoever started it."""
    import procession.client
    import procession.commands.tables
    import procession.store.sqlite  # noqa: F401

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    line.bind(address)
    line.listen(64)
    print("ready", flush=True)
    while True:
        order, _ = line.accept()
        if os.fork() == 0:
            line.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _run(order)
        order.close()


def _run(line: socket.socket) -> None:
    """One command in a child, its status to whoever asked."""
    words, env, cwd, files = json.loads(line.recv(REQUEST_BYTES_MAX))
    pid = os.fork()
    if pid == 0:
        line.close()
        _become(words, env, cwd, files)
    _, status = os.waitpid(pid, 0)
    line.sendall(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def _become(words: list[str], env: dict[str, str], cwd: str, files: list[str]) -> None:
    from procession.cli import main

    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    for number, (file, how) in enumerate(
        zip(files, (os.O_RDONLY, os.O_WRONLY | os.O_CREAT, os.O_WRONLY | os.O_CREAT), strict=True)
    ):
        os.dup2(os.open(file, how, 0o600), number)
    sys.argv = ["procession", *words]
    status = 1
    try:
        main()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(status)


if __name__ == "__main__":
    sys.path.pop(0)
    serve(sys.argv[1])
