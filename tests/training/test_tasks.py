import math
import re
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tests.conftest import config_of
from tunekit.training.building import build_task
from tunekit.training.losses import LOSSES, focal
from tunekit.training.meaning import pairs
from tunekit.training.metrics import METRICS
from tunekit.vocabulary import UserError

C = 10


def task_of(kind="classification", loss="auto", metric="auto", folder=None, regularize=True, **args):
    config = config_of(task=kind, loss={"target": loss, "args": args}, metric=metric, regularize=regularize)
    return build_task(config, folder)


def expected(task, targets, width=C):
    shape = (len(targets), width) if task.kind == "classification" else targets.shape
    found = task.constant_outputs(torch.zeros(shape), targets)
    return {name: float(task.loss(outputs, targets)) for name, outputs in found.items()}


@pytest.fixture
def classes():
    """Half of 2,000 samples are of class 0, the others spread evenly over nine: p = .5 and 9 x .0556."""
    return torch.cat([torch.zeros(900, dtype=torch.long), torch.arange(C).repeat_interleave(100)[100:]])


def entropy(shares):
    return -sum(p * math.log(p) for p in shares if p > 0)


class TestExpectedInitialLoss:
    def test_cross_entropy_is_ln_c_or_the_entropy_of_the_prior(self, classes):
        found = expected(task_of(), classes)
        assert found["zero"] == pytest.approx(math.log(C), rel=1e-5)
        assert found["prior"] == pytest.approx(entropy([0.5] + [0.5 / 9] * 9), rel=1e-5)
        assert found["prior"] == pytest.approx(1.792, abs=1e-3)

    def test_label_smoothing_and_weights_with_mean_reduction_leave_ln_c(self, classes):
        weight = [1.0 + k for k in range(C)]
        assert expected(task_of(label_smoothing=0.1), classes)["zero"] == pytest.approx(math.log(C), rel=1e-5)
        assert expected(task_of(weight=weight), classes)["zero"] == pytest.approx(math.log(C), rel=1e-5)

    def test_weights_and_label_smoothing_together_do_not_leave_ln_c(self, classes):
        # Per sample: (1 - s) w[y] ln C + s / C * sum(w) ln C, divided by sum of w[y] (torch's formula).
        weight, smoothing = [1.0 + k for k in range(C)], 0.1
        mean_weight = sum(weight[int(y)] for y in classes) / len(classes)
        hand = math.log(C) * ((1 - smoothing) * mean_weight + smoothing * sum(weight) / C) / mean_weight
        found = expected(task_of(weight=weight, label_smoothing=smoothing), classes)["zero"]
        assert found == pytest.approx(hand, rel=1e-5)
        assert abs(found - math.log(C)) > 0.05

    def test_weighted_and_then_averaged_over_the_batch_is_ln_c_times_the_mean_weight(self, classes, tmp_path):
        (tmp_path / "weighted_loss_t.py").write_text(
            "import torch.nn.functional as F, torch\n"
            "def loss(o, t):\n"
            "    w = torch.arange(1., 11.)\n"
            "    return F.cross_entropy(o, t, weight=w, reduction='none').mean()\n"
        )
        mean_weight = (1 + classes.float()).mean().item()
        found = expected(task_of(loss="weighted_loss_t:loss", folder=tmp_path), classes)["zero"]
        assert found == pytest.approx(math.log(C) * mean_weight, rel=1e-5)

    def test_summed_loss_is_n_times_ln_c(self, classes):
        assert expected(task_of(reduction="sum"), classes)["zero"] == pytest.approx(
            len(classes) * math.log(C), rel=1e-5
        )

    def test_nll_over_log_softmax_is_ln_c(self, classes):
        assert expected(task_of(loss="nll"), classes)["zero"] == pytest.approx(math.log(C), rel=1e-5)

    def test_soft_targets_give_ln_c(self):
        soft = torch.softmax(torch.randn(50, C, generator=torch.Generator().manual_seed(0)), 1)
        assert expected(task_of(), soft)["zero"] == pytest.approx(math.log(C), rel=1e-5)

    @pytest.mark.parametrize("gamma", [0.0, 1.0, 2.0])
    def test_focal_is_ln_c_times_the_chance_of_being_wrong_to_the_gamma(self, classes, gamma):
        found = expected(task_of(loss="focal", gamma=gamma), classes)["zero"]
        assert found == pytest.approx((1 - 1 / C) ** gamma * math.log(C), rel=1e-5)

    def test_focal_of_ten_classes_is_the_published_number(self, classes):
        assert expected(task_of(loss="focal"), classes)["zero"] == pytest.approx(1.865, abs=5e-4)

    def test_multi_margin_is_c_minus_1_over_c(self, classes):
        assert expected(task_of(loss="multi_margin"), classes)["zero"] == pytest.approx((C - 1) / C, rel=1e-5)

    def test_targets_to_be_ignored_are_no_part_of_the_prior(self):
        targets = torch.tensor([1, 1, 2, 2, -100, -100])
        found = expected(task_of(), targets, 4)
        assert found["zero"] == pytest.approx(math.log(4), rel=1e-5)
        assert found["prior"] == pytest.approx(math.log(2), abs=1e-4)

    @pytest.mark.parametrize("shape", [(1000,), (1000, 1)])
    def test_binary_is_ln_2_at_any_imbalance_or_the_entropy_of_the_prior(self, shape):
        targets = (torch.arange(1000) < 50).float().view(shape)
        found = expected(task_of("binary"), targets)
        assert found["zero"] == pytest.approx(math.log(2), rel=1e-5)
        assert found["prior"] == pytest.approx(entropy([0.05, 0.95]), rel=1e-4)
        assert found["prior"] == pytest.approx(0.1985, abs=1e-4)

    def test_positive_weight_gives_ln_2_times_pw_plus_1_minus_p(self):
        targets = (torch.arange(1000) < 50).float()
        found = expected(task_of("binary", pos_weight=19.0), targets)["zero"]
        assert found == pytest.approx(math.log(2) * (0.05 * 19 + 0.95), rel=1e-5)

    def test_multilabel_is_ln_2_and_summed_over_labels_k_ln_2(self, tmp_path):
        rates = [0.05, 0.5, 0.2]
        targets = torch.stack([(torch.arange(1000) < 1000 * p).float() for p in rates], 1)
        found = expected(task_of("multilabel"), targets)
        assert found["zero"] == pytest.approx(math.log(2), rel=1e-5)
        assert found["prior"] == pytest.approx(sum(entropy([p, 1 - p]) for p in rates) / 3, rel=1e-4)
        (tmp_path / "summed_loss_t.py").write_text(
            "import torch.nn.functional as F\n"
            "def loss(o, t): return F.binary_cross_entropy_with_logits(o, t, reduction='none').sum(1).mean()\n"
        )
        summed = expected(task_of("multilabel", loss="summed_loss_t:loss", folder=tmp_path), targets)["zero"]
        assert summed == pytest.approx(3 * math.log(2), rel=1e-5)

    @pytest.mark.parametrize("shape", [(500,), (500, 1), (250, 2)])
    def test_squared_error_is_the_second_moment_or_the_variance(self, shape):
        targets = 3 + 2 * torch.randn(500, generator=torch.Generator().manual_seed(0)).view(shape)
        found = expected(task_of("regression"), targets)
        assert found["zero"] == pytest.approx(targets.square().mean().item(), rel=1e-5)
        assert found["prior"] == pytest.approx(targets.var(0, correction=0).mean().item(), rel=1e-5)

    def test_absolute_error_is_the_mean_size_or_the_distance_from_the_median(self):
        targets = torch.tensor([1.0, 2.0, 3.0, 4.0, 100.0])
        found = expected(task_of("regression", loss="l1"), targets)
        assert found["zero"] == pytest.approx(22.0)
        assert found["median"] == pytest.approx((2 + 1 + 0 + 1 + 97) / 5)

    def test_huber_is_the_mean_of_its_own_values(self):
        # 0.5 y^2 below 1 and |y| - 0.5 above.
        assert expected(task_of("regression", loss="huber"), torch.tensor([0.5, -3.0]))["zero"] == pytest.approx(
            (0.125 + 2.5) / 2
        )


