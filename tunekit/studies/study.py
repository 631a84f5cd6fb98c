"""A study: trials begun, followed and ended, draws of Optuna's samplers, and what the study came to."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from tunekit.configuration import Values
from tunekit.space import Space
from tunekit.studies.distributions import distributions, plain, read, stored
from tunekit.studies.notes import save_note, study_note, trial_note
from tunekit.studies.opening import open_study
from tunekit.vocabulary import Measurement, StepResult, Training

STARTUP_TRIALS = 8  # drawn at random before TPE models anything
CONCLUSION = "tunekit:conclusion"
"""The study's system attribute with what nobody but tunekit reads of a conclusion."""

SHOWN = ("verdict", "summary", "diagnosis", "handoff")
"""Fields of a result that are attributes of the study; the others lie in CONCLUSION."""

_End = tuple[TrialState, float | None]  # how a trial ended, with its value
FAILED: _End = (TrialState.FAIL, None)
PRUNED: _End = (TrialState.PRUNED, None)


@dataclass(frozen=True)
class Conclusion:
    """What a step came to, and what that hangs on: equal `fingerprint`s need no second run."""

    fingerprint: str
    result: StepResult
    causes: tuple[str, ...] = ()  # codes among its findings that explain what goes wrong later
    handed_on: tuple[str, ...] = ()  # names of the trainings whose weights it hands on
    trained: Mapping[str, int] = field(default_factory=dict)  # iterations of each training that it asked for, by key
    tuned: Values = field(default_factory=dict)  # what it settles of the recipe, by dotted path

    @classmethod
    def read(cls, user_attrs: Mapping[str, Any], system_attrs: Mapping[str, Any]) -> Conclusion | None:
        """What a study's attributes say, or None where there is none, or one of another program's making."""
        try:
            content = dict(system_attrs[CONCLUSION])
            shown = {name: user_attrs[name] for name in SHOWN if name in user_attrs}
            content["result"] = StepResult.from_dict({**content["result"], **shown})
            for name in ("causes", "handed_on"):
                content[name] = tuple(content[name])
            return cls(**content, tuned=user_attrs["tuned"])
        except (ValueError, TypeError, KeyError):
            return None


