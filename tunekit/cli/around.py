"""The commands around the steps: recipes, init, validate, inspect, train, status, report, clean, explain, dashboard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tunekit.cli.options import (
    AROUND_PANEL,
    RUNS,
    Budget,
    Device,
    Json,
    Name,
    Readers,
    RunsDir,
    Set,
    Target,
    as_given,
    command,
    interrupted,
    make_screen,
    open_target,
    print_json,
    say,
    seconds,
    show_table,
)
from tunekit.telling import as_path, pasted
from tunekit.vocabulary import Interrupted, UserError

if TYPE_CHECKING:
    from tunekit.charts import Figure
    from tunekit.cleaning import Cleaning
    from tunekit.techniques import Technique
    from tunekit.vocabulary import Code, StepResult

SHOWN = 50  # rows of a table


@command(AROUND_PANEL, "reading")
def recipes(as_json: Json = False) -> None:
    """List the recipes that come with tunekit."""
    from tunekit.recipe.shipped import shipped

    known = shipped()
    if as_json:
        print_json([{**vars(recipe), "path": str(recipe.path)} for recipe in known])
        return
    show_table([{"name": recipe.name, "about": recipe.about} for recipe in known])
    say("", "next: tunekit init NAME")


@command(AROUND_PANEL, "reading")
def init(
    name: Annotated[str, typer.Argument(help="A recipe of `tunekit recipes`.")] = "digits",
    to: Annotated[
        Path | None,
        typer.Argument(help="The file to write, of a recipe with code the folder; otherwise NAME.yaml or NAME here."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite what is there.")] = False,
) -> None:
    """Copy a recipe to start from, with its code where it has some."""
    from tunekit.recipe.shipped import by_name, shipped
    from tunekit.recipe.text import nearest

    recipe = by_name(name)
    if recipe is None:
        near = nearest(name, [one.name for one in shipped()])
        raise UserError(f"{name}: no such recipe{near}; `tunekit recipes` lists them")
    written = recipe.copy(to, force)
    say(f"{written.parent if recipe.has_code else written} written; next: {pasted('tunekit', 'run', as_path(written))}")


@command(AROUND_PANEL, "running")
def validate(
    context: typer.Context,
    recipe: Annotated[Path, typer.Argument(help="A recipe file.")],
    set_: Set = None,
    as_json: Json = False,
) -> None:
    """Check a recipe: its keys, and that a batch goes through data, model, loss, metric and optimizer."""
    from tunekit.inspection import search_of
    from tunekit.inspection import validate as rehearsed
    from tunekit.pipeline import read_recipe

    loaded = read_recipe(recipe, set_ or ())
    facts = rehearsed(loaded)
    search = search_of(loaded, facts)
    if as_json:
        print_json({**facts.to_json(), "search": search and search.to_json()})
        return
    say(
        f"{recipe}: sound; {facts.n_train} training and {facts.n_val} validation samples, "
        f"{facts.parameters:,} parameters, judged by {facts.metric}, {facts.precision} on {facts.device}"
    )
    if search is not None:
        say(search.told)
    for note in facts.notes:
        say(f"note: {note}")
    say(f"next: {pasted('tunekit', 'run', as_path(recipe), *as_given(context, ('as_json', 'debug')))}")


@command(AROUND_PANEL, "running")
def inspect(
    context: typer.Context,
    recipe: Annotated[Path, typer.Argument(help="A recipe file.")],
    figure: Annotated[
        Path | None,
        typer.Option(metavar="FILE.png", help="Draw samples by class, and before and after augmentation."),
    ] = None,
    set_: Set = None,
    as_json: Json = False,
) -> None:
    """Report on a recipe's data and model before any training, and advise on the architecture."""
    from tunekit.pipeline import read_recipe
    from tunekit.report.console import make_console
    from tunekit.report.inspected import figure_of, show
    from tunekit.survey import inspect as survey

    if figure is not None and figure.suffix.lower() != ".png":
        raise UserError(f"--figure {figure}: the name must end in .png")
    seen = survey(read_recipe(recipe, set_ or ()), pictures=figure is not None)
    drawn = figure_of(seen)
    if figure is not None and drawn is not None:
        _draw(drawn, figure)
    if as_json:
        print_json(seen.as_dict())
        return
    show(make_console(), seen)
    given = as_given(context, ("as_json", "debug", "figure"))
    if figure is None:
        say(f"pictures of it: {pasted('tunekit', 'inspect', as_path(recipe), *given, '--figure', f'{seen.name}.png')}")
    elif drawn is None:
        say("no pictures: the training data hold neither pictures nor classes")
    else:
        say(f"pictures in {figure}")
    if seen.runs:
        say(f"next: {pasted('tunekit', 'run', as_path(recipe), *given)}")
    else:
        say(f"once that is mended: {pasted('tunekit', 'validate', as_path(recipe), *given)}")


