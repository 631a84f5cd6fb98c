"""Images in folders, one folder a class."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from tunekit.files import open_regular
from tunekit.measured import Unreadable
from tunekit.telling import counted
from tunekit.training.data import Batch, TensorSplit
from tunekit.training.memory import MEMORY_LIMIT
from tunekit.training.sources.parts import Parts, why
from tunekit.vocabulary import UserError

LARGEST_SIDE = 8192
"""Pixels: an image of more takes more memory than any training of it has."""
ENDINGS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp", ".gif")
SPLITS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing"),
}
"""What the folders of splits are called."""
ORIENTATION = 0x0112
"""Of EXIF: how an image is to be turned; 1 is upright."""
TURNED = range(2, 9)
LYING = range(5, 9)  # of those by a quarter turn
OPAQUE = 255
GRAY = ("1", "L", "I", "I;16", "I;16B")
"""Pillow's modes of one channel that are read."""
DEEP = "with 16 bits a value: the upper eight are read"
DEEP_FORMATS = ("PNG", "PPM")
"""Of which Pillow may give 16 bits in its mode of 32."""
WIDE = "with 32 bits a value, of which 16 are in use: the upper eight of these are read"
BYTES = "with 32 bits a value, none above 255: read as bytes"
SHOWN = 5  # files that a message names


def image_folder(path: Path, size: int = 64, corrupt: str = "error") -> Parts:
    """A folder with one subfolder of images a class (or train/ and val/ of such): uint8 [3, size, size].

    `corrupt`: error names the files that cannot be read, all of them counted; skip leaves them out and tells.
    """
    check_size(size)
    if corrupt not in ("error", "skip"):
        raise UserError(f"data.args.corrupt: error or skip, not {corrupt!r}")
    if not path.is_dir():
        raise UserError(f"data.args.path: {path}: no such folder; one with a folder of images for each class is needed")
    listings, outside = listings_of(path)
    for split in [split for split, listing in listings.items() if listing.lack()]:
        if split != "test":
            raise UserError(f"data.args.path: {listings[split].lack()}")
        outside.append(f"no test split: {listings.pop(split).lack()}")
    classes = tuple(sorted({name for one in listings.values() for name, files in one.by_class.items() if files}))
    notes = [*outside, *(note for listing in listings.values() for note in listing.notes)]
    if len(classes) == 1:
        notes.append(_of_one_class(listings["train"], classes[0]))
    by_split: dict[str, list[UserError]] = {name: [] for name in listings}
    images = {name: _Images(*one.samples(classes), size) for name, one in listings.items()}
    parts = {name: _part(images[name], by_split[name]) for name in listings}
    if {WIDE, BYTES} <= {change for one in images.values() for change, _ in one.changed}:  # the latter are dark
        for one in images.values():
            one.wide, one.changed = True, set()
        parts = {name: _part(images[name], by_split[name]) for name in listings}
    notes += _changes(images.values())
    broken = [error for errors in by_split.values() for error in errors]
    if broken and corrupt == "error":
        raise _of_many(broken)
    if not parts["train"][1]:
        raise UserError(f"data.args.path: {path}: there is no image for training that can be read")
    train, val, test = (parts[name][0] if name in parts else None for name in SPLITS)
    files = {name: part[1] for name, part in parts.items()}
    unreadable = tuple(_told(name, error) for name, errors in by_split.items() for error in errors)
    told = tuple(notes)
    return Parts(train, val, test, standardize=True, classes=classes, files=files, notes=told, unreadable=unreadable)


def check_size(size: int | None) -> None:
    """Errors: UserError of a size that no image is brought to."""
    if size is not None and not 0 < size <= LARGEST_SIDE:
        raise UserError(f"data.args.size: 1 to {LARGEST_SIDE:,} pixels a side, not {size:,}")


def _changes(parts: Iterable[_Images]) -> list[str]:
    """What is told of images that are more or less than colours of a byte each."""
    by_change: dict[str, list[str]] = {}
    for change, file in sorted(pair for part in parts for pair in part.changed):
        by_change.setdefault(change, []).append(file)
    return [f"{counted(len(files), 'image')} {change}, the first {files[0]}" for change, files in by_change.items()]


def _told(split: str, error: UserError) -> Unreadable:
    file = file_of(error)
    return Unreadable(split, file, str(error).removeprefix(f"data: {file}: "))


