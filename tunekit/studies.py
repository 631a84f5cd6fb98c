"""Optuna behind one door: a study a step, trials asked and told, hand-offs, importance. Runs nothing itself."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from tunekit.configuration import Values
from tunekit.vocabulary import Measurement, StepResult, Training, UserError

IMPORTANCE_TRIALS = 10  # importance is not said of fewer finished trials
POINTS = 50  # a curve's points that a trial keeps, for the dashboard

SYNC_S = 1.0  # seconds between two syncs of the journal to the disk

MASK = "***"  # in place of a password
STARTUP_TRIALS = 8  # drawn at random before TPE models anything


@contextmanager
def quiet() -> Iterator[None]:
    """Optuna tells of its studies on the screen, where it is not asked to stay quiet; as it was before, afterwards."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def absolute(url: str) -> str:
    """The URL of a SQLite file as it is known from every folder; others as they are."""
    scheme, found, path = url.partition(":///")
    if not found or not scheme.startswith("sqlite") or not path or path[0] in "/:":
        return url
    return f"{scheme}:///{Path(path).resolve()}"


def masked(url: str) -> str:
    """The URL without its password: what may be shown and kept."""
    try:
        password = urlsplit(url).password
    except ValueError:
        return url
    return url.replace(f":{password}@", f":{MASK}@", 1) if password else url


def open_storage(journal: Path, url: str | None = None) -> BaseStorage:
    """The run's journal, or any Optuna storage by URL. To be called under the run's lock. Errors: UserError."""
    if url is not None:
        try:
            return RDBStorage(url)
        except Exception as error:
            raise UserError(f"--storage {masked(url)}: cannot be opened: {str(error).splitlines()[0]}") from None
    for stale in journal.parent.glob(f"{journal.name}.lock*"):
        # A process killed inside a write leaves its lock behind; only the owner of the run writes, and that is us.
        stale.unlink(missing_ok=True)
    _drop_torn_line(journal)
    try:
        return JournalStorage(_Journal(journal))
    except ValueError:
        raise UserError(
            f"{journal}: is damaged; remove it and give the same command again: the trainings are kept, so the studies "
            "fill anew without training"
        ) from None
    except OSError as error:
        raise UserError(f"{journal}: cannot be opened: {error.strerror}") from None


def _drop_torn_line(journal: Path) -> None:
    """Cut off what a kill left of a last line: the next record would be written behind it, on the same line."""
    try:
        with journal.open("rb+") as file:
            data = file.read()
            if data and not data.endswith(b"\n"):
                file.truncate(data.rfind(b"\n") + 1)
    except FileNotFoundError:
        return


class _Journal(JournalFileBackend):
    """Optuna's journal file, synced once a second where Optuna syncs each entry, which takes most of a trial's time. A
    power cut may take entries of the last seconds: they are made again from the stored trainings. An entry is a single
    appended write, so that those of another program (the dashboard's notes) cannot come between."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self._path, self._synced = path, 0.0

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        lines = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
        with self._path.open("ab") as file:
            file.write(lines.encode())
            file.flush()
            if time.monotonic() - self._synced > SYNC_S:
                os.fsync(file.fileno())
                self._synced = time.monotonic()


@dataclass(frozen=True)
class Conclusion:
    """What a step came to, and what that hangs on: equal `fingerprint`s need no second run."""

    fingerprint: str
    result: StepResult
    causes: tuple[str, ...] = ()  # codes among its findings that explain what goes wrong later
    handed_on: tuple[str, ...] = ()  # names of the trainings whose weights it hands on
    trained: Mapping[str, int] = field(default_factory=dict)  # iterations of each training that it asked for, by key

    def to_json(self) -> str:
        content = {**vars(self), "result": self.result.as_dict()}
        return json.dumps(content, default=str)

    @classmethod
    def from_json(cls, text: object) -> Conclusion | None:
        """None where the text is none of this program's: the step then comes to its conclusion anew."""
        try:
            content = json.loads(str(text))
            result = StepResult.from_dict(content["result"])
            causes, handed_on = tuple(content["causes"]), tuple(content["handed_on"])
            return cls(content["fingerprint"], result, causes, handed_on, content["trained"])
        except (ValueError, TypeError, KeyError):
            return None


