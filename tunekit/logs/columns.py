"""What readers of tables give: the filled cells of each column. Not what they mean."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tunekit.logs.log import Array

Rows = npt.NDArray[np.int64]


class Column(NamedTuple):
    """The filled cells of a column: their row numbers, rising, and their values."""

    rows: Rows
    values: Array


Columns = dict[str, Column]
