"""Losses by numbers worked out by hand: class weights, focal, smoothing; and what untrained outputs have."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tests.conftest import config_of
from tunekit.recipe import call
from tunekit.training.balance import balanced
from tunekit.training.building import build_task
from tunekit.training.loop import Session
from tunekit.training.losses import LOSSES, OF_CLASSES, focal, focal_of_decisions
from tunekit.training.meaning import takes_logits, takes_probabilities
from tunekit.training.outputs import refusable
from tunekit.training.probes.asking import asked
from tunekit.training.probes.losses import labels_fit, unfit_labels
from tunekit.training.workbench import Workbench
from tunekit.vocabulary import UserError

LN2 = math.log(2)
IMBALANCED = torch.tensor([0] * 6 + [1] * 3 + [2])  # n / (3 * n of the class): 10/18, 10/9, 10/3
RARE = torch.tensor([1.0, 0.0, 0.0, 0.0])


def task_of(kind="classification", loss="auto", targets=None, regularize=True, **args):
    spec = {"target": loss, "args": args}
    return build_task(config_of(task=kind, loss=spec, regularize=regularize), None, lambda: targets)


def value(task, outputs, targets):
    return float(task.loss(torch.as_tensor(outputs), torch.as_tensor(targets)))


def test_balanced_weights_are_inverse_to_how_often_each_class_occurs():
    task = task_of(targets=IMBALANCED, weight="balanced")
    assert task.class_weights == pytest.approx((10 / 18, 10 / 9, 10 / 3))
    assert task.notes == ("loss.args.weight: balanced is [0.5556, 1.111, 3.333] by the training split",)
    outputs = torch.randn(10, 3, generator=torch.Generator().manual_seed(0))
    weights = torch.tensor([10 / 18, 10 / 9, 10 / 3])
    each = F.cross_entropy(outputs, IMBALANCED, reduction="none")
    expected = float((weights[IMBALANCED] * each).sum() / weights[IMBALANCED].sum())
    assert value(task, outputs, IMBALANCED) == pytest.approx(expected)
    assert float(weights[IMBALANCED].mean()) == pytest.approx(1.0)


def test_the_balance_of_scikit_learn():
    from sklearn.utils.class_weight import compute_class_weight

    args, _ = balanced({"weight": "balanced"}, "classification", lambda: IMBALANCED)
    assert args["weight"] == pytest.approx(compute_class_weight("balanced", classes=np.arange(3), y=IMBALANCED.numpy()))


def test_classes_that_do_not_occur_weigh_one_and_markers_count_for_nothing():
    targets = torch.tensor([[0, 0, 2], [0, -100, -100]])
    args, _ = balanced({"weight": "balanced"}, "classification", lambda: targets)
    assert args["weight"] == pytest.approx((4 / (2 * 3), 1.0, 4 / 2))
    task = task_of(targets=torch.tensor([0, 0, 0, 1]), weight="balanced")
    assert value(task, torch.zeros(2, 5), [0, 4]) == pytest.approx(math.log(5))  # a head of more classes


def test_pos_weight_is_the_ratio_of_negatives_to_positives():
    task = task_of("binary", targets=RARE, pos_weight="balanced")
    assert task.class_weights == (3.0,)
    assert value(task, torch.zeros(4), RARE) == pytest.approx(LN2 * (0.25 * 3 + 0.75))
    labels = torch.tensor([[1.0, 0.0], [0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    several = task_of("multilabel", targets=labels, pos_weight="balanced")
    assert several.class_weights == (1.0, 3.0)
    maps = labels[:, :, None, None].expand(4, 2, 5, 5)
    pixels = task_of("multilabel", targets=maps, pos_weight="balanced")
    assert value(pixels, torch.zeros(4, 2, 5, 5), maps) == pytest.approx(value(several, torch.zeros(4, 2), labels))


def test_focal_by_hand():
    p = 0.8
    logits = torch.tensor([[math.log(p), math.log(0.2)]])
    assert value(task_of(loss="focal"), logits, [0]) == pytest.approx(0.2**2 * -math.log(p))
    assert value(task_of(loss="focal", gamma=0), logits, [0]) == pytest.approx(-math.log(p))
    assert value(task_of(loss="focal", alpha=[0.25, 3]), logits, [1]) == pytest.approx(3 * 0.8**2 * -math.log(0.2))
    assert value(task_of(loss="focal", gamma=1.5), torch.zeros(4, 10), [0, 1, 2, 3]) == pytest.approx(
        0.9**1.5 * math.log(10)
    )


SHAPES = ((6, 3), (6, 3, 5), (6, 3, 4, 5))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("args", [{}, {"gamma": 0.5}, {"alpha": [0.25, 3.0, 1.0]}])
def test_focal_of_shares_is_the_mean_by_shares_of_that_of_classes(shape, args):
    """So of whole shares it is that of classes, and without gamma cross-entropy."""
    draw = torch.Generator().manual_seed(0)
    outputs, shares = torch.randn(shape, generator=draw), torch.softmax(torch.randn(shape, generator=draw), 1)
    task = task_of(loss="focal", **args)
    each = [
        focal(outputs, torch.full((shape[0], *shape[2:]), k), reduction="none", **args) * shares[:, k] for k in range(3)
    ]
    assert value(task, outputs, shares) == pytest.approx(float(sum(each).mean()), rel=1e-5)
    torch.testing.assert_close(task.sample_losses(outputs, shares).mean(), task.loss(outputs, shares))
    known = shares.argmax(1)
    whole = F.one_hot(known, 3).movedim(-1, 1).float()
    assert value(task, outputs, whole) == pytest.approx(value(task, outputs, known), rel=1e-5)
    plain = value(task_of(loss="focal", gamma=0), outputs, shares)
    assert plain == pytest.approx(value(task_of(), outputs, shares), rel=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("loss", ["nll", "multi_margin"])
def test_losses_of_one_class_refuse_shares_in_one_line(shape, loss):
    shares = torch.full(shape, 1 / 3)
    with pytest.raises(
        UserError, match=r"^loss: takes the number of one class a sample.*cross_entropy and focal take shares"
    ):
        task_of(loss=loss).loss(torch.zeros(shape), shares)


@pytest.mark.parametrize("loss", ["auto", "focal"])
def test_shares_along_the_last_dimension_are_told(loss):
    shares = torch.softmax(torch.randn(6, 5, 3, generator=torch.Generator().manual_seed(0)), 2)
    with pytest.raises(UserError, match=r"these \[6, 5, 3\] sum to one along the last dimension"):
        task_of(loss=loss).settle(torch.zeros(6, 5, 3), shares)
    task_of(loss=loss).settle(torch.zeros(6, 3, 5), shares.movedim(2, 1))


@pytest.mark.parametrize("args", [{}, {"alpha": [0.2, 3.0, 1.0]}])
@pytest.mark.parametrize("shape", [(6, 3), (6, 3, 4)])
def test_focal_is_a_mean_over_what_is_not_left_out(shape, args):
    outputs = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    targets = torch.randint(0, 3, (shape[0], *shape[2:]), generator=torch.Generator().manual_seed(1))
    whole = focal(outputs[:4], targets[:4], **args)
    targets[4:] = -100
    assert focal(outputs, targets, **args) == pytest.approx(float(whole))
    assert bool(focal(outputs[4:], targets[4:], **args).isnan())


@pytest.mark.parametrize("shape", [(6, 3), (6, 3, 5), (6, 3, 4, 5)])
@pytest.mark.parametrize("kind", ["binary", "multilabel"])
def test_focal_of_soft_decisions_takes_each_by_itself(kind, shape):
    draw = torch.Generator().manual_seed(0)
    outputs, soft = torch.randn(shape, generator=draw), torch.rand(shape, generator=draw)
    whole = value(task_of(kind, "focal"), outputs, soft)
    assert whole == pytest.approx(value(task_of(kind, "focal"), outputs.flatten(), soft.flatten()), rel=1e-5)
    assert value(task_of(kind, "focal", gamma=0), outputs, soft) == pytest.approx(
        float(F.binary_cross_entropy_with_logits(outputs, soft)), rel=1e-5
    )


def test_focal_of_decisions_is_that_of_the_paper():
    from torchvision.ops import sigmoid_focal_loss

    draw = torch.Generator().manual_seed(0)
    outputs, targets = torch.randn(20, generator=draw), (torch.rand(20, generator=draw) < 0.3).float()
    for alpha in (0.25, 0.9):
        expected = sigmoid_focal_loss(outputs, targets, alpha=alpha, gamma=2, reduction="mean")
        found = value(task_of("binary", "focal", alpha=alpha), outputs, targets)
        assert found == pytest.approx(float(expected))
    share = float(targets.mean())
    assert task_of("binary", "focal", targets=targets, alpha="balanced").class_weights == pytest.approx(
        (1 - share) / share
    )
    assert value(task_of("binary", "focal"), torch.zeros(20), targets) == pytest.approx(0.25 * LN2)


def test_smoothing_by_hand():
    logits = torch.tensor([[2.0, 0.0]])
    p = math.exp(2) / (math.exp(2) + 1)
    expected = -(0.95 * math.log(p) + 0.05 * math.log(1 - p))
    assert value(task_of(label_smoothing=0.1), logits, [0]) == pytest.approx(expected)
    assert value(task_of("binary", label_smoothing=0.1), torch.tensor([2.0]), [1.0]) == pytest.approx(expected)
    assert value(task_of("binary", label_smoothing=0.1, regularize=False), [2.0], [1.0]) == pytest.approx(-math.log(p))


@pytest.mark.parametrize(
    ("kind", "loss", "args", "targets", "expected"),
    [
        ("classification", "auto", {}, IMBALANCED, {"zero": math.log(3)}),
        ("classification", "auto", {"label_smoothing": 0.1}, IMBALANCED, {"zero": math.log(3)}),
        ("classification", "auto", {"weight": "balanced"}, IMBALANCED, {"zero": math.log(3), "prior": math.log(3)}),
        ("classification", "focal", {"gamma": 2}, IMBALANCED, {"zero": (2 / 3) ** 2 * math.log(3)}),
        ("binary", "auto", {"pos_weight": [2.0]}, RARE, {"zero": LN2 * 1.25}),
        ("binary", "auto", {"pos_weight": "balanced"}, RARE, {"zero": LN2 * 1.5, "prior": LN2 * 1.5}),
        ("binary", "focal", {"alpha": "balanced"}, RARE, {"prior": 0.25 * LN2 * (0.25 * 0.75 + 0.75 * 0.25)}),
    ],
)
def test_outputs_that_know_nothing_have_the_loss_of_theory(kind, loss, args, targets, expected):
    task = task_of(kind, loss, targets=targets, **args)
    shape = (len(targets), 3) if kind == "classification" else targets.shape
    constants = task.untaught_outputs(torch.zeros(shape), targets)
    for name, theory in expected.items():
        assert value(task, constants[name], targets) == pytest.approx(theory, rel=1e-4)


def test_the_prior_as_weights_bend_it_is_the_best_constant():
    task = task_of(targets=IMBALANCED, weight=[1.0, 5.0, 2.0])
    prior = task.untaught_outputs(torch.zeros(10, 3), IMBALANCED)["prior"].clone().requires_grad_()
    task.loss(prior, IMBALANCED).backward()
    assert float(prior.grad.sum(0).abs().max()) < 1e-6
    plain = task.constant_outputs(torch.zeros(10, 3), IMBALANCED)["prior"]
    assert plain.argmax(1).tolist() == [0] * 10  # guessing still says the most frequent class


@pytest.mark.parametrize("marker", [255, -1, -100, 0, 3])
@pytest.mark.parametrize("loss", ["auto", "torch.nn:CrossEntropyLoss"])
def test_what_the_loss_leaves_out_is_no_class_of_balanced_nor_of_the_outputs(marker, loss):
    targets = torch.tensor([1, 1, 1, 2, marker, marker, marker])
    task = task_of(loss=loss, targets=targets, weight="balanced", ignore_index=marker)
    outputs = torch.randn(len(targets), 3)
    by_hand = F.cross_entropy(outputs[:4], targets[:4], torch.tensor([1.0, 2 / 3, 2.0]))
    assert task.loss(outputs, targets) == pytest.approx(float(by_hand))
    assert task.output_size(targets) == 3


def test_a_loss_class_of_torch_takes_balanced_too():
    task = task_of(loss="torch.nn:CrossEntropyLoss", targets=IMBALANCED, weight="balanced")
    assert task.criterion.function.weight.tolist() == pytest.approx([10 / 18, 10 / 9, 10 / 3])


def test_step_2_weighs_as_the_whole_split_does():
    bench = Workbench(Path(), torch.device("cpu"))

    loss = {"args": {"weight": "balanced"}}
    whole, few = (
        Session(config_of(loss=loss, data={"subset": subset}), bench).task.class_weights
        for subset in (None, {"per_class": 2})
    )
    assert whole == few
    assert min(whole) < 1 < max(whole)


@pytest.mark.parametrize(
    ("kind", "loss", "args", "told"),
    [
        (
            "classification",
            "auto",
            {"weight": "balance"},
            "loss.args.weight: must be `balanced` or numbers, not",
        ),
        ("classification", "auto", {"pos_weight": "balanced"}, "loss.args.pos_weight: is of yes and no; for a"),
        ("binary", "auto", {"weight": "balanced"}, "loss.args.weight: balanced weighs classes; for task binary"),
        ("regression", "auto", {"weight": "balanced"}, "loss.args.weight: balanced counts classes, and the task is"),
        ("classification", "focal", {"alpha": 0.25}, "loss.args: focal: alpha is a list with a weight for each class"),
        ("binary", "focal", {"pos_weight": [2.0]}, "loss.args: focal: takes no 'pos_weight'"),
        ("binary", "focal", {"alpha": 2}, "loss.args: focal: alpha is the weight of 1, between 0 and 1, not 2"),
        ("binary", "auto", {"label_smoothing": 2.0}, "loss.args: bce: label_smoothing must be between 0 and 1, not 2"),
    ],
)
def test_weights_that_say_nothing_are_told_in_one_line(kind, loss, args, told):
    with pytest.raises(UserError) as caught:
        task_of(kind, loss, targets=IMBALANCED, **args)
    assert str(caught.value).startswith(told)


def test_too_few_weights_are_told_when_the_classes_are_known():
    with pytest.raises(UserError, match=r"loss.args.weight: 2 weights for 3 classes; give one for each, or `balanced`"):
        value(task_of(weight=[1.0, 2.0]), torch.zeros(4, 3), [0, 1, 2, 0])
    with pytest.raises(UserError, match="balanced counts the training targets, which these data do not show"):
        task_of(weight="balanced")


def test_no_loss_is_left_out():
    assert set(LOSSES) == {"cross_entropy", "bce", "mse", "l1", "huber", "smooth_l1", "focal", "nll", "multi_margin"}


@pytest.mark.parametrize("gamma", [0.1, 0.5, 1.0, 2.0])
def test_focal_of_what_is_surely_right_has_no_slope_and_no_nan(gamma):
    for targets in (torch.tensor([0, 1]), torch.eye(2)):
        outputs = torch.tensor([[200.0, -200.0], [1.0, 0.0]], requires_grad=True)
        focal(outputs, targets, gamma=gamma).backward()
        assert torch.isfinite(outputs.grad).all()
        assert outputs.grad[0].abs().max() == 0 < outputs.grad[1].abs().max()
    decisions = torch.tensor([[200.0], [0.5]], requires_grad=True)
    focal_of_decisions(decisions, torch.tensor([[1.0], [0.0]]), gamma=gamma).backward()
    assert torch.isfinite(decisions.grad).all()


def test_labels_of_a_whole_split_are_asked_about_a_batch_at_a_time():
    """Of maps with void at 255: a sample that is all void has no mean, and says nothing."""
    task = build_task(config_of(loss={"args": {"ignore_index": 255}}), Path())
    loss, sizes = task.loss, []
    task.loss = lambda outputs, targets: sizes.append(outputs.shape) or loss(outputs, targets)
    targets = torch.randint(0, 5, (70, 3, 3))
    targets[:, 0] = 255
    targets[:8] = 255
    outputs = torch.randn(4, 5, 3, 3)
    assert unfit_labels(task, outputs, targets) is None
    assert set(sizes) == {(4, 5, 3, 3)}
    targets[63, 1, 1] = 7
    assert unfit_labels(task, outputs, targets).highest == 255


@pytest.mark.parametrize("loss", OF_CLASSES)
@pytest.mark.parametrize(
    ("shape", "classes", "told"),
    [
        ((4, 3), 3, r"y\.argmax\(1\)"),
        ((4, 3), 2, r"y\.float\(\)"),
        ((4, 3, 5, 5), 3, "one-hot"),
        ((4, 1, 5, 5), 3, "leave out the dimension of 1"),
    ],
)
def test_whole_numbers_in_the_shape_of_the_outputs_are_told_in_one_line(loss, shape, classes, told):
    task = build_task(config_of(loss={"target": loss}), Path())
    outputs = torch.randn(shape[0], classes, *shape[2:])
    for targets in (torch.ones(shape, dtype=torch.long), torch.ones(shape, dtype=torch.bool)):
        with pytest.raises(UserError, match=told):
            task.loss(outputs, targets)


FULL = [torch.OutOfMemoryError("CUDA out of memory"), torch.AcceleratorError("lost"), MemoryError()]


@pytest.mark.parametrize("error", FULL, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize(
    "ask",
    [
        lambda task, outputs: labels_fit(task, outputs, torch.full((4,), 9)),
        lambda task, outputs: takes_logits(task.loss, "classification", outputs, torch.zeros(4)),
        lambda task, outputs: takes_probabilities(task.loss, outputs, torch.zeros(4)),
        lambda task, outputs: asked(lambda: task.loss(outputs, torch.zeros(4))),
    ],
)
def test_a_machine_that_is_full_says_nothing_of_the_targets(ask, own, error):
    def loss(_outputs, _targets):
        raise error

    task = build_task(config_of(), Path())
    task.loss = (lambda o, t: call(loss, "loss", "own:loss", o, t)) if own else loss
    with pytest.raises(UserError if own else type(error)):
        ask(task, torch.randn(4, 3))


@pytest.mark.parametrize("error", [RuntimeError, ValueError, IndexError, AssertionError, UserError])
def test_what_a_loss_refuses_is_the_targets(error):
    with refusable():
        raise error("no such label")


@pytest.mark.parametrize("args", [{}, {"weight": "balanced"}])
def test_labels_that_are_text_are_to_be_numbered(args):
    names = ("noun", "verb", "noun")
    told = r"the targets are text.* number the classes from 0.*\{'noun': 0, 'verb': 1, ...\}\[name\]"
    with pytest.raises(UserError, match=told):
        task_of(targets=[names, names], **args).loss(torch.zeros(3, 2), names)


@pytest.mark.parametrize(
    ("outputs", "targets", "told"),
    [
        ((4, 5, 1), (4,), r"gives \[4, 5, 1\], 5 scores for each of \[4, 1\], and the targets are \[4\]"),
        ((4, 5, 6), (4, 3), r"gives \[4, 5, 6\], 5 scores for each of \[4, 6\], and the targets are \[4, 3\]"),
        ((4, 5), (3,), r"gives \[4, 5\], 5 scores for each of \[4\], and the targets are \[3\]"),
    ],
)
def test_targets_of_other_positions_than_the_outputs_are_told_by_both_shapes(outputs, targets, told):
    with pytest.raises(UserError, match=told):
        task_of().loss(torch.zeros(outputs), torch.zeros(targets, dtype=torch.long))
