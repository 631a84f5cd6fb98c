"""`run`, the six steps and `diagnose` on any log: parse, call, render."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from tunekit.cli.options import (
    RUNS,
    STEP_PANEL,
    Budget,
    Debug,
    Device,
    Executor,
    Jobs,
    Json,
    KeepGoing,
    Name,
    RayAddress,
    Readers,
    RunsDir,
    Set,
    Storage,
    Target,
    app,
    chosen,
    interrupted,
    make_screen,
    open_target,
    print_json,
    seconds,
)
from tunekit.vocabulary import STEPS, Interrupted, UserError

if TYPE_CHECKING:
    from tunekit.diagnosis import Diagnosis
    from tunekit.pipeline import Options
    from tunekit.rundir import RunDir
    from tunekit.vocabulary import StepResult


@app.command(rich_help_panel=STEP_PANEL)
def run(
    target: Target,
    set_: Set = None,
    runs_dir: RunsDir = RUNS,
    name: Name = None,
    to: Annotated[str, typer.Option(metavar="STEP", help="The last step to walk.")] = STEPS[-1],
    jobs: Jobs = "auto",
    executor: Executor = "auto",
    ray_address: RayAddress = None,
    readers: Readers = None,
    device: Device = None,
    budget: Budget = None,
    storage: Storage = None,
    as_json: Json = False,
    keep_going: KeepGoing = False,
    debug: Debug = False,
) -> None:
    """Walk all six steps; an unfinished run of an equal recipe is continued."""
    if to not in STEPS:
        raise UserError(f"--to {to}: no such step; one of {', '.join(STEPS)}")
    steps = STEPS[: STEPS.index(to) + 1]
    options = chosen(jobs, executor, ray_address, device, budget, keep_going, storage, readers)
    _run_steps(target, steps, set_, runs_dir, name, options, as_json, whole=True)


def _step_command(step: str, text: str) -> None:
    def command(
        target: Target,
        set_: Set = None,
        runs_dir: RunsDir = RUNS,
        name: Name = None,
        jobs: Jobs = "auto",
        executor: Executor = "auto",
        ray_address: RayAddress = None,
        readers: Readers = None,
        device: Device = None,
        budget: Budget = None,
        storage: Storage = None,
        as_json: Json = False,
        keep_going: KeepGoing = False,
        debug: Debug = False,
    ) -> None:
        options = chosen(jobs, executor, ray_address, device, budget, keep_going, storage, readers)
        _run_steps(target, [step], set_, runs_dir, name, options, as_json)

    command.__doc__ = text
    app.command(step, rich_help_panel=STEP_PANEL)(command)


_step_command("check-init-loss", "1. Check data, outputs, gradients and the loss of the untrained model.")
_step_command("overfit-tiny", "2. Learn a handful of samples by heart, or say why that fails.")
_step_command("lr-sweep", "3. Find the learning rates that work.")
_step_command("coarse-grid", "4. Try rates by weight decay, and the recipe's own search axes.")
_step_command("fine-run", "5. Train the best few longer, with finer rates and several seeds.")


@app.command(rich_help_panel=STEP_PANEL)
def diagnose(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A run, or any folder or file with a training log.")],
    format_: Annotated[
        str | None, typer.Option("--format", help="The log's format, where it is not recognised.")
    ] = None,
    train: Annotated[str | None, typer.Option(metavar="COLUMN", help="The column of the training loss.")] = None,
    val: Annotated[str | None, typer.Option(metavar="COLUMN", help="The column of the validation loss.")] = None,
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
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """6. Say what the curves of a training mean: of a run, or of any tool's log."""
    from tunekit.rundir import is_run, open_run

    codes = _codes(fail_on)
    if watch:
        _watch(path, format_, train, val, seconds(idle) or 0.0, codes, as_json)
    if is_run(path) and not (format_ or train or val or fail_on) and open_run(path).result("fine-run"):
        options = chosen("1", "inline", None, None, None, True, None)
        _run_steps(str(path), ["diagnose"], set_, RUNS, None, options, as_json)
    _diagnose_log(path, format_, train, val, figure, codes, as_json)


def _run_steps(
    target: str,
    steps: Sequence[str],
    set_: list[str] | None,
    runs_dir: Path,
    name: str | None,
    options: Options,
    as_json: bool,
    whole: bool = False,
) -> None:
    from tunekit.pipeline import run_steps
    from tunekit.report.figures import Painter

    run_dir, shown = open_target(target, set_, runs_dir, name)
    screen, painter = make_screen(as_json), Painter(run_dir.path)
    if not as_json:
        screen.console.print(f"run {shown}\n")

    def emit(event: Any) -> None:
        screen.emit(event)
        painter.emit(event)

    try:
        results = run_steps(run_dir, steps, options, emit, shown)
    except Interrupted as why:
        interrupted(why, f"tunekit {'run' if whole else steps[0]} {target}")
    finally:
        screen.close()
        painter.close()
    _finish(run_dir, shown, results, as_json, whole)


def _finish(run_dir: RunDir, shown: str, results: list[StepResult], as_json: bool, whole: bool) -> None:
    from tunekit.report.page import write_page

    write_page(run_dir)
    if as_json:
        found = [result.as_dict() for result in results]
        if not whole and results and results[0].step == "diagnose":
            told = dict(results[0].details)
            print_json({**told, "source": {"format": "tunekit", "files": [shown]}, "run": shown})
        else:
            print_json({"run": shown, "results": found} if whole else found[0])
    elif whole and (run_dir.path / "best.yaml").exists():
        typer.echo(f"{shown}/best.yaml holds the tuned recipe, {shown}/report.html the whole story")
    failed = next((result for result in results if result.verdict == "fail"), None)
    if failed is not None and whole and results[-1] is failed and not as_json:
        typer.echo(
            f"stopped after {failed.step}: mend what it names and give the same command again, or add --keep-going"
        )
    raise typer.Exit(1 if failed is not None else 0)


def _diagnose_log(
    path: Path,
    format_: str | None,
    train_: str | None,
    val: str | None,
    figure: bool,
    codes: frozenset[str] | None,
    as_json: bool,
) -> None:
    from tunekit.diagnosis import judge
    from tunekit.logs import read
    from tunekit.report.logs import show_logs, write_figure

    found = [(log, judge(log)) for log in read(path, format_, train_, val)]
    if figure:
        for log, diagnosis in found:
            typer.echo(f"{write_figure(log, diagnosis, path)} written", err=True)
    if as_json:
        first = found[0][1].as_dict()
        print_json(
            first if len(found) == 1 else {**first, "runs": [{"name": log.name, **d.as_dict()} for log, d in found]}
        )
    else:
        show_logs(make_screen(False).console, found)
    raise typer.Exit(_exit_code(found[0][1], codes))


def _codes(text: str | None) -> frozenset[str] | None:
    """The verdicts of --fail-on. Errors: UserError for one that there is not."""
    if text is None:
        return None
    from tunekit.diagnosis import codes as verdicts
    from tunekit.recipe.text import nearest

    known = list(verdicts())
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
) -> NoReturn:
    """Tell each change of the verdict until the log is idle, or until a verdict of --fail-on ends it."""
    from tunekit.diagnosis.watch import follow
    from tunekit.report.logs import show_logs

    code = 0
    for log, diagnosis in follow(path, format_, train_, val, idle_s):
        if as_json:
            typer.echo(json.dumps(diagnosis.as_dict()))
        else:
            show_logs(make_screen(False).console, [(log, diagnosis)])
        code = _exit_code(diagnosis, codes)
        if codes is not None and code:
            break
    raise typer.Exit(code)
