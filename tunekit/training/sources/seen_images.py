"""A folder of images before any recipe has it: how many of each class, how large, and which cannot be read."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tunekit.training.sources.images import file_of, listings_of, read_image
from tunekit.vocabulary import UserError

AT_ONCE = 64


@dataclass(frozen=True)
class SeenImages:
    """`counts`: images for training by class, without those that cannot be read; `sides`: the shorter ones in pixels;
    `unreadable`: files, of all splits; `looked` of `files` were read, as a training reads them."""

    counts: Mapping[str, int]
    sides: Sequence[int]
    unreadable: Sequence[str]
    looked: int
    files: int


def seen_images(path: Path, seconds: float) -> SeenImages:
    """Looks for so many seconds at most, in random order, so that those seen stand for all. Errors: UserError where no
    image is there that can be read."""
    if not path.is_dir():
        raise UserError(f"{path}: no such folder")
    listings = listings_of(path)[0]
    train = listings["train"]
    if train.lack():
        raise UserError(train.lack())
    files = [file for listing in listings.values() for files in listing.by_class.values() for file in files]
    random.Random(0).shuffle(files)
    sides: list[int] = []
    errors: list[UserError] = []
    looked = 0
    end = time.monotonic() + seconds
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for start in range(0, len(files), AT_ONCE):
            results = list(pool.map(_side, files[start : start + AT_ONCE]))
            sides += [result for result in results if isinstance(result, int)]
            errors += [result for result in results if isinstance(result, UserError)]
            looked += len(results)
            if time.monotonic() >= end:
                break
    unreadable = sorted(map(file_of, errors))
    broken = set(unreadable)
    counts = {name: len(set(files) - broken) for name, files in train.by_class.items() if files}
    if not any(counts.values()):
        raise UserError(f"{path}: there is no image for training that can be read; the first: {errors[0]}")
    return SeenImages({name: count for name, count in counts.items() if count}, sides, unreadable, looked, len(files))


def _side(file: str) -> int | UserError:
    try:
        width, height = read_image(file)[0].size
    except UserError as error:
        return error
    return int(min(width, height))
