"""Records written by hand: contexts, trainings with the curves a test wants, and a step carried out on them."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tunekit.pipeline import schema
from tunekit.recipe import Recipe
from tunekit.steps import Context, Earlier, conclude, get_step, step_names
from tunekit.steps.baselines import PURPOSES
from tunekit.vocabulary import Facts, Finding, Measurement, Record, StepResult, Suggestion, Training, Verdict

Answer = Callable[[Training | Measurement], Record]


def recipe_of(**changes: Any) -> Recipe:
    fields: dict[str, Any] = {"name": "hand-made", "data": {"target": "digits"}, "model": {"target": "mlp"}}
    return schema().model_validate({**fields, **changes})


def facts_of(**changes: Any) -> Facts:
    fields: dict[str, Any] = {
        "n_train": 1280,
        "n_val": 40,
        "iterations_per_epoch": 20,
        "metric": "accuracy",
        "maximize": True,
        "classes": 10,
        "parameters": 10_000,
        "threads": 1,
        "precision": "fp32",
        "device": "cpu",
        "sources": {},
        "share": True,
    }
    if "iterations_per_epoch" in changes:
        fields["n_train"] = 64 * changes["iterations_per_epoch"]
    return Facts(**{**fields, **changes})


def left(step: str, handoff: Mapping[str, Any] | None = None, verdict: Verdict = "pass", causes=()) -> Earlier:
    """What an earlier step left."""
    result = StepResult(step, verdict, "", handoff=handoff or {})
    told = get_step(step).read_handoff(result)
    return Earlier(result, tuple(causes), told.tuned if told else {})


def context_of(
    step: str, earlier: Mapping[str, Any] | None = None, facts: Mapping[str, Any] | None = None, **recipe: Any
) -> Context:
    """A step's context. `earlier`: step -> its hand-off, or what it left (`left`). The recipe holds what was tuned."""
    kept = {name: value if isinstance(value, Earlier) else left(name, value) for name, value in (earlier or {}).items()}
    written = recipe_of(**recipe)
    for other in kept.values():
        written = written.with_values(other.tuned)
    takers = [other for other in map(get_step, step_names()) if get_step(step) in other.needs]
    wanted = max((taker.takes(written.settings(taker.name)) for taker in takers), default=0)
    names = [*step_names(), ""]
    following = names[names.index(step) + 1]
    return Context(get_step(step), written, facts_of(**(facts or {})), kept, following, wanted)


def trained(  # noqa: PLR0913 - all in which trainings of tests differ
    request: Training,
    losses: Sequence[float],
    validations: Sequence[tuple[float, float]] = (),
    sample_losses: Sequence[Sequence[float]] = (),
    per_epoch: int = 20,
    metric: str = "accuracy",
    scores: Sequence[float] | None = None,
) -> Record:
    """A record of these training losses, ended where the request's own rule ends it.

    `validations`: (val_loss, val_metric) at the end of each epoch.
    """
    losses = list(losses)
    scores = list(scores) if scores is not None else [math.nan] * len(losses)
    at = {per_epoch * (number + 1): value for number, value in enumerate(validations)}
    metrics = [at[i][1] if i in at else None for i in range(1, len(losses) + 1)]
    stop = request.stop
    ends = [stop.diverged_at(losses), stop.solved_at(losses, scores), stop.stale_at(metrics)]
    count = min([index + 1 for index in ends if index is not None] + [len(losses), request.until])
    iterations = range(1, count + 1)
    rows: dict[str, list[Any]] = {
        "iteration": list(iterations),
        "epoch": [i / per_epoch for i in iterations],
        "lr": [request.config.lr] * count,
        "train_loss": losses[:count],
        f"train_{metric}": scores[:count],
        "val_loss": [at[i][0] if i in at else None for i in iterations],
        f"val_{metric}": [at[i][1] if i in at else None for i in iterations],
    }
    done = sum(i in at for i in iterations)
    return Record(request, rows=rows, val_losses=np.array([list(row) for row in sample_losses[:done]]))


def failed(request: Training | Measurement, error: str = "RuntimeError: boom") -> Record:
    return Record(request, error=error)


def falling(
    start: float, end: float, count: int, noise: float = 0.0, seed: int = 0, speed: float = 20.0
) -> list[float]:
    """An exponential fall with noise that the seed decides (the same batches: the same noise)."""
    draw = np.random.RandomState(seed)
    shape = np.exp(-np.arange(count) / speed)
    return list(end + (start - end) * shape + noise * draw.randn(count))


def exploding(start: float, count: int, at: int = 12) -> list[float]:
    return [start if i < at else start * 10.0 ** (1 + (i - at) / 3) for i in range(count)]


def trainings(requests: Sequence[Any]) -> list[Any]:
    """What a plan asks for besides the baselines."""
    return [request for request in requests if request.purpose not in PURPOSES]


def carry_out(
    context: Context,
    answer: Answer,
    most: int = 400,
    draw: Callable[[Suggestion], Any] | None = None,
    baselines: Mapping[str, Any] | None = None,
) -> list[Record]:
    """Records of a step whose every request is answered by hand. Fails where the plan does not end. `baselines`: what
    is measured of them, by purpose; they have no record where nothing is given."""
    records: list[Record] = []
    while requests := context.step.plan(context, records):
        for request in requests:
            if isinstance(request, Measurement) and request.purpose in PURPOSES:
                if baselines and request.purpose in baselines:
                    records.append(Record(request, values=baselines[request.purpose].to_json()))
                continue
            made = request.build(draw(request)) if isinstance(request, Suggestion) and draw else request
            assert not isinstance(made, Suggestion)
            records.append(answer(made))
        assert len(records) <= most, "the plan does not end"
    return records


def judged(context: Context, records: Sequence[Record]) -> StepResult:
    return conclude(context, context.step.judge(context, records))


def codes(result: StepResult) -> list[str]:
    return [item.code for item in result.findings]


def found(result: StepResult, code: str) -> Finding:
    return next(item for item in result.findings if item.code == code)
