"""Data sets of Hugging Face's library `datasets`: from its hub into the cache, or from files that are there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from tunekit.mending import NETWORK
from tunekit.recipe.text import nearest
from tunekit.telling import counted
from tunekit.training.sources.cache import cache_folder
from tunekit.training.sources.cells import POINT, Form
from tunekit.training.sources.columns import listed
from tunekit.training.sources.images import check_size, header_of, in_colours, sized
from tunekit.training.sources.parts import Parts, tensors
from tunekit.training.sources.text import LONGEST, as_tokens, code_points
from tunekit.vocabulary import UserError

SIDE = 64  # pixels of both sides of images of several sizes, where the recipe does not say
HEADERS = 500  # of a split's images that are looked at; a sample of another size says so when it is read
COLOURED = 16  # between red, green and blue of a pixel, from which it is no grey that was stored with losses
TEXT = 256  # characters of a text, where the recipe does not say
VALIDATION = ("validation", "valid", "val", "dev")
NO_ROWS = (
    "EmptyDataError",
    "StopIteration",
    "file size is 0 bytes",
    "corresponds to no data",
    "BatchSize must be greater than 0",
)
"""How the library and those below it say that a file is empty, or has a header alone."""
TARGETS = ("label", "labels", "target", "targets", "class", "y", "fine_label")
"""What a column of targets is called, where none is of the type that has names of classes."""
SAVED = ("dataset_dict.json", "state.json")
"""What `save_to_disk` leaves in a folder."""


def huggingface_set(  # noqa: PLR0913 - the keys of a recipe
    name: str,
    path: Path | None = None,
    config: str | None = None,
    input: str | list[str] | None = None,  # noqa: A002
    target: str | None = None,
    train: str = "train",
    val: str | None = None,
    test: str | None = None,
    size: int | None = None,
    length: int | None = None,
    standardize: bool = True,
    standardize_target: bool = False,
) -> Parts:
    """A set of the hub, or files at `path` read as `name` says (parquet, csv, json, arrow, imagefolder), or what
    `save_to_disk` wrote there (`disk`). `train`, `val`, `test`: its splits by name. Inputs are one column of images or
    of texts (their characters: int64 [length], by default as long as the longest, TEXT at most), or columns
    of numbers; targets classes, numbers or texts."""
    check_size(size)
    splits = _loaded(name, path, config)
    if train not in splits and len(splits) == 1:
        train = next(iter(splits))
    val = val or next((split for split in VALIDATION if split in splits), None)
    test = test or ("test" if "test" in splits else None)
    for key, split in (("train", train), ("val", val), ("test", test)):
        if split is not None and split not in splits:
            raise UserError(f"data.args.{key}: datasets:{name} has no split {split!r}; it has {', '.join(splits)}")
        if split is not None and not len(splits[split]):
            raise UserError(f"data.args.{key}: the split {split!r} of datasets:{name} is empty")
    features = splits[train].features
    answer = _target(name, features, target)
    columns = _inputs(name, features, input, answer)
    chosen = [None if split is None else splits[split] for split in (train, val, test)]
    labels, classes = _labels(name, [None if rows is None else rows[answer] for rows in chosen], features[answer])
    forms: Mapping[str, Form] = {}
    notes = () if input else _unread(features, [*columns, answer])
    if labels[2] is not None and classes and bool((labels[2] < 0).any()):
        chosen[2], notes = None, (*notes, "the test split has no labels: left out")
    parts: list[Any]
    if type(features[columns[0]]).__name__ == "Image":
        column = columns[0]
        seen = _seen([rows for rows in chosen if rows is not None], column)
        parts = [
            None if rows is None or labelled is None else _Pictures(split, rows, column, labelled, size, seen)
            for split, rows, labelled in zip((train, val, test), chosen, labels, strict=True)
        ]
    elif _is_text(features[columns[0]]):
        standardize = False
        tokens, told = _tokens(name, [None if rows is None else rows[columns[0]] for rows in chosen], columns, length)
        notes = (*notes, told)
        parts = [
            None if inputs is None or known is None else tensors(inputs, known)
            for inputs, known in zip(tokens, labels, strict=True)
        ]
    else:
        if all(type(features[column]).__name__ == "Value" for column in columns):
            forms = {column: _form(features[column]) for column in columns}
        parts = [
            None if rows is None or known is None else tensors(_numbers(name, rows, columns), known)
            for rows, known in zip(chosen, labels, strict=True)
        ]
    first, second, third = parts
    return Parts(
        first,
        second,
        third,
        standardize=standardize,
        standardize_target=standardize_target,
        classes=classes,
        notes=notes,
        forms=forms,
    )


def _loaded(name: str, path: Path | None, config: str | None) -> Mapping[str, Any]:
    """The set's splits by name. Errors: UserError."""
    try:
        import datasets
    except ModuleNotFoundError:
        raise UserError(
            f'data.target: datasets:{name} needs datasets: pip install ".[datasets]" in the checkout of tunekit'
        ) from None
    if path is not None and not path.exists():
        raise UserError(f"data.args.path: {path}: no such file or folder")
    datasets.disable_progress_bars()
    datasets.utils.logging.set_verbosity_error()
    datasets.config.HF_UPDATE_DOWNLOAD_COUNTS = False  # else a server is told of files read, a person's own too
    cache = str(cache_folder() / "datasets")
    try:
        if path is not None and (name == "disk" or any((path / file).exists() for file in SAVED)):
            whole = datasets.load_from_disk(str(path))
        elif path is None:
            whole = datasets.load_dataset(name, config, cache_dir=cache)
        else:
            files = {"data_dir": str(path)} if path.is_dir() else {"data_files": str(path)}
            whole = datasets.load_dataset(name, config, cache_dir=cache, **files)
    except Exception as error:  # of the library, the hub, the network and the files, which have many
        while error.__cause__ is not None and isinstance(error, datasets.exceptions.DatasetGenerationError):
            error = error.__cause__  # type: ignore[assignment]
        lines = str(error).strip().splitlines()
        text = " ".join((lines[0] if lines else type(error).__name__).split()).rstrip(".:")
        if path is not None:
            text = "it holds no rows" if any(words in f"{type(error).__name__} {error}" for words in NO_ROWS) else text
            raise UserError(f"data.args.path: {path} cannot be read as datasets:{name}: {text}") from None
        offline = isinstance(error, ConnectionError) or "offline" in text.lower()
        hint = f"; {NETWORK}" if offline else ""
        raise UserError(
            f"data: datasets:{name} cannot be had: {text}{hint}; or give a file or folder of yours: data.target: "
            "datasets:parquet (csv, json, imagefolder, disk) with data.args.path"
        ) from None
    return whole if isinstance(whole, dict) else {"train": whole}


