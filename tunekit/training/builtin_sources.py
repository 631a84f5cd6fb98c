"""The sources that are built in, one entry each in SOURCES: each reads files into Parts."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from tunekit.files import open_regular
from tunekit.mending import NETWORK, advice
from tunekit.training.data import Batch, TensorSplit
from tunekit.training.order import Groups
from tunekit.vocabulary import UserError


@dataclass(frozen=True)
class Parts:
    """What a source gives: splits that exist already (val is made from train where it is None)."""

    train: Any  # Split, dataset or loader
    val: Any = None
    test: Any = None
    groups: Groups | None = None  # of each training sample
    standardize: bool = False  # normalise with the training split's own statistics
    grouped: bool = True  # `groups` are groups, and no times
    standardize_target: bool = False  # the targets likewise


def digits() -> Parts:
    """The 1,797 real 8x8 digits that scikit-learn ships: uint8 [N, 1, 8, 8], values 0 to 16."""
    # Read from the package's data file: importing sklearn.datasets would take two seconds.
    spec = find_spec("sklearn")
    if spec is None or not spec.submodule_search_locations:
        raise UserError("data: the source 'digits' needs scikit-learn: pip install scikit-learn")
    path = Path(spec.submodule_search_locations[0]) / "datasets" / "data" / "digits.csv.gz"
    with gzip.open(path, "rt") as file:
        table = np.loadtxt(file, delimiter=",", dtype=np.uint8)
    return Parts(_tensors(table[:, :64].reshape(-1, 1, 8, 8), table[:, 64]), standardize=True)


def arrays(path: Path, standardize: bool = False, standardize_target: bool = False) -> Parts:
    """An .npz file with `x` and `y`, perhaps `x_val`, `y_val`, `x_test`, `y_test`, and `groups` or `times`."""
    member = ""
    stored = {}
    try:
        with open_regular(path) as raw, zipfile.ZipFile(raw), np.load(raw) as file:
            for name in file.files:
                member = f"its array {name!r}: "
                stored[name] = file[name]
    except Exception as error:  # of the system, zip, zlib, or NumPy's of what it finds, room for it included
        raise UserError(f"data.args.path: {path} cannot be read as .npz: {member}{why(error)}") from None
    for end in ("", "_val", "_test"):
        missing = [name for name in (f"x{end}", f"y{end}") if name not in stored]
        if missing and (not end or len(missing) == 1):
            raise UserError(
                f"data.args.path: {path} has no {' and no '.join(missing)}; it has {', '.join(stored) or 'none'}"
            )
    try:
        train, val, test = (
            _tensors(stored[f"x{end}"], stored[f"y{end}"]) if f"x{end}" in stored else None
            for end in ("", "_val", "_test")
        )
        shapes = {stored[name].shape[1:] for name in ("x", "x_val", "x_test") if name in stored}
        if len(shapes) > 1:
            raise UserError(f"data: inputs of one sample differ in shape: {', '.join(map(str, sorted(shapes)))}")
    except UserError as error:
        raise UserError(f"data.args.path: {path}: {str(error).removeprefix('data: ')}") from None
    groups = stored.get("groups", stored.get("times"))
    return Parts(train, val, test, groups, standardize, "groups" in stored, standardize_target)


def table(
    path: Path,
    target: str | list[str],
    features: list[str] | None = None,
    groups: str | None = None,
    standardize: bool = True,
    standardize_target: bool = False,
) -> Parts:
    """A .csv file with a header: numeric feature columns and one or several target columns."""
    try:
        with open_regular(path) as raw, io.TextIOWrapper(raw, encoding="utf-8") as file:
            header = [name.strip().strip('"') for name in file.readline().split(",")]
            lines = file.readlines()
        if not any(line.strip() for line in lines):
            raise UserError(f"data.args.path: {path} is empty: a header and rows of numbers are needed")
        uneven = _uneven(lines, len(header))
        if uneven:
            raise ValueError(uneven)
        body = np.genfromtxt(lines, delimiter=",", dtype=np.float64, ndmin=2)
    except (OSError, ValueError) as error:
        raise UserError(f"data.args.path: {path} cannot be read as a table: {why(error)}") from None
    targets = [target] if isinstance(target, str) else list(target)
    if not targets:
        raise UserError("data.args.target: names no column")
    taken = [*targets, *([groups] if groups else [])]
    columns = features or [name for name in header if name not in taken]
    both = [name for name in columns if name in targets]
    if both:
        raise UserError(f"data.args.features: {both[0]!r} is the target; the model would read its answer")
    for name in [*taken, *columns]:
        if name not in header:
            raise UserError(f"data.args: {path} has no column {name!r}; it has {', '.join(header)}")
    at = {name: body[:, header.index(name)] for name in header}
    empty = [name for name in [*targets, *columns] if np.isnan(at[name]).all()]
    if empty and empty[0] in targets:
        raise UserError(f"data.args: column {empty[0]!r} of {path} holds no numbers; number its classes from 0")
    if empty:
        raise UserError(
            f"data.args: column {empty[0]!r} of {path} holds no numbers; name those that do: "
            f"features: [{', '.join(name for name in columns if name not in empty)}]"
        )
    for name in targets:
        rows = np.flatnonzero(~np.isfinite(at[name]))
        if len(rows):
            raise UserError(
                f"data.args.target: column {name!r} of {path} holds no number in {len(rows):,} rows, first in row "
                f"{rows[0] + 1:,} below the header; take them out"
            )
    if not columns:
        raise UserError(f"data.args: {path} has no column besides {', '.join(taken)}: there is nothing to learn from")
    x = np.stack([at[name] for name in columns], 1).astype(np.float32)
    y = np.stack([at[name] for name in targets], 1)
    y = y[:, 0] if len(targets) == 1 else y
    known = at[groups] if groups else None
    return Parts(_tensors(x, y), groups=known, standardize=standardize, standardize_target=standardize_target)


def _uneven(lines: Sequence[str], cells: int) -> str:
    """The first line of a table whose cells are not as many as its header's, in words; nothing where there is none."""
    for number, line in enumerate(lines, start=2):
        text = line.partition("#")[0]  # what NumPy leaves out
        if text.strip() and text.count(",") + 1 != cells:
            quoted = "; a comma between quotes counts too: this reads numbers alone" if '"' in text else ""
            return f"line {number} has {text.count(',') + 1} cells and the header {cells}{quoted}"
    return ""


