"""The commands, their options and exit codes. The only room that imports Typer: parse, call, render."""

from __future__ import annotations

import io
import os
import sys
from typing import Annotated

import typer

from tunekit.cli import steps, logs  # isort: skip # the steps come first in --help

# isort: split
from tunekit.cli import around
from tunekit.cli.options import app, say
from tunekit.vocabulary import UserError

__all__ = ["app", "around", "logs", "main", "steps"]


@app.callback(invoke_without_command=True)
def _main(version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False) -> None:
    if version:
        from tunekit import __version__
        from tunekit.distribution import owner

        say(f"tunekit {__version__} ({owner()})")
        raise typer.Exit


def main() -> None:
    """The program: one place where errors become a line and an exit code."""
    try:
        code = app(standalone_mode=False)
    except UserError as error:
        for line in str(error).splitlines():
            say(f"error: {line}", err=True)
        code = 2
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader of a pipe had enough
        code = 0
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        say(f"error: {place}{error.strerror or error}; free space or mend access, then repeat the command", err=True)
        code = 2
    except (KeyboardInterrupt, typer.Abort):
        say("interrupted; the same command goes on from here", err=True)
        code = 130
    except Exception as error:
        if hasattr(error, "show") and hasattr(error, "exit_code"):
            usage = io.StringIO()  # of the command line itself
            error.show(usage)
            say(*usage.getvalue().splitlines(), err=True)
            code = error.exit_code
        else:
            say(f"error: {type(error).__name__}: {error} (this is a fault of tunekit; --debug shows where)", err=True)
            code = 70
    sys.exit(code if isinstance(code, int) else 0)
