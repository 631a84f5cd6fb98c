"""Whose numbers a curve holds where its own name does not say: letters, or the name of its file, do."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from tunekit.logs.names import EMPTY_WORDS, MEASURES, TEST, TRAIN, VAL, part, side, split
from tunekit.vocabulary import Curve

LONGEST = 80
"""Characters of a name in which a letter may stand for a split."""

SURELY_VALIDATION = frozenset(("val", "vals", "valid", "validation", "vali"))
"""Words of a file's name that say whose it is; `test.log` and `dev.log` may be a trial's."""

_OF_A_SPLIT = TRAIN | VAL | TEST | MEASURES | EMPTY_WORDS | {"curve", "curves", "results", "record", "epoch"}

_LETTER = re.compile(
    r"(?P<before>(?:.*[^a-z])?)(?P<letter>[tv])(?P<joint>[ _./-]?)"
    r"(?P<measure>(?:loss|losses|accs?|accuracy|f1|auc|mae|mse|rmse|err|error|iou|dice)(?![a-z]).*)$",
    re.DOTALL,
)


def of_its_file(curves: Mapping[str, Curve], files: Sequence[str | Path]) -> Mapping[str, Curve]:
    """The curves of a file that is called after the validation split (`val_loss.txt`, `valid.csv`), as that split's."""
    words = split(Path(files[0]).stem) if len(files) == 1 else []
    owner = side(words)
    surely = not SURELY_VALIDATION.isdisjoint(words) or (owner in ("val", "test") and not MEASURES.isdisjoint(words))
    if not surely or owner == "train" or not _OF_A_SPLIT.issuperset(words):
        return curves
    measured = {key for key in curves if part(key).kind in ("loss", "score", "error")}
    if any(part(key).side for key in curves) or not measured:
        return curves
    return {f"{owner}/{key}" if key in measured else key: value for key, value in curves.items()}


def spelled_out(curves: Mapping[str, Curve]) -> dict[str, Curve]:
    """The curves, `t_loss` and `v_loss`, or `avg_loss` and `avg_vloss`, by names that tell their splits."""
    letters = {key: match for key in curves if len(key) <= LONGEST and (match := _LETTER.match(key.lower()))}
    known = {key.lower() for key in curves}
    told: dict[str, str] = {}
    paired = {letter: {f"{m[1]}{m[3]}{m[4]}" for m in letters.values() if m[2] == letter} for letter in "tv"}
    pairs = not paired["t"].isdisjoint(paired["v"])
    for key, (before, letter, joint, measure) in ((key, match.groups()) for key, match in letters.items()):
        if pairs:
            told[key] = f"{before}{'train' if letter == 't' else 'val'}_{measure}"
        elif letter == "v" and before and not joint and before + measure in known:
            told[key] = f"{before}val_{measure}"
    return {told.get(key, key): value for key, value in curves.items()}
