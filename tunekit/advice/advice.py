"""What is advised in a situation: starting points that are proven, and remarks on the recipe's own model."""

from __future__ import annotations

from dataclasses import dataclass

from tunekit.advice.remarks import CODES, REMARKS
from tunekit.advice.situation import Situation
from tunekit.advice.starts import PHOTO, SMALL, STARTS
from tunekit.jsondata import JsonData
from tunekit.vocabulary import Severity


@dataclass(frozen=True)
class Start(JsonData):
    """A starting point. `lines`: the keys of a recipe that make it; empty where it is no network, and
    where no built-in model takes the inputs as they are."""

    title: str
    why: str
    source: str
    lines: str


@dataclass(frozen=True)
class Remark(JsonData):
    """What of the model or the data does not suit the other."""

    code: str
    severity: Severity
    message: str
    source: str


@dataclass(frozen=True)
class Advice(JsonData):
    starts: tuple[Start, ...]
    remarks: tuple[Remark, ...]
    silent: str  # why there is no starting point; empty where there is one


def advise(seen: Situation) -> Advice:
    fitting = [one for one in STARTS if seen.answers and seen.only_class is None and one.fits(seen)]
    starts = tuple(
        Start(one.title, f"{one.why}{_larger(seen)}", one.source, one.lines if seen.built_in else "") for one in fitting
    )
    found = ((code, REMARKS[code.name](seen)) for code in CODES)
    remarks = tuple(
        Remark(code.name, code.severity, one.message, one.source or code.source)
        for code, one in found
        if one is not None
    )
    return Advice(starts, remarks, "" if starts else _silent(seen))


def _larger(seen: Situation) -> str:
    """What photos that are read as small pictures could be."""
    if not seen.side < SMALL <= seen.stored:
        return ""
    return f"; it sees more at `data.args.size: {PHOTO}` than at {seen.side}, of files of {seen.stored:,} pixels a side"


def _silent(seen: Situation) -> str:
    if seen.kind == "images" and seen.axes:
        what = "a class a pixel"
    elif seen.axes:
        what = f"{seen.kind} with a class a step"
    elif seen.pixels:
        return (
            "the features may be pixels: of a table of them there is no advice; give pictures [channels, height, width]"
        )
    elif seen.only_class is not None:
        return f"no advice on an architecture: all training samples are of one class, {seen.only_class!r}"
    elif seen.kind != "other" and not seen.answers:
        what = f"{seen.kind} whose targets are neither classes nor single numbers"
    else:
        what = seen.why_other or f"samples of shape {list(seen.shape)}"
    return f"no advice on an architecture: {what}, of which nothing proven is known here"
