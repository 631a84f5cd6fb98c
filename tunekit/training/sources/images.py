"""Images in folders, one folder a class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tunekit.files import open_regular
from tunekit.training.sources.parts import Parts, why
from tunekit.vocabulary import UserError

LARGEST_SIDE = 8192
"""Pixels: an image of more takes more memory than any training of it has."""


def image_folder(path: Path, size: int = 64) -> Parts:
    """A folder with one subfolder of images a class (or train/ and val/ of such): uint8 [3, size, size]."""
    from torchvision.datasets import ImageFolder

    if not 0 < size <= LARGEST_SIDE:
        raise UserError(f"data.args.size: 1 to {LARGEST_SIDE:,} pixels a side, not {size:,}")
    if not path.is_dir():
        raise UserError(f"data.args.path: {path}: no such folder")
    folders = [path / name for name in ("train", "val", "test")] if (path / "train").is_dir() else [path]
    try:
        transform = image_transform(size)
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


def image_transform(size: int) -> Any:
    import torch
    from torchvision.transforms import v2

    return v2.Compose([v2.ToImage(), v2.RGB(), v2.Resize((size, size), antialias=True), v2.ToDtype(torch.uint8)])
