"""Finding logs below a path and choosing who reads them. What they mean is judged elsewhere."""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from tunekit.files import leads_out
from tunekit.layout import MANIFEST, TRAININGS
from tunekit.logs import printed, source, strangers, stream
from tunekit.logs.asked import NoColumn
from tunekit.logs.claims import Claim, Readers, best, natural, ranked_claims, read_with
from tunekit.logs.halves import joined, without_results
from tunekit.logs.log import Log
from tunekit.logs.ranking import rank, told_apart
from tunekit.logs.readers import FAINT, Reader, printed_readers, readers
from tunekit.logs.settings import with_classes
from tunekit.vocabulary import UserError

DEPTH = 8
"""Levels of folders below the path that are searched."""

ENTRIES = 20_000
"""Files and folders that are looked into before a search is given up as too wide."""

POINTS = 20_000_000
"""Points of the runs that are kept at once, some 600 MB: of more the worst runs are left out."""

FAILURES = 3
"""Files that cannot be read that are named beside those that can."""

SURE = 0.5
"""A reader's score from which a file is of its format beyond doubt; weaker finds count only where none is sure."""

OTHER = frozenset(
    (".py", ".png", ".jpg", ".jpeg", ".gif", ".svg", ".pdf", ".pt", ".pth", ".ckpt", ".bin", ".onnx")
) | frozenset((".npy", ".npz", ".zip", ".gz", ".tar", ".h5", ".pkl", ".safetensors", ".yaml", ".yml", ".html", ".mp4"))
"""Suffixes of files that are no logs, so that folders of images and weights cost nothing."""

DOCUMENTS = frozenset((".ipynb", ".md", ".markdown", ".rst"))
"""Suffixes of files that are about many things: looked into only where nothing else is a log."""

ANY_TEXT = "text"
"""The reader that is asked whatever a file is called, where no other can read it."""

PRINTS = 0.3
"""Its score from which on a file that was not named by a person is read so."""

ENOUGH = 3
"""Points that make a log of such a file, or of one of unknown format, that was not named by a person."""

SKIPPED = frozenset(("__pycache__", "node_modules", "site-packages", "venv", "env"))
"""Names of folders that are never searched."""

LATER = frozenset(("weights", "checkpoints", "artifacts", "images", "dist", "build"))
"""Names of folders that are searched where nothing else holds a log: they may be large, and what lies there is a copy
of a run's or another program's."""

Place = tuple[Path, int]
"""A folder and how deep it lies below the path."""


@np.errstate(all="ignore")  # numbers of 1e308 are read too; what overflows is infinite, as they nearly are
def read(path: str | Path, format: str | None = None, train: str | None = None, val: str | None = None) -> list[Log]:
    """The logs at a path: a file, a run's folder, or a folder with runs somewhere below. The best run comes first.

    `-` is standard input; it and a named pipe are read to their end. `format` forces a reader by name, `train` and
    `val` the columns of the losses. UserError where nothing there is a log that tunekit knows; a log of a known format
    without numbers comes back without points. What was left out is said in the notes of the first.
    """
    path = Path(path)
    if format is not None and format not in readers():
        unknown = "" if format == "list" else f"no format {format!r}; "
        raise UserError(f"{unknown}the formats are {', '.join(sorted(readers()))}")
    if not stream.is_stream(path):
        _check(path)
        return [with_classes(log) for log in _read_at(path, format, train, val)]
    with stream.spooled(path) as copy:
        try:
            logs = _read_at(copy, format, train, val)
        except UserError as error:
            raise UserError(str(error).replace(str(copy), str(path))) from error
    return [replace(log, files=(str(path),)) for log in logs]


def _check(path: Path) -> None:
    """UserError for a path at which there is nothing to be read."""
    short = str(path) if len(str(path)) < 300 else f"{str(path)[:100]}..."
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        if path.is_symlink():
            raise UserError(f"{short}: is a link to {path.readlink()}, which is not there") from error
        raise UserError(f"{short}: no such file or folder; give a log file or a folder with logs") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{short}: is no path that can be opened ({reason})") from error
    if not path.is_dir() and not source.is_regular(path):
        raise UserError(f"{short}: is a device or a socket; give a log file, a folder with logs or a named pipe")
    # What lies in a run of tunekit may come from anybody, also where no reader of runs looks at it.
    inside = next((folder for folder in path.absolute().parents if (folder / MANIFEST).is_file()), None)
    if inside is not None and (inside / TRAININGS).is_dir() and (way := leads_out(inside)):
        raise source.Refused(way)


