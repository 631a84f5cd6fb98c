"""Where in a run a printed line stands: its epoch, its step, its place in a loop."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import islice

from tunekit.logs.forms import Span
from tunekit.logs.names import split
from tunekit.logs.textname import side_of

EPOCHS = 5
"""Digits of a number of epochs at most: `[500/200000]` counts iterations."""

_LOOP = r"(?:\((?:train|val|test)\))?+"
_SECONDS = r"\s*+(?:m?s|secs?|seconds?|min(?:ute)?s|h|hours?)\b"  # `Time taken for 1 epoch: 78 s`
_EPOCH = re.compile(
    r"(?<![a-z0-9])(?:current_|cur_)?+(?:epoch|ep\.?+(?=[\s:=#\[(]*+\d))(?:s(?=[\s:=#\[(-]*+\d++\s*+/)|_idx|_num|_id|_number)?+"
    rf"{_LOOP}['\"]?+[\s:=#\[(_-]*+(\d++(?:\.\d++)?+)(?!\.?\d*+(?:%|{_SECONDS}))(?:\]?+\s*+:\s*+(\d++) / \d)?+",
    re.IGNORECASE,
)
_EPOCH_BEHIND = re.compile(r"(?i)(?<![\w.])(\d++)epoch\b(?:\S*?-(\d++)batch)?+")
_LEADING_EPOCH = re.compile(r"(?<![\w/.])train(?:ing)?+:?+ *+\[?+(\d++)(?:/\d++)?+\]? ?+(?=\[ *+\d++/)", re.IGNORECASE)
_NO_CLOCK = re.compile(r"(?i)(?:best|max|maximum|total|num|per|every|each|from|until|warmup|saved?|load(?:ed)?)\W*+$")
_STEP = re.compile(
    r"(?<![a-z0-9_/-])(?:global[_ ]|train(?:ing)?[_ ]|num[_ ])?+(?:step|iteration|iter|itr|update)(s?+)"
    rf"{_LOOP}(?![a-z_/])['\"]?+[\s:=#\[(]*+(\d++)(?!\.?\d*+%)(?:\s*+/\s*+(\d++))?+",
    re.IGNORECASE,
)
_GLOBAL_STEP = re.compile(
    _STEP.pattern.replace("global[_ ]|train(?:ing)?[_ ]|num[_ ])?+", "global[_ ])"), re.IGNORECASE
)
_BATCH = re.compile(
    r"(?<![a-z0-9_/])(?:mini-?)?+batch(?:_id|_idx|_i)?+[\s:=#\[(]++(\d++)(?:\s*+/\s*+(\d++))?+"
    r"|(?<!\d)(\d++)/ *+(\d++) batches",
    re.IGNORECASE,
)
_SAMPLE = re.compile(r"(?i)(?<![a-z0-9_/])(?:sample|image)(?:_id|_idx|_i)?+[\s:=#\[(]++(\d++)(?![\w.%])")
FOLDS = ("fold", "run", "trial")
_FOLD = re.compile(
    r"(?i)(?<![a-z])(?:(fold)[\s:#=_-]*+(\d++)(?:\s*+(?:/|of)\s*+\d++)?+|(run|trial)[\s:#]*+(\d++)\s*+(?:/|of)\s*+\d++)"
    r"\W*+(?:(?:training|starts?|started|begins?)\W*+)?+$"
)
_STARTS = re.compile(r"(?i)\b(?:start(?:ing|ed|s)?|begin(?:ning|s)?)\b")
_BRACKET = re.compile(r"\[\s*+(\d++)\s*+/\s*+(\d++)\s*+(?:\]|\()")
_PAIR_OF_COUNTS = re.compile(r"[^\w\[]*+\[(\d++), *+(\d++)\]")
_NAMED_BEFORE = re.compile(r"[A-Za-z]{2}[\s:=]++\d")
_LINE_NUMBER = re.compile(r"(?:[A-Z]++:[\w.]++:)?+\s*+\[\s*+(\d++)\](?=[\s:|])")


def place_of(
    text: str, lowered: str, bar: re.Match[str] | None, heading: str
) -> tuple[dict[str, Span], tuple[Span, Span | None] | None]:
    clock: dict[str, Span] = {}
    inner: tuple[Span, Span | None] | None = None
    epoch = _EPOCH.search(text) if "ep" in lowered else None
    if epoch is not None and not _NO_CLOCK.search(text[max(0, epoch.start() - 12) : epoch.start()]):
        clock["epoch"] = epoch.span(1)
        if epoch[2]:
            inner = epoch.span(2), None
    elif epoch is None and "epoch" in lowered and (behind := _EPOCH_BEHIND.search(text)):
        clock["epoch"] = behind.span(1)
        inner = (behind.span(2), None) if behind[2] else None
    elif epoch is None and "train" in lowered and "[" in text and (leading := _LEADING_EPOCH.search(text)):
        clock["epoch"] = leading.span(1)
    if bar is not None:
        return clock, (bar.span(1), bar.span(2))
    if says(lowered, "step", "iter", "update", "itr"):
        step = (_GLOBAL_STEP.search(text) if "global" in lowered else None) or _STEP.search(text)
        if step is not None and not _NO_CLOCK.search(text[max(0, step.start() - 12) : step.start()]):
            clock["step"] = step.span(2)
            told = side_of(split(text[: step.start()]))
            if step[3] and ("epoch" in clock or told):
                inner = step.span(2), step.span(3)
            elif told in ("val", "test") and "epoch" in clock and "global" not in lowered:
                inner = clock.pop("step"), None
    if inner is None and says(lowered, "sample", "image") and (heading or side_of(split(text))) in ("val", "test"):
        sample = _SAMPLE.search(text)
        inner = (sample.span(1), None) if sample else None
    if "batch" in lowered and (batch := _BATCH.search(text)):
        first, total = (1, 2) if batch[1] else (3, 4)
        inner = batch.span(first), batch.span(total) if batch[total] else None
    elif "[" in text and inner is None:
        inner = _brackets(text, clock, heading)
    return clock, inner


def _brackets(text: str, clock: dict[str, Span], heading: str) -> tuple[Span, Span | None] | None:
    """`[2/90][10/5005]`, `Epoch: [2][10/5005]`, `Test: [10/196]`, `[2/90] loss 0.3`; an epoch found is added."""
    pair = _PAIR_OF_COUNTS.match(text) if not clock else None
    if pair is not None:
        clock["epoch"] = pair.span(1)
        return pair.span(2), None
    found = list(islice(_BRACKET.finditer(text), 2))
    if not found:
        number = _LINE_NUMBER.match(text)
        if number is not None and not clock:
            clock["step"] = number.span(1)
        return None
    first = found[0]
    of_epoch = "epoch" in clock and re.search(r"(?i)epochs?\W*+$", text[: first.start()]) is not None
    if len(found) == 2 or of_epoch:
        if "epoch" not in clock:
            clock["epoch"] = first.span(1)
        return (found[1].span(1), found[1].span(2)) if len(found) == 2 else None
    told = heading or side_of(split(text[: first.start()]))
    if not (told or "epoch" in clock or "step" in clock or _NAMED_BEFORE.search(text[: first.start()])):
        clock["step" if len(first[2]) > EPOCHS else "epoch"] = first.span(1)
        return None
    return (first.span(1), first.span(2)) if "step" not in clock else None


def fold_of(text: str) -> str:
    """`fold 3` of `Starting fold 3/5`, a line that says that a training begins and nothing else; "" for others."""
    match = _FOLD.search(text)
    return f"{match[1] or match[3]} {match[2] or match[4]}".lower() if match else ""


def starts_first_epoch(text: str, clock: Mapping[str, float]) -> bool:
    """Whether a line says that the first epoch begins, that of training."""
    return clock.get("epoch", 2.0) <= 1.0 and _STARTS.search(text) is not None and not side_of(split(text))


def says(lowered: str, *words: str) -> bool:
    """Whether one of the words is in a text: a hundredth of the time that a search by regular expression takes."""
    return any(word in lowered for word in words)
