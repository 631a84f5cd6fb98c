"""What is said of a tiny set beside whether it was learned: how fast, in which mode, without its inputs, what a
checkpoint holds, and what this step does otherwise than training."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tunekit.measured import TinySet, TinyTrained
from tunekit.shares import percent
from tunekit.steps.overfit_tiny.causes import (
    CONTROL_FAILED,
    EVAL_MODE_DIFFERS,
    FEW_PARAMETERS,
    LOSS_WITHOUT_FLOOR,
    MEMORIZES_WITHOUT_INPUT,
    MODES,
    NOT_SAVED,
    OVERFIT_SLOW,
    RAN_OFF,
    REGULARIZERS_OFF,
    SIGNS,
    SLOW,
    STANDARDISE,
    TARGETS_RESHAPED,
    WEIGHTS_NOT_SAVED,
    far_targets,
    named,
)
from tunekit.steps.overfit_tiny.learned import (
    FEW_INPUTS,
    KNOWS,
    is_below_linear,
    judged_by_accuracy,
    reached,
    solved,
    tells_nothing,
    way,
    without_knowledge,
)
from tunekit.telling import counted
from tunekit.vocabulary import Finding, Record

ROOMY = 10  # parameters a target, below which a model learns by heart slowly for want of room
SMALL = ("nothing to do where the model is small on purpose; more width learns by heart faster",)


def slow(best_try: Record, start: TinySet) -> list[Finding]:
    """Slow for no reason that is known, or because the outputs have far to go to targets that are not standardised."""
    endless = start.free is not None and start.free.endless  # it is held to a hundredth of the variance, and calibrated
    crowded = start.conflicting or 0 < start.features <= FEW_INPUTS  # neighbours disagree: that takes long
    if start.random or endless or crowded or best_try.iterations <= slow_limit(start):
        return []
    message = f"{best_try.iterations} passes over {start.samples} samples were needed; some tens is usual"
    evidence = {"epochs": best_try.iterations}
    far = far_targets(start)
    targets = max(start.targets, start.samples)
    if not far and start.parameters < ROOMY * targets:
        few = f"{counted(start.parameters, 'parameter')} for {counted(targets, 'target')}"
        return [OVERFIT_SLOW.finding(f"{message}; {few}", evidence, advice=SMALL, severity="note", asks=False)]
    if not far:
        return [OVERFIT_SLOW.finding(message, evidence)]
    return [OVERFIT_SLOW.finding(f"{message}; {far}", evidence, advice=(STANDARDISE,), severity="note")]


def slow_limit(start: TinySet) -> float:
    """The passes that are slow. Of targets that are learned at one pace each, the last takes as long as the
    logarithm of their number: a picture of 256 pixels is 256 targets."""
    targets = max(start.targets, start.samples)
    return SLOW * math.log(1 + targets) / math.log(1 + max(1, start.samples))


def modes(trained: TinyTrained | None, start: TinySet) -> list[Finding]:
    """Worse in eval mode: by the accuracy where that is judged by, or by the loss."""
    if trained is None:
        return []
    train, evaluated = trained.train_mode, trained.eval_mode
    evidence = {"train_loss": train.loss, "eval_loss": evaluated.loss}
    if judged_by_accuracy(start) and abs(train.score - evaluated.score) > MODES:
        text = f"accuracy is {percent(train.score)} in train mode and {percent(evaluated.score)}"
        evidence = {"train": train.score, "eval": evaluated.score}
    elif not evaluated.loss - train.loss <= MODES * way(start):
        text = f"the loss is {train.loss:.3g} in train mode and {evaluated.loss:.3g}"
    else:
        return []
    if trained.still_norms:
        why = f"; the statistics of {named(trained.still_norms)} never move: its momentum is 0"
        advice = ("give BatchNorm a momentum above 0: it is the share of the newest batch (0.1), not what is kept",)
        return [EVAL_MODE_DIFFERS.finding(f"{text} in eval mode on the same samples{why}", evidence, advice=advice)]
    message = f"{text} in eval mode on the same samples, BatchNorm's statistics made anew"
    return [EVAL_MODE_DIFFERS.finding(message, evidence)]


def without_inputs(control: Record | None, start: TinySet) -> list[Finding]:
    """The set is learned from what tells nothing. Where masks or lengths still tell the samples apart, they may be what
    it was learned from."""
    if control is None or start.told_apart or tells_nothing(start) or not solved(control, start):
        return []
    message = f"with zeroed inputs the set is learned as well, in {counted(control.iterations, 'epoch')}"
    return [MEMORIZES_WITHOUT_INPUT.finding(message, {"epochs": control.iterations})]


def reloaded(trained: TinyTrained | None, best_try: Record, start: TinySet) -> list[Finding]:
    """The trained weights loaded into a new model, beside what training reached."""
    if trained is None:
        return []
    before = min(reached(best_try, start).loss, trained.train_mode.loss)
    losses = [trained.train_mode.loss, *([] if trained.reloaded is None else [trained.reloaded])]
    after = max(losses) if all(map(math.isfinite, losses)) else math.inf
    if not after - before > NOT_SAVED * max(way(start), abs(start.start - start.floor), abs(before)):
        return []
    message = (
        f"the loss is {before:.3g} where it was trained and {after:.3g} once its weights are loaded into a new model"
    )
    return [WEIGHTS_NOT_SAVED.finding(message, {"trained": before, "reloaded": after})]


def ran_off(best_try: Record, start: TinySet) -> list[Finding]:
    """A loss that training takes far below anything that it began with."""
    end = reached(best_try, start).loss
    if not end < start.start - RAN_OFF * (1 + abs(start.start)):
        return []
    message = f"training took the loss from {start.start:.3g} to {end:.3g}: nothing bounds it"
    evidence = {"start": start.start, "loss": end}
    return [LOSS_WITHOUT_FLOOR.finding(message, evidence, advice=SIGNS, severity="fail")]


def few_parameters(start: TinySet) -> list[Finding]:
    """A model that cannot be asked to learn by heart, and what it is held to instead."""
    linear, targets = start.linear, max(start.targets, start.samples)
    if linear is None:
        return []
    can = "cannot" if start.parameters < targets else "may not"
    message = f"{counted(start.parameters, 'parameter')} {can} learn {counted(targets, 'target')} by heart: "
    if tells_nothing(start):
        message += (
            f"the best linear map ({linear.loss:.3g}) is no better than constant outputs, so little is asked here"
        )
    elif is_below_linear(start):
        message += (
            f"{100 * KNOWS:g} % of the way from the best constant outputs ({without_knowledge(start):.3g}) to the best "
            f"linear map ({linear.loss:.3g}, with {linear.parameters} parameters) is asked of them"
        )
    else:
        message += f"the model is held to the best linear map of the inputs, which has a loss of {linear.loss:.3g}"
    return [
        FEW_PARAMETERS.finding(message, {"parameters": start.parameters, "targets": targets, "linear": linear.loss})
    ]


def notes(start: TinySet, failures: Sequence[Record], ran_off: bool) -> list[Finding]:
    """What is otherwise here than a person would expect. `ran_off`: said already of the loss."""
    found = few_parameters(start)
    if start.free is not None and start.free.endless and not ran_off:
        message = (
            f"free outputs take the loss to {start.free.loss:.3g} and further; {start.floor:.3g} is held to be low"
        )
        found.append(LOSS_WITHOUT_FLOOR.finding(message, {"loss": start.free.loss, "floor": start.floor}))
    if start.reshaped is not None:
        before, after = start.reshaped
        found.append(TARGETS_RESHAPED.finding(f"targets {before} are given to the loss as {after}"))
    said = []
    if start.dropouts:
        said.append(f"dropout is off ({named(start.dropouts)})")
    if start.norms:
        said.append(f"the statistics of {start.norms} BatchNorm layers are made anew before eval mode is judged")
    if said:
        found.append(REGULARIZERS_OFF.finding("; ".join(said)))
    found += [CONTROL_FAILED.finding(f"{record.request.purpose}: {record.error}") for record in failures]
    return found
