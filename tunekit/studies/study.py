"""A study: trials begun, followed and ended, values drawn, and what the study came to, with its notes."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from typing import Any

from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from tunekit.configuration import Values
from tunekit.space import Space
from tunekit.studies.address import Address
from tunekit.studies.conclusion import Conclusion, clear_conclusion, read_conclusion, write_conclusion
from tunekit.studies.distributions import distributions, from_optuna, to_optuna
from tunekit.studies.draws import Draws
from tunekit.studies.notes import noted_trials, save_note, study_note, trial_note
from tunekit.studies.opening import Plan, make_anew, open_study
from tunekit.vocabulary import Measurement, Suggestion, Training

_End = tuple[TrialState, float | None]  # how a trial ended, with its value
PROGRESS = "iteration"  # the attribute of a trial with how far it is
FAILED: _End = (TrialState.FAIL, None)
PRUNED: _End = (TrialState.PRUNED, None)


class Study:
    """One study. Its trials carry `identity`, `purpose` and `round` (what was asked for, and what for), the `training`
    whose folder holds their files, and the `reason` why one was pruned or the `error` that failed it. Trials that an
    Optuna user adds carry no identity, and no step looks at them."""

    def __init__(self, storage: BaseStorage, name: str, space: Space, metric: str, maximize: bool) -> None:
        self._storage, self._space = storage, space
        self._axes = distributions(space)
        self._direction = StudyDirection.MAXIMIZE if maximize else StudyDirection.MINIMIZE
        self._plan = Plan(self._axes, metric, self._direction)
        self._study = open_study(storage, name, self._plan)
        self._study_id = storage.get_study_id_from_name(name)
        self._numbers: dict[str, int] = {}  # identity -> number
        self._drawn: dict[str, int] = {}  # a draw's name -> number
        self._draws: dict[str, Draws] = {}  # by series
        self._ends: dict[int, _End] = {}  # of those that have ended
        self._ids: dict[int, int] = {}  # number -> the storage's own id
        self._reported: dict[int, set[int]] = {}  # of the running ones: the steps that were reported
        self._noted: set[int] = set()  # those that said on the way how far they were
        self._asked: set[int] = set()  # those that were asked for since it was opened
        for trial in self._trials():
            identity = trial.user_attrs["identity"]
            self._know(identity, trial.user_attrs.get("draw"), trial.number, trial._trial_id)
            if trial.state == TrialState.RUNNING:
                self._reported[trial.number] = set(trial.intermediate_values)
                self._noted |= {trial.number} if PROGRESS in trial.user_attrs else set()
            else:
                self._ends[trial.number] = (trial.state, trial.value)

    def _trials(self) -> list[FrozenTrial]:
        """Those that a step asked for."""
        return [trial for trial in self._study.get_trials(deepcopy=False) if "identity" in trial.user_attrs]

    def _know(self, identity: str, draw: str | None, number: int, trial_id: int) -> None:
        self._numbers[identity], self._ids[number] = number, trial_id
        if draw is not None:
            self._drawn[draw] = number

    def begin(self, request: Training | Measurement, draw: str | None = None, anew: bool = False) -> int:
        """The number of the trial of a request: the one that stands, running or ended, or a new one that begins now, as
        after a failed one. `draw`: the draw that its values came from. Errors: ValueError where a value lies outside
        its axis."""
        identity = request.trial_identity if draw is None else f"{draw}: {request.trial_identity}"
        number = self._numbers.get(identity)
        if number is not None and not anew and self._ends.get(number) != FAILED:
            self._asked.add(number)
            return number
        axes = [name for name in request.params if name in self._axes]
        params = {name: to_optuna(request.params[name], self._space[name]) for name in axes}
        attributes = {name: value for name, value in request.params.items() if name not in axes}
        attributes |= {"identity": identity, "purpose": request.purpose, "round": request.round}
        attributes["training"] = request.config.folder
        if isinstance(request, Training):
            attributes["iterations"] = request.whole or request.until
        if draw is not None:
            attributes["draw"] = draw
        # One entry in the storage, where ask() makes one for each parameter and looks through all trials besides. The
        # step decides on the values: Optuna keeps the books.
        trial = create_trial(
            state=TrialState.RUNNING,
            params=params,
            distributions={name: self._axes[name] for name in axes},
            user_attrs=attributes,
        )
        trial_id = self._storage.create_new_trial(self._study_id, trial)
        number = self._storage.get_trial_number_from_id(trial_id)
        self._know(identity, draw, number, trial_id)
        self._reported[number] = set()
        self._asked.add(number)
        return number

    def is_running(self, number: int) -> bool:
        return number in self._reported

    def report(self, number: int, values: Iterable[tuple[int, float]]) -> None:
        """Intermediate values of a running trial, by step; each step once, and only finite values."""
        for step, value in values:
            if self.is_running(number) and step not in self._reported[number] and math.isfinite(value):
                self._reported[number].add(step)
                try:
                    self._storage.set_trial_intermediate_value(self._ids[number], step, value)
                except UpdateFinishedTrialError:
                    self._ended_elsewhere(number)

    def progress(self, number: int, iteration: int, train_loss: float | None) -> None:
        """How far a running trial is."""
        self._noted.add(number)
        self._note(number, **{PROGRESS: iteration}, train_loss=train_loss)

    def said_how_far(self, number: int) -> bool:
        """Whether the trial has ever told its progress: then it tells its end too."""
        return number in self._noted

    def _note(self, number: int, **attributes: Any) -> None:
        """Attributes of a running trial."""
        for name, value in attributes.items():
            if self.is_running(number):
                try:
                    self._storage.set_trial_user_attr(self._ids[number], name, value)
                except UpdateFinishedTrialError:
                    self._ended_elsewhere(number)

    def finish(self, number: int, value: float | None, reason: str = "", error: str | None = None) -> bool:
        """End a running trial with its value; without a finite one it is pruned, for a reason; with an error failed.
        False where it had ended otherwise before, also by somebody else: Optuna takes nothing back."""
        # NaN would become a failed trial and infinity a finished one: neither may be told as a value.
        end: _End
        if error is not None:
            end = FAILED
            self._note(number, error=error)
        elif value is None or not math.isfinite(value):
            end = PRUNED
            self._note(number, reason=reason)
        else:
            end = TrialState.COMPLETE, value
        if self.is_running(number):
            try:
                self._storage.set_trial_state_values(self._ids[number], end[0], None if end[1] is None else [end[1]])
            except UpdateFinishedTrialError:
                self._ended_elsewhere(number)
            else:
                self._ends[number] = end
                del self._reported[number]
        return self._ends[number] == end

    def _ended_elsewhere(self, number: int) -> None:
        """An Optuna user told a trial of ours."""
        trial = self._storage.get_trial(self._ids[number])
        self._ends[number] = (trial.state, trial.value)
        del self._reported[number]

    def suggest(self, request: Suggestion, seed: int) -> tuple[str, dict[str, Any]]:
        """A draw from the study's axes: its name and its values, those drawn before a kill or new ones."""

        def name(number: int) -> str:
            return f"{request.series}, {number}"

        def trial_of(number: int) -> FrozenTrial | None:
            known = self._drawn.get(name(number))
            return None if known is None else self._storage.get_trial(self._ids[known])

        standing = trial_of(request.number)
        if request.series not in self._draws:
            self._draws[request.series] = Draws(request.sampler, seed, self._axes, self._direction)
        draws = self._draws[request.series]
        values = standing.params if standing else draws.draw(request.number, request.seen, trial_of)
        drawn = {path: from_optuna(value, self._space[path]) for path, value in values.items()}
        return name(request.number), drawn

    def conclude(self, conclusion: Conclusion | None, tuned: Values) -> None:
        """Keep what the step came to, in the study, with a note on it and on the trials that matter. None: it came to
        nothing. `tuned`: the values of the recipe that it settles."""
        if conclusion is None:
            clear_conclusion(self._storage, self._study_id)
            return
        self._drop_what_was_not_asked_for()
        attrs = self._storage.get_study_system_attrs(self._study_id)
        save_note(self._storage, self._study_id, attrs, study_note(self._study.study_name, conclusion.result))
        notes = dict.fromkeys(noted_trials(attrs), "") | self._trial_notes(conclusion, tuned)
        for trial_id, text in notes.items():
            save_note(self._storage, self._study_id, attrs, text, trial_id)
        write_conclusion(self._storage, self._study_id, conclusion, tuned)

    def _drop_what_was_not_asked_for(self) -> None:
        """Trials of other settings, of attempts that failed before, or left by a command that was interrupted: what the
        study holds is what the step came to, beside the trials of an Optuna user."""
        trials = self._study.get_trials(deepcopy=False)
        own = {trial.number for trial in trials if "identity" in trial.user_attrs}
        if not own <= self._asked:
            kept = [trial for trial in trials if trial.number not in own - self._asked]
            self._study = make_anew(self._storage, self._study, self._plan, kept)
            self._study_id = self._storage.get_study_id_from_name(self._study.study_name)

    def _trial_notes(self, conclusion: Conclusion, tuned: Values) -> dict[int, str]:
        """Notes on the trial with the best value, and on that of what is handed on: by its training, or by the tuned
        values. By the storage's own ids."""
        complete = [trial for trial in self._trials() if trial.state == TrialState.COMPLETE]
        if not complete:
            return {}
        sign = -1.0 if self._direction == StudyDirection.MAXIMIZE else 1.0
        # By its name among equals: their numbers follow from which worker was faster.
        complete.sort(key=lambda trial: (sign * (trial.value or 0.0), trial.user_attrs["identity"]))
        params = {name: value for name, value in tuned.items() if name in self._axes}
        by_training = [trial for trial in complete if trial.user_attrs["training"] in conclusion.handed_on]
        by_values = [trial for trial in complete if params and self._values(trial) == params]
        best, chosen = complete[0], (by_training or by_values or complete)[0]
        metrics = self._study.metric_names or ["value"]
        return {
            trial._trial_id: trial_note(trial, best, chosen, metrics, conclusion.result.step)
            for trial in (best, chosen)
        }

    def _values(self, trial: FrozenTrial) -> Values:
        return {name: from_optuna(value, self._space[name]) for name, value in trial.params.items()}


class Studies:
    """The studies of one run, opened when asked for. `address`: of the database that they are in, if they are."""

    def __init__(self, storage: BaseStorage, prefix: str = "", address: Address | None = None) -> None:
        self._storage, self._prefix, self.address = storage, prefix, address

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
            conclusion = read_conclusion(self._storage, study_id, step)
            if conclusion is not None:
                conclusions[step] = conclusion
        return conclusions

    def end_left(self, but: Collection[str]) -> None:
        """Prune what an interrupted command left running in studies of searched values, but for some of them."""
        for study in self._storage.get_all_studies():
            name = study.study_name.removeprefix(self._prefix)
            if not study.study_name.startswith(self._prefix) or "/" not in name or name in but:
                continue
            for trial in self._storage.get_all_trials(study._study_id, deepcopy=False, states=(TrialState.RUNNING,)):
                if "identity" in trial.user_attrs:
                    self._storage.set_trial_user_attr(trial._trial_id, "reason", "not asked for any more")
                    self._storage.set_trial_state_values(trial._trial_id, TrialState.PRUNED)
