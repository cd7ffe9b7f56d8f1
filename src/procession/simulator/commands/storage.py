"""Commands about files and free space."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import md5, sha256

from procession.simulator.commands.command import Call, Command, Output, refused
from procession.simulator.files import FILE_MODE, File, FileRefused, normal
from procession.simulator.phone import STORAGE_KB


def options_and_paths(args: list[str]) -> tuple[str, list[str]]:
    """The letters of all options, and the other words."""
    options = "".join(a[1:] for a in args if a.startswith("-") and a != "-")
    return options, [a for a in args if not a.startswith("-") or a == "-"]


def cat(call: Call) -> Output:
    _, paths = options_and_paths(call.args)
    if not paths:
        return Output(0, call.stdin)
    contents: list[bytes] = []
    errors: list[str] = []
    for path in paths:
        try:
            contents.append(_content(call, path))
        except FileRefused as why:
            errors.append(f"cat: {path}: {why}\n")
    return Output(1 if errors else 0, b"".join(contents), "".join(errors).encode())


def _content(call: Call, path: str) -> bytes:
    if path == "/proc/uptime":
        return f"{call.phone.uptime_s:.2f} {call.phone.uptime_s:.2f}\n".encode()
    return call.stdin if path == "-" else call.phone.files.read(path)


def ls(call: Call) -> Output:
    options, paths = options_and_paths(call.args)
    lines: list[str] = []
    for path in paths or ["/"]:
        file = call.phone.files.find(path)
        if file is None:
            return refused(f"ls: {path}: No such file or directory")
        names = [path] if file.data is not None or "d" in options else []
        names = names or call.phone.files.names(path)
        for name in names:
            lines.append(_line(call, path, name) if "l" in options else name)
    return Output(0, "".join(f"{line}\n" for line in lines).encode())


def _line(call: Call, path: str, name: str) -> str:
    file = call.phone.files.find(path if name == path else f"{path}/{name}")
    assert file is not None
    when = datetime.fromtimestamp(file.mtime, UTC).strftime("%Y-%m-%d %H:%M")
    return f"{_mode_letters(file)} 1 shell shell {file.size:>8} {when} {name}"


def _mode_letters(file: File) -> str:
    letters = "".join(
        letter if file.mode >> (8 - place) & 1 else "-" for place, letter in enumerate("rwxrwxrwx")
    )
    return ("d" if file.data is None else "-") + letters


def rm(call: Call) -> Output:
    options, paths = options_and_paths(call.args)
    if not paths:
        return refused("rm: Needs 1 argument")
    errors: list[str] = []
    for path in paths:
        try:
            call.phone.files.remove(path, recursive="r" in options or "R" in options)
        except FileRefused as why:
            if "f" not in options or "No such file" not in str(why):
                errors.append(f"rm: {path}: {why}\n")
    return Output(1 if errors else 0, b"", "".join(errors).encode())


def mkdir(call: Call) -> Output:
    options, paths = options_and_paths(call.args)
    for path in paths:
        try:
            call.phone.files.make_folder(path, int(call.phone.wall()), parents="p" in options)
        except FileRefused as why:
            return refused(f"mkdir: '{path}': {why}")
    return Output(0) if paths else refused("mkdir: Needs 1 argument")


def touch(call: Call) -> Output:
    for path in options_and_paths(call.args)[1]:
        file = call.phone.files.find(path)
        if file is None or file.data is not None:
            data = b"" if file is None else file.data or b""
            call.phone.files.write(path, data, FILE_MODE, int(call.phone.wall()))
    return Output(0)


def copy(call: Call) -> Output:
    _, paths = options_and_paths(call.args)
    if len(paths) != 2:
        return refused(f"{call.argv[0]}: Need 2 arguments")
    origin, target = paths
    if (there := call.phone.files.find(target)) is not None and there.data is None:
        target = f"{target}/{normal(origin).rsplit('/', 1)[1]}"
    data = call.phone.files.read(origin)
    if normal(target) == normal(origin):
        return refused(f"{call.argv[0]}: '{origin}' and '{target}' are the same file")
    call.phone.files.write(target, data, FILE_MODE, int(call.phone.wall()))
    if call.argv[0] == "mv":
        call.phone.files.remove(origin)
    return Output(0)


def digest(call: Call) -> Output:
    make = {"sha256sum": sha256, "md5sum": md5}[call.argv[0]]
    lines: list[str] = []
    for path in options_and_paths(call.args)[1] or ["-"]:
        lines.append(f"{make(_content(call, path)).hexdigest()}  {path}\n")
    return Output(0, "".join(lines).encode())


def df(call: Call) -> Output:
    options, _ = options_and_paths(call.args)
    free = call.phone.storage_free_kb
    used = STORAGE_KB - free
    sizes = [_human(kb) if "h" in options else str(kb) for kb in (STORAGE_KB, used, free)]
    percent = f"{-(-used * 100 // STORAGE_KB)}%"
    title = "Size" if "h" in options else "1K-blocks"
    head = f"{'Filesystem':<18}{title:>10}{'Used':>10}{'Available':>10} Use% Mounted on\n"
    columns = "".join(f"{size:>10}" for size in sizes)
    return Output(0, f"{head}{'/dev/block/dm-5':<18}{columns} {percent:>4} /data\n".encode())


def _human(kb: int) -> str:
    return f"{kb / 1048576:.1f}G" if kb >= 1048576 else f"{kb / 1024:.0f}M"


COMMANDS: dict[str, Command] = {
    "cat": cat,
    "cp": copy,
    "df": df,
    "ls": ls,
    "md5sum": digest,
    "mkdir": mkdir,
    "mv": copy,
    "rm": rm,
    "sha256sum": digest,
    "touch": touch,
}
