"""The shell's language: words, quotes, `;`, `&&`, `||`, pipes and redirections. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

OPERATORS = re.compile(r"&&|\|\||;|\n|\||&|2>&1|1>&2|>&2|[12]?>>|[12]?>|<|\(|\)")
SPACES = " \t\r"
WORD_ENDS = SPACES + ";\n|&<>()"
JOINS = (";", "\n", "&&", "||")
VARIABLE = re.compile(r"\?|\w+|\{\w+\}")


class SyntaxRefused(Exception):
    """The shell does not understand the line."""


@dataclass
class Simple:
    """One command: its words, and where its output goes (`None`: onwards)."""

    words: list[Word] = field(default_factory=list)
    stdin_path: Word | None = None
    stdout_path: Word | None = None
    stderr_path: Word | None = None
    appends: bool = False
    merges: str = ""


@dataclass(frozen=True)
class Pipeline:
    """Commands joined by `|`, and how it hangs on what ran before: `;`, `&&` or `||`."""

    join: str
    commands: list[Simple]


@dataclass(frozen=True)
class Word:
    """A word in pieces: text, and whether variables in it are still to be filled in."""

    pieces: tuple[tuple[str, bool], ...]

    def filled(self, variables: dict[str, str]) -> str:
        return "".join(_fill(text, variables) if live else text for text, live in self.pieces)


def parse(line: str) -> list[Pipeline]:
    """The pipelines of a line, in order. Raises SyntaxRefused."""
    pipelines = [Pipeline(";", [Simple()])]
    at = 0
    while at < len(line):
        if line[at] in SPACES:
            at += 1
            continue
        if line[at] == "#":
            at = _end_of_comment(line, at)
            continue
        operator = OPERATORS.match(line, at)
        if operator is None:
            word, at = _word(line, at)
            pipelines[-1].commands[-1].words.append(word)
            continue
        at = _operate(operator.group(), line, operator.end(), pipelines)
    return [p for p in pipelines if _is_whole(p)]


def _end_of_comment(line: str, at: int) -> int:
    end = line.find("\n", at)
    return len(line) if end < 0 else end


def _is_whole(pipeline: Pipeline) -> bool:
    empty = [not command.words for command in pipeline.commands]
    if any(empty) and (len(empty) > 1 or pipeline.join not in (";", "\n")):
        raise SyntaxRefused("syntax error: unexpected end of command")
    return not any(empty)


def _operate(operator: str, line: str, at: int, pipelines: list[Pipeline]) -> int:
    command = pipelines[-1].commands[-1]
    if operator in JOINS:
        if not command.words and operator != "\n":
            raise SyntaxRefused(f"syntax error: unexpected '{operator}'")
        if command.words:
            pipelines.append(Pipeline(operator, [Simple()]))
        return at
    if operator == "|":
        pipelines[-1].commands.append(Simple())
        return at
    if operator in ("2>&1", "1>&2", ">&2"):
        command.merges = operator[-1]
        return at
    if operator in ("&", "(", ")"):
        raise SyntaxRefused(f"syntax error: unexpected '{operator}'")
    while at < len(line) and line[at] in SPACES:
        at += 1
    if at == len(line) or line[at] in WORD_ENDS:
        raise SyntaxRefused("syntax error: unexpected end of redirection")
    path, at = _word(line, at)
    _redirect(command, operator, path)
    return at


def _redirect(command: Simple, operator: str, path: Word) -> None:
    if operator == "<":
        command.stdin_path = path
    elif operator.startswith("2"):
        command.stderr_path = path
    else:
        command.stdout_path = path
        command.appends = operator.endswith(">>")


def _word(line: str, at: int) -> tuple[Word, int]:
    pieces: list[tuple[str, bool]] = []
    while at < len(line) and line[at] not in WORD_ENDS:
        if line[at] == "'":
            end = _closing(line, at)
            pieces.append((line[at + 1 : end], False))
            at = end + 1
        elif line[at] == '"':
            at = _double_quoted(line, at + 1, pieces)
        elif line[at] == "\\":
            pieces.append((line[at + 1 : at + 2], False))
            at += 2
        else:
            end = at
            while end < len(line) and line[end] not in WORD_ENDS and line[end] not in "'\"\\":
                end += 1
            pieces.append((line[at:end], True))
            at = end
    return Word(tuple(pieces)), at


def _closing(line: str, at: int) -> int:
    end = line.find("'", at + 1)
    if end < 0:
        raise SyntaxRefused("syntax error: unexpected EOF looking for a closing quote")
    return end


def _double_quoted(line: str, at: int, pieces: list[tuple[str, bool]]) -> int:
    pieces.append(("", False))
    start = at
    while at < len(line) and line[at] != '"':
        if line[at] == "\\" and line[at + 1 : at + 2] in ("$", "`", '"', "\\"):
            pieces += [(line[start:at], True), (line[at + 1], False)]
            at = start = at + 2
        else:
            at += 1
    if at >= len(line):
        raise SyntaxRefused("syntax error: unexpected EOF looking for a closing quote")
    pieces.append((line[start:at], True))
    return at + 1


def _fill(text: str, variables: dict[str, str]) -> str:
    first, *others = text.split("$")
    filled = [first]
    for other in others:
        name = VARIABLE.match(other)
        if name is None:
            filled.append("$" + other)
        else:
            filled.append(variables.get(name.group().strip("{}"), "") + other[name.end() :])
    return "".join(filled)