def listings_of(path: Path) -> tuple[dict[str, _Listing], list[str]]:
    """The files of each split, and what is told of others; all of them are for training where no folder is called so.
    Errors: UserError."""
    try:
        inside = sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))
        named = {entry.name.lower(): entry for entry in inside if entry.is_dir()}
        folders = {split: named[name] for split in SPLITS for name in reversed(SPLITS[split]) if name in named}
        if "train" not in folders:
            return {"train": _listing(path)}, []
        others = [entry.name for entry in inside if entry not in folders.values() and _holds_images(entry)]
        told = f"{path}: {', '.join(map(repr, others[:SHOWN]))}{_more(others)} beside its splits: left out"
        return {split: _listing(folder) for split, folder in folders.items()}, [told] if others else []
    except OSError as error:
        raise UserError(f"data.args.path: {error.filename or path}: cannot be read: {why(error)}") from None


def _holds_images(entry: Path) -> bool:
    if not entry.is_dir():
        return _is_image(entry.name)
    return any(_is_image(name) for _, _, names in os.walk(entry) for name in names)


def _of_one_class(train: _Listing, name: str) -> str:
    """What is told where all images are of one class."""
    folders = sorted({Path(file).relative_to(train.folder / name).parts[0] for file in train.by_class.get(name, ())})
    told = f"all images are of one class, {name!r}: {train.folder} has no other folder of images"
    if len(folders) < 2 or not all((train.folder / name / folder).is_dir() for folder in folders):
        return told
    return f"{told}; if the classes are {', '.join(map(repr, folders[:SHOWN]))}{_more(folders)} in it, say its path"


@dataclass(frozen=True)
class _Listing:
    """The image files of a split by class, and what is told of the others. `loose`: images in no class's folder;
    `others`: files that are no images by their names."""

    folder: Path
    by_class: dict[str, list[str]]
    loose: list[str]
    others: list[str]
    notes: tuple[str, ...]

    def lack(self) -> str:
        """Why there is no image of any class; nothing where there is one."""
        if any(self.by_class.values()):
            return ""
        why = "no images in it"
        if self.loose:
            why = f"{counted(len(self.loose), 'image')} ({', '.join(self.loose[:1])}, ...) in no class's folder"
        elif self.others:
            why = f"{why} but {counted(len(self.others), 'other file')} ({self.others[0]}, ...)"
        return f"{self.folder}: {why}: a folder of images is needed for each class ({', '.join(ENDINGS)})"

    def samples(self, classes: Sequence[str]) -> tuple[list[str], Tensor]:
        """Files in the order of their classes, and the class of each."""
        pairs = [(file, at) for at, name in enumerate(classes) for file in self.by_class.get(name, ())]
        return [file for file, _ in pairs], torch.tensor([label for _, label in pairs], dtype=torch.long)


def _listing(folder: Path) -> _Listing:
    """What lies in the folders of classes, however deep. Errors: OSError."""
    by_class: dict[str, list[str]] = {}
    hidden = 0
    loose: list[str] = []
    others: list[str] = []
    for entry in sorted(os.scandir(folder), key=lambda one: one.name):
        if not entry.is_dir() or entry.name.startswith("."):
            if _is_image(entry.name):
                loose.append(entry.name)
            continue
        files = by_class[entry.name] = []
        for place, inner, names in os.walk(entry.path, followlinks=True):
            inner[:] = sorted(name for name in inner if not name.startswith("."))
            for name in sorted(names):
                if name.startswith("."):
                    hidden += 1
                elif _is_image(name):
                    files.append(str(Path(place) / name))
                else:
                    others.append(name)
    empty = [name for name, files in by_class.items() if not files]
    told = (
        (len(empty), f"no images in {', '.join(map(repr, empty[:SHOWN]))}{_more(empty)}: no class of their own"),
        (hidden, f"left out: {counted(hidden, 'hidden file')}"),
        (len(others), f"left out: {counted(len(others), 'file that is', 'files that are')} no image by the name"),
        (len(loose), f"left out: {counted(len(loose), 'image')} in no class's folder, the first {''.join(loose[:1])}"),
    )
    return _Listing(folder, by_class, loose, others, tuple(f"{folder}: {note}" for count, note in told if count))


def _is_image(name: str) -> bool:
    return name.lower().endswith(ENDINGS) and not name.startswith(".")


class _Images(Dataset[tuple[Tensor, Tensor]]):
    """Images read one by one, in the asked size."""

    def __init__(self, files: list[str], labels: Tensor, size: int) -> None:
        self.files = files
        self.changed: set[tuple[str, str]] = set()  # what had to be done to a file, by the file
        self.known_targets = labels
        self.size = size
        self.wide = False  # values of 32 bits are of 16
        self._transform: Callable[[Any], Tensor] | None = None

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.image(index), self.known_targets[index]

    def image(self, index: int) -> Tensor:
        """uint8 [3, size, size]. Errors: UserError that names the file."""
        if self._transform is None:
            self._transform = image_transform(self.size)
        file = self.files[index]
        image, changes = read_image(file, self.wide)
        self.changed.update((change, file) for change in changes)
        return self._transform(image).as_subclass(Tensor)


