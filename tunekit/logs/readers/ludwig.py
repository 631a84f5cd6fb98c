"""Ludwig's training_statistics.json: split, then output feature, then metric, then a value a checkpoint."""

from itertools import islice
from pathlib import Path

from tunekit.logs import source
from tunekit.logs.columns import Columns
from tunekit.logs.log import Log
from tunekit.logs.names import part, side, split
from tunekit.logs.nested import column
from tunekit.logs.table import COLUMNS
from tunekit.logs.tabular import columns_log
from tunekit.vocabulary import UserError

NAME = "ludwig"
DESCRIPTION = "Ludwig's training_statistics.json (training, validation, test; combined or an output feature; loss, ...)"

COMBINED = "combined"
"""The feature under which Ludwig keeps the weighted loss of all output features."""

Features = dict[str, dict[str, list[object]]]


def recognise(path: Path) -> float:
    if path.name != "training_statistics.json":
        return 0.0
    data = source.head(path)
    return 0.95 if data.lstrip()[:1] == b"{" and (b'"training": {' in data or b'"test": {' in data) else 0.0


def read(path: Path, train: str | None = None, val: str | None = None) -> list[Log]:
    """One log. The loss is that of all output features together, else of the first one."""
    document = source.parse_json(source.text(path))
    splits = {
        name: features
        for name, value in islice(document.items() if isinstance(document, dict) else (), COLUMNS)
        if side(split(name)) and (features := _features(value))
    }
    columns: Columns = {}
    for name, features in splits.items():
        chosen = COMBINED if COMBINED in features else next(iter(features))
        outputs = [feature for feature in features if feature != COMBINED]
        for feature, metrics in features.items():
            for metric, values in metrics.items():
                if part(metric).kind == "loss":
                    key = metric if feature == chosen else ""
                else:
                    key = metric if len(outputs) < 2 else f"{feature}_{metric}"
                if key:
                    columns[f"{name}/{key}"] = column(values)
    if not columns:
        raise UserError(f"{path}: is no complete training_statistics.json of Ludwig; the file may be cut short")
    return [columns_log(columns, path, NAME, train, val, name=path.absolute().parent.name)]


def _features(value: object) -> Features:
    """The lists of a split, by output feature and metric."""
    if not isinstance(value, dict):
        return {}
    lists = {
        feature: {metric: values for metric, values in islice(metrics.items(), COLUMNS) if isinstance(values, list)}
        for feature, metrics in islice(value.items(), COLUMNS)
        if isinstance(metrics, dict)
    }
    return {feature: metrics for feature, metrics in lists.items() if metrics}
