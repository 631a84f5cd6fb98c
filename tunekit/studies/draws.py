"""Draws of Optuna's samplers that follow from the draws before them alone, whichever worker was faster."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import optuna
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from tunekit.configuration import digest
from tunekit.studies.distributions import Distributions

STARTUP_TRIALS = 8  # drawn at random before TPE models anything


class Draws:
    """One sampler over a study's axes. It is made anew for each draw, from (seed, number), so that a continued run
    draws what an uninterrupted one does."""

    def __init__(self, sampler: str, seed: int, axes: Distributions, direction: StudyDirection) -> None:
        self._sampler, self._seed, self._axes = sampler, seed, axes
        self._scratch = optuna.create_study(direction=direction)
        self._seen = 0  # draws whose trials stand in it

    def draw(self, number: int, seen: int, trial_of: Callable[[int], FrozenTrial | None]) -> dict[str, Any]:
        """The values of a draw, as Optuna has them. It looks at the first `seen` draws, of which there are never fewer
        than the last time. `trial_of`: the trial of an earlier draw, None where it came to nothing."""
        for earlier in range(self._seen, seen):
            trial = trial_of(earlier)
            if trial is not None and trial.state in (TrialState.COMPLETE, TrialState.PRUNED):
                self._scratch.add_trial(trial)
        self._seen = seen
        # Neighbouring seeds begin alike too often: one each that has nothing to do with the next.
        seed = int(digest([self._seed, number], 8), 16)
        sampler: BaseSampler = RandomSampler(seed=seed)
        if self._sampler == "tpe":
            sampler = TPESampler(seed=seed, n_startup_trials=STARTUP_TRIALS)
        self._scratch.sampler = sampler
        drawn = self._scratch.ask(dict(self._axes))
        self._scratch.tell(drawn, state=TrialState.FAIL)  # which no sampler looks at
        return drawn.params
