"""Metrics in a stream are what scikit-learn says of all at once; what nothing can be said of is NaN, and never best."""

import math
import warnings

import numpy as np
import pytest
import sklearn.metrics as reference
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import config_of
from tunekit.halves import halves
from tunekit.training.building import build_task
from tunekit.training.evaluation import Tally
from tunekit.vocabulary import UserError


def task_of(kind, metric, loss="auto", folder=None):
    return build_task(config_of(task=kind, metric=metric, loss={"target": loss}), folder)


def in_stream(task, outputs, targets, sizes):
    tally = Tally(task, 8, len(outputs))
    for out, target in zip(outputs.split(sizes), targets.split(sizes), strict=True):
        tally.add(out, target, len(out))
    return tally.evaluation()


def softmax(outputs):
    return torch.softmax(outputs.double(), 1).numpy()


def ovr(scores, of_one):
    """The mean over classes, each against the rest."""
    return lambda out, y: float(np.mean([of_one(y == k, scores(out)[:, k]) for k in np.unique(y)]))


CLASSES = {
    "accuracy": lambda out, y: reference.accuracy_score(y, out.argmax(1)),
    "top5": lambda out, y: reference.top_k_accuracy_score(y, out, k=5, labels=range(7)),
    "balanced_accuracy": lambda out, y: np.mean([(out.argmax(1).numpy() == y)[y == k].mean() for k in np.unique(y)]),
    "f1": lambda out, y: reference.f1_score(y, out.argmax(1), average="macro"),
    "auroc": ovr(softmax, reference.roc_auc_score),
    "average_precision": ovr(softmax, reference.average_precision_score),
    "torchmetrics:MatthewsCorrCoef": lambda out, y: reference.matthews_corrcoef(y, out.argmax(1)),
    "max torchmetrics:CohenKappa": lambda out, y: reference.cohen_kappa_score(y, out.argmax(1)),
    "torchmetrics.classification:MulticlassJaccardIndex": lambda out, y: reference.jaccard_score(
        y, out.argmax(1), average="macro"
    ),
}
DECISIONS = {
    "accuracy": lambda out, y: reference.accuracy_score(y, out > 0),
    "balanced_accuracy": lambda out, y: np.mean([((out > 0) == y)[y == k].mean() for k in np.unique(y)]),
    "f1": lambda out, y: reference.f1_score(y, out > 0),
    "auroc": lambda out, y: reference.roc_auc_score(y, out),
    "average_precision": lambda out, y: reference.average_precision_score(y, out),
    "torchmetrics:MatthewsCorrCoef": lambda out, y: reference.matthews_corrcoef(y, out > 0),
    "torchmetrics:AUROC": lambda out, y: reference.roc_auc_score(y, out),
    "mae": lambda out, y: reference.mean_absolute_error(y, 1 / (1 + np.exp(-out))),
    "torchmetrics:MeanSquaredError": lambda out, y: reference.brier_score_loss(y, 1 / (1 + np.exp(-out))),
}
LABELS = {
    "f1": lambda out, y: reference.f1_score(y, out > 0, average="macro"),
    "auroc": lambda out, y: reference.roc_auc_score(y, out),
    "average_precision": lambda out, y: reference.average_precision_score(y, out),
    "torchmetrics:HammingDistance": lambda out, y: reference.hamming_loss(y, out > 0),
}
QUANTITIES = {
    "mae": lambda out, y: reference.mean_absolute_error(y, out),
    "rmse": lambda out, y: reference.mean_squared_error(y, out) ** 0.5,
    "r2": lambda out, y: reference.r2_score(y, out, multioutput="variance_weighted"),
    "torchmetrics:ExplainedVariance": lambda out, y: reference.explained_variance_score(y, out),
    "max torchmetrics:PearsonCorrCoef": lambda out, y: np.mean(
        [np.corrcoef(a, b)[0, 1] for a, b in zip(out.T, y.T, strict=True)]
    ),
}


def drawn(kind, seed, n=60, ties=True):
    """Outputs and targets that have something to do with each other."""
    draw = torch.Generator().manual_seed(seed)
    noise = torch.randn(n, {"classification": 7, "binary": 1, "multilabel": 3, "regression": 2}[kind], generator=draw)
    if kind == "classification":
        targets = torch.cat([torch.arange(7), torch.randint(0, 7, (n - 7,), generator=draw)])
        noise[torch.arange(n), targets] += 1
        return (4 * noise).round() / 4 if ties else noise, targets
    if kind == "regression":
        return noise, 1000 + 0.5 * noise + torch.randn(noise.shape, generator=draw)
    targets = (torch.rand(noise.shape, generator=draw) < 0.3).float()
    targets[0], targets[1] = 0, 1
    outputs = (4 * (noise + targets)).round() / 4 + 0.01 if ties else noise + targets
    return (outputs[:, 0], targets[:, 0]) if kind == "binary" else (outputs, targets)


