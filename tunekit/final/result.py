"""What a final model came to: as JSON, and in lines for a person."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NotRequired

from pydantic import with_config
from typing_extensions import TypedDict

from tunekit.jsondata import JsonData
from tunekit.layout import FINAL, MODEL, RESULT
from tunekit.measured import HighLoss, SplitScored
from tunekit.shares import percent
from tunekit.telling import as_path, counted, pasted
from tunekit.vocabulary import SCHEMA

FEW = 5  # samples of a class, below which a share of them is not told in a sentence
WORST = 5  # classes that are named in one
TAGS = 50  # classes of tokens, above which they are words

Origin = Literal["train", "fine-run", "untouched", "train + validation"]


@dataclass(frozen=True)
class Looks(JsonData):
    """How often the test split was scored in this run, and how many models were."""

    looks: int = 0
    models: tuple[str, ...] = ()


@with_config({"extra": "allow"})
class Test(TypedDict):
    """The model on the test split; besides, its metric by name."""

    n: int
    loss: float
    interval: tuple[float, float] | None
    method: str
    errors: NotRequired[int]
    answers: NotRequired[int]  # where they are not one a sample
    test_time: NotRequired[str]
    looks: int
    models: int


class Confusion(TypedDict):
    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]  # by true class (rows) and by predicted one


ByClass = TypedDict("ByClass", {"class": str, "n": int, "right": int, "accuracy": float | None})
Final = TypedDict(
    "Final",
    {
        "schema": int,
        "summary": str,
        "found": list[str],
        "from": Origin,
        "metric": str,
        "value": float | None,
        "epoch": float,
        "epochs": float,
        "weights": str,
        "model": str | None,
        "notes": list[str],
        "faults": list[str],
        "test": Test | None,
        "scored_on": Literal["test", "validation"] | None,
        "confusion": NotRequired[Confusion],
        "by_class": list[ByClass],
        "never_predicted": dict[str, int],
        "unsaid": str,
        "worst": list[HighLoss],
        "figures": NotRequired[list[str]],  # on the screen alone
    },
)
"""What `train --json` prints, and final/result.json holds."""


@dataclass(frozen=True)
class FinalModel:
    """`model`: the safetensors file, None where its inputs are no tensors; `scored`: on the test split or, where there
    is none, on validation; `faults`: which split could not be scored, and why."""

    origin: Origin
    metric: str
    value: float | None
    epoch: float
    epochs: float
    weights: str
    model: str | None
    told: tuple[str, ...]
    on: Literal["test", "val"]
    scored: SplitScored
    looks: Looks
    test_time: str = "single"
    faults: tuple[str, ...] = ()
    unsaid: str = ""  # of classes that it never says
    share: bool = False  # the metric is one, and told in per cent

    def printed(self) -> Final:
        scored = self.scored
        own: Final = {
            "schema": SCHEMA,
            "summary": summary(self),
            "found": found(self),
            "from": self.origin,
            "metric": self.metric,
            "value": self.value,
            "epoch": self.epoch,
            "epochs": self.epochs,
            "weights": self.weights,
            "model": self.model,
            "notes": [*self.told, *([self.unsaid] if self.unsaid else [])],
            "faults": list(self.faults),
            "test": self._test() if self.on == "test" else None,
            "scored_on": None if not scored.samples else "test" if self.on == "test" else "validation",
            "by_class": [
                {"class": one.name, "n": one.count, "right": one.right, "accuracy": one.share}
                for one in scored.from_worst
            ],
            "never_predicted": {one.name: one.count for one in scored.missed},
            "unsaid": self.unsaid,
            "worst": [
                HighLoss(one.sample, one.loss, one.true, one.predicted, one.probability, one.name)
                for one in scored.worst
            ],
        }
        if scored.confusion:
            own["confusion"] = {"classes": scored.classes, "counts": scored.confusion}
        return own

    def _test(self) -> Test:
        scored = self.scored
        told: Test = {
            "n": scored.samples,
            "loss": scored.loss,
            "interval": scored.interval,
            "method": scored.how,
            "looks": self.looks.looks,
            "models": len(self.looks.models),
        }
        told.setdefault(scored.metric, scored.value)  # type: ignore[misc]
        if scored.errors is not None:
            told["errors"] = scored.errors
            if scored.answers is not None and scored.answers != scored.samples:
                told["answers"] = scored.answers
        if self.test_time != "single":
            told["test_time"] = self.test_time
        return told


def summary(final: FinalModel) -> str:
    """The final model in one sentence."""
    value = "" if final.value is None else f"{final.metric} {_number(final.value, final.share)} "
    test = [f"test split: {_text(final.scored)}"] if final.on == "test" else final.faults or ["no test split"]
    return "; ".join([f"{value}at epoch {final.epoch:g} of {final.epochs:g}, from {final.origin}", *test])


def told(final: FinalModel, shown: str) -> list[str]:
    """The final model in lines for a person. `shown`: the run as it is typed."""
    first, *lines = found(final)
    lines = [f"{first}; weights in {weights(final, shown)}", *lines]
    if final.model is not None:
        lines.append(f"{shown}/{FINAL}/{MODEL} holds it; next: {pasted('tunekit', 'predict', as_path(shown))} FILES")
    return lines


def weights(final: FinalModel, shown: str) -> str:
    """Where its weights lie, by the run as it is typed."""
    return "/".join((shown, *Path(final.weights).parts[-3:]))


def found(final: FinalModel) -> list[str]:
    """What validation and the test split say of it, in lines for a person."""
    text = _text(final.scored)
    value = "" if final.value is None else f"{final.metric} {_number(final.value, final.share)} "
    lines = [f"{value}at epoch {final.epoch:g} of {final.epochs:g}", *(f"note: {line}" for line in final.told)]
    if final.on == "test":
        lines.append(f"test split: {text}")
        lines += [f"note: {line}" for line in _told_of_looks(final.looks)]
    else:
        none = "the data have no test split: nothing is scored that had no part in the choice"
        lines += final.faults or [none]
        if final.scored.samples:
            lines.append(f"validation, by which it was chosen: {text}")
    lines += _by_class(final.scored)
    return [*lines, *([f"note: {final.unsaid}"] if final.unsaid else [])]


def _by_class(scored: SplitScored) -> list[str]:
    """The classes of which the model finds least; none where it finds all, where a share of so few says nothing,
    or where they are words."""
    known = [one for one in scored.from_worst if one.count >= FEW]
    words = scored.answers != scored.samples and len(scored.by_class) > TAGS
    if words or all(one.right == one.count for one in known):
        return []
    names = [f"'{one.name}' {percent(one.right / one.count)} of {one.count:,}" for one in known[:WORST]]
    rest = sum(one.count > 0 for one in scored.by_class) - len(names)
    more = f", ... and {rest:,} more in {FINAL}/{RESULT}" if rest else ""
    return [f"accuracy by class, worst first: {', '.join(names)}{more}"]


def _told_of_looks(looks: Looks) -> list[str]:
    if looks.looks < 2:
        return []
    if len(looks.models) == 1:
        return [f"this is look {looks.looks} at the test split, at the same weights as before"]
    return [
        f"this is look {looks.looks} at the test split, and it saw {counted(len(looks.models), 'model')}: one that is "
        "chosen by such looks is better on it than on new samples"
    ]


def _text(scored: SplitScored) -> str:
    value = f"{scored.metric} {_number(scored.value, scored.share)}"
    if scored.interval is not None:
        low, high = (_number(one, scored.share) for one in scored.interval)
        value += f", between {low} and {high} ({scored.how})"
    elif scored.how:
        value += f" ({scored.how})"
    wrong = "" if scored.errors is None else f"{scored.errors:,} of {scored.answers:,} wrong, "
    return f"{wrong}{value}, over {counted(scored.samples, 'sample')}"


def _number(value: float, share: bool) -> str:
    return percent(value) if share else f"{value:.4g}"
