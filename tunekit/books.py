"""The books of a step: which trial of which study a request is, and what is told of it while it is carried out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tunekit.configuration import Values
from tunekit.steps import AnyStep, Context, conclude
from tunekit.steps.noise import diverged
from tunekit.steps.step import Part
from tunekit.studies import Conclusion, Studies, Study
from tunekit.vocabulary import Measurement, Record, Request, Row, Suggestion, Training, cells, columns, is_validation
from tunekit.worker import Progress

LIVE_S = 5.0  # seconds after which a running trial says again how far it is


@dataclass
class _Book:
    """A study that is written in, and the step that says what its values mean."""

    study: Study
    context: Context[Any]

    @property
    def step(self) -> AnyStep:
        return self.context.step


@dataclass
class Entry:
    """A request and its trial. `number`: once it has begun; `book`: None where the request is no trial; `last_news`:
    when the trial last said how far it is."""

    request: Training | Measurement
    book: _Book | None
    draw: str | None = None
    number: int | None = None
    last_news: float = field(default_factory=time.monotonic)


class Books:
    """What a step's studies hold. A trial begins when a worker takes it up, tells its course as it goes, and ends with
    its training; a request without parameters is none. Nothing that a step comes to depends on the order of telling."""

    def __init__(self, context: Context[Any], studies: Studies) -> None:
        self.context, self._studies = context, studies
        self._books: dict[str, _Book] = {}
        self._paused: dict[str, Entry] = {}  # by the trial's name: what a later round may go on with

    def enter(self, requests: Sequence[Request], records: Sequence[Record]) -> list[Entry]:
        """A round's requests, the parameters of suggestions drawn. Trials that could have gone on and are not among
        them are pruned."""
        entries = [self._entry(request, records) for request in requests]
        for left in self._paused.values():
            assert isinstance(left.request, Training)
            epoch = left.request.until // self.context.iterations_per_epoch(left.request.params)
            self._finish(left, None, f"not taken further than epoch {epoch}: others did better")
        self._paused.clear()
        return entries

    def _entry(self, request: Request, records: Sequence[Record]) -> Entry:
        if isinstance(request, Suggestion):
            book = self._book(None, records)
            draw, params = book.study.suggest(request, self.context.recipe.seed)
            return Entry(request.build(params), book, draw)
        if not request.params:
            return Entry(request, None)
        paused = self._paused.pop(request.trial_identity, None)
        book = self._book(self._part(request), records)
        entry = Entry(request, book)
        return replace(entry, number=paused.number) if paused else entry

    def _part(self, request: Training | Measurement) -> Part | None:
        step = self.context.step
        return None if step.part is None else step.part(request)

    def _book(self, part: Part | None, records: Sequence[Record]) -> _Book:
        """The study of the step or of a part of it; opened, with its axes, when the first request for it is at hand."""
        name = self.context.step.name if part is None else part.study
        if name not in self._books:
            context = self.context
            if part is not None:
                context = replace(context.of(part.step).at(part.values), following="")
            step = context.step
            study = self._studies.study(
                name, step.space(context, records), step.metric(context), step.maximize(context)
            )
            self._books[name] = _Book(study, context)
        return self._books[name]

    def begin(self, entry: Entry) -> None:
        """A worker has taken the request up."""
        if entry.book is not None and entry.number is None:
            entry.number = entry.book.study.begin(entry.request, entry.draw)
            entry.last_news = time.monotonic()

    def follow(self, entry: Entry, progress: Progress) -> None:
        """How far a training is, and the course that it took since the last news."""
        if entry.book is None or entry.number is None or not isinstance(entry.request, Training):
            return
        column = entry.book.step.metric(entry.book.context)
        points = [(row.iteration, self._cell(row, column)) for row in progress.rows]
        entry.book.study.report(entry.number, self._intermediate_values(entry.request, column, points))
        if time.monotonic() - entry.last_news > LIVE_S:
            entry.last_news = time.monotonic()
            entry.book.study.progress(entry.number, progress.done, progress.loss)

    def _cell(self, row: Row, column: str) -> float | None:
        metric = self.context.facts.metric
        return dict(zip(columns(metric), cells(row, metric), strict=True)).get(column)

    def _intermediate_values(
        self, request: Training, column: str, points: Sequence[tuple[int, float | None]], ended: bool = False
    ) -> list[tuple[int, float]]:
        """Of a column's values by iteration those that a trial keeps, however many are at hand; validations by epoch.
        The last of a training that has `ended` is one."""
        spacing = self.context.iterations_per_epoch(request.params) if is_validation(column) else 1
        kept = [point for point in points if request.shows(point[0], spacing)] + list(points[-1:] if ended else ())
        return [(iteration // spacing, value) for iteration, value in kept if value is not None]

    def end(self, entry: Entry, record: Record) -> None:
        """The request's last word."""
        self.begin(entry)
        book, request = entry.book, entry.request
        if book is None or entry.number is None:
            return
        if record.error is not None:
            self._finish(entry, None, error=record.error)
            return
        value = book.step.objective(book.context, record)
        course: Sequence[tuple[int, float]] = ()
        if isinstance(request, Training):
            column = book.step.metric(book.context)
            course = self._intermediate_values(request, column, record.validations(column), ended=True)
            if book.study.said_how_far(entry.number):
                book.study.progress(entry.number, record.iterations, record.column("train_loss")[-1])
            if request.is_beginning and value is None and not diverged(record):
                book.study.report(entry.number, course)
                self._paused[request.trial_identity] = entry
                return
        self._finish(entry, value, why_unscored(record), course=course)

    def _finish(
        self,
        entry: Entry,
        value: float | None,
        reason: str = "",
        error: str | None = None,
        course: Sequence[tuple[int, float]] = (),
    ) -> None:
        assert entry.book is not None
        assert entry.number is not None
        study = entry.book.study
        study.report(entry.number, course)
        if not study.finish(entry.number, value, reason, error):
            # It had ended otherwise, as a cell that was pruned and is wanted by now: this is another trial.
            entry.number = study.begin(entry.request, entry.draw, anew=True)
            study.report(entry.number, course)
            study.finish(entry.number, value, reason, error)

    def conclude(self, conclusion: Conclusion, tuned: Values, records: Sequence[Record]) -> None:
        """What the step came to, and what each part of it did, into their studies. `records`: in the plan's order;
        `tuned`: the values of the recipe that the step settles."""
        own = self._book(None, records)
        for name, book in self._books.items():
            if book is not own:
                parts = [self._part(record.request) for record in records]
                asked = [record for record, part in zip(records, parts, strict=True) if part and part.study == name]
                _conclude_part(book, asked, conclusion.fingerprint)
        own.study.conclude(conclusion, tuned)
        if self.context.step.part is not None:
            self._studies.end_left(self._books)


def _conclude_part(book: _Book, records: Sequence[Record], fingerprint: str) -> None:
    """What a part did, by those of its trials that did not fail: the step that it belongs to goes on with these."""
    sound = [record for record in records if record.error is None]
    if not sound:
        book.study.conclude(None, {})
        return
    result = conclude(book.context, book.step.judge(book.context, sound))
    handoff = book.step.read_handoff(result)
    book.study.conclude(Conclusion(fingerprint, result), handoff.tuned if handoff else {})


def why_unscored(record: Record) -> str:
    """Why a trial has no value, in words."""
    if not isinstance(record.request, Training):
        return "measured, not scored"
    iteration = diverged(record)
    return "not scored" if iteration is None else f"diverged at iteration {iteration}"