class TestSampleLosses:
    @pytest.mark.parametrize("name", sorted(LOSSES))
    def test_their_mean_is_the_loss_for_every_built_in_loss(self, name):
        draw = torch.Generator().manual_seed(0)
        outputs = torch.randn(12, 3, generator=draw)
        if name in ("cross_entropy", "focal", "nll", "multi_margin"):
            task, targets = task_of(loss=name), torch.randint(0, 3, (12,), generator=draw)
        elif name == "bce":
            task, targets = task_of("multilabel", loss=name), torch.randint(0, 2, (12, 3), generator=draw)
        else:
            task, targets = task_of("regression", loss=name), torch.randn(12, 3, generator=draw)
        samples = task.sample_losses(outputs, targets)
        assert samples.shape == (12,)
        torch.testing.assert_close(samples.mean(), task.loss(outputs, targets))
        torch.testing.assert_close(samples[3:4].mean(), task.loss(outputs[3:4], targets[3:4]))

    def test_of_sequences_they_are_means_over_the_positions(self):
        outputs, targets = torch.randn(5, 7, 4), torch.randint(0, 7, (5, 4))
        samples = task_of().sample_losses(outputs, targets)
        assert samples.shape == (5,)
        torch.testing.assert_close(samples.mean(), nn.functional.cross_entropy(outputs, targets))

    @pytest.mark.parametrize("name", ["plain", "branching", "numeric"])
    def test_a_persons_loss_is_taken_sample_by_sample_vectorised_or_not(self, tmp_path, name):
        (tmp_path / "own_losses_t.py").write_text(
            "import torch\n"
            "def plain(o, t): return (o - t).square().mean()\n"
            "def branching(o, t):\n"
            "    e = (o - t).square().mean()\n"
            "    return e if float(e) > 0.5 else e * 1\n"  # data-dependent: cannot be vectorised
            "def numeric(o, t): return torch.as_tensor((o - t).numpy() ** 2).mean()\n"
        )
        task = task_of("regression", loss=f"own_losses_t:{name}", folder=tmp_path)
        outputs, targets = torch.randn(6, 2), torch.randn(6, 2)
        samples = task.sample_losses(outputs, targets)
        torch.testing.assert_close(samples, (outputs - targets).square().mean(1))

    def test_a_loss_module_of_torch_with_a_list_of_weights(self, tmp_path):
        task = task_of(loss="torch.nn:CrossEntropyLoss", folder=tmp_path, weight=[1.0, 3.0])
        outputs, targets = torch.zeros(4, 2), torch.tensor([0, 1, 1, 1])
        assert float(task.loss(outputs, targets)) == pytest.approx(math.log(2))
        torch.testing.assert_close(task.sample_losses(outputs, targets), torch.full((4,), math.log(2)))