def _column(name: str, features: Mapping[str, Any], column: str, key: str) -> str:
    if column not in features:
        near = nearest(column, features)
        raise UserError(
            f"data.args.{key}: datasets:{name} has no column {column!r}; it has {', '.join(features)}{near}"
        )
    return column


def _target(name: str, features: Mapping[str, Any], given: str | None) -> str:
    """The column of targets: the one that is asked for, that of a type with names of classes, or one of such a name."""
    if given is not None:
        return _column(name, features, given, "target")
    labelled = [column for column, kind in features.items() if type(kind).__name__ == "ClassLabel"]
    known = [column for column in TARGETS if column in features]
    if len(labelled) != 1 and not known:
        raise UserError(f"data.args.target: name the column of targets, one of {', '.join(features)}")
    return labelled[0] if len(labelled) == 1 else known[0]


def _inputs(name: str, features: Mapping[str, Any], given: str | list[str] | None, target: str) -> list[str]:
    """The columns of inputs: those that are asked for, the one of images, or all of numbers."""
    if given:
        columns = [given] if isinstance(given, str) else list(given)
        if target in columns:
            raise UserError(f"data.args.input: {target!r} is the target; the model would read its answer")
        return [_column(name, features, column, "input") for column in columns]
    images = [column for column, kind in features.items() if type(kind).__name__ == "Image"]
    numbers = [column for column, kind in features.items() if column != target and _is_number(kind)]
    texts = [column for column, kind in features.items() if column != target and _is_text(kind)]
    if not images and not numbers and len(texts) != 1:
        several = f"several of texts ({', '.join(texts)}); name one" if texts else f"but {', '.join(features)}"
        raise UserError(f"data.args.input: datasets:{name} has no column of images or numbers, {several}")
    return images[:1] or numbers or texts


def _unread(features: Mapping[str, Any], read: Sequence[str]) -> tuple[str, ...]:
    """What is told of columns that are neither inputs nor targets, where nobody chose."""
    left, kind = [column for column in features if column not in read], features[read[0]]
    if not left:
        return ()
    what, how = "numbers", "`data.target: table` with data.args.path reads columns of all kinds of a .csv or .parquet"
    if not _is_number(kind):
        what, how = "texts" if _is_text(kind) else "images", "data.args.input names another column"
    return (f"left out beside the {what}: {listed(left)}; {how}",)


def _is_text(kind: Any) -> bool:
    return str(getattr(kind, "dtype", "")) in ("string", "large_string") and type(kind).__name__ == "Value"


def _tokens(
    name: str, parts: Sequence[Any], columns: Sequence[str], length: int | None
) -> tuple[list[npt.NDArray[np.int64] | None], str]:
    """The texts of each split as characters of the training split, and what is told of it. Errors: UserError."""
    if len(columns) > 1:
        raise UserError(
            f"data.args.input: datasets:{name}: {', '.join(columns)}: a text is read alone; name one of them"
        )
    if length is not None and not 0 < length <= LONGEST:
        raise UserError(f"data.args.length: 1 to {LONGEST:,} characters a sample, not {length:,}")
    lists = [None if part is None else ["" if text is None else text for text in part] for part in parts]
    train = lists[0] or []
    different = np.unique(code_points("".join(train)))
    if not len(different):
        raise UserError(f"data.args.input: datasets:{name}: the texts of {columns[0]!r} are empty")
    longest = max(map(len, train))
    length = length or min(longest, TEXT)
    cut = sum(len(text) > length for text in train)
    more = f", of which {cut:,} are longer than {length:,} and cut" if cut else ""
    if empty := [at for at, text in enumerate(train) if not text.strip()]:
        more += f"; in {counted(len(empty), 'sample')} it is empty, first in sample {empty[0]:,}"
    told = f"{columns[0]!r} is read as texts, character by character ({len(different):,} different){more}"
    return [None if texts is None else as_tokens(texts, different, length) for texts in lists], told