def _read_at(path: Path, format: str | None, train: str | None, val: str | None) -> list[Log]:
    known: Readers = readers() if format is None else {format: readers()[format]}
    found = _Found(train, val)
    own = best(path, known)
    if own is None and format is not None and not path.is_dir():
        own = (1.0, known[format], path)
    if own is not None and found.read([own]):
        return found.best_first()
    if path.is_dir():
        _search(path, known, found)
    elif not (found.empty or found.is_no_log or path.suffix.lower() in DOCUMENTS) and _prints(path, known) > 0:
        found.read_as_text([path], known)
    if not (found.logs or found.empty or found.failures or found.guesses):
        if format is not None:
            raise UserError(f"{path}: holds nothing of the format {format!r} ({known[format].DESCRIPTION})")
        raise UserError(_unknown(path))
    return told_apart(found.best_first(), path)


@dataclass
class _Found:
    """What a search has met so far: logs, what could not be read, and what else is to be told."""

    train: str | None
    val: str | None
    logs: list[Log] = field(default_factory=list)  # those with points
    empty: dict[tuple[str, ...], Log] = field(default_factory=dict)  # those without, by their files
    failures: dict[str, UserError] = field(default_factory=dict)  # by text: a folder may fail for a file in it
    guesses: dict[str, UserError] = field(default_factory=dict)  # likewise, of what only might have been a log
    lacking: list[tuple[Reader, Path]] = field(default_factory=list)  # files without a column that was asked for
    documents: list[Path] = field(default_factory=list)  # files that are about many things
    unknown: list[Path] = field(default_factory=list)  # other files, which no reader may know
    notes: list[str] = field(default_factory=list)
    points: int = 0
    left_out: int = 0

    def read(self, claims: Iterable[Claim], least: int = 1) -> bool:
        """Read what is claimed. Whether that settles its folder: a log has points, or it must not be read.

        A log of fewer points than `least` does not count.
        """
        settled = False
        for score, reader, path in claims:
            try:
                logs = read_with(reader, path, self.train, self.val)
            except NoColumn as error:
                self.lacking.append((reader, path))
                self.failures.setdefault(str(error), error)
                continue
            except UserError as error:
                (self.failures if score >= SURE else self.guesses).setdefault(str(error), error)
                settled |= isinstance(error, source.Refused)
                continue
            self.empty |= {log.files: log for log in logs if not log.points}
            settled |= self._keep(logs, least)
        return settled

    def _keep(self, logs: Iterable[Log], least: int) -> bool:
        """Take up those that have points enough; whether any has."""
        logs = [log for log in logs if log.points >= least]
        self.logs += logs
        self.points += sum(log.points for log in logs)
        if self.points > POINTS:
            self._leave_out()
        return bool(logs)

    @property
    def is_no_log(self) -> bool:
        """Whether a file is known to be none."""
        return any(isinstance(error, source.NoLog) for error in (*self.failures.values(), *self.guesses.values()))

    def read_as_text(self, files: Iterable[Path], known: Readers, least: int = 1) -> None:
        """Read what no reader of a format can, with the reader of any text; this is said where it finds a log."""
        for file in files:
            try:
                logs = read_with(known[ANY_TEXT], file, self.train, self.val)
            except NoColumn as error:
                self.failures.setdefault(str(error), error)
            except UserError:
                continue
            else:
                said = "no reader knows its format: read as plain text"
                logs = [replace(log, notes=tuple(dict.fromkeys((*log.notes, said)))) for log in logs]
                if not self._keep(logs, least):
                    continue
                for errors in (self.failures, self.guesses):
                    for text in [text for text in errors if text.startswith(f"{file}:")]:
                        del errors[text]

    def _leave_out(self) -> None:
        """Keep the best runs, with half of the points that there is room for: so it is rarely done."""
        ranked = sorted(self.logs, key=rank)
        points = np.cumsum([log.points for log in ranked])
        self.logs = ranked[: max(1, int(np.searchsorted(points, POINTS // 2)))]
        self.points = sum(log.points for log in self.logs)
        self.left_out += len(ranked) - len(self.logs)

    def _joined(self) -> list[Log]:
        """The logs, those of one run's splits as one: of two files each may have one of the columns asked for."""
        asked = {item for item in (self.train, self.val) if item}
        halves: list[Log] = []
        known: set[str | None] = set(asked if self.logs else ())
        for reader, path in self.lacking:
            for train, val in ((self.train, None), (None, self.val), (None, None)):
                if (train, val) != (self.train, self.val):
                    with contextlib.suppress(UserError):
                        halves += read_with(reader, path, train, val)[:1]
                        known |= {train, val}
                        break
        if not asked <= known:
            halves = []
        logs = joined([*self.logs, *halves])
        alone = {id(half) for half in halves}
        kept = without_results([log for log in logs if id(log) not in alone])
        for file in {file for log in kept for file in log.files if len(log.files) > 1}:
            for text in [text for text in self.failures if text.startswith(f"{file}:")]:
                del self.failures[text]
        return kept

    def best_first(self) -> list[Log]:
        """The logs with points, else those without, in order and with what was left out; else the first failure."""
        logs = self._joined()
        failures = list(self.failures.values())
        if not logs and not self.empty:
            raise [*failures, *self.guesses.values()][0]
        first, *others = sorted(logs or self.empty.values(), key=rank)
        notes = [*self.notes, *(f"left out: {error}" for error in failures[:FAILURES])]
        if len(failures) > FAILURES:
            notes.append(f"left out: {len(failures) - FAILURES:,} more that cannot be read")
        if self.left_out:
            notes.append(f"left out: {self.left_out:,} more runs, which are not among the best")
        return [replace(first, notes=(*first.notes, *notes)), *others]


def _search(path: Path, known: Readers, found: _Found) -> None:
    """Read the logs below a folder; what lies in folders of weights, artifacts, ... where there is no other."""
    later = _walk([(path, 0)], known, found)
    while later and not found.logs:
        later = _walk(later, known, found)
    if not found.logs:
        found.read((claim for file in found.documents if (claim := best(file, known))), ENOUGH)
    if not found.logs and not found.empty:
        found.read_as_text((file for file in found.unknown if _prints(file, known) >= PRINTS), known, ENOUGH)


def _walk(begin: Iterable[Place], known: Readers, found: _Found) -> list[Place]:
    """Read the logs below folders, one format a folder, nearest folders first; gives the folders to be searched later.

    What only may be a log is read where nothing sure is; where nothing can be read of the surest format of a folder,
    the next is.
    """
    vague: list[list[list[Claim]]] = []
    waiting, later = deque(begin), []
    looked = 0
    while waiting and looked < ENTRIES:
        here, depth = waiting.popleft()
        try:
            folders, files = _listed(here)
        except OSError as error:
            found.notes.append(f"left out: {here} cannot be looked into ({error.strerror or error})")
            continue
        if len(files) > ENTRIES - looked:
            found.notes.append(f"left out: {len(files) - ENTRIES + looked:,} of the {len(files):,} files of {here}")
        first = files[: ENTRIES - looked]
        found.documents += [file for file in first if file.suffix.lower() in DOCUMENTS]
        others = [file for file in first if file.suffix.lower() not in DOCUMENTS]
        found.unknown += others
        ranked = ranked_claims(claim for file in others if (claim := best(file, known, FAINT)))
        if not _read_surest(ranked, found, sure=True):
            vague.append(ranked)
        looked += len(files) + len(folders)
        for folder in folders:
            near = depth < DEPTH and not folder.is_symlink()
            if folder.name in LATER:
                later += [(folder, depth + 1)] if near else []
                continue
            whole = best(folder, known)
            settled = whole is not None and found.read([whole])
            if not settled and near:
                waiting.append((folder, depth + 1))
            elif not settled and not folder.is_symlink():
                found.notes.append(f"left out: {folder}, which lies more than {DEPTH} folders deep")
    if waiting:
        found.notes.append(f"left out: what lies in {waiting[0][0]} and behind it; {ENTRIES:,} files were looked into")
    if not found.logs:
        for ranked in vague:
            _read_surest(ranked, found, sure=False)
    return later


def _prints(file: Path, known: Readers) -> float:
    """How well the reader of any text knows a file whatever its name; not at all where another reader is asked for."""
    if ANY_TEXT not in known or source.is_document(source.head(file)):
        return 0.0
    return printed.recognise(file, printed_readers()[ANY_TEXT].knows)


def _listed(folder: Path) -> tuple[list[Path], list[Path]]:
    """Folders and regular files of a folder that may hold logs, in order. Errors: OSError."""
    folders, files = [], []
    with os.scandir(folder) as entries:
        for entry in entries:
            path = folder / entry.name
            if entry.name.startswith("."):
                continue
            if path.suffix.lower() not in OTHER and source.is_regular(path):
                files.append(path)
            elif entry.name not in SKIPPED and _is_folder(path):
                folders.append(path)
    return sorted(folders, key=natural), sorted(files, key=natural)


def _read_surest(ranked: Sequence[Sequence[Claim]], found: _Found, sure: bool) -> bool:
    """Read the sure or the other claims of the first reader that gives a log with points."""
    return any(found.read(claim for claim in group if (claim[0] >= SURE) == sure) for group in ranked)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False


def _unknown(path: Path) -> str:
    if not path.is_dir() and (what := strangers.told(path)):
        return f"{path}: {what}"
    if not path.is_dir() and not source.is_text(source.head(path)):
        return f"{path}: not a log that tunekit knows, and no text; {strangers.INSTEAD}"
    what = "no log that tunekit knows below it" if path.is_dir() else "no line or column reads as a loss or a metric"
    pickled = next((file.name for file in source.matching(path, "*") if strangers.told(file) == strangers.PICKLE), "")
    beside = f"; {pickled} {strangers.PICKLE}" if pickled else ""
    how = "name its columns with --train and --val, or its format with --format (`--format list` shows them)"
    return f"{path}: {what}; {how}{beside}"
