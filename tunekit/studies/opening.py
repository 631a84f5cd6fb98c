"""Opens a study with its axes and its objective, or makes it anew where they are others by now."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import optuna
from optuna.distributions import distribution_to_json
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import RandomSampler
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial

from tunekit.studies.distributions import Distributions, on_axes
from tunekit.studies.notes import OF_DASHBOARD, with_ids

OPENED = "tunekit:study"
"""The study's system attribute with what stays as it was before its first trial: axes, objective and direction."""


@dataclass(frozen=True)
class Plan:
    """What a study is of, and stays of: its axes, and the objective with its direction."""

    axes: Distributions
    metric: str
    direction: StudyDirection

    def as_dict(self) -> dict[str, Any]:
        axes = {name: distribution_to_json(axis) for name, axis in self.axes.items()}
        return {"axes": axes, "metric": self.metric, "direction": self.direction.name}


def open_study(storage: BaseStorage, name: str, plan: Plan) -> optuna.Study:
    """The study of this name, made where there is none.

    Where its axes or its objective are others by now it is made anew: Optuna holds an axis to its first distribution.
    Trials that fit stay; others are asked for again, and train nothing, for the trainings are in the store. What a
    sampler drew is drawn again.
    """
    study = _study(storage, name, plan)
    before = storage.get_study_system_attrs(study._study_id).get(OPENED) or {}
    fixed = plan.as_dict()
    if before == fixed:
        return study
    trials = study.get_trials(deepcopy=False)
    if before or trials or study.directions != [plan.direction]:
        same = [before.get(part) for part in ("metric", "direction")] == [plan.metric, plan.direction.name]
        same = same and set(before["axes"]) == set(plan.axes)
        fitting = [on_axes(trial, plan.axes) for trial in trials if same and "draw" not in trial.user_attrs]
        return make_anew(storage, study, plan, [trial for trial in fitting if trial is not None])
    storage.set_study_system_attr(study._study_id, OPENED, fixed)
    return study


def make_anew(storage: BaseStorage, study: optuna.Study, plan: Plan, trials: Sequence[FrozenTrial]) -> optuna.Study:
    """The study with these of its trials alone, on the plan's axes, and with its notes and attributes. Where trials
    that an Optuna user added are not among them, all of it stays besides, under another name."""
    name, user_attrs = study.study_name, study.user_attrs
    system_attrs = storage.get_study_system_attrs(study._study_id)
    before, after = (_added_by_others(some) for some in (study.get_trials(deepcopy=False), trials))
    copy = _copy(storage, name) if before else None
    optuna.delete_study(study_name=name, storage=storage)
    study = _study(storage, name, plan)
    ids = {trial._trial_id: storage.create_new_trial(study._study_id, trial) for trial in trials}
    for attribute, value in user_attrs.items():
        study.set_user_attr(attribute, value)
    for attribute, value in system_attrs.items():
        own = with_ids(attribute, ids) if attribute.startswith(OF_DASHBOARD) else None
        if own is not None:
            storage.set_study_system_attr(study._study_id, own, value)
    storage.set_study_system_attr(study._study_id, OPENED, plan.as_dict())
    if copy is not None and before == after:
        optuna.delete_study(study_name=copy, storage=storage)
    return study


def _study(storage: BaseStorage, name: str, plan: Plan) -> optuna.Study:
    study = optuna.create_study(
        storage=storage, study_name=name, direction=plan.direction, load_if_exists=True, sampler=RandomSampler()
    )
    if study.metric_names is None and study.directions == [plan.direction]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            study.set_metric_names([plan.metric])
    return study


def _added_by_others(trials: Sequence[FrozenTrial]) -> int:
    return sum("identity" not in trial.user_attrs for trial in trials)


def _copy(storage: BaseStorage, name: str) -> str:
    """The study as it is, under another name: `coarse-grid, before 1`."""
    known = optuna.get_all_study_names(storage)
    copy = next(copy for number in count(1) if (copy := f"{name}, before {number}") not in known)
    optuna.copy_study(from_study_name=name, from_storage=storage, to_storage=storage, to_study_name=copy)
    return copy