def image_folder(path: Path, size: int = 64) -> Parts:
    """A folder with one subfolder of images a class (or train/ and val/ of such): uint8 [3, size, size]."""
    from torchvision.datasets import ImageFolder

    if not 0 < size <= LARGEST_SIDE:
        raise UserError(f"data.args.size: 1 to {LARGEST_SIDE:,} pixels a side, not {size:,}")
    if not path.is_dir():
        raise UserError(f"data.args.path: {path}: no such folder")
    folders = [path / name for name in ("train", "val", "test")] if (path / "train").is_dir() else [path]
    try:
        transform = _image_transform(size)
        sets = [ImageFolder(folder, transform, loader=read_image) for folder in folders if folder.is_dir()]
    except FileNotFoundError as error:
        raise UserError(f"data.args.path: {path}: {str(error).splitlines()[0]}") from None
    except OSError as error:
        raise UserError(f"data.args.path: {error.filename or path}: cannot be read: {why(error)}") from None
    train, val, test = (*sets, None, None)[:3]
    return Parts(train, val, test, standardize=True)


def read_image(path: str) -> Any:
    """An image in RGB. Errors: UserError that names the file."""
    from PIL import Image, UnidentifiedImageError

    try:
        with open_regular(Path(path)) as file:
            return Image.open(file).convert("RGB")
    except MemoryError:
        raise
    except UnidentifiedImageError:
        size = Path(path).stat().st_size
        what = f"its {size:,} bytes are no image of a known format" if size else "it is empty"
        raise UserError(f"data: {path}: cannot be read as an image: {what}") from None
    except Exception as error:  # of the system, or Pillow's of what it finds
        raise UserError(f"data: {path}: cannot be read as an image: {why(error)}") from None


