"""Inputs that say the target: tokens that are to be predicted and are given, a column of a table."""

from __future__ import annotations

from tunekit.measured import Copied, Samples, Says
from tunekit.shares import percent
from tunekit.steps.check_init_loss.settings import SEEN, fault
from tunekit.vocabulary import Finding, Severity

TARGET_AMONG_INPUTS = fault(
    "target_among_inputs",
    "warn",
    "What the model is to predict stands among its inputs.",
    "Tokens: the loss holds each output against the token of its own position, for a model that sees no later ones. "
    "Tables: one column of several that says the target of every sample looked at: classes by values of their own, or "
    "cut off where samples lie close on both sides, numbers as a linear function of it or in the order of no other "
    "column (both notes: a small example may be made so).",
    "Targets that are not shifted by one token; a decoder that is given its targets; a table whose target was not "
    "taken out of the inputs, or stands there a second time in other units.",
    (
        "shift by one: inputs `tokens[:, :-1]` and targets `tokens[:, 1:]` (a decoder begins with a start token)",
        "take the named column out of the inputs",
    ),
    "Kaufman et al., 2012, 'Leakage in data mining', section 2",
)
CODES = (TARGET_AMONG_INPUTS,)

MANNER: dict[Says, str] = {"class": "", "order": ", which rises or falls with it", "line": ", as a linear function"}


def of_tokens(copied: Copied | None) -> list[Finding]:
    """Of a model that sees later tokens it may be meant: a code of the whole sequence that is read back."""
    if copied is None or copied.before > SEEN * copied.next or copied.next == 0:
        return []
    message = (
        f"{percent(copied.share)} of the outputs are to give the token that stands at their own position in "
        f"{copied.input}: nothing is left to predict"
    )
    return [TARGET_AMONG_INPUTS.finding(message, copied.to_json(), advice=TARGET_AMONG_INPUTS.advice[:1])]


def of_columns(samples: Samples) -> list[Finding]:
    giveaway = samples.giveaway
    if giveaway is None:
        return []
    of = "" if giveaway.target is None else f" {samples.class_name(giveaway.target)}"
    message = (
        f"{samples.feature_name(giveaway.feature)} of the inputs alone says the target{of} of all {giveaway.samples:,} "
        f"samples looked at{MANNER[giveaway.says]}: it is perhaps the answer itself"
    )
    severity: Severity | None = None if giveaway.says == "class" else "note"
    advice = TARGET_AMONG_INPUTS.advice[1:]
    return [TARGET_AMONG_INPUTS.finding(message, giveaway.to_json(), advice=advice, severity=severity)]
