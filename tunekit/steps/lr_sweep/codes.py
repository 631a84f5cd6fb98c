"""What the sweep says, each with how it is measured."""

from tunekit import citations
from tunekit.steps.lr_sweep.curves import LEAST_DROP, WORKS
from tunekit.steps.noise import ERRORS
from tunekit.steps.regime import FEW
from tunekit.vocabulary import Code, StopRule

NO_LEARNING_RATE_WORKS = Code(
    "no_learning_rate_works",
    "fail",
    "No rate lowers the loss by more than its noise.",
    f"Drop of the mean training loss of the last tenth from the start, for each rate: at least {ERRORS:g} standard "
    f"errors, and {LEAST_DROP:.0%} of the start.",
    "A fault in the model or the data rather than the rate: step 2 tells which.",
    ("run `tunekit overfit-tiny RECIPE` and mend what it names",),
    f"{citations.LECTURE} (step 3)",
)
ALL_DIVERGED = Code(
    "all_diverged",
    "fail",
    "Every rate makes the loss diverge.",
    f"Loss not finite, or above its start by more than {StopRule.factor:g} times its scale, at all rates.",
    "A loss that is summed, inputs on a huge scale, or an exploding start.",
    ("run `tunekit check-init-loss RECIPE` and mend what it names",),
    f"{citations.LECTURE} (step 3)",
)
BEST_AT_EDGE = Code(
    "best_at_edge",
    "warn",
    "The best value is the last one tried: a better one may lie beyond.",
    "The best rate (or cell) is the first or last of its axis after the extensions that the step makes itself.",
    "A scale far from usual: inputs, loss or optimizer.",
    ("widen the range in the recipe under `steps`",),
    f"{citations.NOTES} (careful with best values on border)",
)
NARROW_RANGE = Code(
    "narrow_range",
    "warn",
    "Only one rate works; its neighbours fail.",
    f"Rates whose drop is at least {WORKS:.0%} of the best: a single one, while a neighbour diverges.",
    "Training that is hardly stable: no normalisation, no clipping, a poor initialisation.",
    ("try `clip_grad_norm: 1.0`, a warm-up or normalisation layers",),
    citations.PLAYBOOK,
)
ENDS_AT_CHANCE = Code(
    "ends_at_chance",
    "warn",
    "The best rate ends at the loss of a guess: the fall is that of a poor start, and says little of the rates.",
    f"Mean training loss of the last tenth at the best rate, no lower than {1 - LEAST_DROP:.0%} of the loss that step "
    "1 expects of outputs without knowledge.",
    "Too few iterations, rates too low for a network that is slow to begin (deep, with sigmoids, without "
    "normalisation), or too weak a signal.",
    ("try more iterations, and higher rates", "normalisation layers, ReLU or another initialisation begin faster"),
    f"{citations.LECTURE} (steps 1 and 3)",
)
RATE_IS_FOUND = Code(
    "rate_is_found",
    "note",
    "The optimizer finds its own rate: no sweep is made, and later steps give it the rate 1.",
    "The optimizer's entry in tunekit's table: `prodigy` estimates how far the weights have to go, and steps by that.",
    "An optimizer without a rate to tune.",
    (
        "nothing to do; where it learns too little or diverges search its own factor: "
        "`search: {optimizer.args.d_coef: [0.5, 1, 2]}`",
    ),
    "Mishchenko and Defazio, 'Prodigy', ICML 2024",
    asks=False,
)
FEW_PARAMETERS_TRAIN = Code(
    "few_parameters_train",
    "note",
    "The weights come trained, and few of them train: rates are looked for as for a training from scratch.",
    f"Parameters with requires_grad over all: below {FEW:.0%}.",
    "A new head on a frozen body, or adapters such as LoRA: what was learned before stays, so it is not forgotten.",
    ("to move the body too, unfreeze it and run the steps again: rates are then looked for from 1e-6 on",),
    "Kumar et al., 'Fine-Tuning can Distort Pretrained Features', ICLR 2022",
)
