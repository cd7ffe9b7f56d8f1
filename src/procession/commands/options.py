"""Options as every command has them: command line, else environment, else file, else default.

An option `--lease-ms` is also `PROCESSION_LEASE_MS` and the key `lease_ms` of the file that
`--config` or PROCESSION_CONFIG names (TOML). One file serves all commands: each takes from it
the keys it has an option for.
"""

from __future__ import annotations

import functools
import inspect
import tomllib
from collections.abc import Callable, Iterable, Mapping
from inspect import Parameter
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
import typer
from msgspec import Meta, Struct
from typer.models import OptionInfo

from procession.commands.outcome import UsageWrong
from procession.settings import PREFIX

EMPTY: Mapping[str, str] = {}

Command = Callable[..., None]

LogFormat = Literal["auto", "json", "console"]

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
LogLevelOption = Annotated[
    Literal["debug", "info", "warning", "error"],
    typer.Option(help="Least severe line that is logged."),
]
LogFormatOption = Annotated[
    LogFormat,
    typer.Option(help="How log lines look; auto: for people where standard error is a terminal."),
]


def command(
    app: typer.Typer, name: str, settings: Iterable[Parameter] = ()
) -> Callable[[Command], Command]:
    """Register a function as a command; `settings` reach it as its `**given`."""

    def register(function: Command) -> Command:
        app.command(name, help=inspect.getdoc(function))(_with_file(function, settings))
        return function

    return register


def group(help_text: str) -> typer.Typer:
    """A group of commands; alone on the command line it prints its help."""
    app = typer.Typer(
        help=help_text, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False
    )
    app.callback(invoke_without_command=True)(show_help_when_alone)
    return app


def show_help_when_alone(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def setting_parameters(
    kind: type[Struct],
    keys: Mapping[str, str] = EMPTY,
    helps: Mapping[str, str] = EMPTY,
    flags: Mapping[str, str] = EMPTY,
) -> list[Parameter]:
    """One option for every field of a settings struct.

    `keys` renames fields whose name another command uses otherwise, `helps` describes the
    fields that do not describe themselves, `flags` are further spellings.
    """
    made = []
    for field in msgspec.structs.fields(kind):
        key = keys.get(field.name, field.name)
        inner = get_args(field.type) if get_origin(field.type) is Annotated else (field.type,)
        told = next((meta.description for meta in inner[1:] if isinstance(meta, Meta)), None)
        spellings = dict.fromkeys([_flag(key), _flag(field.name), flags.get(field.name, "")])
        default = default_text(field)
        option = typer.Option(
            *filter(None, spellings), help=told or helps[field.name], show_default=default or False
        )
        made.append(_keyword(key, Annotated[inner[0] | None, option]))
    return made


def default_text(field: msgspec.structs.FieldInfo) -> str:
    """A field's default as people read it; empty when there is none."""
    if field.default_factory not in (msgspec.NODEFAULT, list):
        return "the host's name"
    if field.default is msgspec.NODEFAULT or field.default == "":
        return ""
    return str(field.default)


def given_words(values: list[str] | None) -> list[str] | None:
    """The words of a repeatable option, each of which may itself be a comma-separated list."""
    if not values:
        return None
    return [word.strip() for value in values for word in value.split(",") if word.strip()]


def _with_file(function: Command, settings: Iterable[Parameter]) -> Command:
    signature = inspect.signature(function, eval_str=True)
    plain = [one for one in signature.parameters.values() if one.kind is not Parameter.VAR_KEYWORD]
    parameters = [*plain, *settings, _keyword("config", _CONFIG)]
    for parameter in parameters:
        for meta in get_args(parameter.annotation)[1:]:
            if isinstance(meta, OptionInfo) and meta.envvar is None:
                meta.envvar = PREFIX + parameter.name.upper()

    @functools.wraps(function)
    def wrapper(config: Path | None = None, **given: Any) -> None:
        # The file has done its part: its values are among those given.
        function(**given)

    wrapper.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {one.name: one.annotation for one in parameters}
    return wrapper


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _keyword(name: str, annotation: Any) -> Parameter:
    return Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _take_file(context: typer.Context, file: Path | None) -> None:
    if file is None:
        return
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageWrong(f"settings file {file}: {error}") from None
    if unknown := sorted(values.keys() - _keys(context.find_root().command)):
        raise UsageWrong(f"settings file {file}: no command has an option {unknown[0]!r}")
    context.default_map = values


def _keys(command: Any) -> set[str]:
    """The names of every option below a command."""
    keys = {one.name for one in command.params if one.param_type_name == "option"}
    return keys.union(*(_keys(below) for below in getattr(command, "commands", {}).values()))


_CONFIG = Annotated[
    Path | None,
    typer.Option(
        "--config",
        help="A settings file (TOML).",
        is_eager=True,
        callback=_take_file,
    ),
]
