"""Runs a step: plan, submit, record, tell the study, until the plan is empty; then judge. The one owner of a run."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from tunekit.books import Books
from tunekit.configuration import TrainingConfig, Values, digest
from tunekit.executors import Event, Executor
from tunekit.forecast import Forecast
from tunekit.halves import by_batch
from tunekit.layout import METRICS, RESULT
from tunekit.outlook import KEPT, Outlook, ahead_of, look_ahead
from tunekit.progress import Before, Best, Progress
from tunekit.roomwatch import RoomWatch
from tunekit.rundir import RunDir, with_commands
from tunekit.steps import AnyStep, Context, conclude
from tunekit.steps.step import STEP_FAILED, Judgement
from tunekit.store import Store
from tunekit.studies import Conclusion, Studies, importance
from tunekit.vocabulary import (
    Emit,
    Facts,
    Interrupted,
    Measurement,
    Noted,
    Record,
    Request,
    StepFinished,
    StepResult,
    StepStarted,
    StopRule,
    Suggestion,
    Training,
    UserError,
)
from tunekit.worker import Workspace, is_finished, stopped_early_at

UNDECIDING = ("device", "checkpoint_bytes", "weights_bytes")  # facts on which no result depends
ATTEMPTS = 2  # a request that failed or lost its worker is tried once more


@dataclass
class Supervisor:
    """Owns a run while a command works on it. `shown`: the run as a person types it. `stop` is asked between events and
    says why to stop, or None."""

    run: RunDir
    studies: Studies
    executor: Executor
    workspace: Workspace
    emit: Emit
    shown: str
    stop: Callable[[], str | None] = lambda: None
    forecast: Forecast = field(default_factory=Forecast)
    _store: Store = field(init=False)
    _noted: set[str] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        self._store = Store(self.run.trainings)

    def ask(self, request: Measurement, folder: Path) -> Values:
        """One measurement outside the steps, its answer kept in a folder of its own. Errors: UserError."""
        [record] = self.ask_all([request], folder)
        if record.error:
            raise UserError(record.error)
        return record.values

    def ask_all(self, requests: Sequence[Measurement], folder: Path, threads: int = 1) -> list[Record]:
        """Several, of so many threads each, in the order of the requests. Errors: UserError where an answer is lost."""
        records: dict[int, Record] = {}
        workspace = replace(self.workspace, trainings=str(folder))
        for place, event in self._carry_out(requests, workspace, self._at_once(threads)):
            if not event.is_last:
                continue
            request = requests[place]
            values = Store(folder).entry(request.config).measurement(request.goal)
            if event.kind == "done" and values is None:
                raise UserError(f"{folder}: the answer could not be read back; give the same command again")
            records[place] = Record(request, values=values or {}, error=None if event.kind == "done" else event.error)
        return [records[place] for place in range(len(requests))]

    def has(self, request: Request) -> bool:
        """Whether it is answered already."""
        return self._behind(request) is None

    def train(self, request: Training, facts: Facts) -> Record:
        """One training outside the steps, with its weights: all that stands of it, which may go on beyond the request
        where it had been asked for more before. Errors: UserError, Interrupted."""
        behind = self._behind(request)
        works = [] if behind is None else [self.forecast.work(request, behind)]
        self.emit(StepStarted("train", ahead_of([works], self.forecast, 1, facts) if works else None))
        self._train("train", [request])
        self.restore_weights("train", [request.config])
        # The weights are those of the whole training.
        reached = max(request.until, self._store.entry(request.config).iterations())
        return self._record(replace(request, until=reached, stop=StopRule()), None)

    def _train(self, step: str, requests: Sequence[Training]) -> None:
        """Trainings of which none may fail. Errors: UserError, Interrupted."""
        self.forecast.begin_round([self.forecast.work(one, self._behind(one) or 0) for one in requests], 1)
        progress = Progress(step, requests, Before(), self.emit, self.forecast)
        for place, event in self._carry_out(requests, self.workspace):
            if event.kind == "begun":
                progress.begin(place)
            elif event.progress is not None:
                progress.advance(place, event.progress.done, event.progress.loss)
            elif event.is_last and event.kind != "done":
                raise UserError(event.error)

    def restore_weights(self, step: str, configs: Iterable[TrainingConfig]) -> None:
        """Trainings whose best weights were removed, again, each as far as its rows go: the same training makes the
        same weights. Errors: UserError, Interrupted."""
        requests = []
        for config in configs:
            if self._store.entry(config).lacks_weights():
                self._note(f"{config.folder}: its weights were removed; it is trained anew")
                # Without its result the step is judged again: this may be killed.
                (self.run.step_folder(step) / RESULT).unlink(missing_ok=True)
                with self._store.lease(config) as entry:
                    until = len(entry.rows()["iteration"])
                    entry.drop_checkpoint()
                    entry.cut(0)
                requests.append(Training(config, until, {}, StopRule(math.inf), purpose="weights"))
        if requests:
            self._train(step, requests)

    def can_answer(self, context: Context[Any]) -> bool:
        """Whether all that the step asks for first is in the store."""
        requests = context.step.plan(context, [])
        return all(not isinstance(request, Suggestion) and _stands(self._store, request) for request in requests)

    def look_ahead(self, contexts: Sequence[Context[Any]]) -> Outlook:
        """What these steps, walked one after another, are expected to take; those that are finished take nothing."""
        left = [context for context in contexts if self._before(context) is None]
        threads = contexts[0].facts.threads if contexts else 1
        outlook = look_ahead(left, self.forecast, self._at_once(threads), self._behind)
        self.forecast.expect(outlook.rounds)
        return outlook

    def _behind(self, request: Request) -> int | None:
        """Iterations of a training that stand already, None for what is answered."""
        if isinstance(request, Suggestion):
            return 0
        if isinstance(request, Training) and not (self._store.entry(request.config).path / METRICS).exists():
            return 0
        if _stands(self._store, request):
            return None
        entry = self._store.entry(request.config)
        return entry.iterations() if isinstance(request, Training) and entry.has_checkpoint() else 0

    def is_finished(self, context: Context[Any]) -> bool:
        """Whether the step needs no second look."""
        return self._before(context) is not None

    def is_outdated(self, context: Context[Any]) -> bool:
        """Whether the step came to something, and with other settings or after other steps than these."""
        before = self._concluded(context)
        return before is not None and before.fingerprint != self.fingerprint(context)

    def _before(self, context: Context[Any]) -> Conclusion | None:
        """What the step came to, where that needs no second look."""
        before = self._concluded(context)
        same = before is not None and before.fingerprint == self.fingerprint(context)
        return before if before is not None and same and self._stands(context.step, before) else None

    def _concluded(self, context: Context[Any]) -> Conclusion | None:
        return self.studies.conclusions([context.step.name]).get(context.step.name)

    def run_step(self, context: Context[Any], started: StepStarted | None = None) -> StepResult:
        """Plan, run and judge a step, and write its result. `started`: what is told where it is not finished yet.
        Errors: UserError, Interrupted."""
        step = context.step
        fingerprint = self.fingerprint(context)
        before = self._before(context)
        if before is not None:
            # Its commands name the run as it was typed then; it may have moved since.
            result = with_commands(before.result, self.shown, self.run.storage)
            self._show(result)
            self.emit(StepFinished(result, (), reused=True))
            return result
        self.emit(started or StepStarted(step.name))
        self.forecast.begin_step(step.name)
        begun, best = time.monotonic(), Best(context)
        records: list[Record] = []
        books, watch = Books(context, self.studies), RoomWatch(context, self._store, self.emit)
        while requests := step.plan(context, records):
            records += self._round(books, watch, requests, records, best)
        if step.importance_data is not None:
            data = step.importance_data(context, records)
            context = replace(context, importance=importance(data, context.recipe.seed))
        judgement = step.judge(context, records)
        handed_on = judgement.handoff.trainings if judgement.handoff is not None else ()
        configs = {record.request.config.folder: record.request.config for record in records}
        self.restore_weights(step.name, [configs[name] for name in handed_on if name in configs])
        result = with_commands(conclude(context, judgement), self.shown, self.run.storage)
        trained = reach(records)
        earlier = self._earlier_reach(context)
        reused = sum(min(count, earlier.get(key, 0)) for key, count in trained.items())
        cost = {
            "seconds": round(time.monotonic() - begun, 2),
            "iterations": sum(trained.values()) - reused,
            "iterations_reused": reused,
        }
        result = replace(result, cost=cost)
        explaining = {code.name for code in step.codes() if code.explains_later}
        graver = sorted(result.findings, key=lambda finding: finding.severity != "fail")
        named = [finding.code for finding in graver if finding.severity != "note"]
        causes = tuple(code for code in dict.fromkeys(named) if code in explaining)
        tuned = judgement.handoff.tuned if judgement.handoff is not None else {}
        books.conclude(Conclusion(fingerprint, result, causes, handed_on, trained), tuned, records)
        self.run.write_result(result)
        self._tidy(context, records, handed_on)
        figure = partial(step.figure, context, result, records) if step.figure and records else None
        self.emit(StepFinished(result, tuple(records), figure=figure))
        return result

    def give_up(self, context: Context[Any], error: UserError) -> StepResult:
        """A step that could not be carried out, where the run goes on: its result is shown and written, but concludes
        nothing, so that the next command tries again."""
        judgement = Judgement(f"{context.step.name} could not be carried out.", [STEP_FAILED.finding(str(error))])
        result = with_commands(conclude(context, judgement), self.shown, self.run.storage)
        self.run.write_result(result)
        self.emit(StepFinished(result, ()))
        return result

    def _stands(self, step: AnyStep, conclusion: Conclusion) -> bool:
        """Whether a conclusion needs no second look: without its file the step was killed before it could show itself,
        by its figure too; and the trainings that it hands on may have been removed, or their weights."""
        try:
            step.read_handoff(conclusion.result)
        except ValueError:
            return False  # the step was changed since
        if not (self.run.step_folder(step.name) / RESULT).exists():
            return False
        try:
            handed_on = [self._store.by_name(name) for name in conclusion.handed_on if self._store.holds(name)]
        except UserError:
            return False  # damaged
        whole = [entry for entry in handed_on if not entry.lacks_weights()]
        return len(whole) == len(conclusion.handed_on)

    def _show(self, result: StepResult) -> None:
        """result.json shows what the study holds, however the run's name was typed: where the two differ, the study
        counts."""
        shown = self.run.result(result.step)
        if shown is None or with_commands(shown, "") != with_commands(result, ""):
            self.emit(Noted(f"{result.step}/result.json was not what its study holds: the study counts, written anew"))
            self.run.write_result(result)

    def fingerprint(self, context: Context[Any]) -> str:
        """What a step's result depends on: equal ones need no second run."""
        recipe = self.run.recipe.as_dict()
        for name in ("name", "device", "train"):
            recipe.pop(name)
        settings = recipe.pop("steps")
        names = (*context.earlier, context.step.name)
        facts = {name: value for name, value in vars(context.facts).items() if name not in UNDECIDING}
        earlier = {
            name: [left.result.handoff, left.result.verdict, left.causes] for name, left in context.earlier.items()
        }
        return digest([recipe, {name: settings[name] for name in names}, facts, earlier, context.wanted])

    def _tidy(self, context: Context[Any], records: Sequence[Record], handed_on: Sequence[str]) -> None:
        """Keep the weights of the step's best few trainings, and of every training that a step hands on: those of all
        would fill the disk."""
        wanted = [record.request.config.folder for record in context.step.order(context, records)]
        stays = {*wanted[: max(KEPT, context.wanted)], *handed_on}
        stays |= {name for left in self.studies.conclusions(self.run.steps()).values() for name in left.handed_on}
        for record in records:
            if isinstance(record.request, Training) and record.request.config.folder not in stays:
                self._store.entry(record.request.config).drop_weights()

    def _earlier_reach(self, context: Context[Any]) -> dict[str, int]:
        """Iterations of each training that the steps before this one asked for, by key."""
        furthest: dict[str, int] = {}
        for conclusion in self.studies.conclusions(context.earlier).values():
            for key, count in conclusion.trained.items():
                furthest[key] = max(furthest.get(key, 0), count)
        return furthest

    def _round(
        self, books: Books, watch: RoomWatch, requests: Sequence[Request], before: Sequence[Record], best: Best
    ) -> list[Record]:
        """Carry all requests out, tell the studies as it goes, and return the records in the order of the requests."""
        context = books.context
        entries = books.enter(requests, before)
        asked = [entry.request for entry in entries]
        watch.begin(asked)
        records: dict[int, Record] = {}
        at_once = self._at_once(context.facts.threads)
        self.forecast.begin_round([self.forecast.work(one, self._behind(one) or 0) for one in asked], at_once)
        stands = Before(before, self._earlier_reach(context))
        progress = Progress(context.step.name, asked, stands, self.emit, self.forecast, lambda: best.text)
        for place, event in self._carry_out(asked, self.workspace, at_once):
            if event.kind == "begun":
                books.begin(entries[place])
                progress.begin(place)
            elif event.progress is not None:
                books.follow(entries[place], event.progress)
                progress.advance(place, event.progress.done, event.progress.loss)
            else:
                records[place] = self._record(asked[place], None if event.kind == "done" else event.error)
                books.end(entries[place], records[place])
                watch.wrote(asked[place])
                best.see(records[place])
                progress.finish(place, records[place].iterations)
        return [records[place] for place in range(len(asked))]

    def _at_once(self, threads: int) -> int:
        """How many requests: one that was given several threads takes several workers' cores."""
        return max(1, self.executor.capacity // threads)

    def _carry_out(
        self, requests: Sequence[Training | Measurement], workspace: Workspace, at_once: int = 1
    ) -> Iterator[tuple[int, Event]]:
        """The one loop: submit what does not stand yet, so many at once, and yield the news of each request by its
        place, until the last word of all. What failed or was lost is tried again. Errors: UserError where nothing that
        is done could be kept; Interrupted."""
        store = Store(Path(workspace.trainings))
        waiting: deque[int] = deque()
        for place, request in enumerate(requests):
            if _stands(store, request):
                yield place, Event(-1, "done")
            else:
                waiting.append(place)
        running: dict[int, int] = {}  # handle -> place among the requests
        attempts = dict.fromkeys(range(len(requests)), 1)
        while running or waiting:
            while waiting and len(running) < at_once:
                place = waiting.popleft()
                running[self.executor.submit(requests[place], workspace)] = place
            why = self.stop()
            if why is not None:
                raise Interrupted(why)
            for event in self.executor.poll():
                if event.handle not in running:
                    continue
                if event.kind == "storage":
                    raise UserError(event.error)
                place = running[event.handle]
                if event.progress is not None and event.progress.note:
                    self._note(event.progress.note, event.progress.about)
                if event.is_last:
                    del running[event.handle]
                if event.kind in ("failed", "lost") and attempts[place] < ATTEMPTS:
                    attempts[place] += 1
                    waiting.append(place)
                else:
                    yield place, event

    def _note(self, text: str, about: str = "") -> None:
        """What several workers have to say, once."""
        if (about or text) not in self._noted:
            self._noted.add(about or text)
            self.emit(Noted(text))

    def _record(self, request: Training | Measurement, error: str | None) -> Record:
        entry = self._store.entry(request.config)
        if error is not None:
            return Record(request, error=error)
        if isinstance(request, Measurement):
            return Record(request, values=entry.measurement(request.goal) or {})
        rows = entry.rows(request.until)
        end = stopped_early_at(request, rows)
        rows = {name: column[:end] for name, column in rows.items()}
        validations = sum(value is not None for value in rows.get("val_loss", ()))
        found = entry.validations(validations)
        losses = by_batch(found.losses)
        return Record(request, rows=rows, val_losses=losses, val_scores=found.scores, val_halves=found.halves)


def _stands(store: Store, request: Training | Measurement) -> bool:
    """Whether the store already answers a request."""
    entry = store.entry(request.config)
    if isinstance(request, Measurement):
        return entry.measurement(request.goal) is not None
    return is_finished(request, entry.rows(request.until))


def reach(records: Sequence[Record]) -> Mapping[str, int]:
    """How far each training of a step went, by key."""
    furthest: dict[str, int] = {}
    for record in records:
        if isinstance(record.request, Training):
            key = record.request.config.key
            furthest[key] = max(furthest.get(key, 0), record.iterations)
    return furthest
