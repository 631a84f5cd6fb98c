"""The commands, their options and exit codes. The only room that imports Typer: parse, call, render."""

from __future__ import annotations

import io
import sys
from typing import Annotated

import typer

from tunekit.cli import steps, logs, recipes, final, runs, explain  # isort: skip # in the order of --help

# isort: split
from tunekit.cli.options import app, say
from tunekit.mending import advice
from tunekit.streams import standard_output
from tunekit.telling import without_credentials
from tunekit.vocabulary import Interrupted, UserError

__all__ = ["app", "explain", "final", "logs", "main", "recipes", "runs", "steps"]


@app.callback(invoke_without_command=True)
def _main(version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False) -> None:
    if version:
        from tunekit import __version__
        from tunekit.distribution import owner

        say(f"tunekit {__version__} ({owner()})")
        raise typer.Exit


def main() -> None:
    """The program. Standard output is its own: what a person's code prints goes to standard error."""
    with standard_output():
        code = _outcome()
    sys.exit(code)


def _outcome() -> int:
    """One place where errors become a line and an exit code."""
    try:
        code = app(standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()  # a full disk is told
    except UserError as error:
        for line in str(error).splitlines():
            say(f"error: {without_credentials(line)}", err=True)
        code = 2
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        mended = advice(error)
        then = f"; {mended}, then repeat the command" if mended else ""
        say(f"error: {place}{error.strerror or error}{then}", err=True)
        code = 2
    except (KeyboardInterrupt, Interrupted, typer.Abort) as why:
        say(f"{why if isinstance(why, Interrupted) else 'interrupted'}; give the same command again", err=True)
        code = 130
    except Exception as error:
        if hasattr(error, "show") and hasattr(error, "exit_code"):
            usage = io.StringIO()  # of the command line itself
            error.show(usage)
            say(*without_credentials(usage.getvalue()).splitlines(), err=True)
            code = error.exit_code
        else:
            say(f"error: {type(error).__name__}: {error} (this is a fault of tunekit; --debug shows where)", err=True)
            code = 70
    return code if isinstance(code, int) else 0
