"""Runs side by side: what each found best, in which values they differ, and whether that is more than noise."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, count
from pathlib import Path
from typing import Any

from tunekit.charts import Figure, Line, Panel
from tunekit.configuration import LossSpec, MetricSpec, TrainingConfig, Values, short
from tunekit.jsondata import JsonData
from tunekit.report.several import Side, write_comparison
from tunekit.rundir import RunFolder, read_run
from tunekit.steps.noise import ERRORS, Difference, best_validation, paired, share_loss
from tunekit.store import Store
from tunekit.telling import as_path, counted, pasted, spelled, told_outdated
from tunekit.vocabulary import Facts, Format, Record, Training, UserError, Versioned

OF_NO_OTHER = ("format", "threads", "sources")
"""Keys of a configuration in which runs of equal recipes may differ."""
SPLIT = ("target", "args", "val_fraction", "split", "seed")
"""Keys of the data that decide which samples validate."""


@dataclass(frozen=True)
class Run:
    """A run by its best training: `place` is the best of its validations, `value` the metric there. `shown`: the run as
    a person types it."""

    name: str
    folder: RunFolder
    shown: str
    facts: Facts
    record: Record
    place: int
    iteration: int
    value: float

    @property
    def config(self) -> TrainingConfig:
        return self.record.request.config

    @property
    def epoch(self) -> int:
        return self.place + 1

    def row(self) -> dict[str, Any]:
        """A line of the table of runs."""
        values = {"run": self.name, self.facts.metric: self.value, "val_loss": self.loss, "epoch": self.epoch}
        return {**values, "parameters": self.facts.parameters, "n_train": self.facts.n_train, "n_val": self.facts.n_val}

    @property
    def formats(self) -> dict[str, Format]:
        return {self.facts.metric: "share"} if self.facts.share else {}

    @property
    def loss(self) -> float:
        return self.record.validations("val_loss")[self.place][1]


@dataclass(frozen=True)
class Better(JsonData):
    """By how much a run is better than another, over so many samples, and whether that is more than noise."""

    better_by: float
    standard_error: float
    clear: bool
    samples: int


@dataclass(frozen=True)
class Held(JsonData):
    """What `compare --json` prints of two runs: see Against."""

    first: str
    second: str
    pairs: bool
    metric: Better | None
    loss: Better | None
    told: str


@dataclass(frozen=True)
class Compared(Versioned):
    """What `compare --json` prints: a row for each run, its metric by name; a row for each key in which their best
    trainings differ, the values by run; each run held against the first; and which results are outdated."""

    runs: tuple[Mapping[str, str | int | float], ...]
    differ: tuple[Mapping[str, str], ...]
    against: tuple[Held, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Against:
    """Two runs: by how much the second is better than the first, in the metric and in the loss, below zero where it is
    worse; None where it cannot be said. `pairs`: the same samples validated both."""

    first: str
    second: str
    metric: str
    share: bool
    by_metric: Difference | None
    by_loss: Difference | None
    pairs: bool

    @property
    def told(self) -> str:
        """In one sentence."""
        known = self.by_metric or self.by_loss
        if known is None:
            return f"{self.second} and {self.first}: not compared: their data, or their metrics and losses, are others"
        how = (
            f"in pairs over {counted(known.pairs, 'validation sample')}"
            if self.pairs
            else "by other validation samples"
        )
        low, high = (known.mean + sign * ERRORS * known.error for sign in (-1, 1))
        if not known.clear:
            span = self._span(low, high)
            return f"{self.second} and {self.first}: no more than noise: {known.of} better by {span}, {how}"
        word, ends = ("better", (low, high)) if known.mean > 0 else ("worse", (-high, -low))
        return f"{self.second} is {word} than {self.first}: {known.of} by {self._span(*ends)}, {how}"

    def _span(self, low: float, high: float) -> str:
        if self.share and self.by_metric is not None:
            return f"{100 * low:.2f} to {100 * high:.2f} points"
        return f"{low:.3g} to {high:.3g}"

    def printed(self) -> Held:
        metric, loss = _better(self.by_metric), _better(self.by_loss)
        return Held(self.first, self.second, self.pairs, metric, loss, self.told)


def _better(known: Difference | None) -> Better | None:
    return None if known is None else Better(known.mean, known.error, known.clear, known.pairs)


@dataclass(frozen=True)
class Comparison:
    """Several runs, the first of which the others are held against."""

    runs: Sequence[Run]
    differing: Sequence[Values]
    against: Sequence[Against]

    @property
    def notes(self) -> tuple[str, ...]:
        """Which results of the runs are outdated."""
        return tuple(
            f"{run.name}: {told_outdated(run.folder.outdated, run.shown)}" for run in self.runs if run.folder.outdated
        )

    def printed(self) -> Compared:
        rows = tuple(run.row() for run in self.runs)
        return Compared(rows, tuple(self.differing), tuple(one.printed() for one in self.against), self.notes)

    def write_page(self, path: Path) -> None:
        """The same as a page, with the curves and what each run says of itself."""
        sides = [Side(run.name, run.folder, run.shown, run.row(), run.formats) for run in self.runs]
        said = [*(one.told for one in self.against), *self.notes]
        write_comparison(path, said, sides, self.differing, curves(self.runs))


def compare(paths: Sequence[Path]) -> Comparison:
    """Errors: UserError where a run has no training that a step named its best."""
    runs = [_read(read_run(path), str(path)) for path in paths]
    first, *others = [replace(run, name=name) for run, name in zip(runs, _names(runs, paths), strict=True)]
    runs = [first, *others]
    return Comparison(runs, list(_differing(runs)), [_against(first, other) for other in others])


def _names(runs: Sequence[Run], paths: Sequence[Path]) -> list[str]:
    """One of its own for each, that is no other column of a table."""
    wanted = [run.name for run in runs]
    if len(set(wanted)) < len(wanted):
        wanted = [path.as_posix() for path in paths]
    names: list[str] = []
    for name in wanted:
        several = chain([name], (f"{name} ({number})" for number in count(2)))
        names.append(next(one for one in several if one not in ("key", "value", *names)))
    return names


def _read(run: RunFolder, shown: str) -> Run:
    handoffs = [result.handoff for step in run.steps() if (result := run.result(step)) is not None]
    named = [
        name for handoff in handoffs if isinstance(handoff, dict) and isinstance(name := handoff.get("training"), str)
    ]
    again = pasted("tunekit", "run", as_path(run.path))
    if not named:
        raise UserError(f"{run.path}: no step has named its best training yet; next: {again}")
    try:
        facts = Facts.from_json(run.manifest().get("facts"))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise UserError(f"{run.path}: does not say what its data are; next: {again}") from None
    entry = Store(run.trainings).by_name(named[-1])
    rows = entry.rows()
    found = entry.validations(sum(value is not None for value in rows.get("val_loss", ())))
    request = Training(entry.config, entry.iterations(), {}, purpose="compare")
    record = Record(request, rows=rows, val_losses=found.losses, val_scores=found.scores, val_halves=found.halves)
    column = "val_loss" if facts.metric == "loss" else f"val_{facts.metric}"
    best = best_validation(record, column, facts.maximize)
    if best is None:
        raise UserError(f"{entry.path}: has no validation that is a number")
    return Run(run.name, run, shown, facts, record, *best)


def _differing(runs: Sequence[Run]) -> Iterator[Values]:
    """A row for each key in which the best trainings differ."""
    flat = [dict(_flat(run.config.as_dict())) for run in runs]
    for key in dict.fromkeys(key for one in flat for key in one):
        values = [one.get(key, "-") for one in flat]
        if any(value != values[0] for value in values) and key.partition(".")[0] not in OF_NO_OTHER:
            yield {
                "key": key,
                **{run.name: _spelled(key, value) for run, value in zip(runs, values, strict=True)},
            }


def _spelled(key: str, value: object) -> str:
    if value == "-":
        return "-"
    return short(value) if key in ("lr", "weight_decay") and isinstance(value, float) else spelled(value)


def curves(runs: Sequence[Run]) -> Figure:
    """The metric and the loss of each run's best training by epoch, with a star at the epoch that is compared. Those of
    one kind stand on one panel; of another kind they have a scale of their own."""
    panels: dict[tuple[str, str], list[Line]] = {}
    shares = set()
    for run in runs:
        metric, config = run.facts.metric, run.config
        kinds = {"loss": _kind(config.task, config.loss), metric: _kind("", config.metric)}
        shares |= {metric} if run.facts.share else set()
        for name in dict.fromkeys((metric, "loss")):
            values = [value for _, value in run.record.validations(f"val_{name}")]
            place = run.place if values else None
            line = Line(range(1, len(values) + 1), values, run.name, best=place, star="compared")
            panels.setdefault((name, kinds[name]), []).append(line)
    names = [name for name, _ in panels]
    every = []
    for (name, kind), lines in panels.items():
        y = f"val_{name}" if names.count(name) == 1 else f"val_{name} ({kind})"
        every.append(Panel(lines, "epochs", y, legend="", share=name in shares))
    return Figure("the best training of each run", every)


def _kind(task: str, part: LossSpec | MetricSpec) -> str:
    args = ", ".join(f"{name} {spelled(value)}" for name, value in part.args.items())
    return ", ".join(filter(None, (task, part.target, args)))


def _flat(value: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for key, inner in value.items():
        if isinstance(inner, Mapping):
            yield from _flat(inner, f"{before}{key}.")
        else:
            yield f"{before}{key}", inner


def _against(first: Run, second: Run) -> Against:
    alike = _same_samples(first, second)
    metric, share = first.facts.metric, first.facts.share
    one, other = first.record, second.record
    by_metric = by_loss = None
    if first.config.data.target != second.config.data.target:
        return Against(first.name, second.name, metric, share, None, None, alike)
    judged_alike = metric == second.facts.metric != "loss" and first.config.metric == second.config.metric
    if judged_alike and len(one.val_scores) and len(other.val_scores):
        by_metric = _difference(alike, one.val_scores[first.place], other.val_scores[second.place], metric)
    if by_metric is not None and not first.facts.maximize:
        by_metric = replace(by_metric, mean=-by_metric.mean)
    if share_loss(first.facts, first.config, second.config) and len(one.val_losses) and len(other.val_losses):
        by_loss = _difference(alike, other.val_losses[second.place], one.val_losses[first.place], "loss")
    return Against(first.name, second.name, metric, share, by_metric, by_loss, alike)


def _difference(alike: bool, first: Sequence[float], second: Sequence[float], of: str) -> Difference | None:
    """By how much the second are higher than the first, as means: in pairs where they are of the same samples."""
    import numpy as np

    if alike:
        difference = paired(second, first)
        return replace(difference, of=of) if difference.pairs else None
    sides = [np.asarray(side, dtype=np.float64) for side in (first, second)]
    sides = [side[np.isfinite(side)] for side in sides]
    if min(len(side) for side in sides) < 2:
        return None
    error = math.sqrt(sum(float(side.var(ddof=1)) / len(side) for side in sides))
    return Difference(float(sides[1].mean() - sides[0].mean()), error, min(map(len, sides)), of)


def _same_samples(first: Run, second: Run) -> bool:
    one, other = first.config, second.config
    split = all(getattr(one.data, key) == getattr(other.data, key) for key in SPLIT)
    files = all(one.sources[name] == other.sources[name] for name in one.sources.keys() & other.sources.keys())
    return split and files and first.facts.n_val == second.facts.n_val
