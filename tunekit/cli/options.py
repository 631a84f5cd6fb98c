"""The Typer app, the options that commands share, and what turns their words into values. No command lives here."""

from __future__ import annotations

import contextlib
import functools
import inspect
import json
import math
import re
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from tunekit.configuration import DEVICES, DEVICES_TOLD
from tunekit.telling import as_path, pasted, visible
from tunekit.vocabulary import Format, Interrupted, UserError

if TYPE_CHECKING:
    from tunekit.jsondata import JsonData
    from tunekit.pipeline import Options
    from tunekit.report.live import Screen
    from tunekit.rundir import RunDir

app = typer.Typer(
    name="tunekit",
    help="Take your own PyTorch model and data through the tuning procedure of CS231n, step by step.",
    epilog="To begin: `tunekit init digits`, then `tunekit run digits.yaml`. With your own model and data: "
    "`tunekit init own-model`.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

STEP_PANEL, AROUND_PANEL = "The steps", "Around them"

Mark = Literal["running", "reading"]
"""Whether a command runs the code that a recipe names, or imports none of it, trains nothing and writes nothing outside
the run and the file that it is given."""

MARKS: dict[str, Mark] = {}
"""The mark of each command, by its name."""


def offered(*words: str) -> Callable[[str], list[str]]:
    """Words for the shell to complete."""

    def known(incomplete: str) -> list[str]:
        return [word for word in words if word.startswith(incomplete)]

    return known


def known_runs(incomplete: str) -> list[str]:
    """Runs whose path begins so, for the shell to complete: here and in a folder."""
    return [path for path in _below(incomplete) if _is_run(Path(path))]


def known_recipes(incomplete: str) -> list[str]:
    """Likewise recipe files: what lies in a run is none."""
    return [path for path in _below(incomplete) if path.endswith(".yaml") and not _is_run(Path(path).parent)]


def known_targets(incomplete: str) -> list[str]:
    return [*known_recipes(incomplete), *known_runs(incomplete)]


def with_files(words: Sequence[str], incomplete: str) -> list[str]:
    """Words beside the files that begin so; where there are no words the shell completes files itself, and better."""
    files = (path for path in _below(incomplete) if Path(path).is_file() and not _is_run(Path(path).parent))
    return [*words, *files] if words else []


UNQUOTED = re.compile(r"[\w%+,./][\w%+,./-]*")
"""A path that a shell takes for one word as it is, and for no option."""


def _below(incomplete: str) -> list[str]:
    """What begins so, and what lies in it, as far as a shell takes it as it is."""
    folder, slash, start = incomplete.rpartition("/")
    near = [f"{folder}{slash}{name}" for name in _listed(f"{folder}{slash}" or ".") if name.startswith(start)]
    deeper = [f"{path}/{name}" for path in near for name in _listed(path)]
    return sorted(path for path in (*near, *deeper) if UNQUOTED.fullmatch(path))


def _listed(folder: str) -> list[str]:
    try:
        return [one.name for one in Path(folder).iterdir() if not one.name.startswith(".")]
    except OSError:
        return []


def _is_run(folder: Path) -> bool:
    from tunekit.layout import MANIFEST

    return (folder / MANIFEST).is_file()


Target = Annotated[
    str,
    typer.Argument(
        metavar="RECIPE|RUN",
        help="A recipe file, or a folder below runs/ to go on with.",
        autocompletion=known_targets,
    ),
]
Run = Annotated[Path, typer.Argument(metavar="RUN", help="A run.", autocompletion=known_runs)]
RecipeFile = Annotated[Path, typer.Argument(metavar="RECIPE", help="A recipe file.", autocompletion=known_recipes)]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the recipe.")]
RunsDir = Annotated[Path, typer.Option(help="Where runs are kept.")]
Name = Annotated[str | None, typer.Option(help="Name of the run; otherwise the recipe's name and a number.")]
Jobs = Annotated[str, typer.Option(help="Worker processes, or auto: one a core; 1 works in this process.")]
EXECUTORS = ("auto", "inline", "processes", "ray")
Executor = Annotated[str, typer.Option(help="auto, inline, processes or ray.", autocompletion=offered(*EXECUTORS))]
RayAddress = Annotated[
    str | None, typer.Option(metavar="HOST:PORT", help="A Ray cluster, or auto; otherwise Ray is started here.")
]
Readers = Annotated[
    int | None,
    typer.Option(
        min=0, max=1000, help="Processes a training that read data too large for memory; otherwise the cores left."
    ),
]


def _device(name: str | None) -> str | None:
    """Errors: UserError for what no recipe takes, before a run is made."""
    if name is not None and not re.fullmatch(DEVICES, name):
        raise UserError(f"--device: {DEVICES_TOLD}, not {name!r}")
    return name


Device = Annotated[
    str | None,
    typer.Option(
        help="cpu, cuda, cuda:1, mps or auto; otherwise as the recipe says.",
        callback=_device,
        autocompletion=offered("auto", "cpu", "cuda", "mps"),
    ),
]
Budget = Annotated[
    str | None, typer.Option(metavar="TIME", help="Stop after so long (90s, 10m, 2h); can be continued.")
]
Storage = Annotated[
    str | None,
    typer.Option(
        metavar="URL|FILE",
        help="Keep the studies in this Optuna storage instead; a file that holds its URL, or TUNEKIT_STORAGE, keeps a "
        "password off the command line.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="JSON on standard output, everything else on standard error.")]
KeepGoing = Annotated[bool, typer.Option("--keep-going", help="Go on past a failed step or a missing hand-off.")]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Show also notes that ask for no decision; results hold all.")
]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks.")]

RUNS = Path("runs")
MOST_JOBS = 1024
SHOWN = 50  # rows of a table


def command(
    panel: str, mark: Mark, name: str | None = None, text: str | None = None
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Makes a function a command, with the options that every command has: --debug."""

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        MARKS[name or function.__name__] = mark

        @functools.wraps(function)
        def call(*args: Any, debug: bool, **values: Any) -> None:
            try:
                function(*args, **values)
            except KeyboardInterrupt:  # before or after what can be saved; Typer would end without a word
                raise Interrupted("interrupted") from None
            except Exception as error:
                if debug and not isinstance(error, typer.Exit):
                    traceback.print_exc()
                raise

        own = inspect.signature(function, eval_str=True).parameters.values()
        debug = inspect.Parameter("debug", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Debug)
        call.__signature__ = inspect.Signature([*own, debug])  # type: ignore[attr-defined]
        call.__annotations__ = {parameter.name: parameter.annotation for parameter in (*own, debug)}
        app.command(name, help=text, rich_help_panel=panel)(call)
        return function

    return decorate


def as_given(context: typer.Context, leave_out: Sequence[str]) -> list[str]:
    """The options of a command as the person gave them."""
    words: list[str] = []
    for parameter in context.command.params:
        source, name = context.get_parameter_source(str(parameter.name)), str(parameter.name)
        given = source is not None and source.name == "COMMANDLINE"
        if not given or name in leave_out or parameter.param_type_name != "option":
            continue
        value = context.params[name]
        if isinstance(value, bool):
            words.append(parameter.opts[0])
        else:
            every = value if isinstance(value, list | tuple) else [value]
            words += [word for one in every for word in (parameter.opts[0], str(one))]
    return words


def open_target(target: str, set_: list[str] | None, runs_dir: Path, name: str | None) -> tuple[RunDir, str]:
    """The run of a recipe or a run folder, and the run as a person types it."""
    from tunekit.pipeline import find

    opened = find(Path(target), tuple(set_ or ()), runs_dir, name)
    given = opened.path == Path(target).resolve()
    return opened, target.rstrip("/") if given else str(runs_dir / opened.name)


def workers(jobs: str) -> int | None:
    """A number of workers, or None for `auto`. Errors: UserError."""
    if jobs == "auto":
        return None
    if not re.fullmatch("[0-9]{1,5}", jobs) or not 1 <= int(jobs) <= MOST_JOBS:
        raise UserError(f"--jobs {jobs}: a number of worker processes, 1 to {MOST_JOBS:,}, or auto")
    return int(jobs)


def chosen(
    jobs: str,
    executor: str,
    ray_address: str | None,
    device: str | None,
    budget: str | None,
    keep_going: bool,
    storage: str | None,
    readers: int | None = None,
) -> Options:
    """The options that say how a run is carried out, as values. Errors: UserError."""
    from tunekit.pipeline import Options

    name = _executor_name(executor, ray_address)
    return Options(workers(jobs), name, device, seconds(budget), keep_going, storage, readers, ray_address)


def _executor_name(name: str, ray_address: str | None) -> str:
    if name not in EXECUTORS:
        raise UserError(f"--executor {name}: one of {', '.join(EXECUTORS)}")
    if ray_address is not None and name not in ("auto", "ray"):
        raise UserError(f"--ray-address {ray_address}: goes with --executor ray, not {name}")
    return name if ray_address is None else "ray"


def seconds(budget: str | None) -> float | None:
    if budget is None:
        return None
    units = {"s": 1, "m": 60, "h": 3600}
    number, unit = (budget[:-1], budget[-1]) if budget[-1:] in units else (budget, "s")
    try:
        seconds = float(number) * units[unit]
    except ValueError:
        raise UserError(f"--budget {budget}: a time such as 90s, 10m or 2h") from None
    if not 0 < seconds < math.inf:
        raise UserError(f"--budget {budget}: must be more than nothing, and an end")
    return seconds


def make_screen(as_json: bool, verbose: bool = False, steps: int = 1) -> Screen:
    from tunekit.report.console import make_console
    from tunekit.report.live import Screen

    return Screen(make_console(stderr=as_json), verbose, steps)


def show_table(
    rows: Sequence[Mapping[str, Any]], limit: int = SHOWN, formats: Mapping[str, Format] | None = None
) -> None:
    from tunekit.report.console import as_table, make_console

    console = make_console()
    console.print(as_table(rows, limit, formats, console.width), crop=False)


def say(*lines: str, err: bool = False) -> None:
    """Print lines, names and messages of others in them as text that a terminal does not obey."""
    with contextlib.suppress(OSError) if err else contextlib.nullcontext():  # a terminal that is gone
        for line in lines:
            typer.echo(visible(line), err=err)


def print_json(data: JsonData | Mapping[str, object] | Sequence[JsonData]) -> None:
    """An object, or a list of such, each with the version of its schema."""
    from tunekit.jsondata import plain

    typer.echo(json.dumps(plain(data), indent=2, default=str))


def interrupted(why: Interrupted, context: typer.Context, shown: str) -> None:
    """Say how to go on: on the run itself, which holds its recipe, its place and what --set changed."""
    settled = ("set_", "runs_dir", "name", "budget", "storage", "debug")
    again = pasted("tunekit", str(context.info_name), as_path(shown), *as_given(context, settled))
    say(f"{why}; nothing is lost: `{again}` goes on from here", err=True)
    raise typer.Exit(130)
