"""Trainings whose loss is no measure of progress: what the better number did."""

import numpy as np

from tunekit.citations import GAN, RAFAILOV, SCHULMAN
from tunekit.diagnosis.course import course
from tunekit.diagnosis.drawn import Drawn, fall
from tunekit.diagnosis.measures import Measures
from tunekit.diagnosis.verdict import FOREIGN, Outcome, Verdict, silent
from tunekit.vocabulary import Code

KINDS = {
    "reinforcement": "the training is reinforcement learning: its losses follow the policy, not progress",
    "preference": "the training is on preferences: its margins and accuracies say more than its loss",
    "adversarial": "the training sets a generator against a discriminator: neither loss says how good the samples are",
    "annealed": "the weight of the divergence changes in the run, and the loss with it",
    "diffusion": "its names are a diffusion model's, whose loss is noisy and flat even where samples improve",
}
ADVICE = {
    "reinforcement": (
        "judge by the return of evaluation episodes, over several seeds",
        "watch the divergence, the entropy and the length besides: a return that rises while they run off is cheated",
    ),
    "preference": (
        "judge by accuracy and margin on preferences held out, and by answers compared side by side",
        "where the reward of what was chosen falls far, both are unlearnt: a larger beta or a smaller rate",
    ),
    "adversarial": (
        "judge by samples and by a distance such as FID, logged each epoch",
        "a discriminator's loss near zero leaves the generator without a gradient",
    ),
    "annealed": ("compare the parts at the same weight: the reconstruction, and the divergence by itself",),
    "diffusion": (
        "judge by samples from fixed seeds and prompts, or by the loss at fixed noise levels of held out data",
    ),
}
PARTS = ("reward", "val_accuracy", "accuracy", "margin", "chosen", "rejected", "kl", "entropy", "completion", "length")
MORE = ("generator", "discriminator", "reconstruction", "divergence", "weight")


def judge(m: Measures) -> Outcome:
    objective = m.log.objective
    if objective is None or objective.kind == "diffusion":
        return FOREIGN
    if objective.kind == "adversarial" and m.val is not None:
        return silent("the generator has a validation loss")
    return _told(m)


def note(m: Measures) -> Outcome:
    """Of a training of which validation or the loss say something all the same."""
    if m.log.objective is None or judge(m).speaks:
        return FOREIGN
    return _told(m)


def _told(m: Measures) -> Outcome:
    """What kind it is, and how its better numbers went."""
    objective = m.log.objective
    if objective is None:
        return FOREIGN
    numbers: dict[str, object] = {"objective": objective.kind}
    words = []
    for part in (*PARTS, *MORE):
        went = course(objective.curves.get(part))
        if went is not None:
            numbers |= {f"{part}_start": went.start, f"{part}_end": went.end}
            words.append(f"{went.name} {went.tenths}")
    text = KINDS[objective.kind]
    if words:
        text += f": {', '.join(words)}"
    return Outcome(True, text, numbers)


def advice(m: Measures) -> tuple[str, ...]:
    objective = m.log.objective
    return VERDICT.code.advice if objective is None else ADVICE[objective.kind]


VERDICT = Verdict(
    Code(
        name="other_objective",
        severity="note",
        meaning="The loss is no measure of progress in this training: another number is.",
        measured="Columns of returns, of chosen and rejected answers, of a generator and a discriminator, or of a "
        "divergence whose weight changes; of diffusion, the log's names.",
        causes="Reinforcement learning, preferences, adversarial training, an annealed autoencoder, diffusion.",
        advice=("judge by the number that the training is after, not by its loss",),
        source=f"{SCHULMAN}; {RAFAILOV}; {GAN}",
    ),
    judge,
    changed_by="columns of a loss that falls as the training succeeds",
    note=note,
    advice=advice,
    explains=frozenset({"no_validation"}),
    beside=True,
    near_misses=(
        Drawn("a loss that falls", fall(2.3, 0.3, 9), fall(2.3, 0.33, 9)),
        Drawn("a loss below zero", lambda done: -np.log1p(20 * done)),
    ),
)
