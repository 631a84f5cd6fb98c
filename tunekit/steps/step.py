"""What a step is: what it says of itself, two pure functions (plan and judge), and what they give. No step is here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Generic, Literal, Protocol, TypeVar

from annotated_types import Ge, Gt, Le

from tunekit.charts import Figure
from tunekit.configuration import Values, digest
from tunekit.jsondata import JsonData, plain
from tunekit.recipe.arguments import LARGEST
from tunekit.space import Space
from tunekit.telling import continued, spelled
from tunekit.vocabulary import (
    Code,
    Facts,
    Finding,
    Format,
    Measurement,
    Record,
    Remedy,
    Request,
    StepResult,
    Suggestion,
    Training,
    worst,
)

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler
    from pydantic_core import CoreSchema

    from tunekit.recipe import Recipe
    from tunekit.steps.context import Context

LONGEST = 120  # characters of searched values in a study's name

# The limits are far beyond what anyone asks for on purpose.
Count = Annotated[int, Gt(0), Le(10**9)]
Epochs = Annotated[int, Gt(0), Le(10**6)]
Positive = Annotated[float, Gt(0), Le(LARGEST)]
NonNegative = Annotated[float, Ge(0), Le(LARGEST)]


class Settings:
    """A step's part of the recipe. Subclasses are frozen dataclasses with defaults; the recipe validates them."""

    __pydantic_config__: ClassVar[Mapping[str, Any]] = {
        "extra": "forbid",
        "allow_inf_nan": False,
        "validate_default": True,
    }

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        from tunekit.recipe.numbers import only_numbers

        return only_numbers(source, handler)

    def asks_for(self, search: Mapping[str, Sequence[Any]]) -> int:  # noqa: ARG002 - the recipe's `search`
        """About how many trials the step makes with these settings. The recipe refuses what no run could carry out,
        before anything is built."""
        return 0


@dataclass(frozen=True)
class Handoff(JsonData):
    """What a step hands on. Subclasses are frozen dataclasses."""

    @property
    def tuned(self) -> Values:
        """Values of the recipe (by dotted path) that are settled for all later steps and for best.yaml."""
        return {}

    @property
    def known(self) -> Values:
        """What a diagnosis of the run's curves may know of it, by the field of logs.Procedure."""
        return {}

    @property
    def trainings(self) -> tuple[str, ...]:
        """Names of trainings whose weights are handed on and stay."""
        return ()


S = TypeVar("S", bound=Settings)
H = TypeVar("H", bound=Handoff)


@dataclass(frozen=True)
class Judgement:
    """What the records of a step mean. `table`: rows of named cells; `formats`: how columns are shown; `details`: what
    the figure and the page show besides; `next`: what to do, where it is not the step that follows."""

    summary: str
    findings: Sequence[Finding] = ()
    handoff: Handoff | None = None
    table: Sequence[Values] = ()
    formats: Mapping[str, Format] = field(default_factory=dict)
    details: Values = field(default_factory=dict)
    next: Remedy | None = None
    diagnosis: str | None = None


def _as_scored(context: Context[S], records: Sequence[Record]) -> list[Record]:
    """Trainings with a value, the best first."""
    step = context.step
    sign = -1.0 if step.maximize(context) else 1.0
    trainings = [r for r in records if isinstance(r.request, Training) and r.error is None]
    scored = [(sign * value, r) for r in trainings if (value := step.objective(context, r)) is not None]
    return [record for _, record in sorted(scored, key=lambda pair: pair[0])]


@dataclass(frozen=True)
class Part:
    """A part of a step's work with a study of its own: what another step does, for searched values of this one."""

    step: AnyStep
    values: Values  # dotted path -> value

    @property
    def study(self) -> str:
        """The study's name: `lr-sweep/batch_size=64`."""
        text = ",".join(f"{path}={spelled(value)}" for path, value in self.values.items())
        return f"{self.step.name}/{text}" if len(text) <= LONGEST else f"{self.step.name}/{digest(text)}"


class Rehearsal(Protocol):
    """What is tried before a step, so that what fails in it need not fail there."""

    @property
    def requests(self) -> Sequence[Measurement]: ...

    @property
    def key(self) -> str:
        """What it depends on: an equal one needs no second look."""

    def faults(self, records: Sequence[Record]) -> Sequence[str]:
        """A line for each thing that is wrong."""

    def notes(self, records: Sequence[Record]) -> Sequence[str]:
        """What is as well to know."""


