"""The regularisers, told."""

from __future__ import annotations

from tunekit.techniques.technique import Technique

REGULARISATION = (
    Technique(
        "dropout",
        "regularisation",
        "Units left out at random in each iteration; the number is the probability of dropping.",
        "model: {args: {dropout: [0.2, 0.5]}}",
        "tests/training/test_model_parts.py::TestDropout::test_it_is_the_probability_of_dropping_and_what_is_kept_grows",
        "h = h*m / (1 - p) in training, m = 0 with probability p (of dropping; the notes' p is that of keeping), and h "
        "in evaluation. [0.2, 0.5]: of the inputs, of the hidden layers",
        "Fully connected layers that overfit: 0.5 on hidden layers, 0.2 on the inputs.",
        "Two to three times the epochs. Before BatchNorm it shifts the variance: put it behind the last one.",
        "Srivastava et al., 'Dropout', JMLR 2014",
    ),
    Technique(
        "early_stopping",
        "regularisation",
        "A training ends after `patience` epochs without a validation that is better by more than `min_delta`; the "
        "best epoch is kept, with or without it. In the fine run: `steps: {fine-run: {patience: 3}}`.",
        "train: {patience: 5, min_delta: 0.0}",
        "tests/test_worker.py::TestPatience::test_it_ends_where_it_runs_out_and_more_of_it_goes_on_with_the_same_training",
        "",
        "Trainings that overfit, or of which nobody knows how long they take.",
        "A schedule that falls to its end is cut before it: the last gains are lost. Little patience stops in noise.",
        "Prechelt, 'Early Stopping - But When?', 1998; CS231n lectures, training neural networks",
    ),
    Technique(
        "ema",
        "regularisation",
        "Validation sees an exponential average of the weights and of BatchNorm's statistics; the raw ones are "
        "validated beside it.",
        "ema: 0.999",
        "tests/training/test_loop.py::test_the_moving_average_is_what_its_formula_says_and_what_validation_sees",
        "a = ema*a + (1 - ema)*w after each step, from the first step's weights on",
        "Noisy ends of trainings at a high or constant rate.",
        "A copy of the weights, and a second validation. Over more iterations than there are, 1 / (1 - ema), it lags.",
        "Polyak and Juditsky, 1992; Izmailov et al., 'Averaging Weights Leads to Wider Optima', UAI 2018",
    ),
)