CASES = [
    (kind, metric, of_all)
    for kind, table in (
        ("classification", CLASSES),
        ("binary", DECISIONS),
        ("multilabel", LABELS),
        ("regression", QUANTITIES),
    )
    for metric, of_all in table.items()
]


@pytest.mark.parametrize(("kind", "metric", "of_all"), CASES, ids=[f"{kind}-{metric}" for kind, metric, _ in CASES])
@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 10_000), size=st.integers(7, 60))
def test_in_a_stream_it_is_what_scikit_learn_says_of_all_over_halves_too(kind, metric, of_all, seed, size):
    outputs, targets = drawn(kind, seed, ties="top5" not in metric)  # told apart at will
    if kind == "regression":
        outputs = outputs + 1000
    found = in_stream(task_of(kind, metric), outputs, targets, size)
    y = targets.numpy()
    said = outputs if kind == "classification" else outputs.double().numpy()
    assert found.score == pytest.approx(of_all(said, y), rel=1e-4, abs=1e-5)
    first = halves(len(y))[0].copy()
    for place, members in enumerate((first, ~first)):
        value = found.halves[place]
        if kind == "classification" and "Jaccard" in metric:
            continue  # of classes that do not occur in a half the libraries think differently
        if not math.isnan(value) and (kind != "multilabel" or y[members].any(0).all()):
            with np.errstate(all="ignore"):
                assert value == pytest.approx(of_all(said[members], y[members]), rel=1e-3, abs=1e-4)
    assert np.isfinite(found.halves[:2]).any()


@pytest.mark.parametrize(
    ("kind", "metric", "outputs", "targets"),
    [
        ("binary", "auroc", [0.5, -1.0, 2.0], [1.0, 1.0, 1.0]),
        ("binary", "auroc", [0.5, -1.0, 2.0], [0.0, 0.0, 0.0]),
        ("binary", "average_precision", [0.5, -1.0, 2.0], [0.0, 0.0, 0.0]),
        ("binary", "auroc", [math.nan, 1.0, 2.0], [0.0, 1.0, 1.0]),
        ("classification", "auroc", [[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]], [1, 1, 1]),
        ("regression", "r2", [0.5, -1.0, 2.0], [3.3, 3.3, 3.3]),
        ("regression", "r2", [0.5], [3.3]),
        ("regression", "max torchmetrics:PearsonCorrCoef", [1.0, 1.0, 1.0], [1.0, 2.0, 3.0]),
    ],
)
def test_what_cannot_be_said_is_not_a_number_and_no_crash(kind, metric, outputs, targets):
    found = in_stream(task_of(kind, metric), torch.tensor(outputs), torch.tensor(targets), 2)
    assert math.isnan(found.score)
    assert np.isnan(found.halves).all()


MISSING = {
    "AUROC": ovr(softmax, reference.roc_auc_score),
    "AveragePrecision": ovr(softmax, reference.average_precision_score),
    "Recall": lambda out, y: reference.balanced_accuracy_score(y, out.argmax(1)),
    "Accuracy": lambda out, y: reference.balanced_accuracy_score(y, out.argmax(1)),
    "F1Score": lambda out, y: reference.f1_score(y, out.argmax(1), average="macro"),
    "Precision": lambda out, y: reference.precision_score(y, out.argmax(1), average="macro"),
    "JaccardIndex": lambda out, y: reference.jaccard_score(y, out.argmax(1), average="macro"),
}


@pytest.mark.parametrize("said", [True, False])
@pytest.mark.parametrize("average", ["macro", "none"])
@pytest.mark.parametrize("name", MISSING)
def test_a_mean_over_classes_is_over_those_that_occur(name, average, said):
    outputs, targets = drawn("classification", 0)
    kept = targets < 5
    outputs, targets = outputs[kept], targets[kept]
    outputs[:, 5:] += 0 if said else -50
    metric = {"target": f"torchmetrics:{name}", "args": {"average": average}}
    found = in_stream(task_of("classification", metric), outputs, targets, 16)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn's, of just this
        assert found.score == pytest.approx(MISSING[name](outputs, targets.numpy()), rel=1e-5)


