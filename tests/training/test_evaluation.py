"""Validation in a stream: the same numbers as over all outputs at once, and no more memory than a training batch."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tests.conftest import config_of
from tunekit.halves import halves
from tunekit.training.building import build_task
from tunekit.training.evaluation import Tally
from tunekit.training.losses import LOSSES
from tunekit.training.metrics import METRICS
from tunekit.training.probes.final import _interval

DRAW = torch.Generator().manual_seed(0)
N = 53


def task_of(kind="classification", metric="auto", loss="auto", folder=None):
    return build_task(config_of(task=kind, metric=metric, loss={"target": loss, "args": {}}), folder)


def in_stream(task, outputs, targets, sizes, batch_size=8):
    tally, start = Tally(task, batch_size, len(outputs)), 0
    for size in sizes:
        part = slice(start, start + size)
        tally.add(outputs[part], targets[part], size)
        start += size
    assert start == len(outputs)
    return tally.evaluation()


CASES = {
    "accuracy": ("classification", torch.randn(N, 4, generator=DRAW), torch.randint(0, 4, (N,), generator=DRAW)),
    "balanced_accuracy": (
        "classification",
        torch.randn(N, 4, generator=DRAW),
        torch.randint(0, 4, (N,), generator=DRAW),
    ),
    "f1": ("classification", torch.randn(N, 4, generator=DRAW), torch.randint(0, 4, (N,), generator=DRAW)),
    "mae": ("regression", torch.randn(N, 2, generator=DRAW), torch.randn(N, 2, generator=DRAW)),
    "rmse": ("regression", torch.randn(N, 2, generator=DRAW), torch.randn(N, 2, generator=DRAW)),
    "r2": ("regression", torch.randn(N, 2, generator=DRAW), torch.randn(N, 2, generator=DRAW)),
    "loss": ("regression", torch.randn(N, 2, generator=DRAW), torch.randn(N, 2, generator=DRAW)),
}


@pytest.mark.parametrize("metric", CASES)
@pytest.mark.parametrize("sizes", [(53,), (8, 45), (16, 16, 16, 5)])
def test_in_a_stream_every_metric_is_what_it_is_over_all_at_once(metric, sizes):
    kind, outputs, targets = CASES[metric]
    task = task_of(kind, metric)
    found = in_stream(task, outputs, targets, sizes)
    assert found.loss == pytest.approx(float(task.loss(outputs, targets)), rel=1e-5)
    assert found.sample_losses.mean() == pytest.approx(found.loss, rel=1e-5)
    if metric == "loss":
        assert math.isnan(found.score)
        return
    assert found.score == pytest.approx(float(METRICS[metric].over(outputs, targets)), rel=1e-5)
    for place, first in enumerate(halves(N)):
        for half, members in enumerate((first, ~first)):
            picks = torch.tensor(members)
            value = found.halves[2 * place + half]
            if not np.isnan(value):  # a metric of the whole is not computed for every split
                assert value == pytest.approx(float(METRICS[metric].over(outputs[picks], targets[picks])), rel=1e-4)
    assert np.isfinite(found.halves[:8]).all()
    if metric in ("accuracy", "mae"):
        assert found.sample_scores.mean() == pytest.approx(found.score, rel=1e-5)


def test_words_that_do_not_count_are_in_no_accuracy():
    logits = torch.randn(6, 7, 5, generator=DRAW)
    tags = torch.randint(0, 5, (6, 7), generator=DRAW)
    tags[0, 2:] = tags[3, 1:] = -100
    task = task_of()
    task.settle(logits, tags)
    found = in_stream(task, logits, tags, (4, 2), batch_size=4)
    right = (logits.argmax(2) == tags)[tags >= 0].float()
    assert found.score == pytest.approx(float(right.mean()))
    alone = [float(F.cross_entropy(logits[place], tags[place])) for place in (0, 1)]
    assert found.sample_losses[0] / found.sample_losses[1] == pytest.approx(alone[0] / alone[1], rel=1e-5)


def test_padding_that_the_loss_leaves_out_is_in_no_accuracy(tmp_path):
    (tmp_path / "padded_t.py").write_text(
        "import torch.nn.functional as F\n"
        "def loss(o, t): return F.cross_entropy(o.reshape(-1, 5), t.reshape(-1), ignore_index=0)\n"
    )
    logits, tags = torch.randn(6, 7, 5, generator=DRAW), torch.randint(1, 5, (6, 7), generator=DRAW)
    tags[:, 4:] = 0
    for loss, given in (("padded_t:loss", {}), ("cross_entropy", {"ignore_index": 0})):
        config = config_of(task="classification", loss={"target": loss, "args": given})
        task = build_task(config, tmp_path)
        task.settle(logits, tags)
        right = (logits.argmax(2) == tags)[:, :4].float().mean()
        assert in_stream(task, logits, tags, (6,)).score == pytest.approx(float(right))


def test_a_metric_of_the_whole_split_is_not_the_mean_of_batches(tmp_path):
    (tmp_path / "whole_t.py").write_text(
        "def spread(outputs, targets): return (outputs - targets).square().mean().sqrt() + outputs.std()\n"
        "def error(outputs, targets): return (outputs - targets).abs().mean()\n"
    )
    _, outputs, targets = CASES["mae"]
    whole, mean = (task_of("regression", f"min whole_t:{name}", folder=tmp_path) for name in ("spread", "error"))
    for task in (whole, mean):
        task.settle(outputs, targets)
    assert (whole.averages, mean.averages) == (False, True)
    found = in_stream(whole, outputs, targets, (16, 16, 16, 5))
    assert found.score == pytest.approx(float((outputs - targets).square().mean().sqrt() + outputs.std()), rel=1e-5)


def test_batches_of_different_widths_and_targets_of_several_parts(tmp_path):
    (tmp_path / "widths_t.py").write_text(
        "import torch.nn.functional as F\n"
        "def loss(outputs, targets):\n"
        "    made, code = outputs\n"
        "    return (made - targets['x']).square().mean() + code.square().mean()\n"
    )
    task = task_of("regression", loss="widths_t:loss", folder=tmp_path)
    tally = Tally(task, 4)
    for width in (3, 5):
        made, code = torch.randn(4, width, generator=DRAW), torch.randn(4, 2, generator=DRAW)
        task.settle((made, code), {"x": made})
        tally.add((made, code), {"x": torch.zeros(4, width)}, 4)
    found = tally.evaluation()
    assert task.metric.name == "loss"
    assert found.sample_losses.shape == (8,)
    assert found.sample_losses.mean() == pytest.approx(found.loss, rel=1e-5)


LOSSES_OF_BATCHES = """
import torch
import torch.nn.functional as F