class Study:
    """One study. Its trials carry `identity`, `purpose` and `round` (what was asked for, and what for), the `training`
    whose folder holds their files, and the `reason` why one was pruned or the `error` that failed it. Trials that an
    Optuna user adds carry no identity, and no step looks at them."""

    def __init__(self, storage: BaseStorage, name: str, space: Space, metric: str, maximize: bool) -> None:
        self._storage, self._space = storage, space
        self._axes = distributions(space)
        self._direction = StudyDirection.MAXIMIZE if maximize else StudyDirection.MINIMIZE
        self._study = open_study(storage, name, self._axes, metric, self._direction)
        self._study_id = storage.get_study_id_from_name(name)
        self._numbers: dict[str, int] = {}  # identity -> number
        self._ends: dict[int, _End] = {}  # of those that have ended
        self._ids: dict[int, int] = {}  # number -> the storage's own id
        self._reported: dict[int, set[int]] = {}  # of the running ones: positions that were reported
        for trial in self._study.get_trials(deepcopy=False):
            if (identity := trial.user_attrs.get("identity")) is not None:
                self._numbers[identity], self._ids[trial.number] = trial.number, trial._trial_id
                if trial.state == TrialState.RUNNING:
                    self._reported[trial.number] = set(trial.intermediate_values)
                else:
                    self._ends[trial.number] = (trial.state, trial.value)

    def begin(self, request: Training | Measurement, draw: str | None = None, anew: bool = False) -> int:
        """The number of the trial of a request: the one that stands, running or ended, or a new one that begins now, as
        after a failed one. `draw`: the draw that its values came from. Errors: ValueError where a value lies outside
        its axis."""
        identity = request.trial if draw is None else f"{draw}: {request.trial}"
        number = self._numbers.get(identity)
        if number is not None and not anew and self._ends.get(number) != FAILED:
            return number
        axes = [name for name in request.params if name in self._axes]
        params = {name: stored(request.params[name], self._space[name]) for name in axes}
        others = {name: value for name, value in request.params.items() if name not in axes}
        # One entry in the storage, where ask() makes one for each parameter and looks through all trials besides. The
        # step decides on the values: Optuna keeps the books.
        trial = optuna.trial.create_trial(
            state=TrialState.RUNNING,
            params=params,
            distributions={name: self._axes[name] for name in params},
            user_attrs={
                **others,
                "identity": identity,
                "purpose": request.purpose,
                "round": request.round,
                "training": request.config.folder,
                **({"iterations": request.whole or request.until} if isinstance(request, Training) else {}),
                **({} if draw is None else {"draw": draw}),
            },
        )
        trial_id = self._storage.create_new_trial(self._study_id, trial)
        number = self._storage.get_trial_number_from_id(trial_id)
        self._numbers[identity], self._ids[number] = number, trial_id
        self._reported[number] = set()
        return number

    def is_running(self, number: int) -> bool:
        return number in self._reported

    def report(self, number: int, points: Iterable[tuple[int, float]]) -> None:
        """Values on the way of a running trial, by position; each position once, and only finite values."""
        if not self.is_running(number):
            return
        for position, value in points:
            if position not in self._reported[number] and math.isfinite(value):
                self._reported[number].add(position)
                with suppress(UpdateFinishedTrialError):  # an Optuna user ended it
                    self._storage.set_trial_intermediate_value(self._ids[number], position, value)

    def note(self, number: int, **attributes: Any) -> None:
        """Attributes of a running trial."""
        for name, value in attributes.items():
            if self.is_running(number):
                with suppress(UpdateFinishedTrialError):
                    self._storage.set_trial_user_attr(self._ids[number], name, value)

    def finish(self, number: int, value: float | None, reason: str = "", error: str | None = None) -> bool:
        """End a trial with its value; without a finite one it is pruned, for a reason; with an error failed. False
        where it had ended otherwise before: Optuna takes nothing back."""
        # NaN would become a failed trial and infinity a finished one: neither may be told as a value.
        end: _End
        if error is not None:
            end, said = FAILED, {"error": error}
        elif value is None or not math.isfinite(value):
            end, said = PRUNED, {"reason": reason}
        else:
            end, said = (TrialState.COMPLETE, value), {}
        if not self.is_running(number):
            return end == self._ends[number]
        self.note(number, **said)
        with suppress(UpdateFinishedTrialError):
            self._storage.set_trial_state_values(self._ids[number], end[0], None if end[1] is None else [end[1]])
        self._ends[number] = end
        del self._reported[number]
        return True

    def running(self) -> list[int]:
        """Trials of ours that have not ended, also those that a killed command left."""
        return list(self._reported)

    def suggest(self, number: int, sampler: str, seed: int, seen: int) -> tuple[str, dict[str, Any]]:
        """The number-th draw of a sampler from the study's space: its name and its values, those drawn before a kill or
        new ones.

        The sampler is made anew from (seed, number) and sees the first `seen` draws in their order, so a continued run
        draws what an uninterrupted one does, whichever worker was faster.
        """
        name = f"{sampler} {number}"
        trials = {trial.user_attrs["draw"]: trial for trial in self._trials() if "draw" in trial.user_attrs}
        if name in trials:
            drawn = trials[name].params
        else:
            made: BaseSampler = (
                RandomSampler(seed=seed + number)
                if sampler == "random"
                else TPESampler(seed=seed + number, n_startup_trials=STARTUP_TRIALS)
            )
            scratch = optuna.create_study(direction=self._direction, sampler=made)
            before = [trials.get(f"{sampler} {earlier}") for earlier in range(seen)]
            ended = (TrialState.COMPLETE, TrialState.PRUNED)
            scratch.add_trials([trial for trial in before if trial is not None and trial.state in ended])
            drawn = scratch.ask(self._axes).params
        return name, {path: read(value, self._space[path]) for path, value in drawn.items()}

    def _trials(self) -> list[FrozenTrial]:
        """Those that a step asked for."""
        return [trial for trial in self._study.get_trials(deepcopy=False) if "identity" in trial.user_attrs]

    def conclude(self, conclusion: Conclusion) -> None:
        """Keep what the step came to, in the study, which owns it: as attributes of their own types, with a note on the
        study and on its best trial. A kill in between leaves no conclusion."""
        before = self._storage.get_study_system_attrs(self._study_id)
        self._storage.set_study_system_attr(self._study_id, CONCLUSION, None)
        content = conclusion.result.as_dict()
        codes = [finding.code for finding in conclusion.result.findings]
        shown = {name: content.pop(name) for name in SHOWN if name in content}
        for name, value in {**shown, "codes": codes, "tuned": dict(conclusion.tuned)}.items():
            self._study.set_user_attr(name, value)
        save_note(self._storage, self._study_id, before, study_note(self._study.study_name, conclusion.result))
        best, taken = self._noted(conclusion)
        for trial in [trial for trial in (best, taken) if trial is not None]:
            text = trial_note(trial, best, taken, self._study.metric_names or ["value"], conclusion.result.step)
            save_note(self._storage, self._study_id, before, text, trial._trial_id)
        kept = {name: value for name, value in vars(conclusion).items() if name != "tuned"}
        self._storage.set_study_system_attr(self._study_id, CONCLUSION, {**kept, "result": content})

    def _noted(self, conclusion: Conclusion) -> tuple[FrozenTrial | None, FrozenTrial | None]:
        """The trial with the best value, and that of what is handed on: by its training, or by the tuned values."""
        complete = [trial for trial in self._trials() if trial.state == TrialState.COMPLETE]
        sign = -1.0 if self._direction == StudyDirection.MAXIMIZE else 1.0
        # By its name among equals: their numbers follow from which worker was faster.
        complete.sort(key=lambda trial: (sign * (trial.value or 0.0), trial.user_attrs["identity"]))
        tuned = {name: plain(value) for name, value in conclusion.tuned.items() if name in self._axes}
        by_training = [trial for trial in complete if trial.user_attrs["training"] in conclusion.handed_on]
        by_values = [trial for trial in complete if tuned and trial.params == tuned]
        taken = by_training or by_values
        return complete[0] if complete else None, taken[0] if taken else None


class Studies:
    """The studies of one run, opened when asked for."""

    def __init__(self, storage: BaseStorage, prefix: str = "") -> None:
        self._storage, self._prefix = storage, prefix

    def study(self, name: str, space: Space, metric: str, maximize: bool) -> Study:
        return Study(self._storage, self._prefix + name, space, metric, maximize)

    def conclusions(self, steps: Iterable[str]) -> dict[str, Conclusion]:
        """What these steps came to, by step; those without a study or a conclusion are left out."""
        conclusions = {}
        for step in steps:
            try:
                study_id = self._storage.get_study_id_from_name(self._prefix + step)
            except KeyError:
                continue
            user_attrs = self._storage.get_study_user_attrs(study_id)
            conclusion = Conclusion.read(user_attrs, self._storage.get_study_system_attrs(study_id))
            if conclusion is not None:
                conclusions[step] = conclusion
        return conclusions