def why(error: Exception) -> str:
    """Why a file cannot be read, on one line, with what mends it where the cause says that."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or type(error).__name__
    mended = advice(error) if isinstance(error, OSError) else ""
    return " ".join(f"{text}{f'; {mended}' if mended else ''}".split())


def torchvision_set(name: str, root: Path, size: int | None = None, download: bool = False, **args: Any) -> Parts:
    """A torchvision classification set at `root`: train= or split= style; bytes in memory where it holds arrays."""
    import torchvision.datasets as known

    dataset_class = getattr(known, name, None)
    if dataset_class is None:
        raise UserError(f"data.target: torchvision has no dataset {name!r}; for example torchvision:CIFAR10")
    sets = []
    for split in ({"train": True}, {"train": False}, {"split": "train"}, {"split": "val"}, {"split": "test"}):
        try:
            sets.append((split, dataset_class(str(root), download=download, **split, **args)))
        except (TypeError, ValueError):
            continue  # this set names its splits in the other way
        except RuntimeError as error:
            text = str(error).strip()
            first = text.partition("\n")[0].rstrip(".:")
            hint = "check data.args.root" if download else "check data.args.root, or set data.args.download: true"
            hint = NETWORK if "urlopen error" in text else hint
            raise UserError(f"data: torchvision:{name} at {root}: {first}; {hint}") from None
        except OSError as error:
            place = f"{error.filename}: " if error.filename else ""
            raise UserError(f"data: torchvision:{name} at {root}: {place}{why(error)}") from None
    if not sets:
        raise UserError(
            f"data.target: torchvision:{name} has neither train= nor split=; wrap it in a callable of your own"
        )
    by_split = {str(next(iter(split.values()))): _arrays_of(dataset, size) for split, dataset in sets}
    train = by_split.get("True", by_split.get("train"))
    test = by_split.get("False", by_split.get("test"))
    return Parts(train, by_split.get("val"), test, standardize=True)


SOURCES: dict[str, Callable[..., Parts]] = {
    "digits": digits,
    "arrays": arrays,
    "table": table,
    "image-folder": image_folder,
}
PATHS = ("path", "root")
"""Arguments of built-in sources that are paths, relative to the recipe's folder."""


LARGEST_SIDE = 8192
"""Pixels: an image of more takes more memory than any training of it has."""


def _tensors(x: npt.NDArray[Any], y: npt.NDArray[Any]) -> TensorSplit:
    for name, array in (("inputs", x), ("targets", y)):
        if not isinstance(array, np.ndarray):
            raise UserError(f"data: the {name} are no array but {type(array).__name__}")
        if array.dtype.kind not in "biufc" or array.ndim == 0:
            raise UserError(f"data: the {name} must be numbers, one row a sample, not {array.dtype}{array.shape}")
    if len(x) != len(y):
        raise UserError(f"data: {len(x)} inputs and {len(y)} targets")
    if len(x) == 0:
        raise UserError("data: the dataset is empty (its length is 0)")
    inputs = torch.from_numpy(np.ascontiguousarray(x))
    inputs = inputs.float() if inputs.dtype == torch.float64 else inputs
    labels = torch.from_numpy(np.ascontiguousarray(y))
    return TensorSplit(Batch((inputs,), {}, labels.float() if labels.is_floating_point() else labels.long()))


def _arrays_of(dataset: Any, size: int | None) -> Any:
    """The raw bytes of a set that holds them ([N, H, W] or [N, H, W, C]); others are read through a transform."""
    raw, labels = getattr(dataset, "data", None), getattr(dataset, "targets", getattr(dataset, "labels", None))
    if raw is not None and labels is not None and size is None and not isinstance(raw, list):
        images = torch.as_tensor(np.asarray(raw))
        if images.dim() == 3:
            images = images.unsqueeze(1)
        elif images.shape[-1] in (1, 3) and images.shape[1] not in (1, 3):
            images = images.permute(0, 3, 1, 2).contiguous()
        return TensorSplit(Batch((images,), {}, torch.as_tensor(np.asarray(labels)).long()))
    dataset.transform = _image_transform(size or 64)
    return dataset


def _image_transform(size: int) -> Any:
    from torchvision.transforms import v2

    return v2.Compose([v2.ToImage(), v2.RGB(), v2.Resize((size, size), antialias=True), v2.ToDtype(torch.uint8)])