def _is_number(kind: Any) -> bool:
    """Whether a column holds numbers, or arrays of them."""
    inner = getattr(kind, "feature", kind)
    return str(getattr(inner, "dtype", "")).startswith(("int", "uint", "float", "bool")) and not isinstance(kind, dict)


def _form(kind: Any) -> Form:
    return Form("truth", "true") if str(kind.dtype) == "bool" else Form("number", POINT)


def _labels(
    name: str, answers: Sequence[Any], kind: Any
) -> tuple[list[npt.NDArray[Any] | None], tuple[str, ...] | None]:
    """Targets of each split, and the names of classes. Errors: UserError where some are missing."""
    lists = [None if answer is None else list(answer) for answer in answers]
    for values in lists:
        gap = next((at for at, value in enumerate(values or ()) if value is None), None)
        if gap is not None:
            raise UserError(f"data.args.target: datasets:{name} has no target in sample {gap:,}")
    if type(kind).__name__ == "ClassLabel":
        return [None if values is None else np.asarray(values, np.int64) for values in lists], tuple(kind.names)
    flat = [value for values in lists for value in values or ()]
    if isinstance(flat[0], str | bool):
        words = sorted({str(value) for value in flat})
        place = {word: at for at, word in enumerate(words)}
        numbered = [None if values is None else np.array([place[str(value)] for value in values]) for values in lists]
        return numbered, tuple(words)
    try:
        return [None if values is None else np.asarray(values) for values in lists], None
    except ValueError:
        raise UserError(
            f"data.args.target: datasets:{name}: targets of different shapes; name another column"
        ) from None


def _numbers(name: str, rows: Any, columns: Sequence[str]) -> npt.NDArray[Any]:
    """[samples, columns], or one column as its arrays are. Errors: UserError for what is no number."""
    try:
        arrays = [np.asarray(list(rows[column]), dtype=np.float64) for column in columns]
        whole = arrays[0] if len(arrays) == 1 and arrays[0].ndim > 1 else np.stack(arrays, 1)
    except (TypeError, ValueError):
        raise UserError(
            f"data.args.input: datasets:{name}: {', '.join(columns)} are no numbers of one shape; name columns that are"
        ) from None
    return whole


@dataclass(frozen=True)
class _Seen:
    """What the headers of pictures say. `sides`: width and height where all have the same."""

    sides: tuple[int, int] | None
    gray: bool


def _seen(parts: Iterable[Any], column: str) -> _Seen:
    """Of all splits together, evenly taken where they are large. What cannot be read is told where it is read."""
    import datasets
    from PIL import Image

    sizes, grays = set(), set()
    for rows in parts:
        stored = rows.select_columns(column).cast_column(column, datasets.Image(decode=False))
        for at in np.linspace(0, len(rows) - 1, min(HEADERS, len(rows))).astype(int).tolist():
            picture = stored[at][column]
            try:
                with Image.open(BytesIO(picture["bytes"]) if picture["bytes"] else picture["path"]) as image:
                    size, gray = header_of(image)
            except (OSError, ValueError, TypeError, Image.DecompressionBombError):
                continue
            sizes.add(size)
            grays.add(gray)
    return _Seen(sizes.pop() if len(sizes) == 1 else None, grays == {True})


class _Pictures(Dataset[tuple[Tensor, Tensor]]):
    """Images of a column: uint8 [channels, height, width]. `split`: its name, for a message."""

    def __init__(
        self, split: str | None, rows: Any, column: str, labels: npt.NDArray[Any], size: int | None, seen: _Seen
    ) -> None:
        self.split = split
        self.rows = rows.select_columns(column)
        self.column = column
        self.known_targets = torch.from_numpy(labels)
        self.size = size or (None if seen.sides else SIDE)
        self.seen = seen
        self._transform = sized(self.size, seen.gray)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        picture = self.rows[index][self.column]
        if picture is None:
            raise UserError(f"data.args.input: column {self.column!r} of {self.split} has no image in sample {index:,}")
        if self.size is None and picture.size != self.seen.sides:
            one, usual = (f"{width:,} x {height:,}" for width, height in (picture.size, self.seen.sides or (0, 0)))
            raise UserError(
                f"data: sample {index:,} of {self.split} is {one} pixels and others are {usual}; data.args.size: "
                f"{SIDE} brings all to as many a side"
            )
        image = in_colours(picture)[0].convert("RGB")
        if self.seen.gray and np.ptp(np.asarray(image), axis=2).max() > COLOURED:
            raise UserError(
                f"data: sample {index:,} of {self.split} is in colour and others are grey; make all of them one or the "
                "other"
            )
        return self._transform(image.convert("L") if self.seen.gray else image).as_subclass(Tensor), self.known_targets[
            index
        ]
