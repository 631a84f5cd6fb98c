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
)