def test_labels_that_do_not_occur_are_in_no_mean():
    outputs, targets = drawn("multilabel", 0)
    targets[:, 1], outputs[:, 1] = 0, -1.0
    for name, own in (("AUROC", "auroc"), ("AveragePrecision", "average_precision"), ("F1Score", "f1")):
        metric = {"target": f"torchmetrics:{name}", "args": {"average": "macro"}}
        theirs = in_stream(task_of("multilabel", metric), outputs, targets, 16)
        ours = in_stream(task_of("multilabel", own), outputs, targets, 16)
        assert theirs.score == pytest.approx(ours.score)
        assert theirs.halves.tolist() == pytest.approx(ours.halves.tolist(), nan_ok=True)


@pytest.mark.parametrize("name", ["AUROC", "AveragePrecision", "Recall", "MatthewsCorrCoef"])
@pytest.mark.parametrize("thresholds", [False, True])
def test_without_positives_there_is_no_value(name, thresholds):
    args = {"thresholds": 20} if thresholds and name in ("AUROC", "AveragePrecision") else {}
    metric = {"target": f"torchmetrics:{name}", "args": args}
    assert math.isnan(in_stream(task_of("binary", metric), torch.randn(20), torch.zeros(20), 8).score)


def test_what_occurs_and_is_never_said_counts_as_zero():
    targets = torch.tensor([1.0, 0.0])
    assert in_stream(task_of("binary", "torchmetrics:Precision"), torch.tensor([-1.0, -1.0]), targets, 2).score == 0


def test_guessing_reaches_half_of_the_area_and_the_share_of_positives():
    targets = torch.tensor([1.0, 0.0, 0.0, 0.0])
    for metric, value in (("auroc", 0.5), ("average_precision", 0.25)):
        assert in_stream(task_of("binary", metric), torch.full((4,), 0.3), targets, 4).score == pytest.approx(value)


def test_sure_outputs_keep_their_order():
    outputs = torch.tensor([50.0, 51.0, 52.0, 53.0])  # a sigmoid makes all of them 1 in single precision
    for metric in ("auroc", "torchmetrics:AUROC", "torchmetrics:AveragePrecision"):
        assert in_stream(task_of("binary", metric), outputs, torch.tensor([0.0, 0.0, 1.0, 1.0]), 4).score == 1.0


def test_r2_of_targets_far_from_zero():
    draw = torch.Generator().manual_seed(0)
    targets = 1e5 + torch.randn(500, generator=draw).round(decimals=1)
    outputs = targets + 0.5 * torch.randn(500, generator=draw)
    expected = reference.r2_score(targets.double().numpy(), outputs.double().numpy())
    assert in_stream(task_of("regression", "r2"), outputs, targets, 64).score == pytest.approx(expected, rel=1e-5)


def test_positions_that_do_not_count_are_in_no_streamed_metric():
    draw = torch.Generator().manual_seed(0)
    outputs, tags = torch.randn(6, 4, 9, generator=draw), torch.randint(0, 4, (6, 9), generator=draw)
    tags[:, 5:] = -100
    for metric in ("f1", "auroc", "torchmetrics:MatthewsCorrCoef"):
        task, short = task_of("classification", metric), task_of("classification", metric)
        found, alone = in_stream(task, outputs, tags, 4), in_stream(short, outputs[:, :, :5], tags[:, :5], 4)
        assert found.score == pytest.approx(alone.score)
        assert found.halves[:8].tolist() == pytest.approx(alone.halves[:8].tolist())


def test_probabilities_of_a_models_own_are_taken_as_they_are(tmp_path):
    (tmp_path / "soft_m.py").write_text(
        "def loss(outputs, targets): return -outputs[range(len(outputs)), targets].mean()\n"
    )
    outputs, targets = drawn("classification", 0)
    task = task_of("classification", "auroc", "soft_m:loss", tmp_path)
    value = in_stream(task, torch.softmax(outputs, 1), targets, 16).score
    assert value == pytest.approx(in_stream(task_of("classification", "auroc"), outputs, targets, 16).score)


def test_sums_are_kept_in_place_of_outputs():
    outputs, targets = drawn("classification", 0)
    for metric, keeps in (("f1", False), ("torchmetrics:MatthewsCorrCoef", False), ("auroc", True)):
        tally = Tally(task_of("classification", metric), 8, len(outputs))
        for out, target in zip(outputs.split(8), targets.split(8), strict=True):
            tally.add(out, target, len(out))
        assert tally.running.state.keeps is keeps
        assert not tally.kept


@pytest.mark.parametrize(
    ("target", "maximize"),
    [("torchmetrics:F1Score", True), ("torchmetrics:HammingDistance", False), ("min torchmetrics:F1Score", False)],
)
def test_a_metric_of_torchmetrics_knows_its_direction(target, maximize):
    assert task_of("classification", target).metric.maximize is maximize


