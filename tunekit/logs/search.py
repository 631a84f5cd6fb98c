"""Finding logs below a path and choosing who reads them. What they mean is judged elsewhere."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np

from tunekit.logs.log import Log, finite
from tunekit.logs.readers import Reader, readers
from tunekit.vocabulary import UserError

DEPTH = 8
"""Levels of folders below the path that are searched."""

ENTRIES = 20_000
"""Files and folders that are looked at before a search is given up as too wide."""

FILES = 500
"""Files of one folder that are looked into: more are data."""

RUNS = 100
"""Runs that are read below one folder."""

SURE = 0.5
"""A reader's score from which a file is of its format beyond doubt; weaker finds count only where none is sure."""

OTHER = frozenset(
    (".py", ".ipynb", ".md", ".png", ".jpg", ".jpeg", ".gif", ".svg", ".pdf", ".pt", ".pth", ".ckpt", ".bin", ".onnx")
) | frozenset((".npy", ".npz", ".zip", ".gz", ".tar", ".h5", ".pkl", ".safetensors", ".yaml", ".yml", ".html", ".mp4"))
"""Suffixes of files that are no logs, so that folders of images and weights cost nothing."""

SKIPPED = frozenset(("__pycache__", "node_modules", "site-packages", "venv", "env", "dist", "build")) | frozenset(
    ("weights", "checkpoints", "artifacts", "images")
)

Claim = tuple[float, Reader, Path]


def read(path: str | Path, format: str | None = None, train: str | None = None, val: str | None = None) -> list[Log]:
    """The logs at a path: a file, a run's folder, or a folder with runs somewhere below. The best run comes first.

    `format` forces a reader by name, `train` and `val` the columns of the losses. UserError where nothing there is
    a log that tunekit knows; a log of a known format without numbers comes back without points.
    """
    path = Path(path)
    try:
        if not path.exists():
            raise UserError(f"{path}: no such file or folder; give a log file or a folder with logs")
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: is no path that can be opened ({error})") from error
    if format is not None:
        return _forced(path, format, train, val)
    claims = find(path)
    if not claims:
        raise UserError(_unknown(path))
    logs: list[Log] = []
    failures: list[UserError] = []
    for _, reader, file in claims:
        try:
            logs += _read(reader, file, train, val)
        except UserError as error:
            failures.append(error)
    if not logs:
        raise failures[0]
    if any(log.points for log in logs):
        logs = [log for log in logs if log.points]
    return sorted(logs, key=_rank)


def find(path: Path) -> list[Claim]:
    """What is to be read at a path: the file or run folder itself, else the logs below, one format a folder."""
    own = _best(path)
    if own is not None:
        return [own]
    if not path.is_dir():
        return []
    claims: list[Claim] = []
    looked = 0
    for folder, below, files in os.walk(path):
        here = Path(folder)
        depth = len(here.relative_to(path).parts)
        below[:] = sorted(name for name in below if name not in SKIPPED and not name.startswith("."))
        looked += len(below) + len(files)
        whole = {name: claim for name in below if (claim := _best(here / name)) is not None}
        below[:] = [name for name in below if name not in whole] if depth < DEPTH else []
        claims += whole.values()
        candidates = [name for name in sorted(files) if name[0] != "." and Path(name).suffix.lower() not in OTHER]
        inside = [claim for name in candidates[:FILES] if (claim := _best(here / name))]
        if inside:
            top = max(score for score, _, _ in inside)
            best = next(reader for score, reader, _ in inside if score == top)
            claims += [claim for claim in inside if claim[1] is best]
        if looked > ENTRIES:
            break
    if any(score >= SURE for score, _, _ in claims):
        claims = [claim for claim in claims if claim[0] >= SURE]
    return sorted(claims, key=lambda claim: natural(claim[2]))[:RUNS]


def natural(path: Path) -> list[str]:
    """Parts of a path that sort `version_10` behind `version_9`."""
    return [piece.zfill(12) if piece.isdigit() else piece for piece in re.split(r"(\d+)", str(path))]


def _best(path: Path) -> Claim | None:
    """The reader that knows the path best, of equals the first by name."""
    scores = [(reader.recognise(path), name) for name, reader in readers().items()]
    score, name = max(scores, key=lambda pair: (pair[0], pair[1]))
    return (score, readers()[name], path) if score > 0 else None


def _read(reader: Reader, path: Path, train: str | None, val: str | None) -> list[Log]:
    try:
        return reader.read(path, train, val)
    except MemoryError as error:
        raise UserError(f"{path}: needs more memory than there is; log less often or cut the file") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error}); check the path and its rights") from error


def _forced(path: Path, format: str, train: str | None, val: str | None) -> list[Log]:
    known = readers()
    if format not in known:
        raise UserError(f"no format {format!r}; the formats are {', '.join(sorted(known))}")
    reader = known[format]
    if path.is_dir() and not reader.recognise(path):
        files = [file for file in sorted(path.rglob("*"), key=natural) if file.is_file()]
        matching = [file for file in files[:ENTRIES] if reader.recognise(file)][:RUNS]
        if not matching:
            raise UserError(f"{path}: holds nothing of the format {format!r} ({reader.DESCRIPTION})")
        return sorted((log for file in matching for log in _read(reader, file, train, val)), key=_rank)
    return sorted(_read(reader, path, train, val), key=_rank)


def _unknown(path: Path) -> str:
    what = "no log that tunekit knows below it" if path.is_dir() else "not a log that tunekit knows"
    names = ", ".join(sorted(readers()))
    return f"{path}: {what}; name its format with --format ({names}) and its columns with --train and --val"


def _rank(log: Log) -> tuple[float, ...]:
    """Order of several runs: those with both curves first, then the best validation, then the best training."""
    _, train = finite(log.train)
    _, val = finite(log.val)
    broken = log.train is not None and len(train) < len(log.train.y)
    complete = (len(train) >= 5) + (len(val) >= 2)
    metric = next((item for item in log.metrics if item.val is not None), None)
    score = 0.0
    if metric is not None and metric.bounded:
        _, values = finite(metric.val)
        score = float(np.max(values)) if metric.maximize and len(values) else 0.0
    level = float(np.min(val)) if len(val) else float(np.min(train)) if len(train) else np.inf
    return -complete, broken, -score, level, -log.points
