"""What the words before a printed number say: the name of its column, which tells its split and its measure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from tunekit.logs.names import (
    ADVERSARIAL,
    CROSS_ENTROPY,
    EMPTY_WORDS,
    ERRORS,
    LOSS,
    SCORES,
    STEP_LEVEL,
    TEST,
    TRAIN,
    VAL,
    part,
    split,
)
from tunekit.logs.objectives import SURELY_REWARD, names_return

SIDES = {**dict.fromkeys(TRAIN, "train"), **dict.fromkeys(VAL | {"validate", "validating", "evaluating"}, "val")}
SIDES.update(dict.fromkeys(TEST, "test"))
SIDE_WORDS = [word for word in SIDES if not any(other in word for other in SIDES if other != word)]
"""In one of these every word that names a split is found."""

_TELLING = LOSS | ERRORS | SCORES | SURELY_REWARD | {"lr"}
_FILLER = frozenset(
    ("avg", "average", "mean", "value", "of", "is", "for", "at", "the", "on", "over", "per", "epoch", "batch", "total")
) | frozenset(("set", "percent", "now", "macro", "micro", "weighted"))
_BEHIND = _FILLER | frozenset(SIDES)
_OF_RETURNS = frozenset(
    ("avg", "average", "mean", "last", "total", "episode", "episodic", "eval", "test", "evaluation", "cumulative")
) | {"running"}
_KINDS_OF_AVERAGE = frozenset(("macro", "micro", "weighted", "balanced"))
_DATA_SET = re.compile(r"(?i)(?:valid|validation|eval)_\d++")
_OF_AN_OPPONENT = re.compile(
    r"(?:[GD]_(?!lr|acc|grad|norm|step|iter|time|loss|x$)[A-Za-z0-9_]++|(?:err|net)[GD]\w*+|(?:cycle|idt)_[AB])$"
)
_NO_SPLIT = re.compile(
    r"(?i)\b(?:evaluation|test) metric\b|\b(?:train|val|valid|test)[a-z]*+[ _](?:steps?|samples|size|batches|time)\b"
)
_SEPARATOR = re.compile(r"[0|,;]")
_NOT_CURVES = re.compile(
    r"(?i)\b(best|max|(?<!\d )min|lowest|highest|maximum|minimum|improved|patience|target|previous|threshold|delta)\b"
)


@lru_cache(maxsize=4096)
def may_tell(words: str) -> bool:
    """Whether words before a number may be a loss's, a metric's, a rate's or a split's."""
    known = {*split(words), *words.lower().split(" ")}
    return not known.isdisjoint(_TELLING | SIDES.keys()) or _OF_AN_OPPONENT.match(words.split(" ")[-1]) is not None


@lru_cache(maxsize=4096)
def name_of(words: str, before: str, heading: str, stated: bool = True) -> str:
    """A column's name from the words before a number: its split and what tells it from its kin, nothing else.

    `before`: what stands before them, its digits all zeros so that lines that differ in numbers alone are one case.
    `stated`: whether a colon or an equals sign stands between them and the number.
    """
    tokens = CROSS_ENTROPY.sub("xent", words).split(" ")
    if _OF_AN_OPPONENT.match(tokens[-1]):
        return f"{tokens[-1].lower()}_loss"
    place = next((place for place in reversed(range(len(tokens))) if _TELLING & set(split(tokens[place]))), None)
    if place is None:
        return "lr" if split(words)[-1:] == ["lr"] else ""
    if len(tokens) - place > 3 or not all(_BEHIND.issuperset(split(token)) for token in tokens[place + 1 :]):
        return ""
    if _NOT_CURVES.search(words) or _NOT_CURVES.search(_SEPARATOR.split(before[-24:])[-1]):
        return ""
    token = split(tokens[place])
    kin = split(tokens[place - 1]) if place else []
    if tokens[place].lower() in ("return", "returns") and not stated:  # a function's, a program's
        return ""
    if names_return([tokens[place]]):
        owner = kin[-1:] if kin and kin[-1] in _OF_RETURNS else []
        return "_".join(dict.fromkeys([*owner, *token]))
    if not part(" ".join(tokens[max(0, place - 1) : place + 1])).kind:
        return ""
    if "lr" in token:
        return "lr" if token[-1] == "lr" else ""
    told = side_of(split(words)) or side_of(split(_NO_SPLIT.sub("", before))) or heading
    if {"err", "error"} & set(token) and len(token) == 1 and not told:  # any program prints errors
        return ""
    rest = [word for word in token if word not in SIDES and word not in EMPTY_WORDS and not word.isdigit()]
    if len(rest) > 1 and rest[0] in LOSS and not LOSS.isdisjoint(rest[1:]):  # Loss/box_loss
        rest = rest[1:]
    if token == ["score"] and kin and kin[-1] in SCORES:
        rest, kin = [kin[-1]], []
    if len(rest) == 1 and kin and _tells_apart(kin[-1], rest[0]):
        rest = [kin[-1], *rest]
    elif len(rest) == 1 and rest[0] in LOSS and {"total", "overall"} & {*token, *kin}:
        rest = ["total", *rest]
    if STEP_LEVEL & set(token) and len(token) > 1:
        rest.append("step")
    numbered = _DATA_SET.match(words)
    return "_".join([numbered[0].lower() if numbered else told, *rest]).strip("_")


def _tells_apart(word: str, measure: str) -> bool:
    if measure not in LOSS:
        return word in _KINDS_OF_AVERAGE or (len(word) > 1 and word in ADVERSARIAL)
    return (
        bool(part(f"{word}_loss").core)
        and word not in SIDES
        and word not in SCORES
        and (1 < len(word) < 20 or word in ADVERSARIAL)
        and not word.isdigit()
    )


def side_of(words: Sequence[str]) -> str:
    """The split that the last of such words names."""
    return next((SIDES[word] for word in reversed(words) if word in SIDES), "")
