"""The commands, their options and exit codes. The only room that imports Typer: parse, call, render."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from tunekit.cli import steps, logs  # isort: skip # the steps come first in --help

# isort: split
from tunekit.cli import around
from tunekit.cli.options import app
from tunekit.vocabulary import UserError

__all__ = ["app", "around", "logs", "main", "steps"]


@app.callback(invoke_without_command=True)
def _main(version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False) -> None:
    if version:
        from tunekit import __version__
        from tunekit.distribution import owner

        typer.echo(f"tunekit {__version__} ({owner()})")
        raise typer.Exit


def main() -> None:
    """The program: one place where errors become a line and an exit code."""
    try:
        code = app(standalone_mode=False)
    except UserError as error:
        for line in str(error).splitlines():
            typer.echo(f"error: {line}", err=True)
        code = 2
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader of a pipe had enough
        code = 0
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        typer.echo(
            f"error: {place}{error.strerror or error}; free space or mend access, then repeat the command", err=True
        )
        code = 2
    except (KeyboardInterrupt, typer.Abort):
        typer.echo("interrupted; the same command goes on from here", err=True)
        code = 130
    except Exception as error:
        if hasattr(error, "show") and hasattr(error, "exit_code"):
            error.show()  # a usage error of the command line itself
            code = error.exit_code
        else:
            typer.echo(
                f"error: {type(error).__name__}: {error} (this is a fault of tunekit; --debug shows where)", err=True
            )
            code = 70
    sys.exit(code if isinstance(code, int) else 0)