class TestRegularizersOff:
    def test_label_smoothing_of_a_built_in_loss_and_of_a_module_is_off(self, tmp_path):
        outputs, targets = torch.tensor([[4.0, 0.0]]), torch.tensor([0])
        hard = math.log(1 + math.exp(-4))
        for loss in ("auto", "torch.nn:CrossEntropyLoss"):
            smoothed = task_of(loss=loss, folder=tmp_path, label_smoothing=0.2)
            plain = task_of(loss=loss, folder=tmp_path, label_smoothing=0.2, regularize=False)
            assert float(smoothed.loss(outputs, targets)) == pytest.approx(hard + 0.1 * 4, rel=1e-4)
            assert float(plain.loss(outputs, targets)) == pytest.approx(hard, rel=1e-4)


class TestMetrics:
    def test_each_by_hand(self):
        outputs = torch.tensor([[3.0, 1.0], [0.0, 1.0], [2.0, 1.0], [2.0, 1.0]])
        targets = torch.tensor([0, 1, 1, 0])
        assert float(METRICS["accuracy"].over(outputs, targets)) == 0.75
        assert float(METRICS["balanced_accuracy"].over(outputs, targets)) == 0.75
        imbalanced = torch.tensor([0, 1, 0, 1])
        assert float(METRICS["balanced_accuracy"].over(outputs, imbalanced)) == pytest.approx(0.75)
        assert float(METRICS["balanced_accuracy"].over(outputs, torch.tensor([0, 1, 1, 1]))) == pytest.approx(2 / 3)
        guess, truth = torch.tensor([1.0, 2.0, 5.0]), torch.tensor([1.0, 4.0, 4.0])
        assert float(METRICS["mae"].over(guess, truth)) == 1.0
        assert float(METRICS["rmse"].over(guess, truth)) == pytest.approx(math.sqrt(5 / 3))
        assert float(METRICS["r2"].over(guess, truth)) == pytest.approx(1 - 5 / 6)

    def test_accuracy_of_a_binary_task_is_by_the_sign_of_the_logit(self):
        task = task_of("binary")
        assert task.metric.maximize
        assert float(task.score(torch.tensor([[0.3], [-2.0], [1.0]]), torch.tensor([1, 1, 1]))) == pytest.approx(2 / 3)

    def test_defaults_belong_to_the_task(self):
        assert [task_of(kind).metric.name for kind in ("classification", "binary", "multilabel", "regression")] == [
            "accuracy",
            "accuracy",
            "accuracy",
            "mae",
        ]

    def test_the_loss_as_metric_has_no_score_of_its_own(self):
        task = task_of(metric="loss")
        assert not task.metric.maximize
        assert math.isnan(task.score(torch.zeros(2, 2), torch.zeros(2)))

    def test_a_persons_metric_names_its_direction(self, tmp_path):
        (tmp_path / "own_metric_t.py").write_text("def hits(o, t): return 0.25\n")
        task = task_of(metric="max own_metric_t:hits", folder=tmp_path)
        assert (task.metric.name, task.metric.maximize) == ("hits", True)
        assert float(task.score(torch.zeros(2, 2), torch.zeros(2))) == 0.25
        assert not task_of(metric="min own_metric_t:hits", folder=tmp_path).metric.maximize


