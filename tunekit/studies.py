"""Optuna behind one door: a study a step, trials asked and told, hand-offs, importance. Runs nothing itself."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from tunekit.vocabulary import UserError, Values

optuna.logging.set_verbosity(optuna.logging.WARNING)
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)

IMPORTANCE_TRIALS = 10  # importance is not said of fewer finished trials
POINTS = 50  # a curve's points that a trial keeps, for the dashboard

STARTUP_TRIALS = 8  # drawn at random before TPE models anything


def open_storage(journal: Path, url: str | None = None) -> BaseStorage:
    """The run's journal, or any Optuna storage by URL. To be called under the run's lock. Errors: UserError."""
    if url is not None:
        try:
            return RDBStorage(url)
        except Exception as error:
            raise UserError(f"--storage {url}: cannot be opened: {str(error).splitlines()[0]}") from None
    for stale in journal.parent.glob(f"{journal.name}.lock*"):
        # A process killed inside a write leaves its lock behind; only the owner of the run writes, and that is us.
        stale.unlink(missing_ok=True)
    try:
        return JournalStorage(JournalFileBackend(str(journal)))
    except OSError as error:
        raise UserError(f"{journal}: cannot be opened: {error.strerror}") from None


class Study:
    """One step's study. Trials carry `identity` (what was asked for) and `reason` (why one was pruned or failed)."""

    def __init__(self, storage: BaseStorage, name: str, maximize: bool, choices: Values) -> None:
        self._sampler = _Planned()
        self._choices = {axis: [_plain(value) for value in values] for axis, values in choices.items()}
        self._study = self._create(storage, name, maximize)
        kept = self._study.user_attrs.get("choices")
        if kept is None:
            self._study.set_user_attr("choices", self._choices)
        elif kept != self._choices:
            # Optuna holds a categorical axis to its first choices. The trainings are in the store, so a study whose
            # axes were changed is made anew, and fills again without training anything.
            optuna.delete_study(study_name=name, storage=storage)
            self._study = self._create(storage, name, maximize)
            self._study.set_user_attr("choices", self._choices)
        self._numbers: dict[str, int] = {}
        self._states: dict[int, TrialState] = {}
        for trial in self._study.get_trials(deepcopy=False):
            identity = trial.user_attrs.get("identity")
            self._states[trial.number] = trial.state
            if identity is None and not trial.state.is_finished():
                self._study.tell(trial.number, state=TrialState.FAIL)  # killed between being asked and being named
            elif identity is not None:
                self._numbers[identity] = trial.number

    def _create(self, storage: BaseStorage, name: str, maximize: bool) -> optuna.Study:
        direction = StudyDirection.MAXIMIZE if maximize else StudyDirection.MINIMIZE
        return optuna.create_study(
            storage=storage, study_name=name, direction=direction, load_if_exists=True, sampler=self._sampler
        )

    def begin(self, identity: str, params: Values, attrs: Values) -> int:
        """The number of the trial for a request: the one that stands, running or finished, or a new one."""
        number = self._numbers.get(identity)
        if number is not None and self._states[number] != TrialState.FAIL:
            return number
        self._sampler.params = dict(params)
        trial = self._study.ask({name: self._distribution(name, value) for name, value in params.items()})
        trial.set_user_attr("identity", identity)
        for name, value in attrs.items():
            trial.set_user_attr(name, value)
        self._numbers[identity] = trial.number
        self._states[trial.number] = TrialState.RUNNING
        return trial.number

    def finish(
        self,
        number: int,
        value: float | None,
        curve: Sequence[tuple[int, float]] = (),
        reason: str = "",
        failed: bool = False,
    ) -> None:
        """Tell a trial's value; without one it is pruned (diverged), or failed (it raised). Telling twice is fine."""
        if self._states.get(number) not in (TrialState.RUNNING, None):
            return
        trial = optuna.trial.Trial(self._study, self._trial_id(number))
        points = [(step, y) for step, y in curve if math.isfinite(y)]
        for step, y in points[:: max(1, math.ceil(len(points) / POINTS))]:
            trial.report(y, step)
        if reason:
            trial.set_user_attr("reason", reason)
        # NaN would become a failed trial and infinity a finished one: neither may be told as a value.
        if failed:
            state = TrialState.FAIL
        elif value is None or not math.isfinite(value):
            state = TrialState.PRUNED
        else:
            state = TrialState.COMPLETE
        self._study.tell(number, value if state == TrialState.COMPLETE else None, state=state)
        self._states[number] = state

    def suggest(self, number: int, space: Values, sampler: str, seed: int) -> dict[str, Any]:
        """The parameters of the number-th drawn trial: those drawn before a kill, or new ones from the sampler.

        The sampler is made anew from (seed, number), so a continued run draws what an uninterrupted one does.
        """
        for trial in self._study.get_trials(deepcopy=False):
            if trial.user_attrs.get("suggestion") == number:
                return {name: _value(value, space[name]) for name, value in trial.params.items() if name in space}
        axes = {name: _axis(axis) for name, axis in space.items()}
        made: BaseSampler = (
            optuna.samplers.RandomSampler(seed=seed + number)
            if sampler == "random"
            else optuna.samplers.TPESampler(seed=seed + number, n_startup_trials=STARTUP_TRIALS)
        )
        history = self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
        scratch = optuna.create_study(direction=self._study.direction, sampler=made)
        scratch.add_trials([kept for trial in history if (kept := _with_axes(trial, axes)) is not None])
        drawn = scratch.ask(axes).params
        return {name: _value(value, space[name]) for name, value in drawn.items()}

    def _distribution(self, name: str, value: Any) -> BaseDistribution:
        """A range wide enough for every number that a step may plan: an extended sweep stays one study."""
        if name in self._choices:
            return CategoricalDistribution(self._choices[name])
        if isinstance(value, int) and not isinstance(value, bool):
            return IntDistribution(0, 2**31 - 1)
        if isinstance(value, float):
            return FloatDistribution(0.0, 1e9)
        raise TypeError(f"{name}: {value!r} is no number, and the study has no choices for it")

    def _trial_id(self, number: int) -> int:
        return self._study.get_trials(deepcopy=False)[number]._trial_id

    def importance(self, seed: int = 0) -> dict[str, float]:
        """Share of the variance that each parameter explains, by fANOVA; {} where there are too few trials to say.

        Optuna's default (PED-ANOVA) named the wrong parameter on small grids.
        """
        done = [t for t in self._study.get_trials(deepcopy=False) if t.state == TrialState.COMPLETE]
        values = {
            name: sorted({t.params[name] for t in done if name in t.params}, key=str) for t in done for name in t.params
        }
        axes = {name: _observed(found) for name, found in values.items() if len(found) > 1}
        if len(done) < IMPORTANCE_TRIALS or len(axes) < 2:
            return {}
        # The ranges of the study's own axes are far wider than what was tried: measured on those that were.
        scratch = optuna.create_study(direction=self._study.direction)
        scratch.add_trials([made for trial in done if (made := _with_axes(trial, axes)) is not None])
        try:
            evaluator = optuna.importance.FanovaImportanceEvaluator(seed=seed)
            found = optuna.importance.get_param_importances(scratch, evaluator=evaluator, params=sorted(axes))
        except (RuntimeError, ValueError, ImportError):
            return {}
        return {name: round(float(value), 3) for name, value in found.items()}

    def record(self, result: Values) -> None:
        """Keep what the step hands on, in the study."""
        self._study.set_user_attr("result", json.dumps(result, default=str))

    def result(self) -> dict[str, Any]:
        """What `record` kept, or {}."""
        text = self._study.user_attrs.get("result")
        return json.loads(text) if text else {}


