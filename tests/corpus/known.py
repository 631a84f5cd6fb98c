"""What a run of tunekit knows of a subject besides its log, by its own steps 1 and 3 on that network and those samples,
as a person's recipe names them; and the verdicts on the same logs with that."""

from __future__ import annotations

import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from rich.table import Table
from torch import nn
from torch.utils.data import DataLoader, Sampler, TensorDataset

from tests.corpus.problems import pool_of
from tests.corpus.score import Judge, Judged, Said, verdict
from tests.corpus.settings import SUBJECTS, subject
from tests.corpus.training import Run, built, decay_of
from tests.corpus.truth import HERE
from tunekit.configuration import Values
from tunekit.logs import Procedure, read
from tunekit.logs.log import dropout_of
from tunekit.logs.readers.tunekit import procedure_of
from tunekit.pipeline import Options, run_steps, schema
from tunekit.recipe import Loaded
from tunekit.runs import find_run
from tunekit.vocabulary import UserError

KNOWN = HERE / "known.json"
STEPS = ("check-init-loss", "lr-sweep")
SAID = ("sweep_range", "expected_loss", "classes")
"""What these steps say, by the field of a Procedure."""


class InOrder(Sampler[int]):
    """A sampler of a person's own, whose order tunekit leaves as it is."""

    def __init__(self, samples: int) -> None:
        self.samples = samples

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.samples))

    def __len__(self) -> int:
        return self.samples


def data(number: int) -> tuple[Any, TensorDataset]:
    """A subject's training and validation samples, with its fault."""
    settings = subject(number).settings
    run = Run(settings, seed=0)
    train, val = TensorDataset(*run.train), TensorDataset(*run.val)
    if settings.fault == "sorted_batches":
        return DataLoader(train, settings.batch, sampler=InOrder(len(train)), drop_last=True), val
    return train, val


def model(number: int) -> nn.Module:
    """A subject's network, begun anew."""
    settings = subject(number).settings
    return built(settings, torch.from_numpy(pool_of(settings.problem).x[:2]))


def recipe(number: int) -> Values:
    """A subject as a recipe, with the steps' defaults. The sweep has its own rates, and the warm-up of a schedule."""
    settings = subject(number).settings
    warmup = round(settings.warmup * settings.epochs * max(1, settings.size // settings.batch))
    return {
        "name": f"subject-{number:03d}",
        "task": "regression" if pool_of(settings.problem).classes is None else "classification",
        "data": {"target": f"{__name__}:data", "args": {"number": number}},
        "model": {"target": f"{__name__}:model", "args": {"number": number}},
        "optimizer": {
            "target": "momentum" if settings.optimizer == "sgd" else "adamw",
            "lr": settings.lr,
            "weight_decay": decay_of(settings),
        },
        "schedule": {"warmup": warmup},
        "batch_size": settings.batch,
        "clip_grad_norm": settings.clip,
        "precision": "fp32",
        "threads": 1,
    }


def measure(number: int) -> Values:
    """What steps 1 and 3 say of a subject; None where they say nothing. Errors: UserError."""
    options = Options(jobs=1, executor="inline", device="cpu", keep_going=True)
    with tempfile.TemporaryDirectory(prefix="tunekit-corpus-") as folder:
        run = find_run(Loaded(schema().model_validate(recipe(number)), Path(folder)), Path(folder))
        run_steps(run, STEPS, options, lambda _event: None, run.name)
        told = procedure_of(run.path).to_json()
    return {name: told[name] for name in SAID}


def file_of(place: Path, number: int) -> Path:
    return place / f"{number:03d}" / "known.json"


def raise_subject(place: Path, number: int, until: float) -> int:
    """Keep what the steps say of a subject, where it is not there yet; how many were kept."""
    path = file_of(place, number)
    if path.exists() or time.monotonic() > until:
        return 0
    try:
        told = measure(number)
    except UserError as error:
        print(f"subject {number:03d}: {error}", flush=True)
        return 0
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(told) + "\n")
    partial.replace(path)
    return 1


def tabulate(place: Path) -> str:
    """Gather what is there; what was written, in words."""
    there = [number for number in range(SUBJECTS) if file_of(place, number).exists()]
    lines = [f'"{number}": {file_of(place, number).read_text().strip()}' for number in there]
    KNOWN.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    return f"{len(there)} subjects with what steps 1 and 3 said of them"


def procedures() -> dict[int, Procedure]:
    """What a run would know of each subject, of those that were committed."""
    return {int(number): procedure(int(number), told) for number, told in json.loads(KNOWN.read_text()).items()}


def procedure(number: int, told: Values) -> Procedure:
    """What the steps said, with the subject's own settings."""
    settings = subject(number).settings
    own = {
        "lr": settings.lr,
        "weight_decay": decay_of(settings),
        "dropout": dropout_of({"dropout": settings.dropout}),
    }
    return Procedure.from_json({**told, **own})


def judge_by(known: Mapping[int, Procedure]) -> Judge:
    """tunekit's verdict on a log with what its run knows."""

    def judge(number: int, path: Path) -> Said:
        return verdict(replace(read(path)[0], procedure=known[number]))

    return judge


def changes(alone: Sequence[Judged], informed: Sequence[Judged]) -> Table:
    """The subjects whose first advice is another one with what the run knows, by the two: what each of them did."""
    pairs: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for before, after in zip(alone, informed, strict=True):
        if before.first != after.first:
            words = before.word(before.first), after.word(after.first)
            pairs[before.first or "none", after.first or "none"].append(words)
    shown = Table("first advice", "with the run", "n", "helps", "then", "harms", "then", box=None)
    rows = sorted(pairs.items(), key=lambda one: -len(one[1]))
    for names, words in (*rows, (("all that differ", ""), [pair for _, pairs in rows for pair in pairs])):
        told = [str([pair[at] for pair in words].count(word)) for word in ("helps", "harms") for at in (0, 1)]
        shown.add_row(*names, str(len(words)), *told)
    return shown
