"""The truth of a verdict is what its remedy does: paired differences on the test set, one row an intervention of a
subject. Rows come from trainings alone, never from a rule; they are committed beside this file."""

from __future__ import annotations

import csv
import gzip
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tests.corpus.farm import SUBJECT, file_of, read, variants
from tests.corpus.forms import rounded
from tests.corpus.problems import SEEN, guess_of
from tests.corpus.settings import BESIDE, SEEDS, SUBJECTS, TRAINED, subject
from tests.corpus.training import Curves, Trained

HERE = Path(__file__).parent
EFFECTS, CURVES = HERE / "effects.csv", HERE / "curves.json.gz"

LEAST_LOSS, LEAST_ERROR = 0.02, 0.03
"""Share of the subject's own loss and error below which a difference is none, however sure."""
SURE = 2.0
"""Standard errors from zero at which a difference is one."""

Word = Literal["helps", "nothing", "harms"]


@dataclass(frozen=True)
class Effect:
    """What an intervention did to a subject: its test loss and error minus the subject's own, in pairs of one seed,
    with standard errors over seeds and test samples. `guess` is the loss of the best constant answer."""

    subject: int
    intervention: str
    seeds: int
    guess: float
    loss: float
    error: float
    d_loss: float
    se_loss: float
    d_error: float
    se_error: float

    @property
    def word(self) -> Word:
        """Helps: the loss or the error is lower by more than chance and by enough, and the other is not higher by that.
        Harms: the other way about. What improves one and worsens the other does neither."""
        signs = {
            _sign(self.d_loss, self.se_loss, LEAST_LOSS * self.loss),
            _sign(self.d_error, self.se_error, LEAST_ERROR * self.error),
        }
        return "helps" if signs in ({-1}, {-1, 0}) else "harms" if signs in ({1}, {1, 0}) else "nothing"


def _sign(difference: float, error: float, least: float) -> int:
    return int(np.sign(difference)) if abs(difference) > max(SURE * error, least) else 0


def effects_of(place: Path, number: int) -> Iterator[Effect]:
    """The effects on a subject, as far as its trainings are there."""
    own = {seed: read(path) for seed in range(SEEDS) if (path := file_of(place, number, SUBJECT, seed)).exists()}
    for name, _ in variants(subject(number).settings):
        if name == SUBJECT:
            continue
        there = {seed: path for seed in own if (path := file_of(place, number, name, seed)).exists()}
        pairs = [(own[seed], "last", read(path), "last") for seed, path in there.items()]
        yield from _effect(number, name, pairs)
    for name in BESIDE:
        against = "earlier_stop" if name == "larger_validation" else "last"
        pairs = [(one, against, one, name) for one in own.values() if name in one.losses and against in one.losses]
        yield from _effect(number, name, pairs)


def _effect(number: int, name: str, pairs: Sequence[tuple[Trained, str, Trained, str]]) -> Iterator[Effect]:
    if len(pairs) < 2:
        return
    levels, differences, errors = [], [], []
    for kind in ("losses", "errors"):
        before, after = (
            np.stack([getattr(pair[at], kind)[pair[at + 1]].astype(np.float64) for pair in pairs]) for at in (0, 2)
        )
        levels.append(float(before.mean()))
        differences.append(float((after - before).mean()))
        errors.append(_standard_error(after - before))
    guess = guess_of(subject(number).settings.problem)
    yield Effect(
        number, name, len(pairs), guess, levels[0], levels[1], differences[0], errors[0], differences[1], errors[1]
    )


def _standard_error(differences: npt.NDArray[Any]) -> float:
    """Of the mean of paired differences [seeds, samples], both being drawn."""
    seeds, samples = differences.shape
    over_seeds = differences.mean(1).var(ddof=1) / seeds
    over_samples = differences.mean(0).var(ddof=1) / samples
    return math.sqrt(over_seeds + over_samples)


def tabulate(place: Path) -> str:
    """Write the effects and the subjects' curves that are there; what was written, in words."""
    rows, curves, trainings = [], {}, 0
    for number in range(SUBJECTS):
        trainings += len(list((place / f"{number:03d}").glob("*-?.npz")))
        path = file_of(place, number, SUBJECT, 0)
        if not path.exists():
            continue
        rows += list(effects_of(place, number))
        kept = read(path).curves
        columns = {name: [rounded(value) for value in column] for name, column in kept.columns.items()}
        curves[number] = {"places": kept.places, "columns": columns}
    with EFFECTS.open("w", newline="") as file:
        writer = csv.writer(file)
        names = [one.name for one in fields(Effect)]
        writer.writerow(names)
        writer.writerows([[_short(getattr(row, name)) for name in names] for row in rows])
    with gzip.GzipFile(CURVES, "wb", mtime=0) as packed:
        packed.write(json.dumps(curves, separators=(",", ":")).encode())
    return f"{len(curves)} subjects, {trainings} networks, {len(rows)} effects"


def _short(value: Any) -> Any:
    return f"{value:.4g}" if isinstance(value, float) else value


def effects() -> dict[int, dict[str, Effect]]:
    """The committed effects by subject and intervention."""
    found: dict[int, dict[str, Effect]] = {}
    with EFFECTS.open() as file:
        for row in csv.DictReader(file):
            whole = {name: int(row[name]) for name in ("subject", "seeds")}
            numbers = {name: float(row[name]) for name in row if name not in (*whole, "intervention")}
            effect = Effect(intervention=row["intervention"], **whole, **numbers)
            found.setdefault(effect.subject, {})[effect.intervention] = effect
    return found


def networks() -> int:
    """How many were trained for the committed effects: those of interventions, and the subjects' own."""
    own = [max(effect.seeds for effect in of.values()) for of in effects().values()]
    return sum(own) + sum(e.seeds for of in effects().values() for e in of.values() if e.intervention in TRAINED)


def curves() -> dict[int, Curves]:
    """The committed curves of the subjects' first seeds."""
    with gzip.open(CURVES) as file:
        told = json.load(file)
    return {int(number): Curves(one["places"], one["columns"]) for number, one in told.items()}


def is_seen(number: int) -> bool:
    """Whether a subject is of the half on which thresholds are set."""
    return subject(number).settings.problem in SEEN
