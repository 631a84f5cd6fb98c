"""Arrays in an .npz file."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tunekit.files import open_regular
from tunekit.training.sources.parts import Parts, tensors, why
from tunekit.vocabulary import UserError


def arrays(path: Path, standardize: bool = False, standardize_target: bool = False) -> Parts:
    """An .npz file with `x` and `y`, perhaps `x_val`, `y_val`, `x_test`, `y_test`, `groups` or `times`, and
    `class_names`."""
    if path.suffix == ".npy":
        raise UserError(f"data.args.path: {path} is one array: np.savez('data.npz', x=x, y=y) makes an .npz of both")
    member = ""
    stored = {}
    try:
        with open_regular(path) as raw, zipfile.ZipFile(raw), np.load(raw) as file:
            for name in file.files:
                member = f"its array {name!r}: "
                stored[name] = _without_objects(file, name)
    except Exception as error:  # of the system, zip, zlib, or NumPy's of what it finds, room for it included
        other = isinstance(error, zipfile.BadZipFile) and not member
        how = f"; np.savez({path.name!r}, x=x, y=y) makes one" if other else ""
        raise UserError(f"data.args.path: {path} cannot be read as .npz: {member}{why(error)}{how}") from None
    for end in ("", "_val", "_test"):
        missing = [name for name in (f"x{end}", f"y{end}") if name not in stored]
        if missing and (not end or len(missing) == 1):
            raise UserError(
                f"data.args.path: {path} has no {' and no '.join(missing)}; it has {', '.join(stored) or 'none'}"
            )
    try:
        train, val, test = (
            tensors(stored[f"x{end}"], stored[f"y{end}"]) if f"x{end}" in stored else None
            for end in ("", "_val", "_test")
        )
        shapes = {stored[name].shape[1:] for name in ("x", "x_val", "x_test") if name in stored}
        if len(shapes) > 1:
            raise UserError(f"data: inputs of one sample differ in shape: {', '.join(map(str, sorted(shapes)))}")
    except UserError as error:
        raise UserError(f"data.args.path: {path}: {str(error).removeprefix('data: ')}") from None
    groups = stored.get("groups", stored.get("times"))
    return Parts(
        train,
        val,
        test,
        groups,
        standardize,
        "groups" in stored,
        standardize_target,
        classes=_class_names(path, stored),
    )


def _without_objects(file: Any, name: str) -> npt.NDArray[Any]:
    """Errors: UserError of an array that NumPy would have to unpickle, which could run a stranger's code."""
    try:
        array: npt.NDArray[Any] = file[name]
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise
        raise ValueError("it holds Python objects; store numbers, such as x.astype(np.float32)") from None
    return array


def _class_names(path: Path, stored: Mapping[str, npt.NDArray[Any]]) -> tuple[str, ...] | None:
    """Errors: UserError where there is not a name for each class."""
    if "class_names" not in stored:
        return None
    names = tuple(str(name) for name in stored["class_names"].reshape(-1).tolist())
    for end in ("", "_val", "_test"):
        targets = stored.get(f"y{end}")
        largest = int(targets.max()) if targets is not None and targets.ndim == 1 and targets.dtype.kind in "iu" else -1
        if largest >= len(names):
            raise UserError(f"data.args.path: {path}: {len(names)} class_names, and y{end} has a class {largest}")
    return names
