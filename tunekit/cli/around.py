"""The commands around the steps: recipes, init, validate, inspect, train, status, report, explain, dashboard."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tunekit.cli.options import (
    AROUND_PANEL,
    RUNS,
    Budget,
    Debug,
    Device,
    Json,
    Name,
    Readers,
    RunsDir,
    Set,
    Target,
    app,
    interrupted,
    loaded,
    make_screen,
    open_target,
    print_json,
    seconds,
    shipped,
    show_table,
)
from tunekit.vocabulary import STEPS, Interrupted, UserError

if TYPE_CHECKING:
    from tunekit.vocabulary import StepResult


@app.command(rich_help_panel=AROUND_PANEL)
def recipes(as_json: Json = False) -> None:
    """List the recipes that come with tunekit."""
    found = [
        {"name": path.stem, "path": str(path), "about": _first_comment(path)}
        for path in sorted(shipped().glob("*.yaml"))
    ]
    if as_json:
        print_json(found)
        return
    show_table([{"name": item["name"], "about": item["about"]} for item in found])
    typer.echo("\nnext: tunekit init NAME")


@app.command(rich_help_panel=AROUND_PANEL)
def init(
    name: Annotated[str, typer.Argument(help="A recipe of `tunekit recipes`.")] = "digits",
    to: Annotated[Path | None, typer.Argument(help="The file to write; otherwise NAME.yaml here.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> None:
    """Copy a recipe to start from."""
    source = shipped() / f"{name}.yaml"
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

    facts = dict(check(loaded(recipe, set_)))
    if as_json:
        print_json(facts)
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

    found = inspect_data(loaded(recipe, set_))
    if as_json:
        print_json(found)
        return
    show_table(found["splits"])
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
    readers: Readers = None,
    budget: Budget = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Train the final model with the tuned values and the recipe's own schedule."""
    from tunekit.pipeline import Options, train_final

    run_dir, shown = open_target(target, set_, runs_dir, name)
    options = Options(jobs=1, executor="inline", device=device, budget_s=seconds(budget), readers=readers)
    screen = make_screen(as_json)
    try:
        found = train_final(run_dir, options, screen.emit, shown, epochs)
    except Interrupted as why:
        interrupted(why, f"tunekit train {shown}")
    finally:
        screen.close()
    if as_json:
        print_json(found)
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
        print_json(rows)
    else:
        show_table(rows)


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
            print_json({name: asdict(entry) for name, entry in CATALOGUE.items()})
        else:
            show_table(
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
        print_json({"code": code, **asdict(entry)})
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
        raise UserError('optuna-dashboard is not installed: pip install ".[dashboard]" in the checkout of tunekit')
    os.execv(program, [program, opened.manifest().get("studies", {}).get("storage", str(opened.journal))])


def _first_comment(path: Path) -> str:
    line = path.read_text(encoding="utf-8").partition("\n")[0]
    return line.lstrip("# ").strip()


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
