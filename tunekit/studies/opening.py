"""Opens a study with its axes and its objective, or makes it anew where they are others by now."""

from __future__ import annotations

import warnings
from itertools import count

import optuna
from optuna.distributions import distribution_to_json
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import RandomSampler
from optuna.storages import BaseStorage
from optuna.study import StudyDirection

from tunekit.studies.distributions import Distributions, rebased

AXES = "tunekit:axes"
"""The study's system attribute with its distributions, as they were before its first trial."""


def open_study(
    storage: BaseStorage, name: str, axes: Distributions, metric: str, direction: StudyDirection
) -> optuna.Study:
    """The study of this name, made where there is none.

    Where its axes or its objective are others by now it is made anew: Optuna holds an axis to its first distribution.
    Trials that fit stay; others are asked for again, and train nothing, for the trainings are in the store. What a
    sampler drew is drawn again. Trials that an Optuna user added stay besides, in a copy of the study as it was.
    """
    study = _study(storage, name, metric, direction)
    written = {axis: distribution_to_json(distribution) for axis, distribution in axes.items()}
    before = storage.get_study_system_attrs(study._study_id).get(AXES)
    same_objective = study.direction == direction and study.metric_names == [metric]
    trials = study.get_trials(deepcopy=False)
    if trials and not (same_objective and before == written):
        if not all("identity" in trial.user_attrs for trial in trials):
            _copy(storage, name)
        optuna.delete_study(study_name=name, storage=storage)
        study = _study(storage, name, metric, direction)
        if same_objective and (before is None or set(before) == set(written)):
            moved = [rebased(trial, axes) for trial in trials if "draw" not in trial.user_attrs]
            study.add_trials([trial for trial in moved if trial is not None])
    if before != written:
        storage.set_study_system_attr(study._study_id, AXES, written)
    return study


def _study(storage: BaseStorage, name: str, metric: str, direction: StudyDirection) -> optuna.Study:
    study = optuna.create_study(
        storage=storage, study_name=name, direction=direction, load_if_exists=True, sampler=RandomSampler()
    )
    if study.metric_names is None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            study.set_metric_names([metric])
    return study


def _copy(storage: BaseStorage, name: str) -> None:
    """The study as it is, under another name: `coarse-grid, before 1`."""
    known = optuna.get_all_study_names(storage)
    copy = next(copy for number in count(1) if (copy := f"{name}, before {number}") not in known)
    optuna.copy_study(from_study_name=name, from_storage=storage, to_storage=storage, to_study_name=copy)
