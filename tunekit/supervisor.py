"""Runs a step: plan, submit, record, tell the study, until the plan is empty; then judge. The one owner of a run."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tunekit.executors import Event, Executor
from tunekit.rundir import RunDir
from tunekit.steps import Context, Step
from tunekit.steps.noise import best_validation
from tunekit.store import Store
from tunekit.studies import Studies, Study
from tunekit.vocabulary import (
    STEPS,
    Advanced,
    Emit,
    Interrupted,
    Measurement,
    Noted,
    Record,
    Request,
    StepFinished,
    StepResult,
    StepStarted,
    Suggestion,
    Training,
    UserError,
    Values,
    digest,
)
from tunekit.worker import Workspace, is_finished

KEPT = 5  # trainings of a step whose weights stay
ATTEMPTS = 2  # a request that failed or lost its worker is tried once more


@dataclass
class Supervisor:
    """Owns a run while a command works on it. `stop` is asked between events and says why to stop, or None."""

    run: RunDir
    studies: Studies
    executor: Executor
    workspace: Workspace
    emit: Emit
    stop: Callable[[], str | None] = lambda: None
    _store: Store = field(init=False)

    def __post_init__(self) -> None:
        self._store = Store(self.run.trainings)

    def ask(self, request: Measurement, folder: Path) -> Values:
        """One measurement outside the steps, its answer kept in a folder of its own. Errors: UserError."""
        workspace = replace(self.workspace, trainings=str(folder))
        handle, attempt = self.executor.submit(request, workspace), 1
        while True:
            self._check_stop()
            for event in self.executor.poll():
                if event.handle == handle and event.kind != "progress":
                    if event.kind == "lost" and attempt < ATTEMPTS:
                        handle, attempt = self.executor.submit(request, workspace), attempt + 1
                        continue
                    if event.kind != "done":
                        raise UserError(event.error)
                    values = Store(folder).entry(request.config).measurement(request.goal)
                    if values is None:
                        raise UserError(f"{folder}: the answer could not be read back; give the same command again")
                    return values

    def run_step(self, step: Step, context: Context) -> StepResult:
        """Plan, run and judge a step, and write its result. Errors: UserError, Interrupted."""
        fingerprint = self.fingerprint(step, context)
        study = self.studies.study(step.NAME, step.maximize(context), step.choices(context))
        kept = study.result()
        finished = self.run.result(step.NAME)
        if finished is not None and kept.get("fingerprint") == fingerprint:
            self.emit(StepFinished(finished, (), reused=True))
            return finished
        self.emit(StepStarted(step.NAME))
        started = time.monotonic()
        records: list[Record] = []
        while requests := step.plan(context, records):
            drawn = [self._drawn(request, study, context) for request in requests]
            attrs = [{"suggestion": r.number} if isinstance(r, Suggestion) else {} for r in requests]
            records += self._carry_out(step, context, study, drawn, attrs, records)
        context = replace(
            context, importance=study.importance(context.recipe.seed) if step.NAME == "coarse-grid" else {}
        )
        result = step.judge(context, records)
        trained = reach(records)
        earlier = self._earlier_reach(step.NAME)
        reused = sum(min(count, earlier.get(key, 0)) for key, count in trained.items())
        cost = {
            "seconds": round(time.monotonic() - started, 2),
            "iterations": sum(trained.values()) - reused,
            "iterations_reused": reused,
        }
        result = replace(result, cost=cost)
        study.record(
            {
                "fingerprint": fingerprint,
                "handoff": result.handoff,
                "verdict": result.verdict,
                "codes": [finding.code for finding in result.findings if finding.severity != "note"],
                "trained": trained,
            }
        )
        self.run.write_result(result)
        self._tidy(step, context, records)
        self.emit(StepFinished(result, tuple(records)))
        return result

    def train(self, request: Training, context: Context) -> dict[str, Any]:
        """One training outside the steps: the final model. Errors: UserError, Interrupted."""
        progress = _Progress("train", [request], 0, self.emit)
        self.emit(StepStarted("train"))
        handle = self.executor.submit(request, self.workspace)
        event = Event(handle, "progress")
        while event.kind == "progress":
            self._check_stop()
            for event in self.executor.poll():
                if event.progress is not None:
                    progress.advance(0, event.progress.done)
        if event.kind != "done":
            raise UserError(event.error)
        record = self._record(request, None)
        best = best_validation(record, context.metric, context.facts.maximize)
        if best is None:
            raise UserError(f"the training diverged ({_reason(record)}); take a smaller rate")
        per_epoch = context.iterations_per_epoch(record.params)
        return {
            "metric": context.metric,
            "value": best[2],
            "epoch": best[1] / per_epoch,
            "epochs": request.until // per_epoch,
            "weights": str(self._store.entry(request.config).path / "best.pt"),
        }

    def fingerprint(self, step: Step, context: Context) -> str:
        """What a step's result depends on: equal ones need no second run."""
        recipe = context.recipe.as_dict()
        for name in ("name", "device"):
            recipe.pop(name)
        settings = recipe.pop("steps")
        before = STEPS[: STEPS.index(step.NAME)]
        facts = {name: value for name, value in vars(context.facts).items() if name != "device"}
        earlier = {name: [kept["handoff"], kept["codes"]] for name, kept in context.earlier.items() if name in before}
        return digest([recipe, {name: settings[name] for name in (*before, step.NAME)}, facts, earlier])

    def _tidy(self, step: Step, context: Context, records: Sequence[Record]) -> None:
        """Keep the weights of the step's best few trainings: a large model's checkpoints would fill the disk."""
        sign = -1.0 if step.maximize(context) else 1.0
        scored: list[tuple[float, Record]] = []
        for record in records:
            if isinstance(record.request, Training) and record.error is None:
                value = step.objective(context, record)
                scored.append((math.inf if value is None else sign * value, record))
        scored.sort(key=lambda item: item[0])
        kept = max(KEPT, context.recipe.steps.fine_run.top)
        for _, record in scored[kept:]:
            self._store.entry(record.request.config).drop_weights()

    def _earlier_reach(self, step: str) -> dict[str, int]:
        """Iterations of each training that the steps before this one asked for, by key."""
        found: dict[str, int] = {}
        for kept in self.studies.results(STEPS[: STEPS.index(step)]).values():
            for key, count in kept.get("trained", {}).items():
                found[key] = max(found.get(key, 0), count)
        return found

    def _drawn(self, request: Request, study: Study, context: Context) -> Training | Measurement:
        if isinstance(request, Suggestion):
            return request.build(study.suggest(request.number, request.space, request.sampler, context.recipe.seed))
        return request

    def _carry_out(
        self,
        step: Step,
        context: Context,
        study: Study,
        requests: Sequence[Training | Measurement],
        attrs: Sequence[Mapping[str, Any]],
        before: Sequence[Record],
    ) -> list[Record]:
        """Submit all requests, wait for all, and return their records in the order of the requests."""
        numbers = [study.begin(r.identity, r.params, a) for r, a in zip(requests, attrs, strict=True)]
        waiting: dict[int, int] = {}  # handle -> place among the requests
        attempts = dict.fromkeys(range(len(requests)), 1)
        errors: dict[int, str] = {}
        progress = _Progress(step.NAME, requests, len(before), self.emit)
        ahead: deque[int] = deque()
        for place, request in enumerate(requests):
            if self._stands(request):
                progress.finish(place)
            else:
                ahead.append(place)
        # A training that was given several threads takes several workers' cores.
        at_once = max(1, self.executor.capacity // context.facts.threads)
        while waiting or ahead:
            while ahead and len(waiting) < at_once:
                place = ahead.popleft()
                waiting[self.executor.submit(requests[place], self.workspace)] = place
            self._check_stop()
            for event in self.executor.poll():
                place = waiting.get(event.handle, -1)
                if place < 0:
                    continue
                if event.kind == "progress" and event.progress is not None:
                    if event.progress.note:
                        self.emit(Noted(event.progress.note))
                    progress.advance(place, event.progress.done)
                    continue
                if event.kind == "storage":
                    raise UserError(event.error)
                del waiting[event.handle]
                if self._again(event, attempts[place]):
                    attempts[place] += 1
                    ahead.append(place)
                    continue
                if event.kind != "done":
                    errors[place] = event.error
                progress.finish(place)
        records = [self._record(request, errors.get(place)) for place, request in enumerate(requests)]
        for number, record in zip(numbers, records, strict=True):
            self._tell(step, context, study, number, record)
        return records

    def _again(self, event: Event, attempt: int) -> bool:
        return event.kind in ("failed", "lost") and attempt < ATTEMPTS

    def _stands(self, request: Training | Measurement) -> bool:
        """Whether the store already answers a request."""
        entry = self._store.entry(request.config)
        if isinstance(request, Measurement):
            return entry.measurement(request.goal) is not None
        return is_finished(request, entry.rows(request.until))

    def _record(self, request: Training | Measurement, error: str | None) -> Record:
        entry = self._store.entry(request.config)
        if error is not None:
            return Record(request, error=error)
        if isinstance(request, Measurement):
            return Record(request, values=entry.measurement(request.goal) or {})
        rows = entry.rows(request.until)
        validations = sum(value is not None for value in rows.get("val_loss", ()))
        return Record(request, rows=rows, val_losses=entry.val_losses(validations))

    def _tell(self, step: Step, context: Context, study: Study, number: int, record: Record) -> None:
        if record.error is not None:
            study.finish(number, None, reason=record.error, failed=True)
            return
        value = step.objective(context, record)
        column = context.metric if context.metric in record.rows else "val_loss"
        curve = record.validations(column) or list(enumerate(record.column("train_loss"), start=1))
        reason = "" if value is not None and math.isfinite(value) else _reason(record)
        study.finish(number, value, curve, reason)

    def _check_stop(self) -> None:
        why = self.stop()
        if why is not None:
            raise Interrupted(why)


def _reason(record: Record) -> str:
    """Why a trial has no value, in words."""
    if not isinstance(record.request, Training):
        return "measured, not scored"
    index = record.request.stop.diverged_at(record.column("train_loss"))
    return "not scored" if index is None else f"diverged at iteration {index + 1}"


def reach(records: Sequence[Record]) -> dict[str, int]:
    """How far each training of a step went, by key."""
    found: dict[str, int] = {}
    for record in records:
        if isinstance(record.request, Training):
            key = record.request.config.key
            found[key] = max(found.get(key, 0), record.iterations)
    return found


class _Progress:
    """Iterations done over those asked for, of the requests at hand."""

    def __init__(self, step: str, requests: Sequence[Training | Measurement], before: int, emit: Emit) -> None:
        self.step, self.before, self.emit = step, before, emit
        self.totals = [r.until if isinstance(r, Training) else 1 for r in requests]
        self.total = sum(self.totals)
        self.done = [0] * len(requests)
        self.summed = 0  # of `done`: a large grid has too many to add up at each piece of news
        self.finished = 0

    def advance(self, place: int, done: int) -> None:
        self._set(place, min(done, self.totals[place]))
        self._tell()

    def finish(self, place: int) -> None:
        self._set(place, self.totals[place])
        self.finished += 1
        self._tell()

    def _set(self, place: int, done: int) -> None:
        self.summed += done - self.done[place]
        self.done[place] = done

    def _tell(self) -> None:
        planned = self.before + len(self.totals)
        self.emit(Advanced(self.step, self.summed, self.total, self.before + self.finished, planned))
