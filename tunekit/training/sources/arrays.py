"""Arrays in an .npz file."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from tunekit.files import open_regular
from tunekit.training.sources.parts import Parts, tensors, why
from tunekit.vocabulary import UserError


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
            tensors(stored[f"x{end}"], stored[f"y{end}"]) if f"x{end}" in stored else None
            for end in ("", "_val", "_test")
        )
        shapes = {stored[name].shape[1:] for name in ("x", "x_val", "x_test") if name in stored}
        if len(shapes) > 1:
            raise UserError(f"data: inputs of one sample differ in shape: {', '.join(map(str, sorted(shapes)))}")
    except UserError as error:
        raise UserError(f"data.args.path: {path}: {str(error).removeprefix('data: ')}") from None
    groups = stored.get("groups", stored.get("times"))
    return Parts(train, val, test, groups, standardize, "groups" in stored, standardize_target)
