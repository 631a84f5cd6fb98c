"""The losses, told: one entry each of tunekit.training.losses, and what weighs classes in them."""

from __future__ import annotations

from tunekit.techniques.technique import Technique

TESTS = "tests/training/test_losses.py::"
SAME = "tests/training/test_tasks.py::TestSampleLosses::test_their_mean_is_the_loss_for_every_built_in_loss"
THEORY = f"{TESTS}test_outputs_that_know_nothing_have_the_loss_of_theory"
NOTES = "CS231n course notes, linear-classify and neural-networks-2 (loss functions)"


def _loss(  # noqa: PLR0913 - the columns of the table
    name: str, what: str, formula: str, helps: str, costs: str, source: str, task: str = "", proof: str = SAME
) -> Technique:
    recipe = f"loss: {{target: {name}}}" + (f", task: {task}" if task else "")
    return Technique(name, "loss", what, recipe, proof, formula, helps, costs, source)


LOSSES = (
    _loss(
        "cross_entropy",
        "Softmax and negative log-likelihood of the right class, from scores (logits).",
        "-ln p_y, p = exp(s) / sum exp(s); ln C for C classes before training",
        "Classification, where one class is right; targets may be shares of classes too.",
        "Give it scores: a softmax at the model's end makes it slow and hides errors. "
        "Of rare classes it learns late: `weight: balanced`.",
        NOTES,
        proof=THEORY,
    ),
    _loss(
        "bce",
        "Binary cross-entropy of scores, for yes and no and for several labels at once.",
        "-(t ln p + (1 - t) ln(1 - p)), p = 1 / (1 + exp(-s)); ln 2 before training",
        "Binary and multilabel tasks, where each output is a decision of its own.",
        "Where positives are rare it is small for saying no: `pos_weight: balanced`.",
        NOTES,
        "binary",
        THEORY,
    ),
    _loss(
        "focal",
        "Cross-entropy that counts less what is right already; alpha weighs classes.",
        "-alpha (1 - p)^gamma ln p, gamma = 2; (1 - 1/C)^gamma ln C before training",
        "Many easy samples and few hard ones: detection, rare classes.",
        "Two more numbers to tune. Its probabilities are not calibrated.",
        "Lin et al., 'Focal Loss for Dense Object Detection', ICCV 2017",
        proof=f"{TESTS}test_focal_by_hand",
    ),
    _loss(
        "mse",
        "Squared error.",
        "(s - t)^2, averaged",
        "Regression with noise that is alike everywhere; the mean is what it asks for.",
        "Outliers decide. Standardise targets, or the rate must fit their scale.",
        NOTES,
        "regression",
    ),
    _loss(
        "l1",
        "Absolute error (a loss; the penalty on weights is the recipe's key l1).",
        "|s - t|, averaged",
        "Regression with outliers; the median is what it asks for.",
        "Its gradient does not shrink near the target: decay the rate.",
        NOTES,
        "regression",
    ),
    _loss(
        "huber",
        "Squared error near the target, absolute error beyond delta.",
        "(s - t)^2 / 2 where |s - t| < delta, else delta (|s - t| - delta / 2); delta = 1",
        "Regression with some outliers.",
        "delta is in the targets' units.",
        "Huber, 'Robust Estimation of a Location Parameter', 1964",
        "regression",
    ),
    _loss(
        "smooth_l1",
        "Huber's loss divided by its threshold beta.",
        "(s - t)^2 / (2 beta) where |s - t| < beta, else |s - t| - beta / 2; beta = 1",
        "Box coordinates, as in Fast R-CNN.",
        "As huber.",
        "Girshick, 'Fast R-CNN', ICCV 2015",
        "regression",
    ),
    _loss(
        "nll",
        "Negative log-likelihood of log-probabilities.",
        "-s_y, s being log p",
        "A model that ends in log_softmax.",
        "Of scores that are none it says nothing: step 1 tells.",
        "torch.nn.NLLLoss",
    ),
    _loss(
        "multi_margin",
        "The hinge loss of several classes: the multiclass SVM.",
        "sum over j != y of max(0, margin - s_y + s_j), divided by C; margin = 1",
        "Where only the order of scores matters.",
        "No probabilities; no gradient from samples that are right by the margin.",
        "CS231n course notes, linear-classify (multiclass SVM); torch divides its sum by C",
    ),
    Technique(
        "balanced",
        "loss",
        "Class weights by how often each class occurs in the training split, counted once; `pos_weight: balanced` for "
        "binary and multilabel.",
        "loss: {target: cross_entropy, args: {weight: balanced}}",
        f"{TESTS}test_balanced_weights_are_inverse_to_how_often_each_class_occurs",
        "n / (C n_c); pos_weight: negatives / positives",
        "Rare classes that count as much as frequent ones: judge by balanced_accuracy or f1.",
        "Probabilities shift towards rare classes; noise in rare classes weighs more.",
        "King and Zeng, 'Logistic Regression in Rare Events Data', 2001",
    ),
)
