"""Where data come from: the built-in sources, one entry each in SOURCES, and a person's own callable."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, RandomSampler, SequentialSampler

from tunekit.configuration import DataSpec, digest
from tunekit.files import open_regular
from tunekit.mending import NETWORK, advice
from tunekit.recipe import check_arguments, construct, resolve
from tunekit.telling import refused
from tunekit.training.data import Batch, LoaderSplit, Normalize, Split, Splits, TensorSplit
from tunekit.training.memory import in_memory
from tunekit.training.order import Groups, split_indices, tiny_subset
from tunekit.training.seeds import seed_everything
from tunekit.vocabulary import UserError


@dataclass(frozen=True)
class Parts:
    """What a source gives: splits that exist already (val is made from train where it is None)."""

    train: Any  # Split, dataset or loader
    val: Any = None
    test: Any = None
    groups: Groups | None = None  # of each training sample
    standardize: bool = False  # normalise with the training split's own statistics


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


def arrays(path: Path, standardize: bool = False) -> Parts:
    """An .npz file with `x` and `y`, perhaps `x_val`, `y_val`, `x_test`, `y_test`, and `groups` or `times`."""
    member = ""
    stored = {}
    try:
        with open_regular(path) as raw, zipfile.ZipFile(raw), np.load(raw) as file:
            for name in file.files:
                member = f"its array {name!r}: "
                stored[name] = file[name]
    except MemoryError:
        raise
    except Exception as error:  # of the system, zip, zlib, or NumPy's of what it finds
        raise UserError(f"data.args.path: {path} cannot be read as .npz: {member}{why(error)}") from None
    if "x" not in stored or "y" not in stored:
        raise UserError(f"data.args.path: {path} needs arrays x and y; it has {', '.join(stored) or 'none'}")
    train, val, test = (
        _tensors(stored[f"x{end}"], stored[f"y{end}"]) if f"x{end}" in stored else None for end in ("", "_val", "_test")
    )
    groups = stored.get("groups", stored.get("times"))
    return Parts(train, val, test, groups, standardize)


def table(
    path: Path,
    target: str | list[str],
    features: list[str] | None = None,
    groups: str | None = None,
    standardize: bool = True,
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
    taken = [*targets, *([groups] if groups else [])]
    columns = features or [name for name in header if name not in taken]
    for name in [*taken, *columns]:
        if name not in header:
            raise UserError(f"data.args: {path} has no column {name!r}; it has {', '.join(header)}")
    at = {name: body[:, header.index(name)] for name in header}
    empty = [name for name in [*targets, *columns] if np.isnan(at[name]).all()]
    if empty and empty[0] in targets:
        raise UserError(f"data.args: column {empty[0]!r} of {path} holds no numbers; number its classes from 0")
    if empty:
        raise UserError(f"data.args: column {empty[0]!r} of {path} holds no numbers; leave it out with `features`")
    x = np.stack([at[name] for name in columns], 1).astype(np.float32)
    y = np.stack([at[name] for name in targets], 1)
    y = y[:, 0] if len(targets) == 1 else y
    return Parts(_tensors(x, y), groups=at[groups] if groups else None, standardize=standardize)


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
        raise UserError(f"data.args.path: {str(error).splitlines()[0]}") from None
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

ENDLESS = 10_000
"""Batches after which an iterable counts as a stream without an end."""


def load_parts(data: DataSpec, folder: Path) -> Parts:
    """Read a source or call a person's function. Errors: UserError."""
    key, target, args = "data.target", data.target, dict(data.args)
    if target in SOURCES or target.startswith("torchvision:"):
        args = {name: (folder / value).resolve() if name in PATHS else value for name, value in args.items()}
        source: Callable[..., Parts] = SOURCES.get(target, torchvision_set)
        if target not in SOURCES:
            args = {"name": target.partition(":")[2], **args}
        check_arguments(source, args, f"data.args: {target}")
        try:
            return source(**args)
        except TypeError as error:
            raise UserError(f"data.args: {target}: {refused(error)}") from None
    if ":" not in target:
        raise UserError(
            f"{key}: no source {target!r}; one of {', '.join(SOURCES)}, torchvision:NAME or module:callable"
        )
    function = resolve(target, folder, key)
    seed_everything(data.seed, "data")  # a split that it draws is the same in each process
    return _parts_of(construct(function, key, target, **args), target)


def read_splits(data: DataSpec, folder: Path) -> Splits:
    """The whole splits, before step 2 takes a few samples of them. Errors: UserError."""
    parts = load_parts(data, folder)
    notes: tuple[str, ...] = ()
    train = _split_of(parts.train)
    val, test = (None if part is None else _collected(_split_of(part)) for part in (parts.val, parts.test))
    if isinstance(train, LoaderSplit):
        notes = (
            "the training data come from an iterable or a sampler of their own: trained as they are, without reuse",
        )
        return Splits(train, _collected(train) if val is None else val, test, notes)
    if val is None:
        targets = train.targets()
        known = _strata(targets) if isinstance(targets, Tensor) else None
        groups = parts.groups if parts.groups is not None else getattr(parts.train, f"{data.split}s", None)
        first, second = split_indices(known, len(train), data.val_fraction, data.split, data.seed, groups)
        train, val = train.take(first), train.take(second)
    if parts.standardize and isinstance(train, TensorSplit):
        normalize = Normalize.fit(train.stored.args[0])
        train, val = _normalized(train, normalize), _normalized(val, normalize)
        test = None if test is None else _normalized(test, normalize)
    for name, split in (("training", train), ("validation", val)):
        if len(split) == 0:
            raise UserError(f"data: the {name} split is empty")
    return Splits(train, val, test, notes)


