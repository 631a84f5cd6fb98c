"""What a run can do without: found, named with what it takes to make it again, and removed. Imports nobody's code.

Only what tunekit itself names is touched: a person's own files stay wherever they lie.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from tunekit.files import open_regular, read_json
from tunekit.jsondata import JsonData
from tunekit.layout import BEST, BEST_WEIGHTS, CHECKPOINT, CONFIG, FACTS, FINAL, LOCKS, METRICS, RESULT, SHARED
from tunekit.rundir import MOST_BYTES, RUN_FORMAT, RunFolder, disk_error
from tunekit.vocabulary import UserError, Versioned

TRAINING_NAME = re.compile(r"lr[\w.+-]+_wd[\w.+-]+_s\d+-[0-9a-f]{12}", re.ASCII)
BEST_COMMENT = re.compile(rf"# .*weights in trainings/({TRAINING_NAME.pattern})/{BEST_WEIGHTS}\s*", re.ASCII)
"""The line with which best.yaml begins."""
PART_NAME = re.compile(r"\..+\.\d+\.part", re.ASCII)
"""What a file is called while it is written."""

LEFTOVERS = {
    FACTS: re.compile(r"(describe|speed)-[\w@-]+\.json|config\.json", re.ASCII),
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
class ToRemove(JsonData):
    """What `clean --json` prints of a training (None: what commands left behind), its files by their place in the
    run."""

    training: str | None
    files: tuple[str, ...]
    bytes: int
    iterations: int


@dataclass(frozen=True)
class Cleaned(Versioned):
    """What `clean --json` prints. `removed`: whether what goes is gone."""

    run: str
    removed: bool
    bytes: int
    goes: tuple[ToRemove, ...]
    stays: tuple[str, ...]


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

    def printed(self, removed: bool) -> Cleaned:
        goes = tuple(ToRemove(one.training, self._named(one.files), one.size, one.iterations) for one in self.goes)
        return Cleaned(str(self.run.path), removed, self.size, goes, self._named(self.stays))

    def _named(self, files: Sequence[Path]) -> tuple[str, ...]:
        return tuple(str(path.relative_to(self.run.path)) for path in files)


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
    wanted = _wanted(run)
    goes: list[Removable] = []
    stays: list[Path] = []
    for folder in _folders(run.trainings):
        best = folder / BEST_WEIGHTS
        kept = _is_file(best) and (wanted is None or folder.name in wanted or _is_final(run, folder))
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
    locks = {path.stem: path for one in found.goes for path in one.files if path.suffix == ".lock"}
    for lock in locks.values():  # before anything goes; and none is kept, for a process has few descriptors
        with _held(found.run, lock):
            pass
    for one in found.goes:
        if one.training is not None:
            with _held(found.run, locks.get(one.training.rpartition("-")[2])):
                _unlink(one.files)
    for path in [path for one in found.goes if one.training is None for path in one.files]:
        with _held(found.run, path if path.suffix == ".lock" else None):
            _unlink([path])
    for name in LEFTOVERS:
        for folder in [*_folders(found.run.path / name), found.run.path / name]:
            with contextlib.suppress(OSError):  # not there, or something of the person's lies in it
                folder.rmdir()


def _unlink(files: Sequence[Path]) -> None:
    for path in files:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise disk_error(path, error) from None


@contextlib.contextmanager
def _held(run: RunFolder, lock: Path | None) -> Iterator[None]:
    """A training's lock, where it has one. Errors: UserError where a process holds it."""
    if lock is None:
        yield
        return
    held = FileLock(lock, timeout=0)
    try:
        held.acquire()
    except Timeout:
        raise UserError(
            f"{run.path}: a process still trains in this run ({lock.name}); wait for it or end it"
        ) from None
    except OSError as error:
        raise disk_error(lock, error) from None
    try:
        yield
    finally:
        held.release()


def _wanted(run: RunFolder) -> set[str] | None:
    """The trainings that a step's result names, for a later step may be of before an earlier one was given again, and
    the one that best.yaml means. None where a result cannot be read, or there is none: it cannot be said."""
    results = {step: run.result(step) for step in run.steps()}
    read = [result for result in results.values() if result is not None]
    damaged = any(result is None and (run.step_folder(step) / RESULT).exists() for step, result in results.items())
    if damaged or not read:
        return None
    named = [result.handoff.get("training") for result in read]
    return {name for name in (*named, _best_training(run)) if isinstance(name, str)}


def _best_training(run: RunFolder) -> str | None:
    """The training whose weights best.yaml names."""
    try:
        with open_regular(run.path / BEST) as file:
            comment = BEST_COMMENT.fullmatch(file.readline(1000).decode(errors="replace"))
    except OSError:
        return None
    return comment[1] if comment else None


def _is_final(run: RunFolder, folder: Path) -> bool:
    """Whether `train` made it or is at it: the manifest names the last, and steps train at a constant rate alone."""
    manifest = run.manifest()
    if folder.name in (manifest.get("final"), manifest.get("finishing")):
        return True
    try:
        return bool(read_json(folder / CONFIG, MOST_BYTES)["schedule"]["name"] != "constant")
    except (OSError, ValueError, KeyError, TypeError):
        return True  # unreadable: it cannot be said, and so it stays


def _left_behind(run: RunFolder) -> Iterator[Path]:
    """Files that commands leave when they are killed, and what they make again for themselves."""
    steps = [run.step_folder(step) for step in run.steps()]
    for folder in [run.path, run.trainings, *_folders(run.trainings), *filter(_is_folder, [*steps, run.path / FINAL])]:
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
