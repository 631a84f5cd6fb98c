"""All trainings of the corpus, each kept as a file once it has ended: the farm goes on wherever it was stopped."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np

from tests.corpus.settings import SEEDS, SUBJECTS, TRAINED, Settings, subject
from tests.corpus.training import Curves, Logging, Trained, train

PLACE = Path("runs") / "corpus"
SUBJECT = "subject"
"""The variant that is the subject itself."""


Raise = Callable[[Path, int, float], int]
"""Makes what a place has not of a subject, until a time; how many there were."""


def variants(settings: Settings) -> Iterator[tuple[str, Settings]]:
    """What is trained for a subject: itself, and each intervention that changes it."""
    yield SUBJECT, settings
    for name, change in TRAINED.items():
        changed = change(settings)
        if changed is not None:
            yield name, changed


def file_of(place: Path, number: int, variant: str, seed: int) -> Path:
    return place / f"{number:03d}" / f"{variant}-{seed}.npz"


def farm(place: Path, jobs: int, hours: float, raise_one: Raise, what: str) -> None:
    """Make what is not there yet, subjects in an order that leaves a fair sample wherever it stops."""
    until = time.monotonic() + 3600 * hours
    with ProcessPoolExecutor(jobs, initializer=_alone) as pool:
        waiting = {pool.submit(raise_one, place, number, until): number for number in range(SUBJECTS)}
        for ended in as_completed(waiting):
            made = ended.result()
            if made:
                print(f"subject {waiting[ended]:03d}: {made} {what}", flush=True)


def _alone() -> None:
    import torch

    torch.set_num_threads(1)
    os.nice(10)


def raise_subject(place: Path, number: int, until: float) -> int:
    """Train a subject's variants that are not there yet; how many were."""
    one = subject(number)
    made = 0
    for seed in range(SEEDS):  # all variants of one seed first: pairs are whole wherever it stops
        for name, settings in variants(one.settings):
            path = file_of(place, number, name, seed)
            if path.exists():
                continue
            if time.monotonic() > until:
                return made
            logging = Logging(one.by_iterations, one.every) if name == SUBJECT else None
            _keep(path, train(settings, seed, logging))
            made += 1
    return made


def _keep(path: Path, trained: Trained) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, Any] = {f"loss {name}": values for name, values in trained.losses.items()}
    arrays |= {f"error {name}": values for name, values in trained.errors.items()}
    arrays["curves"] = np.array(json.dumps({"places": trained.curves.places, "columns": trained.curves.columns}))
    partial = path.with_suffix(".partial.npz")
    np.savez_compressed(partial, **arrays)
    partial.replace(path)


def read(path: Path) -> Trained:
    """A training that was kept."""
    with np.load(path) as file:
        told = json.loads(str(file["curves"]))
        by_kind = {
            kind: {name.partition(" ")[2]: file[name] for name in file.files if name.startswith(f"{kind} ")}
            for kind in ("loss", "error")
        }
    return Trained(Curves(told["places"], told["columns"]), by_kind["loss"], by_kind["error"])
