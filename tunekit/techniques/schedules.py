"""The schedules of the learning rate, told: one entry each of tunekit.recipe.schedules, and the warm-up before any.

A factor stands before the base rate; k is the iteration from 0, T the iterations of the training without its warm-up.
"""

from __future__ import annotations

from tunekit.techniques.technique import Technique

BY_HAND = (
    "tests/recipe/test_recipe_schedules.py::test_values_at_the_start_the_middle_and_the_end_are_those_computed_by_hand"
)
NOTES = "CS231n course notes, neural-networks-3 (annealing the learning rate)"


def _schedule(  # noqa: PLR0913 - all that is told of one
    name: str, what: str, formula: str, helps: str, costs: str, source: str, args: str = "", proof: str = BY_HAND
) -> Technique:
    recipe = f"schedule: {{name: {name}, args: {{{args}}}}}" if args else f"schedule: {name}"
    return Technique(name, "schedule", what, recipe, proof, formula, helps, costs, source)


SCHEDULES = (
    _schedule(
        "auto",
        "What suits: a constant rate in steps 2 to 5, so that a short training is the beginning of a long one, and a "
        "cosine decay in `tunekit train` (a constant rate where the optimizer takes no schedule).",
        "",
        "Nearly always: the last percents come from a rate that falls.",
        "Nothing.",
        NOTES,
        proof="tests/recipe/test_recipe_schedules.py::test_auto_decays_in_a_whole_training_and_is_constant_in_the_steps",
    ),
    _schedule(
        "constant",
        "The rate stays as it is.",
        "factor = 1",
        "To compare trainings of different lengths; with averaged weights (`ema`).",
        "The end of a training stays as noisy as its rate.",
        NOTES,
    ),
    _schedule(
        "step",
        "The rate falls by a factor every so many iterations.",
        "factor = gamma^floor(k / every)",
        "Where it is known when the loss stands still: the classical way of ImageNet.",
        "Two numbers to choose, `every` in iterations.",
        NOTES,
        "every: 3000, gamma: 0.1",
    ),
    _schedule(
        "exponential",
        "The rate falls by the same share at each iteration.",
        "factor = gamma^k",
        "Where a training has no planned end.",
        "gamma hangs on the length: 0.999 leaves 37 % after 1,000 iterations and nothing after 10,000.",
        NOTES,
        "gamma: 0.9995",
    ),
    _schedule(
        "cosine",
        "The rate falls along half a cosine to `final` at the training's end.",
        "factor = final + (1 - final) * (1 + cos(pi*k / T)) / 2",
        "The usual choice where the length is known: it takes its length from the training.",
        "A training that is cut short has not decayed.",
        "Loshchilov and Hutter, 'SGDR', ICLR 2017",
    ),
    _schedule(
        "linear",
        "The rate falls in a line to `final` at the training's end.",
        "factor = 1 + (final - 1) * k / T",
        "Fine-tuning, and long trainings of transformers; as good as the cosine, or a little better.",
        "A training that is cut short has not decayed.",
        "Defazio et al., 'When, Why and How Much?', arXiv 2310.07831",
    ),
    _schedule(
        "one-cycle",
        "The rate rises from `start` along a cosine for a share `rise` of what follows the warm-up, and falls to "
        "`final` (the rate alone: momentum stays).",
        "factor = start + (1 - start) * (1 - cos(pi*k / (rise*T))) / 2, then a cosine down to final",
        "Short trainings at a high rate.",
        "The rate that the sweep found is its peak, at which it stays for a moment only.",
        "Smith and Topin, 'Super-Convergence', arXiv 1708.07120",
    ),
    _schedule(
        "wsd",
        "Warm-up, stable, decay: the rate stays and falls in a line to `final` over the last share `decay` of "
        "what follows the warm-up.",
        "factor = 1, then 1 + (final - 1) * (k/T - (1 - decay)) / decay",
        "Trainings whose length is decided late: the decay can begin from any checkpoint of the constant part.",
        "One more number; 0.1 to 0.2 is usual.",
        "Hu et al., 'MiniCPM', arXiv 2404.06395; Hägele et al., 'Scaling Laws and Compute-Optimal Training Beyond "
        "Fixed Training Durations', NeurIPS 2024",
        "decay: 0.2, warmup: 5 %",
    ),
    _schedule(
        "plateau",
        "The rate falls by `factor` after `patience` epochs without a validation loss that is lower by `min_delta`.",
        "factor = factor^(times that the loss stood still), at least final",
        "Where neither the length nor the moment of the decay is known.",
        "It follows the validation loss, which is then a little less independent of the training.",
        f"{NOTES}; Keras, ReduceLROnPlateau",
        "factor: 0.1, patience: 5, min_delta: 0.001",
        "tests/recipe/test_recipe_schedules.py::test_a_plateau_lowers_the_rate_after_its_patience_in_epochs",
    ),
    Technique(
        "warmup",
        "schedule",
        "The rate rises in a line before any schedule: so many iterations (`500`), epochs (`2 epochs`) or a share of "
        "the training (`5 %`; in steps 3 to 5 of the fine run's length).",
        "schedule: {name: cosine, warmup: 5 %}",
        "tests/recipe/test_recipe_schedules.py::test_warmup_rises_in_a_line_and_then_the_schedule_begins",
        "factor = (k + 1) / (w + 1) over the first w iterations",
        "Large batches, transformers, Adam's first steps: a rate that would diverge at once works behind it.",
        "The iterations that it takes.",
        "Goyal et al., 'Accurate, Large Minibatch SGD', arXiv 1706.02677",
    ),
)