def _draw(figure: Figure, path: Path) -> None:
    """Errors: UserError where it cannot be written."""
    from tunekit.report.figures import draw
    from tunekit.rundir import write_atomically

    try:
        write_atomically(path, draw(figure))
    except OSError as error:
        raise UserError(f"--figure {path}: cannot be written: {error.strerror}") from None


@command(AROUND_PANEL, "running")
def train(
    context: typer.Context,
    target: Target,
    epochs: Annotated[
        int | None, typer.Option(min=1, max=10**6, help="Passes over the training data; otherwise as the fine run.")
    ] = None,
    patience: Annotated[
        int | None, typer.Option(min=1, max=10**6, help="Stop after so many epochs without a better validation.")
    ] = None,
    with_validation: Annotated[
        bool | None, typer.Option("--with-validation/--without", help="Train on validation's samples too, at the end.")
    ] = None,
    set_: Set = None,
    runs_dir: RunsDir = RUNS,
    name: Name = None,
    device: Device = None,
    readers: Readers = None,
    budget: Budget = None,
    as_json: Json = False,
) -> None:
    """Train the final model, score it once on the test split, and write it with its mistakes into RUN/final.

    The tuned values, a rate that falls, early stopping where --patience asks for it; the better of this and the fine
    run's weights, by validation. How often the test split was looked at in this run is told.
    """
    from tunekit.final import Asked, told, train_final
    from tunekit.pipeline import Options
    from tunekit.report.final import write_figures

    run_dir, shown = open_target(target, set_, runs_dir, name)
    options = Options(jobs=1, executor="inline", device=device, budget_s=seconds(budget), readers=readers)
    screen = make_screen(as_json)
    try:
        model = train_final(run_dir, options, screen.emit, shown, Asked(epochs, patience, with_validation))
        figures = write_figures(run_dir, model.scored, model.on)
    except Interrupted as why:
        interrupted(why, context, shown)
        return
    finally:
        screen.close()
    if as_json:
        print_json({**model.as_dict(), "figures": [str(path) for path in figures]})
        return
    drawn = ", ".join(f"{shown}/{path.relative_to(run_dir.path)}" for path in figures)
    say(*told(model, as_path(shown)), *([f"figures: {drawn}"] if drawn else []))


@command(AROUND_PANEL, "running")
def predict(
    run_path: Annotated[Path, typer.Argument(metavar="RUN", help="A run that `tunekit train` has finished.")],
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILES]...", help="Pictures, folders of them, .csv tables, .npz arrays of x."),
    ] = None,
    split: Annotated[
        str | None, typer.Option(metavar="train|val|test", help="The run's own samples instead of files.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write a .csv here instead of a table on the screen.")] = None,
    device: Device = None,
    as_json: Json = False,
) -> None:
    """Say what the final model makes of new files: the class with its probability, or the number.

    A file that cannot be read is told in one line, and the others are predicted; the exit code is 2 then.
    """
    from tunekit.pipeline import open_run
    from tunekit.predicting import as_csv, of_split, predict

    if (split is None) == (not files) or split not in (None, "train", "val", "test"):
        raise UserError("predict: give files, or --split train, val or test for the run's own samples")
    opened = open_run(run_path)
    where = device or opened.recipe.device
    found = of_split(opened, split, where) if split is not None else predict(opened, files or (), where)
    if out is not None:
        _write_text(out, as_csv(found.rows))
        say(f"{out} written: {len(found.rows):,} samples")
    elif as_json:
        print_json({"predictions": found.rows, "faults": found.faults})
    elif found.rows:
        show_table(found.rows, SHOWN)
        if len(found.rows) > SHOWN:
            say(f"and {len(found.rows) - SHOWN:,} more; --out FILE.csv or --json gives them all")
    for fault in found.faults:
        say(f"error: {fault}", err=True)
    raise typer.Exit(2 if found.faults else 0)


def _write_text(path: Path, text: str) -> None:
    from tunekit.rundir import write_atomically

    if not path.parent.is_dir():
        raise UserError(f"{path}: its folder does not exist")
    write_atomically(path, text.encode())


@command(AROUND_PANEL, "reading")
def status(
    run_path: Annotated[Path | None, typer.Argument(metavar="[RUN]", help="A run; otherwise all of them.")] = None,
    runs_dir: RunsDir = RUNS,
    as_json: Json = False,
) -> None:
    """Show how far a run is, or all runs."""
    from tunekit.rundir import is_run, read_run

    if run_path is not None:
        opened = read_run(run_path)
        rows = [_status_row(step, opened.result(step)) for step in opened.steps()]
        if final := opened.final():
            rows.append({"step": "train", "verdict": "-", "summary": str(final.get("summary", "the final model"))})
    else:
        paths = sorted(path for path in (runs_dir.iterdir() if runs_dir.is_dir() else ()) if is_run(path))
        rows = [_run_row(path) for path in paths]
        if not rows and not as_json:
            say(f"no runs in {runs_dir}; next: tunekit run RECIPE")
            return
    if as_json:
        print_json(rows)
    else:
        show_table(rows)


