"""The command line: `procession <command>`.

Exit status 0: done; 1: refused or failed; 2: used wrongly. What goes wrong is one line on
standard error.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from procession.commands import (
    agent,
    backup,
    doctor,
    fleet,
    import_,
    mcp,
    migrate,
    process,
    serve,
    simulate,
    submit,
    token,
    user,
    watch,
    worker,
)
from procession.commands.options import show_help_when_alone
from procession.commands.outcome import REFUSED, CommandFailed, complain

PROGRAM = "procession"


def make_app() -> typer.Typer:
    """Every command, ready to be called."""
    app = typer.Typer(
        help="One durable process API over long-running work on phones.",
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    app.callback(invoke_without_command=True)(_root)
    for programs in (serve, agent, worker, mcp, simulate):
        programs.register(app)
    for commands in (token, user, fleet, submit, watch, process, doctor):
        commands.register(app)
    for upkeep in (migrate, import_, backup):
        upkeep.register(app)
    return app


def main() -> None:
    """What the program `procession` does."""
    sys.exit(run(sys.argv[1:]))


def run(words: list[str]) -> int:
    """Run one command line; the exit status."""
    try:
        status = make_app()(words, prog_name=PROGRAM, standalone_mode=False)
        return status if isinstance(status, int) else 0
    except CommandFailed as error:
        complain(str(error))
        return error.status
    except typer.TyperException as error:
        complain(error.format_message())
        return error.exit_code
    except typer.Abort:
        return REFUSED
    except BrokenPipeError:
        # The reader left; what Python flushes at exit must not fail as well.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return REFUSED


def _root(
    context: typer.Context,
    show_version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if show_version:
        from importlib.metadata import version

        typer.echo(f"{PROGRAM} {version(PROGRAM)}")
        raise typer.Exit
    show_help_when_alone(context)