@dataclass(frozen=True)
class Step(Generic[S, H]):
    """A step. Its functions are pure: the same context and records give the same answer.

    - `plan` is called with all records so far until it returns no more requests;
    - `judge` says what the records mean;
    - `objective` is the value that the study is told of a record, or None for one that is never scored; `maximize` is
      its direction and `metric` its name, which is also that of the column by which a training is followed;
    - `space` says what each parameter of the step's requests may be, whatever the plan adds later; it is asked once,
      with the records so far, before the first of them. Parameters outside of it are attributes of the trials;
    - `part` tells requests that another step would make, for searched values: their study is apart;
    - `importance_data` gives the values of the parameters with what they reached, for which it is told what matters;
    - `order`: the step's trainings by how much their weights are wanted, the best first;
    - `takes`: how many trainings of the steps before it go on in this one, and so keep their weights;
    - `check`: asked before any step is carried out. Errors: UserError where the recipe asks for what cannot be;
    - `rehearsal`: what is to be tried then, if anything;
    - `outlook`: the rounds that the plan is expected to come to, told before the first record, for what they cost:
      values that are not known yet are stand-ins. By default what the plan's first round asks for by name;
    - `decides`: its hand-off is a Winner, the run's outcome, and makes best.yaml; gives the epochs of a final training;
    - `codes` is a function, so that `tunekit --help` need not import what says them.
    """

    name: str
    help: str
    settings: type[S]
    handoff: type[H]
    hands_on: str  # what that is called, for the message of a step that lacks it
    plan: Callable[[Context[S], Sequence[Record]], Sequence[Request]]
    judge: Callable[[Context[S], Sequence[Record]], Judgement]
    codes: Callable[[], Sequence[Code]]
    needs: tuple[AnyStep, ...] = ()
    objective: Callable[[Context[S], Record], float | None] = lambda _context, _record: None
    maximize: Callable[[Context[S]], bool] = lambda _context: False
    metric: Callable[[Context[S]], str] = lambda _context: "value"
    space: Callable[[Context[S], Sequence[Record]], Space] = lambda _context, _records: {}
    part: Callable[[Training | Measurement], Part | None] | None = None
    order: Callable[[Context[S], Sequence[Record]], Sequence[Record]] = _as_scored
    takes: Callable[[S], int] = lambda _settings: 0
    figure: Callable[[Context[S], StepResult, Sequence[Record]], Figure] | None = None
    work: Literal["trains", "measures", "reads"] = "trains"  # what it asks for: reading needs nothing of the person's
    reads_logs: bool = False  # it takes the log of any tool besides runs
    importance_data: Callable[[Context[S], Sequence[Record]], list[tuple[Values, float]]] | None = None
    decides: Callable[[Context[S]], int] | None = None
    check: Callable[[Recipe, Facts], None] = lambda _recipe, _facts: None
    rehearsal: Callable[[Context[S]], Rehearsal | None] = lambda _context: None
    outlook: Callable[[Context[S]], Sequence[Sequence[Request]]] | None = None

    def expected(self, context: Context[S]) -> Sequence[Sequence[Request]]:
        """See `outlook`."""
        if self.outlook is not None:
            return self.outlook(context)
        if self.work == "reads":
            return []
        return [[one for one in self.plan(context, []) if not isinstance(one, Suggestion)]]

    def read_handoff(self, result: StepResult) -> H | None:
        """What a result of this step hands on, or None. Errors: ValueError where it is of another shape."""
        return self.handoff.from_json(result.handoff) if result.handoff else None


AnyStep = Step[Any, Any]

STEP_FAILED = Code(
    "step_failed",
    "fail",
    "The step could not be carried out: something of the recipe's raised an error.",
    "What the model, the data, the loss, the metric or the optimizer raised, twice.",
    "A fault in the code that the message names.",
    ("mend what the message names and give the step's command again",),
    "",
    symptom=False,
)
"""Of any step, where a run goes on past it (`--keep-going`); else the error ends the command."""


def conclude(context: Context[S], judgement: Judgement) -> StepResult:
    """The step's result: its verdict is that of its gravest finding; symptoms of earlier faults name their cause."""
    codes = {code.name: code for code in (*context.step.codes(), STEP_FAILED)}
    accepted = tuple(_as_accepted(finding, context.recipe.accept) for finding in judgement.findings)
    findings = tuple(_as_symptom(finding, codes[finding.code], context.causes) for finding in accepted)
    following = judgement.next or (Remedy(context.following) if context.following else None)
    handoff = judgement.handoff
    return StepResult(
        step=context.step.name,
        verdict=worst(accepted),
        summary=judgement.summary,
        findings=findings,
        handoff=plain(handoff.to_json()) if handoff is not None else {},
        known=plain(handoff.known) if handoff is not None else {},
        table=tuple(judgement.table),
        formats=dict(judgement.formats),
        details=dict(judgement.details),
        remedies=() if following is None else (following,),
        diagnosis=judgement.diagnosis,
    )


def _as_accepted(finding: Finding, accepted: Sequence[str]) -> Finding:
    """What the recipe says that its writer knows better is a note."""
    if finding.code not in accepted or finding.severity == "note":
        return finding
    message, advice = continued(finding.message, "accepted in the recipe"), "nothing to do: `accept` names it"
    return replace(finding, severity="note", message=message, advice=(advice,), remedies=(), asks=False)


def _as_symptom(finding: Finding, code: Code, causes: Sequence[str]) -> Finding:
    """What follows from a fault that an earlier step named is no second fault: it points to the first."""
    if not causes or not code.symptom or finding.severity != "fail":
        return finding
    named = ", ".join(causes[:3])
    return replace(
        finding,
        severity="note",
        message=continued(finding.message, f"this follows from {named}, found before"),
        advice=(f"mend {named} first: `tunekit explain {causes[0]}`",),
        remedies=(),
    )
