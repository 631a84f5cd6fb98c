"""What a run can do without: found, named with what it takes to make it again, and removed. Imports nobody's code.

Only what tunekit itself names is touched: a person's own files stay wherever they lie.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from tunekit.layout import BEST_WEIGHTS, CHECKPOINT, CONFIG, FACTS, LOCKS, METRICS, SHARED
from tunekit.rundir import RUN_FORMAT, RunFolder, disk_error
from tunekit.vocabulary import UserError

TRAINING_NAME = re.compile(r"lr[\w.+-]+_wd[\w.+-]+_s\d+-[0-9a-f]{12}", re.ASCII)
PART_NAME = re.compile(r"\..+\.\d+\.part", re.ASCII)
"""What a file is called while it is written."""

LEFTOVERS = {
    FACTS: re.compile(r"describe-[\w@-]+\.json|config\.json", re.ASCII),
    SHARED: re.compile(r"[0-9a-f]{12}\.pt", re.ASCII),
    LOCKS: re.compile(r"[0-9a-f]{12}\.lock", re.ASCII),
}
"""Hidden folders of a run, which a command makes again as it needs them, and what tunekit calls the files in them."""


@dataclass(frozen=True)
class Removable:
    """Files of one training that can be made again, or (`training` None) what commands left behind."""

    training: str | None
    files: tuple[Path, ...]
    size: int  # bytes
    iterations: int = 0  # that make them again


@dataclass(frozen=True)
class Cleaning:
    """What goes from a run, and the weights that stay."""

    run: RunFolder
    goes: tuple[Removable, ...]
    stays: tuple[Path, ...]

    @property
    def size(self) -> int:
        return sum(one.size for one in self.goes)

    @property
    def iterations(self) -> int:
        return sum(one.iterations for one in self.goes)

    def as_dict(self, removed: bool) -> dict[str, Any]:
        goes = [
            {
                "training": one.training,
                "files": [str(path.relative_to(self.run.path)) for path in one.files],
                "bytes": one.size,
                "iterations": one.iterations,
            }
            for one in self.goes
        ]
        stays = [str(path.relative_to(self.run.path)) for path in self.stays]
        return {"run": str(self.run.path), "removed": removed, "bytes": self.size, "goes": goes, "stays": stays}


@contextlib.contextmanager
def cleaning(run: RunFolder) -> Iterator[Cleaning]:
    """What can go from a run, which is this process's own meanwhile. Errors: UserError where it is at work, or was made
    by another version."""
    if run.format != RUN_FORMAT:
        raise UserError(
            f"{run.path}: was made by another version of tunekit (format {run.format}, this one has {RUN_FORMAT}), "
            "which alone could make its weights again; remove what you can do without by hand"
        )
    with run.lock():
        yield look(run)


def look(run: RunFolder) -> Cleaning:
    """What can go, as it stands."""
    winner = _winner(run)
    goes: list[Removable] = []
    stays: list[Path] = []
    for folder in _folders(run.trainings):
        best = folder / BEST_WEIGHTS
        kept = _is_file(best) and (folder.name == winner or _is_final(run, folder))
        if kept:
            stays.append(best)
        weights = [path for path in (folder / CHECKPOINT, best) if _is_file(path) and not (kept and path == best)]
        if weights:
            goes.append(Removable(folder.name, tuple(weights), _size(weights), _iterations(folder)))
    left = list(_left_behind(run))
    if left:
        goes.append(Removable(None, tuple(left), _size(left)))
    return Cleaning(run, tuple(goes), tuple(stays))


def remove(found: Cleaning) -> None:
    """Remove what goes. Errors: UserError where a worker that outlived its command still trains, or where a file
    cannot be removed; what has gone by then is gone, and the rest goes another time."""
    with contextlib.ExitStack() as held:
        for path in [path for one in found.goes for path in one.files if path.suffix == ".lock"]:
            try:
                held.enter_context(FileLock(path, timeout=0))
            except Timeout:
                raise UserError(
                    f"{found.run.path}: a process still trains in this run ({path.name}); wait for it or end it"
                ) from None
        for path in [path for one in found.goes for path in one.files]:
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise disk_error(path, error) from None
    for name in LEFTOVERS:
        for folder in [*_folders(found.run.path / name), found.run.path / name]:
            with contextlib.suppress(OSError):  # not there, or something of the person's lies in it
                folder.rmdir()


def _winner(run: RunFolder) -> str | None:
    """The training that the last step with a hand-off names."""
    for step in reversed(run.steps()):
        result = run.result(step)
        name = result.handoff.get("training") if result else None
        if isinstance(name, str):
            return name
    return None


def _is_final(run: RunFolder, folder: Path) -> bool:
    """Whether `train` made it: the manifest names the last one, and steps train at a constant rate alone."""
    if folder.name == run.manifest().get("final"):
        return True
    try:
        return bool(json.loads((folder / CONFIG).read_text())["schedule"]["name"] != "constant")
    except (OSError, ValueError, KeyError, TypeError):
        return True  # unreadable: it cannot be said, and so it stays


def _left_behind(run: RunFolder) -> Iterator[Path]:
    """Files that commands leave when they are killed, and what they make again for themselves."""
    steps = [run.step_folder(step) for step in run.steps()]
    for folder in [run.path, run.trainings, *_folders(run.trainings), *filter(_is_folder, steps)]:
        yield from (path for path in _files(folder) if PART_NAME.fullmatch(path.name))
    for name, pattern in LEFTOVERS.items():
        top = run.path / name
        for folder in [top, *_folders(top)]:
            for path in _files(folder):
                if pattern.fullmatch(path.name) or PART_NAME.fullmatch(path.name):
                    yield path


def _folders(parent: Path) -> list[Path]:
    """The folders of trainings in a folder."""
    if not _is_folder(parent):
        return []
    return sorted(path for path in parent.iterdir() if TRAINING_NAME.fullmatch(path.name) and _is_folder(path))


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if _is_file(path)) if _is_folder(folder) else []


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _size(files: Sequence[Path]) -> int:
    return sum(path.stat().st_size for path in files)


def _iterations(folder: Path) -> int:
    """Iterations that a training has behind it: the lines of its metrics but the header."""
    try:
        with (folder / METRICS).open("rb") as file:
            return max(0, sum(1 for _ in file) - 1)
    except OSError:
        return 0
