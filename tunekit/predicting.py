"""What a run's final model says of files (pictures, tables, arrays) or of a split of the run's own data. A file that
cannot be read costs its own line alone."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunekit.configuration import TrainingConfig
from tunekit.deployed import changes, read_model
from tunekit.files import open_regular
from tunekit.measured import Package
from tunekit.rundir import RunDir
from tunekit.store import Store
from tunekit.telling import as_path, counted, pasted
from tunekit.vocabulary import UserError, Versioned

if TYPE_CHECKING:
    from torch import Tensor

    from tunekit.training.decisions import Decisions
    from tunekit.training.deployed import Deployed

TABLES = (".csv", ".tsv", ".txt", ".gz", ".parquet", ".pq")
ARRAYS = (".npz", ".npy")
AT_ONCE = 256  # samples in a batch
MOST_CLASSES = 20  # of which the probability of each is told


@dataclass(frozen=True)
class Predictions(Versioned):
    """`predictions`: of each sample its file, its place there (`row` of a table, the first below the header is 1;
    `sample` of arrays and splits, from 0), and what the model says; `faults`: a line for each file that cannot be read;
    `notes`: what is told of cells that training had not, and of code that changed since."""

    predictions: tuple[Mapping[str, str | int | float], ...]
    faults: tuple[str, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Samples:
    """Inputs [n, ...] as the model takes them, and where each comes from."""

    file: str
    places: Sequence[int | None]
    inputs: tuple[Tensor, ...]
    names: Sequence[str] = ()  # that the inputs are called by
    place: str = "sample"  # what a place is
    notes: tuple[str, ...] = ()
    known: Tensor | None = None  # of targets [n, ...]: which positions the loss does not leave out


def predict(run: RunDir, files: Sequence[Path], device: str = "cpu") -> Predictions:
    """Errors: UserError where the run has no model that can be loaded."""
    from tunekit.training.device import pick_device

    place = pick_device(device)
    model = read_model(run.path, run.folder).to(place)
    rows: list[dict[str, Any]] = []
    faults: list[str] = []
    notes = changes(model)
    for file in _every(files, faults):
        try:
            samples = _read(file, model.package)
        except UserError as error:
            faults.append(" ".join(str(error).removeprefix("data: ").removeprefix("data.args.path: ").split()))
            continue
        try:
            rows += _said(model, samples, place)
        except (RuntimeError, ValueError, IndexError) as error:
            faults.append(f"{file}: the model does not take it: {str(error).splitlines()[0]}")
        else:
            notes += [f"{file}: {note}" for note in samples.notes]
    return Predictions(tuple(rows), tuple(faults), tuple(notes))


def of_split(run: RunDir, split: str, device: str = "cpu") -> Predictions:
    """Of the samples of the run's own data. Errors: UserError where there is no such split."""
    import torch

    from tunekit.training.data import BatchesSplit, LoaderSplit, TensorSplit
    from tunekit.training.device import pick_device
    from tunekit.training.workbench import Workbench

    place = pick_device(device)
    model = read_model(run.path, run.folder).to(place)
    whole = Workbench(run.folder, torch.device("cpu")).splits(config_of_final(run))
    samples = getattr(whole, split)
    if samples is None:
        raise UserError(f"{run.path}: its data have no {split} split")
    rows: list[dict[str, Any]] = []
    if isinstance(samples, LoaderSplit | BatchesSplit):
        batches = samples.batches() if isinstance(samples, LoaderSplit) else iter(samples.stored)
    else:
        parts = torch.split(torch.arange(len(samples)), AT_ONCE)
        raw = isinstance(samples, TensorSplit)
        batches = (samples.take(part).stored if raw else samples.batch(part) for part in parts)
    for batch in batches:
        start = len(rows)
        places = list(range(start, start + len(batch)))
        names = [""] * len(batch.args) + list(batch.kwargs)
        known = _known(batch.targets, model.package)
        rows += _said(model, _Samples(split, places, tuple(batch.inputs), names, known=known), place)
    called = whole.files.get(split, ())
    for row, name in zip(rows, called if len(called) == len(rows) else (), strict=False):
        row["file"] = name
    return Predictions(tuple(rows), (), tuple(changes(model)))


def _known(targets: object, package: Package) -> Tensor | None:
    """Which positions of classes [n, ...] are no padding; None where nothing tells."""
    import torch

    if not isinstance(targets, torch.Tensor) or targets.dim() < 2 or package.answers != "classes":
        return None
    return (targets >= 0) & ~torch.isin(targets, targets.new_tensor(package.left_out))


