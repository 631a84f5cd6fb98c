"""`run` and the steps, each a command: parse, call, render."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tunekit.cli.options import (
    RUNS,
    STEP_PANEL,
    Budget,
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
    Verbose,
    chosen,
    command,
    interrupted,
    make_screen,
    offered,
    open_target,
    print_json,
    say,
    show_table,
)
from tunekit.steps import step_names, steps
from tunekit.vocabulary import Interrupted, UserError, Walked

DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be trained and what it would take, and stop.")]

if TYPE_CHECKING:
    from tunekit.pipeline import Options
    from tunekit.rundir import RunDir
    from tunekit.vocabulary import StepResult


@command(STEP_PANEL, "running")
def run(
    context: typer.Context,
    target: Target,
    set_: Set = None,
    runs_dir: RunsDir = RUNS,
    name: Name = None,
    to: Annotated[
        str | None,
        typer.Option(metavar="STEP", help="The last step to walk.", autocompletion=offered(*step_names())),
    ] = None,
    jobs: Jobs = "auto",
    executor: Executor = "auto",
    ray_address: RayAddress = None,
    readers: Readers = None,
    device: Device = None,
    budget: Budget = None,
    storage: Storage = None,
    as_json: Json = False,
    keep_going: KeepGoing = False,
    verbose: Verbose = False,
    dry_run: DryRun = False,
) -> None:
    """Walk all steps; an unfinished run of an equal recipe is continued."""
    names = step_names()
    if to is not None and to not in names:
        raise UserError(f"--to {to}: no such step; one of {', '.join(names)}")
    options = chosen(jobs, executor, ray_address, device, budget, keep_going, storage, readers)
    walked = names if to is None else names[: names.index(to) + 1]
    if dry_run:
        _show_outlook(target, set_, walked, options, (runs_dir, name), as_json)
        return
    opened = open_target(target, set_, runs_dir, name)
    results = walk(context, opened, walked, options, as_json, verbose)
    finish(opened, results, as_json, whole=True, keep_going=keep_going)


def _show_outlook(
    target: str,
    set_: list[str] | None,
    names: Sequence[str],
    options: Options,
    opened: tuple[Path, str | None],
    as_json: bool,
) -> None:
    """What steps of a recipe would train and take, or what is left of a run to do; no run is made."""
    from tunekit.inspection import Outlook, dry_run
    from tunekit.pipeline import existing, look_ahead
    from tunekit.recipe import Loaded

    there = existing(Path(target), set_ or (), *opened)
    if isinstance(there, Loaded):
        outlook = dry_run(there, names, options.jobs, options.device)
    else:
        outlook = Outlook.of(look_ahead(there, names, options, target))
    if as_json:
        print_json(outlook.printed())
        return
    if not outlook.rows:
        say("nothing is left to do: " + ("the step is" if len(names) == 1 else "all steps are") + " finished")
        return
    show_table(outlook.rows)
    say(f"time: {outlook.time}, of all that is known before; what the first trainings come to may change it")
    say(outlook.disk)


def _step_command(step: str, text: str) -> None:
    def walk_one(
        context: typer.Context,
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
        verbose: Verbose = False,
        dry_run: DryRun = False,
    ) -> None:
        options = chosen(jobs, executor, ray_address, device, budget, keep_going, storage, readers)
        if dry_run:
            _show_outlook(target, set_, [step], options, (runs_dir, name), as_json)
            return
        opened = open_target(target, set_, runs_dir, name)
        finish(opened, walk(context, opened, [step], options, as_json, verbose), as_json)

    command(STEP_PANEL, "running", step, text)(walk_one)


def walk(
    context: typer.Context,
    opened: tuple[RunDir, str],
    names: Sequence[str],
    options: Options,
    as_json: bool,
    verbose: bool,
) -> list[StepResult]:
    """Carry steps out on a run, shown as they go."""
    from tunekit.pipeline import run_steps
    from tunekit.report.console import line
    from tunekit.report.figures import Painter

    run_dir, shown = opened
    screen, painter = make_screen(as_json, verbose, len(names)), Painter(run_dir)
    named = as_json

    def emit(event: Any) -> None:
        nonlocal named
        if not named:  # what cannot be begun makes no run
            screen.console.print(line(f"run {shown}"))
            screen.console.print()
            named = True
        screen.emit(event)
        painter.emit(event)

    try:
        with closing(painter), closing(screen):
            return run_steps(run_dir, names, options, emit, shown)
    except Interrupted as why:
        interrupted(why, context, shown)
        raise


def finish(
    opened: tuple[RunDir, str],
    results: list[StepResult],
    as_json: bool,
    whole: bool = False,
    keep_going: bool = False,
) -> None:
    """Write the page, print what is asked for, and end with the verdict as exit code."""
    from tunekit.layout import BEST, REPORT
    from tunekit.report.page import write_page

    run_dir, shown = opened
    write_page(run_dir, shown)
    if as_json:
        print_json(Walked(shown, tuple(results)) if whole else results[0])
    failed = [result.step for result in results if result.verdict == "fail"]
    if whole and not as_json:
        if (run_dir.path / BEST).exists():
            but = f" of a run in which {', '.join(failed)} failed" if failed else ""
            say(f"{shown}/{BEST} holds the tuned recipe{but}, {shown}/{REPORT} the whole story")
        if failed and (keep_going or results[-1].step in failed):
            which = f"failed: {', '.join(failed)}" if keep_going else f"stopped after {failed[0]}"
            other = "" if keep_going else ", or add --keep-going"
            named = "it names" if len(failed) == 1 else "they name"
            say(f"{which}; mend what {named} and give the same command again{other}")
    raise typer.Exit(1 if failed else 0)


for place, each in enumerate(steps(), start=1):
    if not each.reads_logs:  # a command of its own (cli/logs.py), for it takes more than runs
        _step_command(each.name, f"{place}. {each.help}")
