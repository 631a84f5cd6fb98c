"""What a final model came to: as JSON, and in lines for a person."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tunekit.configuration import Values
from tunekit.jsondata import JsonData
from tunekit.layout import FINAL, MODEL, RESULT
from tunekit.measured import SplitScored
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

    def as_dict(self) -> dict[str, Any]:
        """As `--json` prints it and final/result.json holds it."""
        scored = self.scored
        own: dict[str, Any] = {"schema": SCHEMA, "from": self.origin, "metric": self.metric, "value": self.value}
        notes = [*self.told, *([self.unsaid] if self.unsaid else [])]
        own |= {"epoch": self.epoch, "epochs": self.epochs, "weights": self.weights, "model": self.model}
        own |= {"notes": notes, "faults": list(self.faults)}
        own["test"] = self._test() if self.on == "test" else None
        own["scored_on"] = {"test": "test", "val": "validation"}[self.on] if scored.samples else None
        if scored.confusion:
            own["confusion"] = {"classes": list(scored.classes), "counts": [list(row) for row in scored.confusion]}
        own["by_class"] = [
            {"class": one.name, "n": one.count, "right": one.right, "accuracy": one.share} for one in scored.from_worst
        ]
        own["never_predicted"] = {one.name: one.count for one in scored.missed}
        own["unsaid"] = self.unsaid
        own["worst"] = [_without_picture(one.to_json()) for one in scored.worst]
        return own

    def _test(self) -> dict[str, Any]:
        scored = self.scored
        told: dict[str, Any] = {"n": scored.samples, scored.metric: scored.value, "loss": scored.loss}
        told |= {"interval": None if scored.interval is None else list(scored.interval), "method": scored.how}
        if scored.errors is not None:
            told |= {"errors": scored.errors}
            if scored.answers != scored.samples:
                told |= {"answers": scored.answers}
        if self.test_time != "single":
            told |= {"test_time": self.test_time}
        return {**told, "looks": self.looks.looks, "models": len(self.looks.models)}


def _without_picture(mistake: Values) -> dict[str, Any]:
    return {name: value for name, value in mistake.items() if name != "picture"}


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
