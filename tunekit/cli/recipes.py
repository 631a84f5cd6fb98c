"""Commands on a recipe, before any run: recipes, init, validate, inspect."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tunekit.cli.options import (
    AROUND_PANEL,
    Json,
    RecipeFile,
    Set,
    Verbose,
    as_given,
    command,
    offered,
    print_json,
    say,
    show_table,
    with_files,
)
from tunekit.telling import as_path, counted, pasted
from tunekit.vocabulary import UserError

SCHEMA_FILE = "tunekit.schema.json"
"""Beside a recipe that `init` writes."""

if TYPE_CHECKING:
    from tunekit.charts import Figure


@command(AROUND_PANEL, "reading")
def recipes(as_json: Json = False) -> None:
    """List the recipes that come with tunekit."""
    from tunekit.recipe.shipped import shipped

    known = shipped()
    if as_json:
        print_json(known)
        return
    show_table([{"name": recipe.name, "about": recipe.about} for recipe in known])
    say("", "next: tunekit init NAME")


def _schemas(incomplete: str) -> list[str]:
    from tunekit.schemas import NAMES

    return [name for name in NAMES if name.startswith(incomplete)]


@command(AROUND_PANEL, "reading")
def schema(
    of: Annotated[
        str,
        typer.Argument(
            metavar="[recipe|result|COMMAND]",
            help="A recipe, a step's result.json, or what a command prints with --json.",
            autocompletion=_schemas,
        ),
    ] = "recipe",
) -> None:
    """Print the JSON schema of a recipe, of a step's result.json, or of what a command prints with --json."""
    from tunekit.schemas import NAMES, as_text

    if of not in NAMES:
        raise UserError(f"schema {of}: one of {', '.join(NAMES)}")
    say(*as_text(of).splitlines())


def _known_beginnings(incomplete: str) -> list[str]:
    from tunekit.recipe.shipped import shipped

    return with_files(offered(*(one.name for one in shipped()))(incomplete), incomplete)