def _part(images: _Images, broken: list[UserError]) -> tuple[Any, list[str]]:
    """A split of those images that can be read, and their files; what is wrong with the others joins `broken`."""
    stays = len(images) * 3 * images.size**2 > MEMORY_LIMIT

    def read(index: int) -> Tensor | UserError | None:
        try:
            image = images.image(index)
        except UserError as error:
            return error
        return None if stays else image

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        results = list(pool.map(read, range(len(images))))
    sound = [at for at, result in enumerate(results) if not isinstance(result, UserError)]
    broken += [result for result in results if isinstance(result, UserError)]
    images.files = [images.files[at] for at in sound]
    images.known_targets = images.known_targets[sound]
    if stays or not sound:
        return images, images.files
    inputs = torch.stack([result for result in results if isinstance(result, Tensor)])
    return TensorSplit(Batch((inputs,), {}, images.known_targets)), images.files


def _of_many(errors: Sequence[UserError]) -> UserError:
    """One error for all files that cannot be read: the first with its cause, the names of a few more, and how many."""
    first, *rest = errors
    names = [file_of(error) for error in rest]
    others = f"; and {len(rest):,} more: {', '.join(names[: SHOWN - 1])}{_more(names, SHOWN - 1)}" if rest else ""
    return UserError(f"{first}{others}; data.args.corrupt: skip leaves them out")


def file_of(error: UserError) -> str:
    """The file that an error of `read_image` names."""
    return str(error).removeprefix("data: ").partition(": cannot be read")[0]


def _more(names: Sequence[object], shown: int = SHOWN) -> str:
    return f" and {len(names) - shown:,} more" if len(names) > shown else ""


def read_image(path: str, wide: bool = False) -> tuple[Any, tuple[str, ...]]:
    """An image in RGB as a person sees it, and what had to be done to it. `wide`: its 32 bits a value are 16, however
    dark it is. Errors: UserError that names the file."""
    from PIL import Image, UnidentifiedImageError

    try:
        with open_regular(Path(path)) as file:
            return in_colours(Image.open(file), wide)
    except MemoryError:
        raise
    except UnidentifiedImageError:
        size = Path(path).stat().st_size
        what = f"its {size:,} bytes are no image of a known format" if size else "it is empty"
        raise UserError(f"data: {path}: cannot be read as an image: {what}") from None
    except Exception as error:  # of the system, or Pillow's of what it finds
        raise UserError(f"data: {path}: cannot be read as an image: {why(error)}") from None


def in_colours(image: Any, wide: bool = False) -> tuple[Any, tuple[str, ...]]:
    """Pillow's image in RGB, turned as its camera says, its transparent parts on white, its first frame; of 16 bits the
    upper eight, so that all images stay on one scale, as of 32 where any value needs them (or `wide`). And each of
    these that changed something. Errors: ValueError."""
    from PIL import Image, ImageOps

    changes = []
    deep = image.mode != "I" or image.format in DEEP_FORMATS
    if getattr(image, "n_frames", 1) > 1:
        changes.append("with several frames: the first is read")
    if image.getexif().get(ORIENTATION, 1) in TURNED:
        changes.append("turned as the camera says (EXIF)")
        image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):
        values = np.asarray(image)
        if values.min() < 0 or values.max() >= 1 << 16:
            raise ValueError(
                f"its values are no colours: {values.min()} to {values.max()}; give them as an .npz (arrays)"
            )
        fits = not (deep or wide) and values.max() <= OPAQUE
        changes.append(DEEP if deep else BYTES if fits else WIDE)
        image = Image.fromarray((values if fits else values >> 8).astype(np.uint8))
    elif image.mode == "F":
        raise ValueError("its values are fractions (mode F), no colours; give them as an .npz (arrays)")
    elif image.has_transparency_data:
        image = image.convert("RGBA")
        if image.getextrema()[3][0] < OPAQUE:
            changes.append("transparent in places: these are white")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB"), tuple(changes)


def header_of(image: Any) -> tuple[tuple[int, int], bool]:
    """Width and height of Pillow's image once it is turned as its camera says, and whether it is grey; by its header
    alone."""
    width, height = image.size
    lying = "exif" in image.info and image.getexif().get(ORIENTATION, 1) in LYING
    return ((height, width) if lying else (width, height)), image.mode in GRAY


def image_transform(size: int) -> Any:
    """To uint8 [3, size, size]."""
    return sized(size, gray=False)


def sized(size: int | None, gray: bool) -> Any:
    """To uint8 [1 or 3, height, width]; `size`: pixels of both sides, None as they are."""
    from torchvision.transforms import v2

    resize = [] if size is None else [v2.Resize((size, size), antialias=True)]
    return v2.Compose([v2.ToImage(), v2.Grayscale() if gray else v2.RGB(), *resize, v2.ToDtype(torch.uint8)])
