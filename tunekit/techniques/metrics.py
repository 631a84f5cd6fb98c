"""The metrics, told: one entry each of tunekit.training.metrics, and those of torchmetrics by their names."""

from __future__ import annotations

from tunekit.techniques.technique import Technique

TESTS = "tests/training/test_metrics.py::"
STREAM = f"{TESTS}test_in_a_stream_it_is_what_scikit_learn_says_of_all_over_halves_too"


def _metric(  # noqa: PLR0913 - the columns of the table
    name: str, what: str, formula: str, helps: str, costs: str, task: str = "", proof: str = STREAM
) -> Technique:
    recipe = f"metric: {name}" + (f", task: {task}" if task else "")
    return Technique(name, "metric", what, recipe, proof, formula, helps, costs, "scikit-learn, Model evaluation")


METRICS = (
    _metric(
        "loss",
        "The validation loss itself, less being better.",
        "",
        "Where no other metric means what you want; it sees changes that no decision shows yet.",
        "Its scale says little, and a few sure mistakes decide it.",
        proof="tests/training/test_evaluation.py::test_in_a_stream_every_metric_is_what_it_is_over_all_at_once",
    ),
    _metric(
        "accuracy",
        "Share that is right: samples, positions or, for binary and multilabel, decisions.",
        "right / all",
        "Classes that occur about equally often.",
        "Of 4 % positives, always no is right 96 % of the time.",
    ),
    _metric(
        "top5",
        "Share whose class is among the five largest outputs.",
        "",
        "Many classes, some of them hardly apart (ImageNet).",
        "Takes more than five classes.",
    ),
    _metric(
        "balanced_accuracy",
        "Mean over the classes that occur of the share of each that is found.",
        "mean of TP_c / (TP_c + FN_c)",
        "Rare classes that matter as much as frequent ones.",
        "Noisy where a class has few validation samples.",
    ),
    _metric(
        "f1",
        "Harmonic mean of precision and recall: macro over classes or labels; of the positive class for binary.",
        "2 TP / (2 TP + FP + FN)",
        "Rare positives, where both a miss and a false alarm cost.",
        "Depends on the threshold 0.5 (score 0), which may not be the best one.",
    ),
    _metric(
        "auroc",
        "Area under the ROC curve: of a positive and a negative, how often the positive scores higher.",
        "P(s_positive > s_negative), ties by half",
        "How well scores rank, whatever the threshold; several classes are each held against the rest.",
        "Hides what rare positives cost. No number where validation holds one class alone.",
        "binary",
    ),
    _metric(
        "average_precision",
        "Precision averaged over the recall at each score: the area under the precision-recall curve.",
        "sum of (R_k - R_(k-1)) P_k",
        "Rare positives: guessing reaches only their share.",
        "Not to be compared between splits with other shares of positives.",
        "binary",
    ),
    _metric(
        "mae",
        "Mean absolute error, in the targets' units.",
        "mean |s - t|",
        "Regression: a number a person understands.",
        "Says nothing of how large the worst errors are.",
        "regression",
    ),
    _metric(
        "rmse",
        "Root of the mean squared error, in the targets' units.",
        "sqrt(mean (s - t)^2)",
        "Regression where large errors cost more.",
        "Outliers decide.",
        "regression",
    ),
    _metric(
        "r2",
        "Share of the targets' variance that is explained; columns by their variance.",
        "1 - sum (s - t)^2 / sum (t - mean t)^2",
        "Regression: 0 is always the mean, 1 is perfect.",
        "No number of equal targets.",
        "regression",
    ),
    Technique(
        "torchmetrics",
        "metric",
        "Any metric of torchmetrics by its name; its class says whether more is better; sizes are filled in.",
        "metric: {target: torchmetrics:F1Score, args: {average: weighted}}",
        f"{TESTS}test_arguments_reach_it_and_sizes_follow_from_the_outputs",
        "",
        "Whatever your field reports: Matthews' correlation, Jaccard, calibration, Spearman.",
        "`max torchmetrics:Name` or `min torchmetrics:Name` where its class does not say what is better.",
        "torchmetrics, All TorchMetrics",
    ),
)
