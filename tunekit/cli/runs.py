"""Commands on runs that there are: status, compare, report, clean, dashboard."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tunekit.cli.options import (
    AROUND_PANEL,
    RUNS,
    SHOWN,
    Json,
    Run,
    RunsDir,
    command,
    known_runs,
    print_json,
    say,
    show_table,
)
from tunekit.telling import as_path, counted, pasted
from tunekit.vocabulary import Interrupted, UserError

if TYPE_CHECKING:
    from tunekit.cleaning import Cleaning
    from tunekit.vocabulary import Format


@command(AROUND_PANEL, "reading")
def status(
    run_path: Annotated[
        Path | None,
        typer.Argument(metavar="[RUN]", help="A run; otherwise all of them.", autocompletion=known_runs),
    ] = None,
    runs_dir: RunsDir = RUNS,
    as_json: Json = False,
) -> None:
    """Show how far a run is, or all runs."""
    from tunekit.rundir import read_run
    from tunekit.status import of_runs, of_steps

    rows = of_runs(runs_dir) if run_path is None else of_steps(read_run(run_path))
    if as_json:
        print_json(rows)
    elif rows or run_path is not None:
        show_table([one.row for one in rows])
    else:
        there = [] if runs_dir == RUNS else ["--runs-dir", runs_dir]
        say(f"no runs in {runs_dir}; next: {pasted('tunekit', 'run', 'RECIPE', *there)}")


@command(AROUND_PANEL, "reading")
def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN RUN...", help="Two runs or more; others are held against the first.", autocompletion=known_runs
        ),
    ],
    page: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a page of it, too: FILE.html.")] = None,
    as_json: Json = False,
) -> None:
    """Compare runs: what each found best, in which values they differ, and whether that is more than noise."""
    from tunekit.comparing import compare as compared
    from tunekit.report.figures import leaving_home_alone

    if len(runs) < 2:
        raise UserError(f"{runs[0]}: one run; give two or more: tunekit compare RUN RUN")
    if page is not None and (page.suffix != ".html" or not page.parent.is_dir()):
        raise UserError(f"--page {page}: give a file that ends in .html, in a folder that there is")
    told = compared(runs)
    if page is not None:
        with leaving_home_alone():
            told.write_page(page)
    if as_json:
        print_json(told.printed())
        return
    for one in told.against:
        say(one.told)
    for note in told.notes:
        say(f"note: {note}")
    say("")
    shares: dict[str, Format] = {name: form for run in told.runs for name, form in run.formats.items()}
    show_table([run.row() for run in told.runs], formats=shares)
    if told.differing:
        say("", "what differs:")
        show_table(told.differing, limit=len(told.differing))
    else:
        say("", "their best trainings have the same values")
    if page is not None:
        say("", f"{page} written")


@command(AROUND_PANEL, "reading")
def report(
    run_path: Run,
) -> None:
    """Write report.html: one self-contained page of a run."""
    from tunekit.report.page import write_page
    from tunekit.rundir import read_run

    say(f"{write_page(read_run(run_path), str(run_path))} written")


@command(AROUND_PANEL, "reading")
def clean(
    run_path: Run,
    yes: Annotated[bool, typer.Option("--yes", help="Remove without asking.")] = False,
    as_json: Json = False,
) -> None:
    """Remove what a run can make again: checkpoints, and weights but for those that its results or best.yaml name.

    Results, metrics, studies and figures stay. What goes is shown first, with the iterations that would make it again;
    then it is asked for. Without a terminal nothing is removed unless --yes is given.
    """
    import sys

    from tunekit.cleaning import cleaning, remove
    from tunekit.rundir import read_run

    with cleaning(read_run(run_path)) as found:
        asks = not yes and not as_json and bool(found.goes) and sys.stdin is not None and sys.stdin.isatty()
        if not as_json:
            _show_cleaning(found)
        removes = bool(found.goes) and (yes or (asks and typer.confirm("remove them?")))
        if removes:
            remove(found)
    if as_json:
        print_json(found.printed(removes))
    elif removes:
        say(f"{_megabytes(found.size)} freed; what is asked for again is trained anew, with the same numbers")
    elif found.goes:
        again = "" if asks else f"; `{pasted('tunekit', 'clean', as_path(run_path), '--yes')}` removes them"
        say(f"nothing was removed{again}")


def _show_cleaning(found: Cleaning) -> None:
    """What goes, what it would take to make it again, and what stays."""
    if not found.goes:
        say("nothing to remove")
        return
    rows = [
        {
            "of": one.training or "what commands left behind",
            "goes": ", ".join(path.name for path in one.files) if one.training else counted(len(one.files), "file"),
            "size": _megabytes(one.size),
            "to make it again": counted(one.iterations, "iteration") if one.training else "nothing",
        }
        for one in found.goes
    ]
    show_table(rows, SHOWN)
    if len(rows) > SHOWN:
        say(f"and {len(rows) - SHOWN} more; --json lists them all")
    say(f"in all {_megabytes(found.size)}, {counted(found.iterations, 'iteration')}; results, metrics and studies stay")
    for path in found.stays:
        say(f"stays: {path.relative_to(found.run.path)}")


def _megabytes(size: int) -> str:
    from tunekit.diskroom import shown

    return shown(size)


@command(AROUND_PANEL, "reading")
def dashboard(
    run_paths: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="One run or several.", autocompletion=known_runs)
    ],
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port on this machine; 0 for any free one.")] = 8080,
    storage: Annotated[
        list[str] | None,
        typer.Option(metavar="URL|FILE", help="Where the studies of a run are, if not in its folder; may be repeated."),
    ] = None,
) -> None:
    """Open the studies of runs in optuna-dashboard, also while they run; Ctrl-C ends it."""
    from tunekit.runstudies import serve_dashboard

    def ready(url: str) -> None:
        say(url, "the runs are not written, and what is written in the browser is not kept; Ctrl-C ends it")

    def warn(trouble: str) -> None:
        say(f"warning: {trouble}", err=True)

    try:
        serve_dashboard(run_paths, storage or (), port, ready, warn)
    except Interrupted as why:
        say(f"{why}; the dashboard is closed", err=True)
        raise typer.Exit(130) from None