class TestShapes:
    def test_targets_take_the_shape_and_type_of_the_loss(self):
        task = task_of()
        assert task.targets(torch.tensor([[1], [2]]), torch.zeros(2, 3)).tolist() == [1, 2]
        assert task.targets(torch.tensor([1.0, 2.0]), torch.zeros(2, 3)).dtype == torch.long
        assert task.targets(torch.tensor([1], dtype=torch.uint8), torch.zeros(1, 3)).dtype == torch.long
        assert task_of("regression").targets(torch.tensor([1, 2]), torch.zeros(2, 1)).tolist() == [[1.0], [2.0]]

    def test_one_column_of_outputs_is_not_broadcast_against_a_row_of_targets(self):
        outputs, targets = torch.tensor([[1.0], [2.0], [3.0]]), torch.tensor([1.0, 2.0, 3.0])
        assert float(task_of("regression").loss(outputs, targets)) == 0.0

    def test_outputs_are_found_in_what_models_return(self):
        task, tensor = task_of(), torch.zeros(2, 3)
        named = type("Out", (), {"logits": tensor})()
        for found in (tensor, {"logits": tensor}, named, (tensor, None), [tensor]):
            assert task.outputs(found) is tensor
        with pytest.raises(UserError, match="must return a tensor or something with `logits`, not dict"):
            task.outputs({"scores": tensor})

    def test_the_number_of_outputs_follows_from_the_targets(self):
        assert task_of().output_size(torch.tensor([0, 4, 2])) == 5
        assert task_of().output_size(torch.zeros(3, 7)) == 7
        assert task_of().output_size(torch.tensor([[0], [4], [2]])) == 5
        assert task_of("regression").output_size(torch.tensor([[0], [4], [2]])) == 1
        assert task_of("binary").output_size(torch.tensor([0, 1])) == 1
        assert task_of("regression").output_size(torch.zeros(3, 2)) == 2
        assert task_of().output_size(["a"]) is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"loss": "crossentropy"},
            "loss: no loss 'crossentropy' (did you mean 'cross_entropy'?); one of",
        ),
        ({"label_smothing": 0.1}, "loss.args: cross_entropy: "),
        ({"label_smoothing": 2.0}, "loss.args: cross_entropy: "),
        ({"reduction": "median"}, "loss.args: cross_entropy: "),
        ({"loss": "focal", "alpha": 1}, "loss.args: focal: "),
        ({"metric": "acc"}, "metric: no metric 'acc'; one of loss, accuracy"),
        ({"metric": "up math:sqrt"}, "metric: no metric 'up math:sqrt'"),
        ({"loss": "nowhere_t:f"}, "loss: nowhere_t:f: no module"),
        ({"kind": "nowhere_t:F"}, "task: nowhere_t:F: no module"),
        ({"kind": "builtins:dict"}, "task: builtins:dict needs the methods"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(tmp_path, change, message):
    with pytest.raises(UserError) as caught:
        task_of(folder=tmp_path, **change)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_focal_without_focus_is_cross_entropy():
    outputs, targets = torch.randn(5, 3), torch.tensor([0, 1, 2, 0, 1])
    torch.testing.assert_close(focal(outputs, targets, gamma=0.0), nn.functional.cross_entropy(outputs, targets))


def test_a_persons_task_is_used_as_it_is(tmp_path):
    (tmp_path / "own_task_t.py").write_text(
        "from tunekit.training.tasks import METRICS, Task\n"
        "import torch.nn.functional as F\n"
        "class Mine(Task):\n"
        "    def __init__(self): super().__init__('regression', F.l1_loss, METRICS['mae'])\n"
    )
    task = task_of("own_task_t:Mine", folder=tmp_path)
    assert float(task.loss(torch.tensor([[3.0]]), torch.tensor([[1.0]]))) == 2.0


def test_shares_decisions_and_counts_are_said_by_the_metric():
    assert {name for name, metric in METRICS.items() if metric.share} == {
        "accuracy",
        "top5",
        "balanced_accuracy",
        "f1",
        "auroc",
        "average_precision",
    }
    assert task_of("binary").metric.share
    assert [task_of(kind).metric.decides for kind in ("classification", "binary", "multilabel")] == [False, True, True]
    assert [task_of(kind).metric.counts for kind in ("classification", "binary", "regression")] == [True, True, False]
    assert not task_of(metric="balanced_accuracy").metric.counts


def test_f1_and_balanced_accuracy_of_decisions():
    outputs = torch.tensor([2.0, 1.0, -1.0, -2.0, -3.0])
    targets = torch.tensor([1.0, 0.0, 1.0, 0.0, 0.0])
    f1, balanced = (task_of("binary", metric=name).metric for name in ("f1", "balanced_accuracy"))
    assert float(f1.over(outputs, targets)) == pytest.approx(1 / 2)  # one hit, one false alarm, one miss
    assert float(balanced.over(outputs, targets)) == pytest.approx((1 / 2 + 2 / 3) / 2)
    both = torch.stack([outputs, targets * 2 - 1], 1)
    f1 = task_of("multilabel", metric="f1").metric
    assert float(f1.over(both, torch.stack([targets, targets], 1))) == pytest.approx((1 / 2 + 1) / 2)
    never = torch.zeros(5)
    assert math.isnan(float(f1.over(never, never)))  # no label occurs, none is said


@pytest.mark.parametrize(
    ("loss", "targets", "paired"),
    [
        (F.cross_entropy, torch.arange(8) % 4, True),
        (F.cross_entropy, torch.ones(8, dtype=torch.long), None),  # of one class: another order shows nothing
        (lambda o, t: F.cross_entropy(o.mean(0, keepdim=True), t[:1]), torch.arange(8) % 4, False),
        (lambda o, t: (o.logsumexp(1).mean() - t.float().mean()) ** 2, torch.arange(8) % 4, False),
        (lambda o, t: o.missing, torch.arange(8) % 4, None),
    ],
)
def test_a_loss_that_holds_outputs_against_their_own_targets_feels_it_where_they_change_places(loss, targets, paired):
    assert pairs(loss, torch.randn(8, 4), targets) is paired


@pytest.mark.parametrize(
    ("loss", "outputs", "targets", "given"),
    [
        (lambda o, t: F.mse_loss(o.squeeze(-1), t), torch.randn(8, 1), torch.randn(8), [8]),
        (lambda o, t: F.mse_loss(o.view(-1), t), torch.zeros(8, 1), torch.randn(8), [8]),  # a last layer of zeros
        (lambda o, t: F.mse_loss(o, t, reduction="mean"), torch.randn(8, 1), torch.randn(8), [8, 1]),
        (lambda o, t: F.binary_cross_entropy_with_logits(o, t), torch.randn(8, 1), torch.ones(8), [8, 1]),
        (
            lambda o, t: F.binary_cross_entropy(o.view(-1), t),
            torch.rand(8, 1),
            torch.ones(8).index_fill(0, torch.tensor(2), 0),
            [8],
        ),
        (lambda o, t: F.mse_loss(o, t.squeeze(1)), torch.randn(8), torch.randn(8, 1), [8, 1]),
        (
            lambda o, t: ((o - t).mean()) ** 2,
            torch.randn(8, 1),
            torch.randn(8),
            [8],
        ),  # in neither is one held against its own
        (lambda o, t: -o.mean(), torch.randn(8, 1), torch.randn(8), [8]),
    ],
)
def test_an_own_loss_gets_targets_in_the_shape_that_it_was_written_for(loss, outputs, targets, given, tmp_path):
    seen = []

    def own(values, wanted):
        seen.append(list(wanted.shape))
        return loss(values, wanted)

    task = task_of("regression")
    task.own_loss, task.criterion = True, own
    task.settle(outputs, targets)
    task.loss(outputs, targets)
    assert seen[-1] == given
    assert list(task.targets(targets, outputs).shape) == list(outputs.shape)  # a built-in metric reads them so
    later = (torch.randn(5, *outputs.shape[1:]).sigmoid(), torch.ones(5, *targets.shape[1:]))
    task.loss(*later)
    assert seen[-1] == [5, *given[1:]]


@pytest.mark.parametrize(
    ("kind", "metric", "outputs", "targets"),
    [
        ("classification", "mae", torch.randn(8, 3), torch.arange(8) % 3),
        ("classification", "r2", torch.randn(8, 3), torch.arange(8) % 3),
        ("regression", "accuracy", torch.randn(8, 1), torch.randn(8, 1)),
        ("regression", "f1", torch.randn(8, 2), torch.randn(8, 2)),
    ],
)
def test_a_metric_that_is_not_of_such_targets_gives_way_to_the_loss(kind, metric, outputs, targets):
    task = task_of(kind, metric=metric)
    assert task.needs_settling(targets)
    task.settle(outputs, targets)
    assert task.metric.is_loss
    assert task.notes[0].startswith(f"{metric} says nothing of outputs {list(outputs.shape)}")


@pytest.mark.parametrize(
    ("kind", "metric", "outputs", "targets"),
    [
        ("classification", "f1", torch.randn(8, 3), torch.arange(8) % 3),
        ("classification", "mae", torch.rand(8, 3), torch.rand(8, 3)),  # of soft labels
        ("binary", "f1", torch.randn(8, 1), torch.ones(8)),
        ("regression", "r2", torch.randn(1, 1), torch.randn(1, 1)),
    ],
)
def test_a_metric_that_is_asked_for_and_fits_stays(kind, metric, outputs, targets):
    task = task_of(kind, metric=metric)
    task.settle(outputs, targets)
    assert (task.metric.name, task.notes) == (metric, ())


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ("0.5, 0.6", "a tuple"),
        ("None", "a NoneType"),
        ("'0.5'", "a str"),
        ("0.5 + 1j", "a complex"),
        ("10**400", "a int"),
        ("outputs", r"one of shape \[4, 2\]; average over the batch"),
    ],
)
def test_a_metric_that_is_no_number_is_told_in_one_line(tmp_path, returned, message):
    tmp_path.joinpath("no_number.py").write_text(f"def score(outputs, targets):\n    return {returned}\n")
    task = task_of(metric="max no_number:score", folder=tmp_path)
    with pytest.raises(UserError, match=f"^metric: no_number:score must return one real number, not {message}"):
        task.score(torch.randn(4, 2), torch.zeros(4).long())


