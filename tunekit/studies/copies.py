"""The studies of runs copied into one storage, and brought up to date there. Reads runs and writes nothing in them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from copy import copy
from dataclasses import dataclass, field
from datetime import UTC
from pathlib import Path
from typing import Any, TypeVar

import optuna
from optuna.artifacts import FileSystemArtifactStore, upload_artifact
from optuna.artifacts.exceptions import ArtifactNotFound
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import JournalStorage
from optuna.trial import FrozenTrial, TrialState

from tunekit.studies.address import Address
from tunekit.studies.notes import with_ids
from tunekit.studies.reading import Reader, Snapshot, goes_on
from tunekit.studies.storage import Journal

ARTIFACT = "artifacts:"
"""How Optuna's attribute of a file begins, on a study or a trial."""

LEFT_OUT = (ARTIFACT, "dashboard:artifacts:", "tunekit:")
"""System attributes that are not copied: of files in a store that is not known here, and what tunekit alone reads."""

Key = TypeVar("Key", str, int)


@dataclass(frozen=True)
class Source:
    """A run whose studies are copied: its name, where they lie, and the figures of some, by the study's name."""

    run: str
    journal: Path
    address: Address | None = None
    prefix: str = ""
    figures: Mapping[str, Path] = field(default_factory=dict)


class Copies:
    """The storage of the copies in a folder of their own, with figures as artifacts."""

    def __init__(self, folder: Path) -> None:
        place, self._scratch = folder / "artifacts", folder / "scratch"
        place.mkdir()
        self._scratch.mkdir()
        self._journal = _DatedJournal(folder / "studies.journal")
        self.storage = JournalStorage(self._journal)
        self.artifacts = FileSystemArtifactStore(place)

    def set_state(self, trial_id: int, state: TrialState, trial: FrozenTrial) -> None:
        """A copied trial changes its state, as `trial` did in its run and when it did."""
        with self._journal.dated(trial_id, trial):
            self.storage.set_trial_state_values(trial_id, state, trial.values if state.is_finished() else None)

    def add_figure(self, study_name: str, figure: Path) -> str:
        """The artifact's id. Errors: OSError where the figure is gone; KeyError where the study is."""
        # Optuna lists an artifact before it reads the file, which must not vanish in between.
        file = shutil.copy(figure, self._scratch)
        study = optuna.load_study(study_name=study_name, storage=self.storage)
        return upload_artifact(artifact_store=self.artifacts, file_path=str(file), study_or_trial=study)

    def remove_figure(self, study_id: int, artifact: str) -> None:
        self.storage.set_study_system_attr(study_id, f"{ARTIFACT}{artifact}", json.dumps(None))
        with suppress(ArtifactNotFound):
            self.artifacts.remove(artifact)


