"""The regularisers, told: penalties, dropout, smoothed labels, and which weights are kept."""

from __future__ import annotations

from tunekit.techniques.technique import Technique

NOTES = "CS231n course notes, neural-networks-2 (regularization)"


REGULARISATION = (
    Technique(
        "l2",
        "regularisation",
        "Weight decay as part of the loss's gradient: sgd, momentum, nesterov, adagrad, rmsprop, adam and "
        "schedule-free-sgd.",
        "optimizer: {target: sgd, weight_decay: 1.0e-4}",
        "tests/training/test_l1.py::test_weight_decay_of_sgd_in_the_loss_and_beside_it_are_one",
        "loss + lambda/2 |w|^2: g = g + lambda w. For sgd the same as w = (1 - eta lambda) w - eta g",
        "Nearly always worth a look: the grid tries 0, 1e-5, 1e-4 and 1e-3 by itself.",
        "With adam it is divided by the squared gradients: weights of large gradients hardly decay.",
        NOTES,
    ),
    Technique(
        "decoupled",
        "regularisation",
        "Weight decay beside the gradient: adamw, muon, prodigy and schedule-free.",
        "optimizer: {target: adamw, weight_decay: 1.0e-2}",
        "tests/training/test_optimizers.py::test_the_first_updates_follow_the_published_formula",
        "w = w - eta lambda w, then the step without decay",
        "Adaptive optimizers: all weights decay alike, and a good decay depends less on the rate.",
        "Its numbers are larger, 1e-2 to 1e-1: the grid has a ladder of its own for it.",
        "Loshchilov and Hutter, 'Decoupled Weight Decay Regularization', ICLR 2019",
    ),
    Technique(
        "l1_penalty",
        "regularisation",
        "A penalty on the magnitude of weights of two dimensions or more (matrices, kernels, embeddings; no biases, no "
        "normalisation). In the gradient, and not in the training loss that is told, which stays comparable with "
        "validation's.",
        "l1: 1.0e-5",
        "tests/training/test_l1.py::test_a_step_goes_further_by_the_sign_of_each_weight_and_biases_stay_out",
        "loss + l1 sum |w|: g = g + l1 sign(w), 0 at 0",
        "Many inputs of which few matter: weights go to zero.",
        "Weights step to and fro about zero by eta l1; none is exactly zero. Usually weaker than L2 for deep networks.",
        f"Tibshirani, 'Regression Shrinkage and Selection via the Lasso', 1996; {NOTES}",
    ),
    Technique(
        "label_smoothing",
        "regularisation",
        "Targets that are not quite sure: 1 - e + e/C for the right class, e/C for the others; of bce 1 - e/2 and e/2.",
        "loss: {target: auto, args: {label_smoothing: 0.1}}",
        "tests/training/test_losses.py::test_smoothing_by_hand",
        "(1 - e) -ln p_y + e/C sum -ln p_k; ln C before training as without",
        "Many classes, noisy labels; calibration.",
        "The loss no longer goes to zero. Step 2 switches it off.",
        "Szegedy et al., 'Rethinking the Inception Architecture', CVPR 2016",
    ),
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
    Technique(
        "decay_on",
        "regularisation",
        "Weight decay on matrices and kernels alone: biases and the parameters of normalisation keep theirs.",
        "optimizer: {target: adamw, weight_decay: 1.0e-2, decay_on: weights}",
        "tests/training/test_optimizers.py::test_decay_on_weights_leaves_biases_and_normalisation_alone",
        "g = g + lambda w (or w = w - eta lambda w) for w of two dimensions or more",
        "Strong decay: a bias or a scale that shrinks makes the model underfit and forbids nothing.",
        "Two groups of parameters. With little decay it changes nothing that can be measured.",
        "Goodfellow, Bengio and Courville, 'Deep Learning', 2016, section 7.1",
    ),
    Technique(
        "clip_grad_norm",
        "regularisation",
        "A gradient that is longer than this is cut to this length, all parameters together, before the step.",
        "clip_grad_norm: 1.0",
        "tests/training/test_loop.py::test_clipping_bounds_the_step",
        "g = g min(1, c / |g|)",
        "Recurrent networks and transformers, and losses that leap now and then.",
        "A small number is a rate of its own: with plain SGD every step is then as long. Adam divides by it anyway.",
        "Pascanu, Mikolov and Bengio, 'On the difficulty of training recurrent neural networks', ICML 2013",
    ),
    Technique(
        "with_validation",
        "regularisation",
        "The final model is trained once more on validation's samples too, up to the epoch that was best.",
        "train: {with_validation: true}",
        "tests/final/test_final.py"
        "::test_on_validations_samples_too_it_trains_as_long_as_was_best_and_keeps_the_last_weights",
        "",
        "Few samples, where a fifth of them held out is missed.",
        "A second training, and nothing is left to validate on: it is the last weights that are kept.",
        "Goodfellow, Bengio and Courville, 'Deep Learning', 2016, section 7.8",
    ),
)