def config_of_final(run: RunDir) -> TrainingConfig:
    """The training that the manifest names as the final one. Errors: UserError."""
    name = run.manifest().get("final")
    if not isinstance(name, str):
        raise UserError(f"{run.path}: has no final model; `{pasted('tunekit', 'train', as_path(run.path))}` makes it")
    return Store(run.trainings).by_name(name).config


def _every(files: Sequence[Path], faults: list[str]) -> Iterator[Path]:
    """Files as they were given; of a folder the pictures below it."""
    from tunekit.training.sources.images import ENDINGS

    for file in files:
        if not file.is_dir():
            yield file
            continue
        found = sorted(path for path in file.rglob("*") if path.suffix.lower() in ENDINGS and path.is_file())
        if not found:
            faults.append(f"{file}: no picture lies in this folder ({', '.join(ENDINGS)})")
        yield from found


def _read(file: Path, package: Package) -> _Samples:
    """Errors: UserError that names the file."""
    if not os.path.exists(file):  # noqa: PTH110 - Path.exists raises for a name that is too long
        raise UserError(f"{file}: there is no such file")
    if len(package.inputs) != 1 or package.inputs[0].name:
        raise UserError(f"{file}: the model takes several inputs, or named ones: call it from Python (`load_model`)")
    readers = _readers()
    for _, endings, read in readers:
        if file.suffix.lower() in endings:
            return read(file, package)
    known = "; ".join(f"{name} ({', '.join(endings)})" for name, endings, _ in readers)
    raise UserError(f"{file}: is none of what can be predicted by its name: {known}")


def _readers() -> list[tuple[str, Sequence[str], Callable[[Path, Package], _Samples]]]:
    """What can be read, by the endings of names."""
    from tunekit.training.sources.images import ENDINGS

    return [("pictures", ENDINGS, _picture), ("tables", TABLES, _table), ("arrays", ARRAYS, _arrays)]


def _picture(file: Path, package: Package) -> _Samples:
    import torch
    from torchvision.transforms import v2

    from tunekit.training.sources.images import read_image

    given = package.inputs[0]
    if len(given.shape) != 3 or given.shape[0] not in (1, 3):
        raise UserError(f"{file}: the model takes {list(given.shape)} a sample, no pictures [1 or 3, height, width]")
    if given.dtype != "uint8" or package.source in ("digits", "arrays"):
        raise UserError(
            f"{file}: pictures are bytes, and the model takes values of its own data's kind: give them as an .npz with "
            f"x [n, {', '.join(map(str, given.shape))}]"
        )
    picture, _ = read_image(str(file))
    steps = [v2.ToImage(), *([v2.Grayscale()] if given.shape[0] == 1 else [])]
    shape = v2.Compose([*steps, v2.Resize(tuple(given.shape[1:]), antialias=True), v2.ToDtype(torch.uint8)])
    return _Samples(str(file), [None], (shape(picture).as_subclass(torch.Tensor).unsqueeze(0),))


def _arrays(file: Path, package: Package) -> _Samples:
    """An array `x` as training's, or the only one of the file."""
    import numpy as np
    import torch

    from tunekit.training.sources.parts import as_tensor

    given = package.inputs[0]
    try:
        with open_regular(file) as raw:
            if file.suffix.lower() == ".npy":
                x = np.load(raw)
            else:
                with zipfile.ZipFile(raw), np.load(raw) as stored:
                    name = "x" if "x" in stored.files or len(stored.files) != 1 else stored.files[0]
                    x = stored[name]
    except KeyError:
        raise UserError(f"{file}: has no array x") from None
    except Exception as error:  # of the system, zip, zlib, or NumPy's of what it finds
        raise UserError(f"{file}: cannot be read: {_why(error)}") from None
    if x.dtype.kind not in "biuf":
        raise UserError(f"{file}: x must be numbers, not {x.dtype}")
    if x.shape == given.shape:
        x = x[None]
    if x.shape[1:] != given.shape and not _variable(package):
        raise UserError(f"{file}: x is {list(x.shape)}; the model takes [n, {', '.join(map(str, given.shape))}]")
    values = as_tensor("inputs", x).to(getattr(torch, given.dtype))
    return _Samples(str(file), range(len(values)), (values,))


def _variable(package: Package) -> bool:
    """Whether samples may be of another length than that of the first: sequences of tokens are."""
    given = package.inputs[0]
    return len(given.shape) == 1 and not given.dtype.startswith("float")


