"""Small real tables that scikit-learn ships as files: they need no network."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tunekit.training.sources.cells import POINT, Form
from tunekit.training.sources.columns import Rows
from tunekit.training.sources.parts import Parts, tensors
from tunekit.vocabulary import UserError

MEASURES = (
    "radius",
    "texture",
    "perimeter",
    "area",
    "smoothness",
    "compactness",
    "concavity",
    "concave points",
    "symmetry",
    "fractal dimension",
)
WINE = (
    "alcohol",
    "malic acid",
    "ash",
    "alcalinity of ash",
    "magnesium",
    "total phenols",
    "flavanoids",
    "nonflavanoid phenols",
    "proanthocyanins",
    "color intensity",
    "hue",
    "od280/od315 of diluted wines",
    "proline",
)
DIABETES = ("age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6")


def breast_cancer() -> Parts:
    """569 tumours by 30 measures of their cells: class 0 is malignant (212), 1 benign (Wolberg et al., UCI 1995)."""
    names = [f"{kind} {measure}" for kind in ("mean", "error of", "worst") for measure in MEASURES]
    whole = rows_of("breast-cancer", "breast_cancer.csv", skip=1)
    return _table(names, whole[:, :-1], whole[:, -1].astype(np.int64), ("malignant", "benign"))


def wine() -> Parts:
    """178 wines of three growers by 13 measures (Forina et al., UCI 1991)."""
    whole = rows_of("wine", "wine_data.csv", skip=1)
    return _table(WINE, whole[:, :-1], whole[:, -1].astype(np.int64), ("grower 0", "grower 1", "grower 2"))


def diabetes(standardize_target: bool = True) -> Parts:
    """442 patients by ten measures; the target is how far their diabetes has gone after a year (Efron et al., 2004)."""
    inputs = rows_of("diabetes", "diabetes_data_raw.csv.gz", delimiter=None)
    return _table(DIABETES, inputs, rows_of("diabetes", "diabetes_target.csv.gz")[:, 0], None, standardize_target)


def rows_of(source: str, file: str, skip: int = 0, delimiter: str | None = ",") -> npt.NDArray[np.float64]:
    """A file of numbers that the package ships. Errors: UserError where there is no scikit-learn."""
    # Read from the package's data file: importing sklearn.datasets would take two seconds.
    spec = find_spec("sklearn")
    if spec is None or not spec.submodule_search_locations:
        raise UserError(f"data: the source {source!r} needs scikit-learn: pip install scikit-learn")
    path = Path(spec.submodule_search_locations[0]) / "datasets" / "data" / file
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as opened:
        return np.loadtxt(opened, delimiter=delimiter, skiprows=skip, ndmin=2)


def _table(
    names: Sequence[str],
    inputs: npt.NDArray[np.float64],
    targets: npt.NDArray[np.generic],
    classes: tuple[str, ...] | None,
    standardize_target: bool = False,
) -> Parts:
    rows = Rows({name: Form("number", POINT) for name in names}, dict(zip(names, inputs.T, strict=True)))
    numbers = np.arange(len(inputs))
    files = {"train": [f"row {number + 1}" for number in numbers]}
    whole = tensors(numbers, targets)
    return Parts(whole, standardize_target=standardize_target, classes=classes, files=files, rows=rows)
