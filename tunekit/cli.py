"""The commands, their options and exit codes. Parses, calls, renders; no logic that a second front end would need."""

from __future__ import annotations

import json
import os
import shutil
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tunekit.vocabulary import STEPS, Interrupted, UserError

if TYPE_CHECKING:
    from tunekit.rundir import RunDir
    from tunekit.vocabulary import StepResult

app = typer.Typer(
    name="tunekit",
    help="Take your own PyTorch model and data through the six-step tuning procedure.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

STEP_PANEL, AROUND_PANEL = "The six steps", "Around them"

Target = Annotated[
    str, typer.Argument(metavar="RECIPE|RUN", help="A recipe file, or a folder below runs/ to go on with.")
]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the recipe.")]
RunsDir = Annotated[Path, typer.Option(help="Where runs are kept.")]
Name = Annotated[str | None, typer.Option(help="Name of the run; otherwise the recipe's name and a number.")]
Jobs = Annotated[str, typer.Option(help="Worker processes, or auto: one a core; 1 works in this process.")]
Executor = Annotated[str, typer.Option(help="auto, inline or processes.")]
Device = Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1, mps or auto; otherwise as the recipe says.")]
Budget = Annotated[
    str | None, typer.Option(metavar="TIME", help="Stop after so long (90s, 10m, 2h); can be continued.")
]
Storage = Annotated[str | None, typer.Option(metavar="URL", help="Keep the studies in this Optuna storage instead.")]
Json = Annotated[bool, typer.Option("--json", help="JSON on standard output, everything else on standard error.")]
KeepGoing = Annotated[bool, typer.Option("--keep-going", help="Go on past a failed step or a missing hand-off.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks.")]

RUNS = Path("runs")


@app.callback(invoke_without_command=True)
def _main(version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False) -> None:
    if version:
        from tunekit import __version__

        typer.echo(f"tunekit {__version__}")
        raise typer.Exit


@app.command(rich_help_panel=STEP_PANEL)
def run(
    target: Target,
    set_: Set = None,
    runs_dir: RunsDir = RUNS,
    name: Name = None,
    to: Annotated[str, typer.Option(metavar="STEP", help="The last step to walk.")] = STEPS[-1],
    jobs: Jobs = "auto",
    executor: Executor = "auto",
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
    _run_steps(
        target, steps, set_, runs_dir, name, jobs, executor, device, budget, storage, as_json, keep_going, whole=True
    )


def _step_command(step: str, text: str) -> None:
    def command(
        target: Target,
        set_: Set = None,
        runs_dir: RunsDir = RUNS,
        name: Name = None,
        jobs: Jobs = "auto",
        executor: Executor = "auto",
        device: Device = None,
        budget: Budget = None,
        storage: Storage = None,
        as_json: Json = False,
        keep_going: KeepGoing = False,
        debug: Debug = False,
    ) -> None:
        _run_steps(target, [step], set_, runs_dir, name, jobs, executor, device, budget, storage, as_json, keep_going)

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
    set_: Set = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """6. Say what the curves of a training mean: of a run, or of any tool's log."""
    from tunekit.rundir import is_run, open_run

    if is_run(path) and not (format_ or train or val) and open_run(path).result("fine-run"):
        _run_steps(str(path), ["diagnose"], set_, RUNS, None, "1", "inline", None, None, None, as_json, True)
    _diagnose_log(path, format_, train, val, figure, as_json)


@app.command(rich_help_panel=AROUND_PANEL)
def recipes(as_json: Json = False) -> None:
    """List the recipes that come with tunekit."""
    found = [
        {"name": path.stem, "path": str(path), "about": _first_comment(path)}
        for path in sorted(_shipped().glob("*.yaml"))
    ]
    if as_json:
        _print_json(found)
        return
    _show_table([{"name": item["name"], "about": item["about"]} for item in found])
    typer.echo("\nnext: tunekit init NAME")


@app.command(rich_help_panel=AROUND_PANEL)
def init(
    name: Annotated[str, typer.Argument(help="A recipe of `tunekit recipes`.")] = "digits",
    to: Annotated[Path | None, typer.Argument(help="The file to write; otherwise NAME.yaml here.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> None:
    """Copy a recipe to start from."""
    source = _shipped() / f"{name}.yaml"
    if not source.is_file():
        raise UserError(f"{name}: no such recipe; `tunekit recipes` lists them")
    goal = to or Path(source.name)
    if goal.exists() and not force:
        raise UserError(f"{goal}: exists already; give another name, or --force to overwrite it")
    try:
        shutil.copyfile(source, goal)
    except OSError as error:
        raise UserError(f"{goal}: cannot be written: {error.strerror}") from None
    typer.echo(f"{goal} written; next: tunekit run {goal}")


@app.command(rich_help_panel=AROUND_PANEL)
def validate(
    recipe: Annotated[Path, typer.Argument(help="A recipe file.")],
    set_: Set = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Check a recipe: its keys, and that data, model and loss can be built and fit each other."""
    from tunekit.pipeline import check

    facts = dict(check(_loaded(recipe, set_)))
    if as_json:
        _print_json(facts)
        return
    typer.echo(
        f"{recipe}: sound; {facts['n_train']} training and {facts['n_val']} validation samples, "
        f"{facts['parameters']:,} parameters, judged by {facts['metric']}, {facts['precision']} on {facts['device']}"
    )
    typer.echo(f"next: tunekit run {recipe}")


@app.command(rich_help_panel=AROUND_PANEL)
def inspect(
    recipe: Annotated[Path, typer.Argument(help="A recipe file.")],
    set_: Set = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Report on a recipe's data: sizes, values, classes, duplicates within and across the splits."""
    from tunekit.pipeline import inspect_data

    found = inspect_data(_loaded(recipe, set_))
    if as_json:
        _print_json(found)
        return
    _show_table(found["splits"])
    for line in found["lines"]:
        typer.echo(line)


@app.command(rich_help_panel=AROUND_PANEL)
def train(
    target: Target,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Passes over the training data; otherwise as the fine run.")
    ] = None,
    set_: Set = None,
    runs_dir: RunsDir = RUNS,
    name: Name = None,
    device: Device = None,
    budget: Budget = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Train the final model with the tuned values and the recipe's own schedule."""
    from tunekit.pipeline import Options, train_final

    run_dir, shown = _open(target, set_, runs_dir, name)
    options = Options(jobs=1, executor="inline", device=device, budget_s=_seconds(budget))
    screen = _screen(as_json)
    try:
        found = train_final(run_dir, options, screen.emit, shown, epochs)
    except Interrupted as why:
        _interrupted(why, f"tunekit train {shown}")
    finally:
        screen.close()
    if as_json:
        _print_json(found)
        return
    typer.echo(
        f"{found['metric']} {found['value']:.4g} at epoch {found['epoch']:g} of {found['epochs']}; "
        f"weights in {found['weights']}"
    )


@app.command(rich_help_panel=AROUND_PANEL)
def status(
    run_path: Annotated[Path | None, typer.Argument(metavar="[RUN]", help="A run; otherwise all of them.")] = None,
    runs_dir: RunsDir = RUNS,
    as_json: Json = False,
) -> None:
    """Show how far a run is, or all runs."""
    from tunekit.rundir import is_run, open_run

    if run_path is not None:
        opened = open_run(run_path)
        rows = [_status_row(step, opened.result(step)) for step in STEPS]
    else:
        paths = sorted(path for path in (runs_dir.iterdir() if runs_dir.is_dir() else ()) if is_run(path))
        rows = [_run_row(path) for path in paths]
        if not rows and not as_json:
            typer.echo(f"no runs in {runs_dir}; next: tunekit run RECIPE")
            return
    if as_json:
        _print_json(rows)
    else:
        _show_table(rows)


@app.command(rich_help_panel=AROUND_PANEL)
def report(run_path: Annotated[Path, typer.Argument(metavar="RUN", help="A run.")]) -> None:
    """Write report.html: one self-contained page of a run."""
    from tunekit.report.page import write_page
    from tunekit.rundir import open_run

    typer.echo(f"{write_page(open_run(run_path))} written")


@app.command(rich_help_panel=AROUND_PANEL)
def explain(
    code: Annotated[
        str | None, typer.Argument(help="A code, such as initial_loss_high; otherwise all are listed.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Explain a code: what it means, how it is measured, what causes it, what to do, where it comes from."""
    from dataclasses import asdict

    from tunekit.findings import CATALOGUE
    from tunekit.recipe.text import nearest

    if code is None:
        if as_json:
            _print_json({name: asdict(entry) for name, entry in CATALOGUE.items()})
        else:
            _show_table(
                [
                    {"code": n, "severity": e.severity, "step": e.steps[0], "meaning": e.meaning}
                    for n, e in CATALOGUE.items()
                ],
                limit=999,
            )
        return
    if code not in CATALOGUE:
        raise UserError(f"{code}: no such code{nearest(code, CATALOGUE)}; `tunekit explain` lists them")
    entry = CATALOGUE[code]
    if as_json:
        _print_json({"code": code, **asdict(entry)})
        return
    typer.echo(f"{code} ({entry.severity}; {', '.join(entry.steps)})\n{entry.meaning}\n")
    for title, text in (("Measured", entry.measured), ("Usual causes", entry.causes), ("Source", entry.source)):
        if text:
            typer.echo(f"{title}: {text}")
    typer.echo("What to do:")
    for line in entry.advice:
        typer.echo(f"  - {line}")


@app.command(rich_help_panel=AROUND_PANEL)
def dashboard(run_path: Annotated[Path, typer.Argument(metavar="RUN", help="A run.")]) -> None:
    """Open the run's studies in optuna-dashboard."""
    from tunekit.rundir import open_run

    opened = open_run(run_path)
    program = shutil.which("optuna-dashboard")
    if program is None:
        raise UserError("optuna-dashboard is not installed: pip install 'tunekit[dashboard]'")
    os.execv(program, [program, str(opened.journal)])


def _run_steps(
    target: str,
    steps: Sequence[str],
    set_: list[str] | None,
    runs_dir: Path,
    name: str | None,
    jobs: str,
    executor: str,
    device: str | None,
    budget: str | None,
    storage: str | None,
    as_json: bool,
    keep_going: bool,
    whole: bool = False,
) -> None:
    from tunekit.pipeline import Options, run_steps
    from tunekit.report.figures import Painter

    run_dir, shown = _open(target, set_, runs_dir, name)
    options = Options(_workers(jobs, steps), _executor(executor), device, _seconds(budget), keep_going, storage)
    screen, painter = _screen(as_json), Painter(run_dir.path)
    if not as_json:
        screen.console.print(f"run {shown}\n")

    def emit(event: Any) -> None:
        screen.emit(event)
        painter.emit(event)

    try:
        results = run_steps(run_dir, steps, options, emit, shown)
    except Interrupted as why:
        _interrupted(why, f"tunekit {'run' if whole else steps[0]} {target}")
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
            _print_json({**told, "source": {"format": "tunekit", "files": [shown]}, "run": shown})
        else:
            _print_json({"run": shown, "results": found} if whole else found[0])
    elif whole and (run_dir.path / "best.yaml").exists():
        typer.echo(f"{shown}/best.yaml holds the tuned recipe, {shown}/report.html the whole story")
    failed = next((result for result in results if result.verdict == "fail"), None)
    if failed is not None and whole and results[-1] is failed and not as_json:
        typer.echo(
            f"stopped after {failed.step}: mend what it names and give the same command again, or add --keep-going"
        )
    raise typer.Exit(1 if failed is not None else 0)


def _diagnose_log(
    path: Path, format_: str | None, train_: str | None, val: str | None, figure: bool, as_json: bool
) -> None:
    from tunekit.diagnosis import judge, read
    from tunekit.report.logs import show_logs, write_figure

    found = [(log, judge(log)) for log in read(path, format_, train_, val)]
    if figure:
        for log, diagnosis in found:
            typer.echo(f"{write_figure(log, diagnosis, path)} written", err=True)
    if as_json:
        first = found[0][1].as_dict()
        _print_json(
            first if len(found) == 1 else {**first, "runs": [{"name": log.name, **d.as_dict()} for log, d in found]}
        )
    else:
        show_logs(_screen(False).console, found)
    raise typer.Exit(1 if found[0][1].verdict == "fail" else 0)


def _open(target: str, set_: list[str] | None, runs_dir: Path, name: str | None) -> tuple[RunDir, str]:
    """The run of a recipe or a run folder, and the run as a person types it."""
    from tunekit.rundir import find_run, open_run

    path = Path(target)
    if path.is_dir():
        if name is not None:
            raise UserError(f"--name {name}: {path} is a run already; --name goes with a recipe")
        opened = open_run(path, tuple(set_ or ()))
        return opened, target.rstrip("/")
    opened = find_run(_loaded(path, set_), runs_dir, name)
    return opened, str(runs_dir / opened.name)


def _loaded(path: Path, set_: list[str] | None) -> Any:
    from tunekit.rundir import read_recipe

    if not path.exists() and path.parent == Path() and not path.suffix:
        shipped = _shipped() / f"{path}.yaml"
        path = shipped if shipped.exists() else path
    return read_recipe(path, tuple(set_ or ()))


def _shipped() -> Path:
    """The recipes that come with the package: in the wheel, or beside the package in a checkout."""
    inside = Path(__file__).parent / "_recipes"
    return inside if inside.is_dir() else Path(__file__).parent.parent / "recipes"


def _first_comment(path: Path) -> str:
    line = path.read_text(encoding="utf-8").partition("\n")[0]
    return line.lstrip("# ").strip()


def _workers(jobs: str, steps: Sequence[str]) -> int:
    """Workers for `auto`: one a core; a single measuring step is done before others have started."""
    if jobs != "auto":
        if not jobs.isdigit() or int(jobs) < 1:
            raise UserError(f"--jobs {jobs}: a number of worker processes, or auto")
        return int(jobs)
    if list(steps) in (["check-init-loss"], ["diagnose"]):
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _executor(name: str) -> str:
    if name not in ("auto", "inline", "processes"):
        raise UserError(f"--executor {name}: one of auto, inline, processes")
    return name


def _seconds(budget: str | None) -> float | None:
    if budget is None:
        return None
    units = {"s": 1, "m": 60, "h": 3600}
    number, unit = (budget[:-1], budget[-1]) if budget[-1:] in units else (budget, "s")
    try:
        seconds = float(number) * units[unit]
    except ValueError:
        raise UserError(f"--budget {budget}: a time such as 90s, 10m or 2h") from None
    if not seconds > 0:
        raise UserError(f"--budget {budget}: must be more than nothing")
    return seconds


def _screen(as_json: bool) -> Any:
    from tunekit.report.console import Screen, make_console

    return Screen(make_console(stderr=as_json))


def _show_table(rows: Sequence[Any], limit: int = 50) -> None:
    from tunekit.report.console import as_table, make_console

    console = make_console()
    console.print(as_table(rows, limit))


def _status_row(step: str, result: StepResult | None) -> dict[str, Any]:
    return {
        "step": step,
        "verdict": result.verdict if result else "-",
        "summary": result.summary if result else "not run yet",
    }


def _run_row(path: Path) -> dict[str, Any]:
    from tunekit.rundir import open_run

    opened = open_run(path)
    done = [result for step in STEPS if (result := opened.result(step))]
    last = done[-1] if done else None
    return {
        "run": str(path),
        "steps": f"{len(done)}/{len(STEPS)}",
        **_status_row("", last),
        "step": last.step if last else "-",
    }


def _print_json(data: Any) -> None:
    from tunekit.vocabulary import plain

    typer.echo(json.dumps(plain(data), indent=2, default=str))


def _interrupted(why: Interrupted, command: str) -> None:
    typer.echo(f"{why}; nothing is lost: `{command}` goes on from here", err=True)
    raise typer.Exit(130)


def main() -> None:
    """The program: one place where errors become a line and an exit code."""
    debug = "--debug" in sys.argv
    try:
        code = app(standalone_mode=False)
    except UserError as error:
        if debug:
            traceback.print_exc()
        for line in str(error).splitlines():
            typer.echo(f"error: {line}", err=True)
        code = 2
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader of a pipe had enough
        code = 0
    except OSError as error:
        if debug:
            traceback.print_exc()
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
        elif debug:
            raise
        else:
            typer.echo(
                f"error: {type(error).__name__}: {error} (this is a fault of tunekit; --debug shows where)", err=True
            )
            code = 70
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