def _table(file: Path, package: Package) -> _Samples:
    """Cells as training's were, by what its rows fixed; for a model that was trained on no table as many columns of
    numbers as it takes."""
    import numpy as np
    import torch

    from tunekit.training.sources.columns import Columns
    from tunekit.training.sources.reading import read_frame

    given = package.inputs[0]
    if len(given.shape) != 1:
        raise UserError(f"{file}: is a table, and the model takes {list(given.shape)} a sample")
    frame = read_frame(file, package.source_args.get("separator"))
    if package.columns is not None:
        inputs, notes = Columns.from_json(package.columns).apply(frame, given.dtype)
        return _Samples(str(file), range(1, len(inputs) + 1), (inputs,), (), "row", notes)
    if not given.dtype.startswith("float"):
        raise UserError(
            f"{file}: the model takes the numbers of {given.shape[0]} tokens a sample, as its own data have them: give "
            f"them as an .npz with x [n, {given.shape[0]}]"
        )
    if len(frame.names) != given.shape[0]:
        raise UserError(f"{file}: has {counted(len(frame.names), 'column')}; the model takes {given.shape[0]}")
    try:
        values = np.array(frame.cells, np.float32 if package.normalize is None else np.float64)
    except ValueError as error:
        raise UserError(f"{file}: {_why(error)}") from None
    if not np.isfinite(values).all():
        row = int((~np.isfinite(values)).any(1).argmax())
        raise UserError(f"{file}: row {row + 1:,} below the header has a cell without a number")
    return _Samples(str(file), range(1, len(values) + 1), (torch.from_numpy(values),), (), "row")


def _why(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or type(error).__name__
    return " ".join(text.split())


def _said(model: Deployed, samples: _Samples, place: Any) -> list[dict[str, Any]]:
    """A row for each sample."""
    import torch

    rows = []
    for part in torch.split(torch.arange(len(samples.places)), AT_ONCE):
        inputs = [value[part].to(place) if isinstance(value, torch.Tensor) else value for value in samples.inputs]
        names = samples.names or [""] * len(inputs)
        plainly = [value for value, name in zip(inputs, names, strict=True) if not name]
        named = {name: value for value, name in zip(inputs, names, strict=True) if name}
        decided = model.predict(*plainly, **named)
        answers = decided.predicted.shape[1:]
        known = None if samples.known is None or samples.known.shape[1:] != answers else samples.known[part]
        for k, index in enumerate(part.tolist()):
            row: dict[str, Any] = {"file": samples.file}
            if samples.places[index] is not None:
                row[samples.place] = samples.places[index]
            here = ... if known is None else known[k].to(place)
            rows.append(row | _of_sample(model, decided, k, here))
    return rows


def _of_sample(model: Deployed, decided: Decisions, place: int, here: Any = ...) -> dict[str, Any]:
    """What is said of one sample: a class with its probability, and that of each class where they are few; of several
    answers, all of them that are `here`; or numbers."""
    if decided.probability is None or decided.shares is None:
        values = decided.predicted[place][here].reshape(-1).tolist()
        if len(values) == 1:
            return {"prediction": values[0]}
        return {f"prediction {number}": value for number, value in enumerate(values, start=1)}
    names, sure = model.classes, decided.probability[place][here]
    said, shares = decided.predicted[place][here].reshape(-1).tolist(), decided.shares[place].reshape(-1).tolist()
    if model.package.answers == "labels" and len(said) > 1:
        return {"class": " ".join(name for name, one in zip(names, said, strict=False) if one)} | {
            f"{OF_CLASS}{name}": value for name, value in zip(names, shares, strict=False)
        }
    told: dict[str, Any] = {"class": " ".join(_named(one, names) for one in said)}
    told |= {"probability": float(sure.mean())} if said else {}
    if decided.predicted[place].numel() > 1 or len(shares) > MOST_CLASSES:
        return told
    each = shares if model.package.answers == "classes" else [1 - shares[0], shares[0]]
    return told | {f"{OF_CLASS}{_named(number, names)}": share for number, share in enumerate(each)}


OF_CLASS = "probability "
"""What a column begins with that is of one class, before its name."""


def _named(number: int, names: Sequence[str]) -> str:
    return names[number] if 0 <= number < len(names) else str(number)


def in_short(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows as a screen shows them: of a class that was chosen its own probability alone."""
    return [
        {name: value for name, value in row.items() if "probability" not in row or not name.startswith(OF_CLASS)}
        for row in rows
    ]


def as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as a .csv with a header."""
    import csv
    import io

    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