class _DatedJournal(Journal):
    """Optuna dates a change of state with the moment of writing; here trials keep the dates that they have in a run."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._dates: dict[int, dict[str, str]] = {}

    @contextmanager
    def dated(self, trial_id: int, trial: FrozenTrial) -> Iterator[None]:
        dates = {"datetime_start": trial.datetime_start, "datetime_complete": trial.datetime_complete}
        self._dates[trial_id] = {name: date.astimezone(UTC).isoformat() for name, date in dates.items() if date}
        try:
            yield
        finally:
            del self._dates[trial_id]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        super().append_logs([self._with_dates(log) for log in logs])

    def _with_dates(self, log: dict[str, Any]) -> dict[str, Any]:
        dates = self._dates.get(log.get("trial_id", -1), {})
        return {name: dates.get(name, value) for name, value in log.items()}


class RunCopy:
    """The copied studies of one run."""

    def __init__(self, source: Source, copies: Copies) -> None:
        self._source, self._copies = source, copies
        self._reader = Reader(source.journal, source.address, source.prefix)
        self._studies: dict[str, _StudyCopy] = {}

    def refresh(self) -> None:
        """Bring the copies up to date; nothing is written where nothing changed. Errors: UserError where the studies
        cannot be read: the copies stay as they were."""
        studies = self._reader.studies()
        if studies is not None:
            for name in self._studies.keys() - {study.name for study in studies}:
                self._studies.pop(name).delete()
            for study in studies:
                with self._anew_where_changed(study.name):
                    self._copy_of(study).update(study)
        for name, figure in self._source.figures.items():
            if name in self._studies:
                with self._anew_where_changed(name):
                    self._studies[name].show(figure)

    def _copy_of(self, study: Snapshot) -> _StudyCopy:
        standing = self._studies.get(study.name)
        if standing is not None and standing.goes_on(study):
            return standing
        if standing is not None:
            standing.delete()
        self._studies[study.name] = _StudyCopy(f"{self._source.run}/{study.name}", study, self._copies)
        return self._studies[study.name]

    @contextmanager
    def _anew_where_changed(self, name: str) -> Iterator[None]:
        """A copy that was deleted in the browser, or a trial of which ended there, is made anew once the run is
        written on."""
        try:
            yield
        except (KeyError, UpdateFinishedTrialError):
            self._studies.pop(name).delete()
            self._reader.forget()


class _StudyCopy:
    """A study and its copy. What was copied of it last is kept, so that only what changed is written."""

    def __init__(self, name: str, study: Snapshot, copies: Copies) -> None:
        self._name, self._copies, self._storage = name, copies, copies.storage
        with suppress(KeyError):  # one that somebody made in the browser
            self._storage.delete_study(self._storage.get_study_id_from_name(name))
        self._id = self._storage.create_new_study(study.directions, name)
        self._source = study.study_id, study.directions
        self._trials: list[FrozenTrial] = []
        self._ids: dict[int, int] = {}  # a trial's id in the run's storage -> in this one
        self._user_attrs: Mapping[str, Any] = {}
        self._system_attrs: Mapping[str, Any] = {}
        self._figure: tuple[int, ...] = ()
        self._artifact: str | None = None

    def goes_on(self, study: Snapshot) -> bool:
        """Whether the study is what became of the copied one, and not another one of its name. Databases give out an id
        again that became free: the trials tell."""
        return (
            self._source == (study.study_id, study.directions)
            and len(self._trials) <= len(study.trials)
            and all(map(goes_on, self._trials, study.trials))
        )

    def update(self, study: Snapshot) -> None:
        """Errors: KeyError, UpdateFinishedTrialError where somebody else changed the copy."""
        self._storage.get_study_name_from_id(self._id)  # Optuna writes on in trials of a study that was deleted
        for before, trial in zip(self._trials, study.trials, strict=False):
            if trial is not before and not before.state.is_finished():
                self._bring_forward(before, trial)
        for trial in study.trials[len(self._trials) :]:
            template = copy(trial)
            template.system_attrs = dict(_copied(trial.system_attrs))
            self._ids[trial._trial_id] = self._storage.create_new_trial(self._id, template)
        for name, value in _changed(study.user_attrs, self._user_attrs):
            self._storage.set_study_user_attr(self._id, name, value)
        for name, value in _changed(_copied(study.system_attrs), self._system_attrs):
            if (own := with_ids(name, self._ids)) is not None:
                self._storage.set_study_system_attr(self._id, own, value)
        self._trials, self._user_attrs, self._system_attrs = study.trials, study.user_attrs, study.system_attrs

    def _bring_forward(self, before: FrozenTrial, trial: FrozenTrial) -> None:
        storage, trial_id = self._storage, self._ids[trial._trial_id]
        if before.datetime_start is None and trial.datetime_start is not None:  # it waited in Optuna's queue
            self._copies.set_state(trial_id, TrialState.RUNNING, trial)
        for name in trial.params.keys() - before.params.keys():
            axis = trial.distributions[name]
            storage.set_trial_param(trial_id, name, axis.to_internal_repr(trial.params[name]), axis)
        for position, number in _changed(trial.intermediate_values, before.intermediate_values):
            storage.set_trial_intermediate_value(trial_id, position, number)
        for name, value in _changed(trial.user_attrs, before.user_attrs):
            storage.set_trial_user_attr(trial_id, name, value)
        for name, value in _changed(_copied(trial.system_attrs), before.system_attrs):
            storage.set_trial_system_attr(trial_id, name, value)
        if trial.state.is_finished():
            self._copies.set_state(trial_id, trial.state, trial)

    def show(self, figure: Path) -> None:
        """Put the figure beside the study, in place of an earlier one, unless it stands there or there is none."""
        try:
            status = figure.stat()
            stamp = (status.st_ino, status.st_size, status.st_mtime_ns)
            if stamp == self._figure:
                return
            artifact = self._copies.add_figure(self._name, figure)
        except OSError:
            return
        if self._artifact is not None:
            self._copies.remove_figure(self._id, self._artifact)
        self._figure, self._artifact = stamp, artifact

    def delete(self) -> None:
        with suppress(KeyError):
            if self._artifact is not None:
                self._copies.remove_figure(self._id, self._artifact)
            self._storage.delete_study(self._id)


def _copied(attrs: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: value for name, value in attrs.items() if not name.startswith(LEFT_OUT)}


def _changed(now: Mapping[Key, Any], before: Mapping[Key, Any]) -> list[tuple[Key, Any]]:
    """What is new or other than before; NaN, which differs from itself, is the same."""
    same = {name for name, value in before.items() if name in now and repr(now[name]) == repr(value)}
    return [(name, value) for name, value in now.items() if name not in same]