def test_a_complex_loss_is_told_in_one_line(tmp_path):
    tmp_path.joinpath("complex_loss.py").write_text("def loss(outputs, targets):\n    return outputs.sum() * 1j\n")
    task = task_of(loss="complex_loss:loss", folder=tmp_path)
    with pytest.raises(UserError, match=r"^loss: must return a scalar tensor, and a real one, not a complex one$"):
        task.loss(torch.randn(4, 2), torch.zeros(4).long())


def test_class_weights_of_a_loss_that_is_a_module_follow_the_outputs():
    task = task_of(loss="torch.nn:CrossEntropyLoss", weight=[1.0, 2.0])
    with torch.inference_mode():
        loss = task.loss(torch.zeros(4, 2, device="meta"), torch.zeros(4, dtype=torch.long, device="meta"))
    assert loss.device.type == "meta"
    assert not task.criterion.function.weight.is_inference()


class TestWhatALossRefuses:
    def task(self, error=None):
        task = build_task(config_of(), Path())
        if error is not None:

            def refuse(*_):
                raise error

            task.criterion = refuse
        return task

    def test_labels_out_of_range_are_told_without_those_that_are_left_out(self):
        with pytest.raises(
            UserError, match=r"reach from 1 to 3, and the model gives \[3, 3\]; number the classes from 0"
        ):
            self.task().loss(torch.zeros(3, 3), torch.tensor([1, 3, -100]))

    @pytest.mark.parametrize("labels", [[1, 2, -100], [-100, -100, -100]])
    @pytest.mark.parametrize("error", [torch.OutOfMemoryError("full"), RuntimeError("Expected target size [3]")])
    def test_what_labels_did_not_cause_is_no_fault_of_theirs(self, labels, error):
        with pytest.raises(RuntimeError, match=re.escape(str(error))):
            self.task(error).loss(torch.zeros(3, 3), torch.tensor(labels))

    def test_a_full_machine_is_told_beside_wrong_labels(self):
        with pytest.raises(torch.OutOfMemoryError):
            self.task(torch.OutOfMemoryError("full")).loss(torch.zeros(3, 3), torch.tensor([1, 7, 0]))
