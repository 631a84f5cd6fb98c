"""The handwritten digits that scikit-learn ships."""

from __future__ import annotations

import gzip
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from tunekit.training.sources.parts import Parts, tensors
from tunekit.vocabulary import UserError


def digits() -> Parts:
    """The 1,797 real 8x8 digits that scikit-learn ships: uint8 [N, 1, 8, 8], values 0 to 16."""
    # Read from the package's data file: importing sklearn.datasets would take two seconds.
    spec = find_spec("sklearn")
    if spec is None or not spec.submodule_search_locations:
        raise UserError("data: the source 'digits' needs scikit-learn: pip install scikit-learn")
    path = Path(spec.submodule_search_locations[0]) / "datasets" / "data" / "digits.csv.gz"
    with gzip.open(path, "rt") as file:
        table = np.loadtxt(file, delimiter=",", dtype=np.uint8)
    return Parts(
        tensors(table[:, :64].reshape(-1, 1, 8, 8), table[:, 64]), standardize=True, classes=tuple("0123456789")
    )
