"""The handwritten digits that scikit-learn ships."""

from __future__ import annotations

import numpy as np

from tunekit.training.sources.bundled import rows_of
from tunekit.training.sources.parts import Parts, tensors


def digits() -> Parts:
    """The 1,797 real 8x8 digits that scikit-learn ships: uint8 [N, 1, 8, 8], values 0 to 16."""
    table = rows_of("digits", "digits.csv.gz").astype(np.uint8)
    images = tensors(table[:, :64].reshape(-1, 1, 8, 8), table[:, 64])
    return Parts(images, standardize=True, classes=tuple("0123456789"))
