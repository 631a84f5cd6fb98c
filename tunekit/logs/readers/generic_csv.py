"""Any table with a header: comma, semicolon, tab, bar or blanks. Formats with a name of their own are elsewhere."""

from pathlib import Path

from tunekit.logs import delimited, heading, source
from tunekit.logs.log import Log
from tunekit.logs.names import part
from tunekit.logs.objectives import names_return
from tunekit.logs.tabular import records_log, table_logs

NAME = "csv"
DESCRIPTION = "any table with a header line (CSV, TSV, ...) and columns that name a loss or a return"


EPISODES = {"r": "episode_reward", "l": "episode_length", "t": "time"}
"""Columns of monitor.csv of Gym and Stable-Baselines, below a comment: an episode's return, length and time."""

RESULTS = (
    {"name", "state", "created"},
    {"name", "state", "runtime"},
    {"run id", "duration"},
    {"number", "value", "state"},
    {"number", "value", "datetime_start"},
    {"mean_fit_time", "mean_test_score"},
)
"""Columns of tables with a row a run: exports of W&B's, MLflow's and Optuna's lists, scikit-learn's searches."""


def recognise(path: Path) -> float:
    names = delimited.header(path)
    if _has_episodes(path, names):
        return 0.9
    kinds = {part(name).kind for name in names}
    if kinds & {"loss"} or names_return(names) or any(part(name).kind == "error" and part(name).side for name in names):
        spaced = heading.delimiter(source.first_lines(path, 1)[0]) == ""
        return 0.2 if spaced else 0.45
    if not names:
        return 0.45 if _are_numbers(path) else 0.0
    return 0.15 if path.suffix.lower() in (".csv", ".tsv") else 0.0


def read(path: Path, train: str | None = None, val: str | None = None) -> list[Log]:
    """A log a run of a table. A file of nothing but numbers is the curve that its name says."""
    by_number = any(item is not None and item.strip().isdigit() for item in (train, val))
    if _are_numbers(path) and not by_number:
        numbers = ({path.stem: line.strip()} for line in source.lines(path))
        return [records_log(numbers, path, NAME, train, val, name=path.stem)]
    header = delimited.header(path)
    if _has_episodes(path, header):
        return table_logs(path, NAME, train, val, name=path.stem, rename=lambda name: EPISODES.get(name, name))
    names = {name.lower() for name in header}
    if any(names >= columns for columns in RESULTS):
        raise source.NoLog(f"{path}: has a row a run, which is no curve; give the log of one of its runs")
    return table_logs(path, NAME, train, val, name=path.stem, strict=True)


def _has_episodes(path: Path, names: list[str]) -> bool:
    return names[: len(EPISODES)] == list(EPISODES) and source.head(path).lstrip()[:1] == b"#"


def _are_numbers(path: Path) -> bool:
    """Whether a file has a number a line (as numpy.savetxt writes them) and a name that says of what."""
    if part(path.stem).kind not in ("loss", "score", "error"):
        return False
    lines = source.first_lines(path, 10)
    return len(lines) > 1 and all(heading.number(line) is not None for line in lines)
