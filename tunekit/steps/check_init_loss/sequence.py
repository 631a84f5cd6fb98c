"""Inputs one by one and outputs position by position: what is seen too early, what not at all, and padding."""

from __future__ import annotations

from tunekit.measured import Ignored, InputUse, Later, Padded, UsageMeasured
from tunekit.shares import percent
from tunekit.steps.check_init_loss import giveaways, tokens
from tunekit.steps.check_init_loss.settings import SEEN, fault
from tunekit.vocabulary import Finding, Severity

PADDING_ACTS = 0.1  # standard deviations of the outputs; a mean or a last state over padding: 0.13 to 1.3, a recurrent
# tagger that runs through it: 0.01 to 0.05
PADDING_SHOWS = 0.02  # of them, above which it is worth a word
PADDING_COUNTS = 0.2  # share of padding in what the loss counts
IGNORED = 0.97  # share of the targets: a masked language model leaves out 85 %, and padding
HALF_IGNORED = 0.5  # of them, above which it is worth a word

SEES_LATER_TOKENS = fault(
    "sees_later_tokens",
    "fail",
    "A model that predicts the next token sees it.",
    "Where the loss holds each output against the input one step on: all later inputs are exchanged, in eval mode; "
    f"outputs before them must not change (at most {SEEN:g} of what the later outputs do).",
    "A causal mask that is missing, inverted or one place off; a layer that runs in both directions, or that averages "
    "or normalises over time; a view or reshape where a transpose was meant.",
    (
        "mask attention with torch.triu(ones, diagonal=1), true where it must not look (`is_causal=True`)",
        "look for bidirectional layers, centred convolutions and means over time",
    ),
    "Vaswani et al., 2017, 'Attention is all you need', section 3.2.3",
)
INPUT_UNUSED = fault(
    "input_unused",
    "warn",
    "One of the model's inputs changes nothing.",
    "Each input exchanged between samples, the others kept: no output changes, in train and in eval mode, though for "
    "another input some do. Inputs that are the same for all samples, or that only number them, are left out.",
    "An argument of forward() that is not passed on: an attention mask above all.",
    (
        "pass the named input on in forward(), to every layer that takes it (`key_padding_mask`, `attn_mask`)",
        "or leave it out of the data",
    ),
    "Karpathy, 'A Recipe for Training Neural Networks', 2019 (use backprop to chart dependencies)",
)
PADDING_NOT_MASKED = fault(
    "padding_not_masked",
    "warn",
    "Padding changes the outputs of what is padded.",
    "Sequences that end in padding, as they are and with less of it: the median change of their outputs at real "
    f"positions, above {PADDING_ACTS:g} standard deviations of the outputs (a note above {PADDING_SHOWS:g}).",
    "Attention, a mean or a recurrent layer's last state that takes padding for tokens.",
    (
        "of the built-in transformer say which token it is: `model: {target: transformer, args: {padding: TOKEN}}`",
        "in a model of your own pass a mask (`key_padding_mask`), pack the sequences (`pack_padded_sequence`), or "
        "average over real positions alone",
    ),
    "torch.nn.MultiheadAttention (key_padding_mask); torch.nn.utils.rnn.pack_padded_sequence",
)
PADDING_IN_LOSS = fault(
    "padding_in_loss",
    "warn",
    "The loss counts padding as targets.",
    "Positions where the input is padding and the loss has a gradient at the outputs: more than "
    f"{100 * PADDING_COUNTS:g} % of all that it counts (a note below).",
    "An ignore_index that is missing, or another than the padding's.",
    (
        "say `ignore_index` in the loss, or set padded targets to -100: padding is soon learned, and hides what is not",
        "leave padding out of the metric too",
    ),
    "torch.nn.CrossEntropyLoss (ignore_index)",
)
TARGETS_MOSTLY_IGNORED = fault(
    "targets_mostly_ignored",
    "warn",
    "The loss leaves out nearly all targets.",
    "Targets of one value whose outputs get no gradient from the loss: more than "
    f"{100 * IGNORED:g} % of all (a note above {100 * HALF_IGNORED:g} %, as a warning of several values).",
    "An ignore_index that is a real class, or a mask that is inverted.",
    ("look at what the named value stands for: the loss learns nothing of it",),
    "torch.nn.CrossEntropyLoss (ignore_index)",
)
CODES = (SEES_LATER_TOKENS, INPUT_UNUSED, PADDING_NOT_MASKED, PADDING_IN_LOSS, TARGETS_MOSTLY_IGNORED)


