"""Commands on the final model: train, predict."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from tunekit.cli.options import (
    AROUND_PANEL,
    RUNS,
    SHOWN,
    Budget,
    Device,
    Json,
    Name,
    Readers,
    Run,
    RunsDir,
    Set,
    Target,
    command,
    interrupted,
    make_screen,
    offered,
    open_target,
    print_json,
    say,
    seconds,
    show_table,
)
from tunekit.telling import as_path, counted
from tunekit.vocabulary import Format, Interrupted, UserError

SPLITS = ("train", "val", "test")


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
    from tunekit.final import Asked, told, train_final, weights
    from tunekit.pipeline import Options
    from tunekit.report.final import write_figures
    from tunekit.report.page import write_page

    run_dir, shown = open_target(target, set_, runs_dir, name)
    options = Options(jobs=1, executor="inline", device=device, budget_s=seconds(budget), readers=readers)
    try:
        with closing(make_screen(as_json)) as screen:
            model = train_final(run_dir, options, screen.emit, shown, Asked(epochs, patience, with_validation))
        figures = write_figures(run_dir, model.scored, model.on)
        write_page(run_dir, shown)
    except Interrupted as why:
        interrupted(why, context, shown)
        return
    if as_json:
        print_json({**model.printed(), "figures": [str(path) for path in figures]})
    else:
        drawn = ", ".join(f"{shown}/{path.relative_to(run_dir.path)}" for path in figures)
        say(*told(model, as_path(shown)), *([f"figures: {drawn}"] if drawn else []))
    for fault in model.faults:
        say(f"error: {fault}; the trained weights are kept in {weights(model, as_path(shown))}", err=True)
    raise typer.Exit(2 if model.faults else 0)


@command(AROUND_PANEL, "running")
def predict(
    run_path: Run,
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[FILES]...", help="Pictures or folders of them, tables (.csv, .parquet), arrays (.npz, .npy)."
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            metavar="train|val|test",
            help="The run's own samples instead of files.",
            autocompletion=offered(*SPLITS),
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write a .csv here instead of a table on the screen.")] = None,
    device: Device = None,
    as_json: Json = False,
) -> None:
    """Say what the final model, of `tunekit train`, makes of new files: the class with its probability, or the number.

    A file that cannot be read is told in one line, and the others are predicted; the exit code is 2 then.
    """
    from tunekit.pipeline import open_run
    from tunekit.predicting import as_csv, in_short, of_split, predict

    if (split is None) == (not files) or split not in (None, *SPLITS):
        raise UserError("predict: give files, or --split train, val or test for the run's own samples")
    opened = open_run(run_path)
    where = device or opened.recipe.device
    found = of_split(opened, split, where) if split is not None else predict(opened, files or (), where)
    if out is not None:
        _write_text(out, as_csv(found.predictions))
        say(f"{out} written: {counted(len(found.predictions), 'sample')}")
    elif as_json:
        print_json(found)
    elif found.predictions:
        rows = in_short(found.predictions)
        shares: dict[str, Format] = {name: "share" for name in rows[0] if name.startswith("probability")}
        show_table(rows, SHOWN, shares)
        if len(found.predictions) > SHOWN:
            say(f"and {len(found.predictions) - SHOWN:,} more; --out FILE.csv or --json gives them all")
    for note in found.notes:
        say(f"note: {note}", err=True)
    for fault in found.faults:
        say(f"error: {fault}", err=True)
    raise typer.Exit(2 if found.faults else 0)


def _write_text(path: Path, text: str) -> None:
    from tunekit.rundir import write_atomically

    if not path.parent.is_dir():
        raise UserError(f"{path}: its folder does not exist")
    write_atomically(path, text.encode())