class Study:
    """One step's study. Trials carry `identity`, `purpose` and `round` (what was asked for, and what for) and `reason`
    (why one was pruned or failed)."""

    def __init__(self, storage: BaseStorage, name: str, maximize: bool, choices: Values) -> None:
        self._storage = storage
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
        self._study_id = storage.get_study_id_from_name(name)
        self._numbers: dict[str, int] = {}
        self._states: dict[int, TrialState] = {}
        self._ids: dict[int, int] = {}  # number -> the storage's own id
        for trial in self._study.get_trials(deepcopy=False):
            identity = trial.user_attrs.get("identity")
            self._states[trial.number] = trial.state
            self._ids[trial.number] = trial._trial_id
            if identity is None and not trial.state.is_finished():
                self._study.tell(trial.number, state=TrialState.FAIL)  # nobody will: no step asked for it
            elif identity is not None:
                self._numbers[identity] = trial.number

    def _create(self, storage: BaseStorage, name: str, maximize: bool) -> optuna.Study:
        direction = StudyDirection.MAXIMIZE if maximize else StudyDirection.MINIMIZE
        return optuna.create_study(
            storage=storage, study_name=name, direction=direction, load_if_exists=True, sampler=RandomSampler()
        )

    def begin(self, request: Training | Measurement, suggestion: int | None = None) -> int:
        """The number of the trial for a request: the one that stands, running or finished, or a new one. `suggestion`:
        the number of the draw that it came from."""
        identity, params = request.identity, request.params
        number = self._numbers.get(identity)
        if number is not None and self._states[number] != TrialState.FAIL:
            return number
        # One entry in the storage, where ask() makes one for each parameter and looks through all trials besides. The
        # step decides on the values: Optuna keeps the books.
        made = optuna.trial.create_trial(
            state=TrialState.RUNNING,
            params={name: _plain(value) for name, value in params.items()},
            distributions={name: self._distribution(name, value) for name, value in params.items()},
            user_attrs={
                "identity": identity,
                "purpose": request.purpose,
                "round": request.round,
                **({} if suggestion is None else {"suggestion": suggestion}),
            },
        )
        trial_id = self._storage.create_new_trial(self._study_id, made)
        number = self._storage.get_trial_number_from_id(trial_id)
        self._numbers[identity], self._ids[number] = number, trial_id
        self._states[number] = TrialState.RUNNING
        return number

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
        trial_id = self._ids[number]
        points = [(step, y) for step, y in curve if math.isfinite(y)]
        for step, y in points[:: max(1, math.ceil(len(points) / POINTS))]:
            self._storage.set_trial_intermediate_value(trial_id, step, y)
        if reason:
            self._storage.set_trial_user_attr(trial_id, "reason", reason)
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
            RandomSampler(seed=seed + number)
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

    def conclude(self, conclusion: Conclusion) -> None:
        """Keep what the step came to, in the study, which owns it."""
        self._study.set_user_attr("conclusion", conclusion.to_json())

    def conclusion(self) -> Conclusion | None:
        """What the step came to, or None."""
        return Conclusion.from_json(self._study.user_attrs.get("conclusion"))


def import_importance() -> None:
    """Optuna's importance imports scikit-learn, which takes a second or two: better before it is waited for."""
    import sklearn.ensemble  # noqa: F401


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

    def conclusions(self, steps: Iterable[str]) -> dict[str, Conclusion]:
        """What these steps came to, by step; those without a study or a conclusion are left out."""
        conclusions = {}
        for step in steps:
            try:
                study_id = self._storage.get_study_id_from_name(self._prefix + step)
            except KeyError:
                continue
            conclusion = Conclusion.from_json(self._storage.get_study_user_attrs(study_id).get("conclusion"))
            if conclusion is not None:
                conclusions[step] = conclusion
        return conclusions


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