def reduced(whole: Splits, data: DataSpec) -> Splits:
    """The few samples that `data.subset` names, for training and validation alike; or all, where it names none."""
    if data.subset is None or isinstance(whole.train, LoaderSplit):
        return whole
    train = tiny_subset(whole.train, data.subset, data.seed)
    if data.blank and isinstance(train, TensorSplit):
        train = train.blank()
    return Splits(train, train, whole.test, whole.notes)


def moved(splits: Splits, device: torch.device) -> Splits:
    """Splits in memory, on a device; what is read batch by batch stays where it is."""
    if device.type == "cpu" or isinstance(splits.train, LoaderSplit):
        return splits
    train, val = _moved(splits.train, device), _moved(splits.val, device)
    return Splits(train, val, None if splits.test is None else _moved(splits.test, device), splits.notes)


def data_digests(data: DataSpec, folder: Path) -> dict[str, str]:
    """Size and time of the files that the data's arguments name: part of every training's key."""
    digests: dict[str, str] = {}
    for value in data.args.values():
        if isinstance(value, str) and len(value) < 1000 and (folder / value).exists():
            path = (folder / value).resolve()
            files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())[:10_000]
            stats = [(str(file.relative_to(path)), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
            digests[value] = digest(stats)
    return digests


def _tensors(x: npt.NDArray[Any], y: npt.NDArray[Any]) -> TensorSplit:
    for name, array in (("inputs", x), ("targets", y)):
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


def _parts_of(data: object, target: str) -> Parts:
    if isinstance(data, tuple | list) and 2 <= len(data) <= 3 and not hasattr(data, "tensors"):
        return Parts(*data)
    if hasattr(data, "__getitem__") or hasattr(data, "__iter__"):
        return Parts(data)
    raise UserError(
        f"data.target: {target} must return (train, val), (train, val, test) or a dataset, not {type(data).__name__}"
    )


def _split_of(part: Any) -> Split | LoaderSplit:
    """A split of whatever a person returned: loaders are rebuilt from their dataset unless they bring an order."""
    if isinstance(part, TensorSplit):
        return part
    collate = None
    if isinstance(part, DataLoader):
        usual = isinstance(part.sampler, RandomSampler | SequentialSampler) and part.batch_size is not None
        if (
            not usual
            or isinstance(part.dataset, IterableDataset)
            or type(part.batch_sampler).__name__ != "BatchSampler"
        ):
            return _loader(part)
        standard = getattr(part.collate_fn, "__name__", "") == "default_collate"
        part, collate = part.dataset, (None if standard else part.collate_fn)
    if isinstance(part, IterableDataset) or not (hasattr(part, "__len__") and hasattr(part, "__getitem__")):
        if not hasattr(part, "__iter__"):
            raise UserError(f"data: {type(part).__name__} is neither a dataset nor a loader")
        return _loader(DataLoader(part, batch_size=None) if isinstance(part, IterableDataset) else part)
    return in_memory(part, collate)


def _strata(targets: Tensor) -> Tensor:
    """Whole numbers of few values are classes to split by, whatever type a table gave them."""
    if targets.is_floating_point() and targets.dim() == 1:
        values = torch.unique(targets)
        if len(values) <= max(2, len(targets) // 10) and bool((values == values.round()).all()):
            return targets.long()
    return targets


def _loader(loader: Any) -> LoaderSplit:
    if iter(loader) is loader:
        raise UserError(
            f"data: a {type(loader).__name__} gives its batches only once; return a DataLoader or a dataset"
        )
    length = 0
    for count, batch in enumerate(LoaderSplit(loader).batches()):
        if count == ENDLESS:
            break  # a stream without an end: so many batches count as its epoch
        if (isinstance(batch.targets, Tensor) and not batch.targets.dim()) or not hasattr(batch.targets, "__len__"):
            raise UserError("data: an iterable must give batches; put a DataLoader with a batch_size around it")
        length += len(batch)
    if length == 0:
        raise UserError("data: the training data give no batch")
    return LoaderSplit(loader, length=length)


def _collected(split: Split | LoaderSplit) -> Split:
    """Validation from a loader: one pass, kept."""
    return TensorSplit(Batch.joined(list(split.batches()))) if isinstance(split, LoaderSplit) else split


def _normalized(split: Split, normalize: Normalize) -> Split:
    return replace(split, normalize=normalize) if isinstance(split, TensorSplit) else split


def _moved(split: Split, device: torch.device) -> Split:
    return split.to(device) if isinstance(split, TensorSplit) else split
