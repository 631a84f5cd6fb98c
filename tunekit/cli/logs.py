"""The step that reads any log, as a command: parse, call, render."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from tunekit.cli.options import (
    STEP_PANEL,
    Json,
    Set,
    Storage,
    Verbose,
    command,
    known_runs,
    make_screen,
    print_json,
    say,
    seconds,
    with_files,
)
from tunekit.steps import steps
from tunekit.telling import raised, told_outdated
from tunekit.vocabulary import Event, Noted, UserError

if TYPE_CHECKING:
    from tunekit.diagnosis import Diagnosis
    from tunekit.rundir import RunFolder

CONTRADICTION = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What a run raises whose files somebody else has written, each of them well formed and none the other's."""

PLACE, READS_LOGS = next((place, step) for place, step in enumerate(steps(), start=1) if step.reads_logs)


def _known_logs(incomplete: str) -> list[str]:
    return with_files(known_runs(incomplete), incomplete)


@command(STEP_PANEL, "reading", READS_LOGS.name, f"{PLACE}. {READS_LOGS.help}")
def diagnose(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="PATH", help="A run, or any folder or file with a training log.", autocompletion=_known_logs
        ),
    ],
    format_: Annotated[
        str | None, typer.Option("--format", help="The log's format, where it is not recognised.")
    ] = None,
    train: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="The column of the training loss or score.")
    ] = None,
    val: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="The same of validation; 'min COLUMN': less is better.")
    ] = None,
    figure: Annotated[bool, typer.Option("--figure", help="Draw the curves beside the log.")] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Follow a running training; tell when the verdict changes.")
    ] = False,
    idle: Annotated[
        str, typer.Option(metavar="TIME", help="With --watch: end when nothing was written for so long.")
    ] = "10m",
    fail_on: Annotated[
        str | None, typer.Option(metavar="CODES", help="Exit with 1 on these verdicts (a,b,...), and on no others.")
    ] = None,
    set_: Set = None,
    storage: Storage = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """The step on a run that has all it needs; else, and with any option of a log's, the log."""
    from tunekit.rundir import is_run, read_run

    codes = _codes(fail_on)
    if watch:
        _watch(path, format_, train, val, seconds(idle) or 0.0, codes, as_json, verbose)
    if is_run(path):
        run = read_run(path)
        if not (format_ or train or val or fail_on) and _is_complete(run):
            _diagnose_run(run, path, set_, storage, as_json, verbose)
    if set_ or storage:
        raise UserError(
            f"{path}: --set and --storage are for a run of tunekit whose steps have ended; this is read as a log"
        )
    _diagnose_log(path, format_, train, val, figure, codes, as_json, verbose)


def _is_complete(run: RunFolder) -> bool:
    """Whether the steps that this one needs have ended; what is older or not so far is read as a log."""
    from tunekit.rundir import RUN_FORMAT

    return run.format == RUN_FORMAT and all(run.result(step.name) for step in READS_LOGS.needs)


def _diagnose_run(
    run: RunFolder, path: Path, set_: list[str] | None, storage: str | None, as_json: bool, verbose: bool
) -> None:
    """The step on what the run holds; returns where that is not enough, and the run is to be read as a log."""
    from tunekit.diagnosis.verdict import PrintedOfRun
    from tunekit.pipeline import judge_stored
    from tunekit.report.figures import Painter, leaving_home_alone
    from tunekit.report.page import write_page

    screen, painter = make_screen(as_json, verbose), Painter(run)

    def emit(event: Event) -> None:
        screen.emit(event)
        painter.emit(event)

    shown = str(path)
    try:
        with leaving_home_alone():
            result = judge_stored(run, READS_LOGS.name, set_ or (), storage, emit, shown)
            painter.close()
        if result is None:
            return
        source = {"format": "tunekit", "files": [shown]}
        told = PrintedOfRun.from_json({**result.details, "source": source, "run": shown})
    except UserError as error:
        if set_ or storage:
            raise
        screen.emit(Noted(f"{error}; read as a log"))
        return
    except CONTRADICTION as error:
        screen.emit(Noted(f"{shown}: what it holds does not fit together ({raised(error)}); read as a log"))
        return
    finally:
        screen.close()
    write_page(run, shown)
    if before := [name for name in run.outdated if name != READS_LOGS.name]:
        screen.emit(Noted(told_outdated(before, shown)))
    if as_json:
        print_json(told)
    raise typer.Exit(int(result.verdict == "fail"))


def _diagnose_log(
    path: Path,
    format_: str | None,
    train_: str | None,
    val: str | None,
    figure: bool,
    codes: frozenset[str] | None,
    as_json: bool,
    verbose: bool,
) -> None:
    from tunekit.diagnosis import judge
    from tunekit.diagnosis.verdict import printed
    from tunekit.logs import read
    from tunekit.report.figures import leaving_home_alone
    from tunekit.report.logs import show_logs, write_figure

    judged = [(log, judge(log)) for log in read(path, format_, train_, val)]
    if figure:
        with leaving_home_alone():
            for log, diagnosis in judged:
                say(f"{write_figure(log, diagnosis, path)} written", err=True)
    if as_json:
        print_json(printed(judged))
    else:
        show_logs(make_screen(False).console, judged, verbose)
    raise typer.Exit(_exit_code(judged[0][1], codes))


def _codes(text: str | None) -> frozenset[str] | None:
    """The verdicts of --fail-on. Errors: UserError for one that there is not."""
    if text is None:
        return None
    from tunekit.recipe.text import nearest

    known = [code.name for code in READS_LOGS.codes()]
    for code in text.split(","):
        if code.strip() not in known:
            raise UserError(f"--fail-on {code.strip()}: no such verdict{nearest(code.strip(), known)}")
    return frozenset(code.strip() for code in text.split(","))


def _exit_code(diagnosis: Diagnosis, codes: frozenset[str] | None) -> int:
    """1 for a verdict of severity fail, or for those asked for."""
    return int(diagnosis.verdict == "fail" if codes is None else diagnosis.code in codes)


def _watch(
    path: Path,
    format_: str | None,
    train_: str | None,
    val: str | None,
    idle_s: float,
    codes: frozenset[str] | None,
    as_json: bool,
    verbose: bool,
) -> NoReturn:
    """Tell each change of the verdict until the log is idle, or until a verdict of --fail-on ends it."""
    from tunekit.diagnosis.watch import follow
    from tunekit.report.logs import show_logs
    from tunekit.streams import is_read

    code = 0
    for log, diagnosis in follow(path, format_, train_, val, idle_s):
        if as_json:
            typer.echo(json.dumps(diagnosis.as_dict()))
        else:
            show_logs(make_screen(False).console, [(log, diagnosis)], verbose)
        code = _exit_code(diagnosis, codes)
        if (codes is not None and code) or not is_read():
            break
    raise typer.Exit(code)