def judge(usage: UsageMeasured) -> list[Finding]:
    later, unused = _later(usage.later), _unused(usage.inputs)
    # What sees everything, whose mask is not passed on or is inverted sees padding for that reason.
    explained = bool(later or tokens.hidden(usage.hidden)) or (
        bool(unused) and any(not use.used and use.masks for use in usage.inputs)
    )
    return [
        *later,
        *giveaways.of_tokens(usage.copied),
        *unused,
        *([] if explained else _padding(usage.padded)),
        *_padding_in_loss(usage.padded),
        *_ignored(usage.ignored),
    ]


def _later(later: Later | None) -> list[Finding]:
    if later is None or later.before <= SEEN * later.after:
        return []
    message = (
        f"other inputs after position {later.position + 1} of {later.positions} change the outputs before it, which "
        f"are to predict them (by {later.before:.2g}; later outputs by {later.after:.2g})"
    )
    evidence = {name: value for name, value in later.to_json().items() if name != "origin"}
    if later.origin is None:
        return [SEES_LATER_TOKENS.finding(message, evidence)]
    operation, place = later.origin.operation, later.origin.place
    where = operation + (f" ({place})" if place else "")
    evidence |= {"operation": operation, "place": place}
    return [SEES_LATER_TOKENS.finding(f"{message}; first in {where}", evidence)]


def _unused(uses: tuple[InputUse, ...]) -> list[Finding]:
    names = [use.name for use in uses if not use.used]
    if not names or not any(use.used for use in uses):
        return []  # where none has an effect, input_ignored says so
    several = "s change" if len(names) > 1 else " changes"
    message = f"the input{several} nothing: {', '.join(names)} (others' values give the same outputs)"
    return [INPUT_UNUSED.finding(message, {"inputs": names})]


def _padding(padded: Padded | None) -> list[Finding]:
    if padded is None or padded.effect is None or not padded.effect > PADDING_SHOWS:
        return []
    token = "" if padded.token is None else f", token {padded.token}"
    message = (
        f"with less padding the outputs at real positions change by {padded.effect:.2g} of their standard deviation "
        f"({percent(padded.share)} of the positions are padding{token})"
    )
    if padded.told:
        message += ", though a mask or lengths are among the inputs"
    severity: Severity | None = None if padded.effect > PADDING_ACTS else "note"
    return [PADDING_NOT_MASKED.finding(message, {"effect": padded.effect, "padding": padded.share}, severity=severity)]


def _padding_in_loss(padded: Padded | None) -> list[Finding]:
    if padded is None or not padded.in_loss:
        return []
    message = f"{percent(padded.in_loss)} of the targets that the loss counts are padding"
    severity: Severity | None = None if padded.in_loss > PADDING_COUNTS else "note"
    return [PADDING_IN_LOSS.finding(message, {"share": padded.in_loss}, severity=severity)]


def _ignored(ignored: Ignored | None) -> list[Finding]:
    if ignored is None or ignored.share <= HALF_IGNORED:
        return []
    several = len(ignored.markers) > 1
    values = ", ".join(map(str, ignored.markers[:5])) + (" and others" if len(ignored.markers) > 5 else "")
    message = f"the loss leaves out {percent(ignored.share)} of the targets: those of value {values}"
    severity: Severity | None = None if several or ignored.share > IGNORED else "note"
    return [TARGETS_MOSTLY_IGNORED.finding(message, ignored.to_json(), severity=severity)]