def test_arguments_reach_it_and_sizes_follow_from_the_outputs():
    outputs, targets = drawn("classification", 0)
    spec = {"target": "torchmetrics:F1Score", "args": {"average": "weighted"}}
    value = in_stream(task_of("classification", spec), outputs, targets, 16).score
    assert value == pytest.approx(reference.f1_score(targets, outputs.argmax(1), average="weighted"))


@pytest.mark.parametrize(
    ("kind", "metric", "told"),
    [
        (
            "classification",
            "torchmetrics:F1Scor",
            "metric: torchmetrics has no metric 'F1Scor' (did you mean 'F1Score'?)",
        ),
        ("classification", "torchmetrics:functional", "metric: torchmetrics has no metric 'functional'"),
        ("classification", "torchmetrics.nowhere:F1", "metric: torchmetrics.nowhere:F1: "),
        (
            "regression",
            "torchmetrics:F1Score",
            "metric: torchmetrics:F1Score is of classes, and the task is regression",
        ),
        (
            "classification",
            "torchmetrics:R2Score",
            "metric: torchmetrics:R2Score is of quantities outputs, and the task",
        ),
        ("regression", "torchmetrics:PearsonCorrCoef", "metric: torchmetrics:PearsonCorrCoef does not say whether"),
        (
            "binary",
            "torchmetrics:ROC",
            "metric: torchmetrics:ROC gives a tuple, and validation is judged by one number",
        ),
        (
            "classification",
            "max torchmetrics:ConfusionMatrix",
            "metric: torchmetrics:ConfusionMatrix gives a table [16, 16], and validation is judged by one number",
        ),
        ("binary", "torchmetrics:ConfusionMatrix", "metric: torchmetrics:ConfusionMatrix gives a table [2, 2], and"),
        ("multilabel", "max torchmetrics:StatScores", "metric: torchmetrics:StatScores gives 5 numbers, and"),
        (
            "classification",
            "torchmetrics.retrieval:RetrievalMAP",
            "metric.args: torchmetrics.retrieval:RetrievalMAP: missing a required argument: 'indexes'",
        ),
        (
            "classification",
            {"target": "torchmetrics:F1Score", "args": {"averag": "macro"}},
            "metric.args: torchmetrics:F1Score: ",
        ),
        ("classification", {"target": "f1", "args": {"average": "micro"}}, "metric.args: f1 takes none"),
        ("binary", "top5", "metric: top5 is of several classes, and the task is binary"),
    ],
)
def test_what_is_wrong_with_a_metric_is_told_in_one_line(kind, metric, told):
    with pytest.raises(UserError) as caught:
        task_of(kind, metric)
    assert str(caught.value).startswith(told)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "name", "args", "told"),
    [
        ("classification", "F1Score", {"num_classes": 3}, "metric.args.num_classes: 3, and the model gives 4 outputs"),
        ("classification", "AUROC", {"num_classes": 9}, "metric.args.num_classes: 9, and the model gives 4 outputs"),
        ("multilabel", "F1Score", {"num_labels": 3}, "metric.args.num_labels: 3, and the model gives 4 outputs"),
        ("regression", "MeanSquaredError", {"num_outputs": 2}, "metric.args.num_outputs: 2, and the model gives 4"),
        ("classification", "Accuracy", {"top_k": 9}, "metric.args: torchmetrics:Accuracy: Expected argument `top_k`"),
    ],
)
def test_an_argument_that_the_outputs_do_not_take_is_an_error_and_not_the_loss(kind, name, args, told):
    task = task_of(kind, {"target": f"torchmetrics:{name}", "args": args})
    targets = torch.arange(8) % 4 if kind == "classification" else torch.ones(8, 4)
    with pytest.raises(UserError) as caught:
        task.settle(torch.randn(8, 4), targets)
    assert str(caught.value).startswith(told)


@pytest.mark.parametrize("kind", ["classification", "binary", "multilabel"])
def test_logauc_is_tried_and_is_no_number_of_one_class(kind):
    outputs = {"binary": torch.randn(20)}.get(kind, torch.randn(20, 3))
    targets = torch.zeros(20).long() if kind == "classification" else torch.ones_like(outputs)
    assert math.isnan(in_stream(task_of(kind, "torchmetrics:LogAUC"), outputs, targets, 8).score)


def test_top5_of_five_classes_says_nothing():
    task = task_of("classification", "top5")
    task.settle(torch.randn(8, 5), torch.arange(8) % 5)
    assert task.metric.name == "loss"
    assert task.notes[0] == "top5 takes more than 5 classes, not 5: validation is judged by the loss"
