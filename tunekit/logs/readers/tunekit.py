"""tunekit's own run folders and their trainings, with what the run's steps handed on."""

import math
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tunekit.configuration import Values
from tunekit.files import leads_out
from tunekit.layout import CONFIG, MANIFEST, METRICS, RECIPE, RESULT, TRAININGS
from tunekit.logs import delimited, source
from tunekit.logs.log import Log, Procedure, dropout_of
from tunekit.logs.table import to_number
from tunekit.logs.tabular import table_log
from tunekit.vocabulary import UserError, columns

NAME = "tunekit"
DESCRIPTION = "a tunekit run folder (runs/NAME), one of its trainings, or a training's metrics.csv"

HEADER = list(columns("loss")[:4])
"""First columns of every training's metrics.csv, whatever its metric."""

OLDER = {"range": "sweep_range", "expected_loss": "expected_loss"}
"""Where the steps' hand-offs hold what they know, in a run of the first format."""


def recognise(path: Path) -> float:
    if path.is_dir():
        if (path / TRAININGS).is_dir() and (source.is_regular(path / RECIPE) or _trainings(path)):
            return 0.99
        return 0.98 if recognise(path / METRICS) else 0.0
    return 0.98 if path.suffix == ".csv" and delimited.header(path)[:4] == HEADER else 0.0


def read(path: Path, train: str | None = None, val: str | None = None) -> list[Log]:
    """One log: of a run the training that the last of its steps names, else the longest one.

    Refused where the run leads elsewhere: somebody else made it, who would choose what is read.
    """
    if path.is_dir() and (path / TRAININGS).is_dir():
        _refuse_way_out(path)
        return [_of_run(path, train, val)]
    file = path / METRICS if path.is_dir() else path
    run = _run_of(file)
    if run is not None:
        _refuse_way_out(run)
    if source.is_regular(file):
        return [_log(file, train, val)]
    raise UserError(f"{path}: is no tunekit run (no trainings folder) and no training (no metrics.csv)")


def _refuse_way_out(run: Path) -> None:
    way = leads_out(run)
    if way:
        raise source.Refused(way)


def _of_run(run: Path, train: str | None, val: str | None) -> Log:
    trainings = _trainings(run)
    if not trainings:
        notes = ("the run has no training yet", *_unfinished(run))
        return Log(NAME, (str(run),), run.name, notes=notes, procedure=procedure_of(run))
    handoffs = [result.get("handoff") for result in _results(run)]
    spoken = [handoff.get("training") for handoff in handoffs if isinstance(handoff, dict)]
    named = [name for name in spoken if isinstance(name, str) and name in trainings]
    chosen = trainings[named[-1]] if named else max(trainings.values(), key=lambda file: file.stat().st_size)
    notes = () if named else ("no step has named its best training yet: the longest is judged",)
    log = _log(chosen, train, val)
    return replace(log, name=run.name, notes=(*log.notes, *notes, *_unfinished(run)))


def _unfinished(run: Path) -> tuple[str, ...]:
    """The line for a run some of whose steps have not ended."""
    steps = _steps(run)
    left = [step for step in steps if not source.is_regular(run / step / RESULT)]
    return (f"the run is unfinished: {', '.join(left)} of its {len(steps)} steps have not ended",) if left else ()


def _steps(run: Path) -> list[str]:
    """The steps that the run's manifest lists, in order."""
    steps = _json(run / MANIFEST).get("steps")
    return [step for step in steps if isinstance(step, str) and "/" not in step] if isinstance(steps, list) else []


def _run_of(file: Path) -> Path | None:
    """The run that a training's metrics.csv lies in; None where it lies alone."""
    trainings = Path(os.path.abspath(file)).parent.parent  # noqa: PTH100 - absolute() keeps the dots of ../metrics.csv
    return trainings.parent if trainings.name == TRAININGS else None


def _trainings(run: Path) -> dict[str, Path]:
    return {file.parent.name: file for file in source.matching(run / TRAININGS, f"*/{METRICS}")}


def _log(file: Path, train: str | None, val: str | None) -> Log:
    config = _json(file.parent / CONFIG)
    model = config.get("model")
    run = _run_of(file)
    known = Procedure() if run is None else procedure_of(run)
    procedure = replace(
        known,
        lr=_number(config.get("lr")),
        weight_decay=_number(config.get("weight_decay")),
        dropout=dropout_of(model.get("args") if isinstance(model, dict) else None),
        averaged=_number(config.get("ema")) is not None,
    )
    return replace(table_log(file, NAME, train, val), procedure=procedure)


def procedure_of(run: Path) -> Procedure:
    """What the run's steps and its manifest say of it: of equal fields the last step's count."""
    facts = _json(run / MANIFEST).get("facts")
    known = {"classes": facts.get("classes"), "wider": facts.get("wider", {})} if isinstance(facts, dict) else {}
    for result in _results(run):
        said, handed = result.get("known"), result.get("handoff")
        if isinstance(said, dict):
            known |= said
        elif isinstance(handed, dict):
            known |= {field: handed[name] for name, field in OLDER.items() if name in handed}
    try:
        return Procedure.from_json(known)
    except ValueError:
        return Procedure()  # of another version, or damaged


def _results(run: Path) -> Iterator[Values]:
    """What the steps said, in the order of the steps that the run's manifest lists, else of their ends."""
    order = {step: place for place, step in enumerate(_steps(run))}
    files = [
        (order.get(file.parent.name, -1), file.stat().st_mtime_ns, file) for file in source.matching(run, f"*/{RESULT}")
    ]
    for *_, file in sorted(files):
        yield _json(file)


def _number(value: object) -> float | None:
    number = None if isinstance(value, str) else to_number(value)
    return number if number is not None and math.isfinite(number) else None


def _json(path: Path) -> Values:
    try:
        value = source.parse_json(source.text(path))
    except UserError:
        return {}
    return value if isinstance(value, dict) else {}
