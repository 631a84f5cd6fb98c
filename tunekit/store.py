"""Trainings by key: rows and bytes in files. Reads what exists, appends, replaces atomically, leases. Never torch."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from filelock import FileLock, Timeout

from tunekit.configuration import TrainingConfig, Values
from tunekit.diskroom import Sizes
from tunekit.files import read_json
from tunekit.layout import BEST_WEIGHTS, CHECKPOINT, CONFIG, LOCKS, METRICS, VALIDATIONS
from tunekit.rundir import MOST_BYTES, disk_error, write_atomically
from tunekit.vocabulary import Row, UserError, cells, columns, judged_by

SEAL_BYTES = 8  # hexadecimal digits of a CRC-32
NAME = re.compile(r"\w[\w.+-]*", re.ASCII)  # of a training's folder: no place outside
COUNTS = 3  # validations.bin begins with how many losses, scores and halves a validation has, little-endian uint32
HEADER_BYTES = 4 * COUNTS

Table = dict[str, list[Any]]
"""The columns of metrics.csv by name: numbers, None where a validation is not due."""

Losses = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Validations:
    """What validations gave, float32: by sample the losses and what each gives to the metric, [validations, n_val], and
    the metric over halves, [validations, 2 * SPLITS]; of what is not kept [validations, 0]."""

    losses: Losses
    scores: Losses
    halves: Losses

    def __len__(self) -> int:
        return len(self.losses)


class Store:
    """The folder `trainings/` of a run."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def entry(self, config: TrainingConfig) -> Entry:
        return Entry(self.root / config.folder, config)

    def by_name(self, name: str) -> Entry:
        """The entry of a training by its folder's name. Errors: UserError where it is gone, or the name of none."""
        try:
            if not NAME.fullmatch(name):
                raise ValueError("no training's name")
            config = TrainingConfig.from_dict(read_json(self.root / name / CONFIG, MOST_BYTES))
            if config.folder != name:
                raise ValueError("the configuration of another training")
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            raise UserError(f"{self.root / name}: is gone or damaged; give the command of its step again") from None
        return self.entry(config)

    def holds(self, name: str) -> bool:
        """Whether a training of this name has been recorded."""
        folder = self.root / name
        return bool(NAME.fullmatch(name)) and (folder / METRICS).exists() and (folder / CONFIG).exists()

    @contextlib.contextmanager
    def lease(self, config: TrainingConfig, wait_s: float = 60.0) -> Iterator[Entry]:
        """The entry, held by this process alone: a worker that outlived its supervisor may still be writing to it.

        Errors: UserError when another process keeps it for longer than `wait_s` seconds.
        """
        entry = self.entry(config)
        with contextlib.ExitStack() as held:
            # Only what stands here is the disk's: an OSError of the caller is the caller's own.
            try:
                entry.path.mkdir(parents=True, exist_ok=True)
                # Locks stand beside the folders in a hidden one, so that a training's folder holds results alone.
                locks = self.root.parent / LOCKS
                locks.mkdir(exist_ok=True)
                held.enter_context(FileLock(locks / f"{config.key}.lock", timeout=wait_s))
            except Timeout:
                raise UserError(f"{entry.path}: another process is training this; wait for it or end it") from None
            except OSError as error:
                raise disk_error(entry.path, error) from None
            if not (entry.path / CONFIG).exists():
                text = json.dumps(config.as_dict(), indent=2, sort_keys=True, default=str)
                write_atomically(entry.path / CONFIG, text.encode())
            yield entry

    def sweep(self) -> None:
        """Remove what a killed process left half-written. Only under the run's lock."""
        for part in [*self.root.parent.glob(".*.part"), *self.root.glob("*/.*.part")]:
            part.unlink(missing_ok=True)