@command(AROUND_PANEL, "reading")
def init(
    name: Annotated[
        str | None,
        typer.Argument(
            help="A recipe of `tunekit recipes`, or what you have: a folder of images by class, a table (.csv, "
            ".parquet), arrays (.npz), a module of your own (.py). Without: three questions.",
            autocompletion=_known_beginnings,
        ),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Argument(help="The file to write, or the folder (without an ending); otherwise NAME.yaml or NAME here."),
    ] = None,
    target: Annotated[str | None, typer.Option(help="Of a table: the column to predict.", metavar="COLUMN")] = None,
    model: Annotated[str | None, typer.Option(help="For example torchvision:resnet18.", metavar="TARGET")] = None,
    weights: Annotated[Path | None, typer.Option(help="Weights that it begins with.", metavar="FILE")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite what is there.")] = False,
) -> None:
    """Write a recipe to start from: a copy of one that comes with tunekit, or one for what you have."""
    from tunekit.recipe.shipped import by_name, shipped
    from tunekit.recipe.text import nearest

    if name is None:
        name, target, model = _asked(target, model)
    recipe = by_name(name)
    if recipe is None and (Path(name).exists() or Path(name).suffix or "/" in name):
        _draft(Path(name), to, target, model, weights, force)
        return
    if recipe is None:
        near = nearest(name, [one.name for one in shipped()])
        raise UserError(f"{name}: no such recipe{near}, and no such file or folder; `tunekit recipes` lists them")
    for option, given in (("--target", target), ("--model", model), ("--weights", weights)):
        if given is not None:
            raise UserError(f"{option}: of a recipe for what you have; {name} is copied as it is")
    written = recipe.copy(to, force)
    _for_editors(written)
    say(f"{written.parent if recipe.has_code else written} written; next: {pasted('tunekit', 'run', as_path(written))}")


def _asked(target: str | None, model: str | None) -> tuple[str, str | None, str | None]:
    """What the three questions are answered with; the digits where nobody is there to answer."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return "digits", target, model
    name = typer.prompt("What do you have (a folder of images, .csv, .npz, .py, or the name of a recipe)", "digits")
    path = Path(name)
    if path.suffix in (".csv", ".tsv", ".parquet") and path.exists() and target is None:
        target = typer.prompt("Which column is to be predicted")
    if path.is_dir() and model is None:
        model = typer.prompt("Which network (cnn from scratch, torchvision:resnet18 pretrained)", "cnn")
    return name, target, None if model == "cnn" else model


def _draft(
    path: Path, to: Path | None, target: str | None, model: str | None, weights: Path | None, force: bool
) -> None:
    from tunekit.drafting import draft, name_of

    if not path.exists():
        raise UserError(f"{path}: no such file or folder, and no recipe of that name; `tunekit recipes` lists them")
    name = name_of(path)
    goal = to or (path.parent if path.suffix == ".py" else Path()) / f"{name}.yaml"
    goal = goal / f"{name}.yaml" if goal.is_dir() or not goal.suffix else goal
    if not force and (goal.exists() or goal.is_symlink()):
        raise UserError(f"{goal}: exists already; give another name, or --force to overwrite it")
    made = draft(path, goal.parent, target, model, weights)
    _write(goal, made.text(name))
    _for_editors(goal)
    say(f"{goal} written: {made.about}")
    for note in made.notes:
        say(f"note: {note}")
    if made.runs:
        say(f"how long it takes: {pasted('tunekit', 'run', as_path(goal), '--dry-run')}")
    say(f"next: {pasted('tunekit', 'run' if made.runs else 'validate', as_path(goal))}")


def _for_editors(recipe: Path) -> None:
    """A line in the recipe by which an editor completes and checks its keys, and the schema beside it that it names.
    Errors: UserError."""
    from tunekit.schemas import as_text

    about, end, rest = recipe.read_text(encoding="utf-8").partition("\n")
    _write(recipe, f"{about}{end}# yaml-language-server: $schema={SCHEMA_FILE}\n{rest}")
    _write(recipe.with_name(SCHEMA_FILE), as_text("recipe"))


def _write(path: Path, text: str) -> None:
    from tunekit.rundir import write_atomically

    try:
        path.parent.mkdir(exist_ok=True)
        write_atomically(path, text.encode())
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}") from None


@command(AROUND_PANEL, "running")
def validate(
    context: typer.Context,
    recipe: RecipeFile,
    set_: Set = None,
    as_json: Json = False,
) -> None:
    """Check a recipe: its keys, and that a batch goes through data, model, loss, metric and optimizer."""
    from tunekit.inspection import Validated, search_of
    from tunekit.inspection import validate as rehearsed
    from tunekit.pipeline import read_recipe

    loaded = read_recipe(recipe, set_ or ())
    facts = rehearsed(loaded)
    search = search_of(loaded, facts)
    if as_json:
        print_json(Validated(**vars(facts), search=search))
        return
    say(
        f"{recipe}: sound; {facts.n_train} training and {counted(facts.n_val, 'validation sample')}, "
        f"{counted(facts.parameters, 'parameter')}, judged by {facts.metric}, {facts.precision} on {facts.device}"
    )
    if search is not None:
        say(search.told)
    for note in facts.notes:
        say(f"note: {note}")
    say(f"next: {pasted('tunekit', 'run', as_path(recipe), *as_given(context, ('as_json', 'debug')))}")


@command(AROUND_PANEL, "running")
def inspect(
    context: typer.Context,
    recipe: RecipeFile,
    figure: Annotated[
        Path | None,
        typer.Option(metavar="FILE.png", help="Draw samples by class, and before and after augmentation."),
    ] = None,
    set_: Set = None,
    as_json: Json = False,
    verbose: Verbose = False,
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
        print_json(seen.printed())
        return
    show(make_console(), seen, verbose)
    given = as_given(context, ("as_json", "debug", "figure", "verbose"))
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