def compared(outputs, targets):
    return F.cross_entropy(F.normalize(outputs) @ F.normalize(outputs).T / 0.1, torch.arange(len(outputs)))

def refusing(outputs, targets):
    if len(outputs) < 2:
        raise ValueError("needs two samples")
    return F.cross_entropy(outputs, targets) + outputs.std(0).mean()

def plain(outputs, targets):
    return F.cross_entropy(outputs, targets)

def summed(outputs, targets):
    return F.cross_entropy(outputs, targets, reduction="sum")

def weighted(outputs, targets):
    return F.cross_entropy(outputs, targets, weight=torch.tensor([1.0, 3.0, 0.5, 1.0]))

def drawn(outputs, targets):
    return F.cross_entropy(outputs + 0.1 * torch.randn_like(outputs), targets)
"""


@pytest.mark.parametrize(
    ("loss", "of_samples"),
    [("compared", False), ("refusing", False), ("plain", True), ("summed", True), ("weighted", True), ("drawn", True)],
)
def test_a_loss_that_compares_samples_counts_by_batches(tmp_path, loss, of_samples):
    tmp_path.joinpath("of_batches.py").write_text(LOSSES_OF_BATCHES)
    task = task_of(loss=f"of_batches:{loss}", metric="accuracy", folder=tmp_path)
    outputs, targets = CASES["accuracy"][1:]
    task.settle(outputs[:16], targets[:16])
    assert task.of_samples is of_samples
    if not of_samples:
        found = in_stream(task, outputs, targets, (16, 37), batch_size=16)
        assert found.sample_losses.mean() == pytest.approx(found.loss, rel=1e-5)
        assert found.sample_losses[3] == pytest.approx(float(task.loss(outputs[:16], targets[:16])))


SEQUENCES = torch.randint(0, 4, (N, 6), generator=DRAW).masked_fill(torch.rand(N, 6, generator=DRAW) < 0.4, -100)
SPECS = {
    "weighted": ("auto", {"weight": [1.0, 9.0, 0.5, 2.0]}, ()),
    "weighted and smoothed": ("auto", {"weight": [1.0, 9.0, 0.5, 2.0], "label_smoothing": 0.2}, ()),
    "weighted margins": ("multi_margin", {"weight": [1.0, 9.0, 0.5, 2.0]}, ()),
    "a sum": ("auto", {"reduction": "sum"}, ()),
    "a class left out": ("auto", {"ignore_index": 2}, ()),
    "words": ("auto", {}, (6,)),
    "weighted words": ("auto", {"weight": [1.0, 9.0, 0.5, 2.0]}, (6,)),
    "one's own, weighted": ("of_batches:weighted", {}, ()),
    "one's own sum": ("of_batches:summed", {}, ()),
}


@pytest.mark.parametrize("case", SPECS)
def test_what_samples_give_to_the_loss_has_the_loss_for_its_mean(tmp_path, case):
    loss, args, positions = SPECS[case]
    tmp_path.joinpath("of_batches.py").write_text(LOSSES_OF_BATCHES)
    task = build_task(config_of(metric="loss", loss={"target": loss, "args": args}), tmp_path)
    outputs = torch.randn(N, 4, *positions, generator=DRAW)
    targets = SEQUENCES if positions else CASES["accuracy"][2]
    task.settle(outputs[:8], targets[:8])
    found = in_stream(task, outputs, targets, (16, 37))
    assert found.sample_losses.shape == (N,)
    assert found.sample_losses.std() > 0
    assert np.nanmean(found.sample_losses) == pytest.approx(found.loss, rel=1e-5)
    tally = Tally(task, 8, N)
    tally.add(outputs, targets, N)
    (low, high), how = _interval(tally, tally.evaluation(), [])
    assert low < found.loss < high
    assert how == "normal"


LAWS = {
    "plain": ("cross_entropy", {}, ()),
    "weighted": ("cross_entropy", {"weight": [1.0, 90.0, 0.5, 2.0]}, ()),
    "weighted likelihoods": ("nll", {"weight": [1.0, 90.0, 0.5, 2.0]}, ()),
    "a class left out": ("cross_entropy", {"ignore_index": 2}, ()),
    "both": ("cross_entropy", {"weight": [1.0, 90.0, 0.5, 2.0], "ignore_index": 2}, ()),
    "smoothed": ("cross_entropy", {"weight": [1.0, 90.0, 0.5, 2.0], "label_smoothing": 0.2}, ()),
    "a class without weight": ("cross_entropy", {"weight": [1.0, 0.0, 0.0, 0.0]}, ()),
    "words": ("cross_entropy", {}, (6,)),
    "weighted words": ("cross_entropy", {"weight": [1.0, 90.0, 0.5, 2.0], "label_smoothing": 0.1}, (6,)),
    "likelihoods of words": ("nll", {}, (6,)),
    "focal": ("focal", {"alpha": [1.0, 9.0, 0.5, 2.0]}, (6,)),
    "weighted margins": ("multi_margin", {"weight": [1.0, 90.0, 0.5, 2.0]}, ()),
}


@pytest.mark.parametrize("case", LAWS)
def test_the_loss_of_a_split_is_that_of_all_at_once_in_any_order_and_any_batches(case):
    loss, args, positions = LAWS[case]
    task = build_task(config_of(metric="loss", loss={"target": loss, "args": args}), None)
    outputs = torch.randn(N, 4, *positions, generator=DRAW).log_softmax(1)  # far from 0 in the mean, for every loss
    targets = SEQUENCES if positions else CASES["accuracy"][2]
    wanted = float(LOSSES[loss](outputs, targets, **args))
    for seed in range(3):
        order = torch.randperm(N, generator=torch.Generator().manual_seed(seed))
        for sizes, batch_size in (((N,), N), ((16, 37), 8), ((1,) * N, 1), ((40, 13), 5)):
            found = in_stream(task, outputs[order], targets[order], sizes, batch_size)
            assert found.loss == pytest.approx(wanted, rel=1e-5)
            assert np.nanmean(found.sample_losses) == pytest.approx(wanted, rel=1e-5)


def test_a_batch_of_which_nothing_counts_has_no_part_in_the_loss():
    task, outputs = task_of(), torch.randn(8, 4, generator=DRAW)
    targets = torch.tensor([-100, -100, 1, -100, 0, 2, -100, -100])
    assert in_stream(task, outputs, targets, (2, 2, 2, 2), 2).loss == pytest.approx(
        float(F.cross_entropy(outputs, targets)), rel=1e-6
    )
    assert math.isnan(in_stream(task, outputs, torch.full((8,), -100), (8,), 2).loss)


def test_a_sum_is_the_mean_of_the_sums_of_batches():
    task = build_task(config_of(metric="loss", loss={"target": "cross_entropy", "args": {"reduction": "sum"}}), None)
    _, outputs, targets = CASES["accuracy"]
    batches = [slice(start, start + 8) for start in range(0, N, 8)]
    sums = [float(F.cross_entropy(outputs[b], targets[b], reduction="sum")) * len(targets[b]) for b in batches]
    wanted = sum(sums) / N
    assert in_stream(task, outputs, targets, (N,)).loss == pytest.approx(wanted, rel=1e-5)


def test_a_loss_of_batches_has_an_interval_by_batches_or_none(tmp_path):
    """Batches alike but for noise of 1: over n of them the mean is known within 1.96 / sqrt(n), however many samples
    stand in each."""
    tmp_path.joinpath("of_batches.py").write_text("def loss(outputs, targets): return outputs.mean() + len(outputs)\n")
    task = task_of("regression", metric="loss", loss="of_batches:loss", folder=tmp_path)
    level = torch.randn(400, 1, generator=DRAW).repeat_interleave(4, 0)
    task.settle(level[:8], level[:8])
    assert not task.of_samples
    tally = Tally(task, 4, len(level))
    tally.add(level, level, len(level))
    (low, high), how = _interval(tally, tally.evaluation(), [])
    assert how == "normal, by batches"
    assert (high - low) / 2 == pytest.approx(1.96 * float(level[::4].std()) / 20, rel=1e-3)
    few = Tally(task, 4, 8)
    few.add(level[:8], level[:8], 8)
    interval, how = _interval(few, few.evaluation(), [])
    assert interval is None
    assert how == "no interval: this loss is one of batches, and there are 2"


def test_outputs_that_a_loss_compares_with_no_target_stand_for_none(tmp_path):
    tmp_path.joinpath("of_batches.py").write_text(LOSSES_OF_BATCHES)
    outputs, targets = CASES["accuracy"][1:]
    for loss, metric in (("compared", "loss"), ("plain", "accuracy"), ("drawn", "accuracy")):
        for start in (outputs, torch.zeros_like(outputs)):
            task = task_of(loss=f"of_batches:{loss}", folder=tmp_path)
            task.settle(start, targets)
            assert task.metric.name == metric