@dataclass(frozen=True)
class Entry:
    """One training's folder."""

    path: Path
    config: TrainingConfig

    def rows(self, until: int | None = None) -> Table:
        """The columns of metrics.csv up to an iteration; a torn last line is left out. {} where there is none."""
        try:
            text = (self.path / METRICS).read_bytes().decode(errors="replace")
        except FileNotFoundError:
            return {}
        first, *lines = text.split("\n")[:-1] or [""]  # what follows the last newline is torn
        header = first.split(",")
        if judged_by(header) is None:
            return {}
        table: Table = {name: [] for name in header}
        for expected, line in enumerate(lines if until is None else lines[:until], start=1):
            number, *texts = line.split(",")
            if len(texts) + 1 != len(header) or number != str(expected):
                break  # damaged: what is sound ends here
            try:
                values = [expected, *(None if text == "" else float(text) for text in texts)]
            except ValueError:
                break
            for name, value in zip(header, values, strict=True):
                table[name].append(value)
        return table

    def iterations(self) -> int:
        """How many iterations are stored whole: their rows, and the sample losses of their validations."""
        rows = self.rows()
        numbers = rows.get("iteration", [])
        ends = [number for number, loss in zip(numbers, rows.get("val_loss", ()), strict=False) if loss is not None]
        validations = len(self.val_losses())
        return ends[validations] - 1 if validations < len(ends) else len(numbers)

    def append(self, metric: str, rows: Sequence[Row], start: int | None = None) -> int:
        """Add rows of a training that is judged by a metric to metrics.csv, with its header where it is new; returns
        the file's size in bytes. `start`: the size before, where what was interrupted may have added them already.

        Errors: UserError on a full disk.
        """
        start = self.metrics_bytes() if start is None else start
        averaged = self.config.ema is not None
        lines = [",".join(columns(metric, averaged))] if start == 0 else []
        lines += [
            ",".join("" if cell is None else _text(cell) for cell in cells(row, metric, averaged)) for row in rows
        ]
        data = "".join(f"{line}\n" for line in lines).encode()
        self._write(self.path / METRICS, start, data)
        return start + len(data)

    def append_validation(self, *parts: Losses, validation: int | None = None) -> None:
        """Add one more validation: the losses of its samples, their scores, the metric over halves. `validation`: its
        number (from 0), where what was interrupted may have added it already."""
        validation = len(self.validations()) if validation is None else validation
        counts = [len(part) for part in parts] + [0] * (COUNTS - len(parts))
        data = b"".join(np.asarray(part, dtype="<f4").tobytes() for part in parts)
        start = HEADER_BYTES + validation * len(data)
        if validation == 0:
            start, data = 0, np.array(counts, dtype="<u4").tobytes() + data
        self._write(self.path / VALIDATIONS, start, data)

    def _write(self, path: Path, start: int, data: bytes) -> None:
        """Write at a place of a file: once more is the same file."""
        try:
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666), "wb") as file:
                file.seek(start)
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise disk_error(path, error) from None

    def val_losses(self, validations: int | None = None) -> Losses:
        """Losses of the validation samples, float32 [validations, n_val], as a view of the file; [0, 0] for none."""
        return self.validations(validations).losses

    def validations(self, validations: int | None = None) -> Validations:
        """The first so many validations, or all, as views of the file."""
        path = self.path / VALIDATIONS
        size = path.stat().st_size if path.exists() else 0
        counts = [0] * COUNTS
        if size > HEADER_BYTES:
            with path.open("rb") as file:
                counts = np.frombuffer(file.read(HEADER_BYTES), dtype="<u4").tolist()
        each = sum(counts)
        count = (size - HEADER_BYTES) // (4 * each) if each else 0
        count = count if validations is None else min(count, validations)
        if count == 0:
            nothing = np.empty((0, 0), np.float32)
            return Validations(nothing, nothing, nothing)
        whole = np.memmap(path, dtype="<f4", mode="r", offset=HEADER_BYTES, shape=(count, each))
        losses, scores = counts[0], counts[0] + counts[1]
        return Validations(whole[:, :losses], whole[:, losses:scores], whole[:, scores:])

    def cut(self, iteration: int) -> Table:
        """Drop all rows and losses after an iteration (where the checkpoint stands); returns the rows that stay."""
        rows = self.rows(iteration)
        count = len(rows.get("iteration", ()))
        path = self.path / METRICS
        if path.exists():
            lines = path.read_bytes().split(b"\n")[: count + 1]
            write_atomically(path, b"\n".join(lines) + b"\n" if count else b"")
            if not count:
                path.unlink()
        validations = sum(value is not None for value in rows.get("val_loss", ()))
        whole = self.path / VALIDATIONS
        if whole.exists():
            if validations:
                found = self.validations()
                each = sum(part.shape[1] for part in (found.losses, found.scores, found.halves))
                os.truncate(whole, HEADER_BYTES + 4 * each * validations)
            else:
                whole.unlink()
        return rows

    @property
    def weights(self) -> Path:
        """The weights of the best epoch, for `torch.load(...)["model"]`."""
        return self.path / BEST_WEIGHTS

    def lacks_weights(self) -> bool:
        """Whether the weights of the best epoch are gone: a validation with a finite metric has some, and so has a
        training of no iterations, which is the model as it came."""
        if self.weights.exists():
            return False
        rows = self.rows()
        if self.config.data.with_validation:  # nothing to validate on: the last weights
            return bool(rows)
        if rows and not rows["iteration"]:
            return True
        scores = rows.get(f"val_{judged_by(rows)}", ())
        return any(score is not None and math.isfinite(score) for score in scores)

    def best_weights(self) -> bytes:
        """What `weights` holds. Errors: UserError where it is gone or damaged."""
        try:
            data = self.weights.read_bytes()
        except OSError as error:
            raise UserError(f"{self.weights}: {error.strerror}; give the command of its step again") from None
        if not is_sound(data):
            self.weights.unlink(missing_ok=True)
            raise UserError(f"{self.weights}: is damaged; give the same command again, and it is trained anew")
        return data

    def weights_digest(self) -> str:
        """Of the best weights. Errors: UserError where they are gone or damaged."""
        return hashlib.sha256(self.best_weights()).hexdigest()[:12]

    def metrics_bytes(self) -> int:
        path = self.path / METRICS
        return path.stat().st_size if path.exists() else 0

    def sizes(self) -> Sizes | None:
        """What its weights take of the disk, None where there is no checkpoint."""
        try:
            checkpoint = (self.path / CHECKPOINT).stat().st_size
        except FileNotFoundError:
            return None
        return Sizes(checkpoint, self.weights.stat().st_size if self.weights.exists() else 0)

    def has_checkpoint(self) -> bool:
        return (self.path / CHECKPOINT).exists()

    def checkpoint(self) -> bytes | None:
        """The last whole checkpoint, or None. One that is truncated or damaged (its checksum tells) is dropped."""
        path = self.path / CHECKPOINT
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        if is_sound(data):
            return data
        path.unlink()
        return None

    def save(self, name: str, data: bytes) -> None:
        """Replace a file of the training's; `data` of a .pt file is a torch archive, and gets its checksum."""
        write_atomically(self.path / name, sealed(data) if name.endswith(".pt") else data)

    def drop_checkpoint(self) -> None:
        (self.path / CHECKPOINT).unlink(missing_ok=True)

    def drop_weights(self) -> None:
        """Keep the numbers alone. A training that must go on after all starts anew, with the same numbers."""
        self.drop_checkpoint()
        (self.path / BEST_WEIGHTS).unlink(missing_ok=True)

    def measurement(self, identity: str) -> Values | None:
        """What a probe found earlier, or None."""
        try:
            values = read_json(self.path / f"{identity}.json", MOST_BYTES)
        except (OSError, ValueError):  # damaged, also where it is no text any more
            return None
        return values if isinstance(values, dict) else None

    def save_measurement(self, identity: str, values: Values) -> None:
        write_atomically(self.path / f"{identity}.json", json.dumps(values).encode())


def sealed(archive: bytes) -> bytes:
    """A torch archive (a zip file, which ends in the length of its comment) with the CRC-32 of it all as its comment:
    its own checksums cover what it holds, not its directory, and torch reads a damaged directory differently."""
    body = archive[:-2] + SEAL_BYTES.to_bytes(2, "little")
    return body + f"{zlib.crc32(body):0{SEAL_BYTES}x}".encode()


def is_sound(data: bytes) -> bool:
    """Whether a sealed archive is whole."""
    body, seal = data[:-SEAL_BYTES], data[-SEAL_BYTES:]
    return seal == f"{zlib.crc32(body):0{SEAL_BYTES}x}".encode()


def _text(cell: float) -> str:
    return str(cell) if isinstance(cell, int) else repr(float(cell))  # NumPy's floats spell their type