class Studies:
    """The studies of one run, opened when asked for."""

    def __init__(self, storage: BaseStorage, prefix: str = "") -> None:
        self._storage, self._prefix = storage, prefix
        self._open: dict[str, Study] = {}

    def study(self, step: str, maximize: bool, choices: Values) -> Study:
        """`choices`: the values of each axis that holds no plain numbers."""
        if step not in self._open:
            self._open[step] = Study(self._storage, self._prefix + step, maximize, choices)
        return self._open[step]

    def results(self, steps: Sequence[str]) -> dict[str, dict[str, Any]]:
        """What the studies of these steps keep, by step; those without a study or a result are left out."""
        found = {}
        for step in steps:
            try:
                study_id = self._storage.get_study_id_from_name(self._prefix + step)
            except KeyError:
                continue
            text = self._storage.get_study_user_attrs(study_id).get("result")
            if text:
                found[step] = json.loads(text)
        return found


class _Planned(BaseSampler):
    """Gives a trial the values that the step has planned: the step decides, Optuna keeps the books."""

    def __init__(self) -> None:
        self.params: dict[str, Any] = {}

    def infer_relative_search_space(self, study: Any, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return {}

    def sample_relative(self, study: Any, trial: FrozenTrial, search_space: Any) -> dict[str, Any]:
        return {}

    def sample_independent(self, study: Any, trial: FrozenTrial, param_name: str, param_distribution: Any) -> Any:
        return _plain(self.params[param_name])


def _plain(value: Any) -> Any:
    """A value that Optuna can store as a parameter: lists and mappings become their JSON text."""
    return value if isinstance(value, bool | int | float | str) or value is None else json.dumps(value)


def _axis(axis: Any) -> BaseDistribution:
    if isinstance(axis, Mapping):
        return FloatDistribution(axis["low"], axis["high"], log=axis.get("log", False))
    return CategoricalDistribution([_plain(value) for value in axis])


def _observed(values: Sequence[Any]) -> BaseDistribution:
    """An axis over the values that were tried: one category each, or a range where they were drawn from one."""
    if len(values) > POINTS and all(isinstance(value, float) and value > 0 for value in values):
        return FloatDistribution(min(values), max(values), log=True)
    return CategoricalDistribution(list(values))


def _value(drawn: Any, axis: Any) -> Any:
    """The axis's own value (a list, say) for what was drawn as text."""
    if isinstance(axis, Mapping):
        return float(f"{drawn:.3g}")
    return next((value for value in axis if _plain(value) == drawn), drawn)


def _with_axes(trial: FrozenTrial, axes: Mapping[str, BaseDistribution]) -> FrozenTrial | None:
    """The trial as if it had been drawn from these axes; None where a value of it lies outside."""
    params = {name: trial.params[name] for name in axes if name in trial.params}
    try:
        return optuna.trial.create_trial(
            state=TrialState.COMPLETE if trial.value is not None else TrialState.PRUNED,
            value=trial.value,
            params=params,
            distributions={name: axes[name] for name in params},
            intermediate_values=dict(trial.intermediate_values),
        )
    except ValueError:
        return None
