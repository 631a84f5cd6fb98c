"""The characters of a text, each to be told from those before it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tunekit.files import open_regular
from tunekit.telling import counted
from tunekit.training.sources.parts import Parts, tensors, why
from tunekit.training.sources.reading import decoded
from tunekit.vocabulary import UserError

LONGEST = 1 << 16  # characters of a sample


def text(path: Path | None = None, length: int = 64, characters: int | None = None) -> Parts:
    """A text cut into samples of `length` characters: inputs and targets int64 [length], the target of a character
    being the next one. Classes are the characters that the text has.

    Without `path` it is the reference of the Python language, as every installation holds it (its words change a little
    from version to version). `characters`: the first so many. `data.split: time` validates on the text's end.
    """
    if not 0 < length <= LONGEST:
        raise UserError(f"data.args.length: 1 to {LONGEST:,} characters a sample, not {length:,}")
    if characters is not None and characters < 1:
        raise UserError(f"data.args.characters: at least 1, not {characters:,}")
    whole, notes = _reference() if path is None else _read(path)
    whole = whole[:characters]
    count = (len(whole) - 1) // length
    if count < 2:
        raise UserError(
            f"data.args: the text has {counted(len(whole), 'character')}: too few for samples of {length:,}; "
            "a longer text or a smaller data.args.length is needed"
        )
    different, numbers = np.unique(code_points(whole), return_inverse=True)
    inputs = numbers[: count * length].reshape(count, length)
    targets = numbers[1 : count * length + 1].reshape(count, length)
    classes = tuple(chr(code) for code in different.tolist())
    files = {"train": [f"characters from {start:,}" for start in range(1, count * length + 1, length)]}
    samples = tensors(inputs, targets)
    return Parts(samples, groups=np.arange(count), grouped=False, classes=classes, files=files, notes=notes)


def code_points(text: str) -> npt.NDArray[np.uint32]:
    """The number of each character."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def as_tokens(texts: Sequence[str], different: npt.NDArray[np.uint32], length: int) -> npt.NDArray[np.int64]:
    """Texts as rows of `length` characters, numbered from 1 in the order of `different`: 0 stands behind a short text,
    and for a character that is none of these."""
    rows = np.zeros((len(texts), length), np.int64)
    for row, text in zip(rows, texts, strict=True):
        codes = code_points(text[:length])
        places = np.searchsorted(different, codes).clip(max=max(0, len(different) - 1))
        row[: len(codes)] = np.where(different[places] == codes, places + 1, 0)
    return rows


def _reference() -> tuple[str, tuple[str, ...]]:
    try:
        from pydoc_data.topics import topics
    except ImportError:
        raise UserError("data: this Python has no text of its own (pydoc_data); name one: data.args.path") from None
    return "\n".join(topics[name].strip() + "\n" for name in sorted(topics)), ()


def _read(path: Path) -> tuple[str, tuple[str, ...]]:
    """A file's text, and what is told of how it was read. Errors: UserError."""
    try:
        with open_regular(path) as file:
            data = file.read()
    except OSError as error:
        raise UserError(f"data.args.path: {path} cannot be read: {why(error)}") from None
    try:
        whole, notes = decoded(path, data)
    except ValueError as error:
        raise UserError(f"data.args.path: {path} cannot be read: {why(error)}") from None
    return whole.replace("\r\n", "\n"), notes