@command(AROUND_PANEL, "reading")
def report(run_path: Annotated[Path, typer.Argument(metavar="RUN", help="A run.")]) -> None:
    """Write report.html: one self-contained page of a run."""
    from tunekit.report.page import write_page
    from tunekit.rundir import read_run

    say(f"{write_page(read_run(run_path), str(run_path))} written")


@command(AROUND_PANEL, "reading")
def clean(
    run_path: Annotated[Path, typer.Argument(metavar="RUN", help="A run.")],
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
        print_json(found.as_dict(removes))
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
            "goes": ", ".join(path.name for path in one.files) if one.training else f"{len(one.files)} files",
            "size": _megabytes(one.size),
            "to make it again": f"{one.iterations:,} iterations" if one.training else "nothing",
        }
        for one in found.goes
    ]
    show_table(rows, SHOWN)
    if len(rows) > SHOWN:
        say(f"and {len(rows) - SHOWN} more; --json lists them all")
    say(f"in all {_megabytes(found.size)}, {found.iterations:,} iterations; results, metrics and studies stay")
    for path in found.stays:
        say(f"stays: {path.relative_to(found.run.path)}")


def _megabytes(size: int) -> str:
    from tunekit.diskroom import shown

    return shown(size)


@command(AROUND_PANEL, "reading")
def explain(
    name: Annotated[
        str | None,
        typer.Argument(help="A code (initial_loss_high) or a technique (adam); otherwise all are listed."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Explain a code (what it means, how it is measured, what to do) or a technique (its formula, when it helps)."""
    from dataclasses import asdict

    from tunekit.recipe.text import nearest
    from tunekit.steps import codes
    from tunekit.techniques import TECHNIQUES

    known = codes()
    told = {code: {"kind": "code", **asdict(entry), "steps": said} for code, (entry, said) in known.items()}
    told |= {technique.name: asdict(technique) for technique in TECHNIQUES.values()}
    if name is not None and name not in told:
        raise UserError(f"{name}: no such code or technique{nearest(name, told)}; `tunekit explain` lists them")
    if as_json:
        print_json(told if name is None else {"code": name, **told[name]} if name in known else told[name])
    elif name is None:
        rows = [
            {"code": code, "severity": entry.severity, "step": said[0], "meaning": entry.meaning}
            for code, (entry, said) in known.items()
        ]
        show_table(rows, limit=len(rows))
        say("")
        told_techniques = [{"technique": t.name, "kind": t.kind, "what": t.what} for t in TECHNIQUES.values()]
        show_table(told_techniques, limit=len(told_techniques))
    elif name in known:
        _show_code(*known[name])
    else:
        _show_technique(TECHNIQUES[name])


def _show_code(entry: Code, said: Sequence[str]) -> None:
    say(f"{entry.name} ({entry.severity}; {', '.join(said)})", entry.meaning, "")
    _show_parts({"Measured": entry.measured, "Usual causes": entry.causes, "Source": entry.source})
    say("What to do:")
    for line in entry.advice:
        say(f"  - {line}")


def _show_technique(technique: Technique) -> None:
    from tunekit.techniques.technique import SYMBOLS

    say(f"{technique.name} ({technique.kind})", technique.what, "")
    formula = f"{technique.formula} ({SYMBOLS})" if technique.formula else ""
    _show_parts({"Formula": formula, "Helps": technique.helps, "Costs": technique.costs, "Source": technique.source})
    say(f"In a recipe: {technique.recipe}")


def _show_parts(parts: Mapping[str, str]) -> None:
    for title, text in parts.items():
        if text:
            say(f"{title}: {text}")


@command(AROUND_PANEL, "reading")
def dashboard(
    run_paths: Annotated[list[Path], typer.Argument(metavar="RUN...", help="One run or several.")],
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


def _status_row(step: str, result: StepResult | None) -> dict[str, Any]:
    return {
        "step": step,
        "verdict": result.verdict if result else "-",
        "summary": result.summary if result else "not run yet",
    }


def _run_row(path: Path) -> dict[str, Any]:
    from tunekit.rundir import read_run

    try:
        opened = read_run(path)
    except UserError as error:
        return {"run": str(path), "steps": "-", "step": "-", "verdict": "-", "summary": f"cannot be read: {error}"}
    names = opened.steps()
    done = [result for name in names if (result := opened.result(name))]
    last = done[-1] if done else None
    return {
        "run": str(path),
        "steps": f"{len(done)}/{len(names)}",
        **_status_row("", last),
        "step": last.step if last else "-",
    }
