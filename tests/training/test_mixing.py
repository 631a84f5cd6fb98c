"""Mixup and cutmix: shares, targets, and the loss of mixed samples."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from tunekit.training.augmentations import Chain, links_of, training_loss
from tunekit.training.augmentations.mixing import (
    Draw,
    Mixed,
    cutmix,
    mixed_targets,
    mixes_each,
    mixes_targets,
    mixup,
)
from tunekit.training.building import build_task
from tunekit.training.data import Batch

CLASSES = 5
OWN_LOSS = """
import torch
import torch.nn.functional as F


def sharp(outputs, targets):
    return F.cross_entropy(3 * outputs, targets) ** 2
"""


@pytest.fixture
def task(make_config, tmp_path):
    (tmp_path / "mine.py").write_text(OWN_LOSS)

    def built(kind="classification", **loss):
        return build_task(make_config(task=kind, loss=loss), tmp_path)

    return built


def one_hot(labels):
    return F.one_hot(labels, CLASSES).float()


def soft(mixed):
    return sum(share[:, None] * one_hot(labels) for labels, share in mixed.parts)


def mixed_batch(entries, x, targets, task, seed=0):
    torch.manual_seed(seed)
    return Chain(links_of(entries), None, mixes_each(task), mixes_targets(task))(Batch((x,), {}, targets))


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_shares_are_drawn_from_beta_one_a_sample(alpha):
    torch.manual_seed(0)
    share = mixup(torch.zeros(20_000, 1), True, alpha=alpha)[1].share
    variance = 1 / (4 * (2 * alpha + 1))
    assert share.mean().item() == pytest.approx(0.5, abs=0.01)
    assert share.var().item() == pytest.approx(variance, rel=0.03)
    known = torch.distributions.Beta(alpha, alpha).sample((20_000,)).sort().values
    assert (share.sort().values - known).abs().max() < 0.03
    assert len(share.unique()) > 10_000


@pytest.mark.parametrize("alpha", [1e-2, 1e-4])
def test_a_small_alpha_mixes_little(alpha):
    """Of Beta(alpha, alpha) the mean of share * (1 - share) is alpha / (2 (2 alpha + 1))."""
    torch.manual_seed(0)
    share = mixup(torch.zeros(50_000, 1), True, alpha=alpha)[1].share.double()
    assert (share * (1 - share)).mean().item() == pytest.approx(alpha / (2 * (2 * alpha + 1)), rel=0.2, abs=4e-5)
    assert share.mean().item() == pytest.approx(0.5, abs=0.02)


def test_a_batch_may_have_one_share_and_one_box():
    torch.manual_seed(0)
    x = torch.rand(8, 3, 6, 6)
    assert len(mixup(x, False)[1].share.unique()) == 1
    out, draw = cutmix(x, False)
    changed = (out != x).any(1)
    moved = draw.partner != torch.arange(8)
    assert torch.equal(changed[moved], changed[moved][:1].expand_as(changed[moved]))


def test_so_many_samples_are_mixed_as_the_probability_says():
    torch.manual_seed(0)
    share = mixup(torch.zeros(4000, 1), True, alpha=1.0, p=0.3)[1].share
    assert (share < 1).float().mean().item() == pytest.approx(0.3, abs=0.03)


@given(st.integers(0, 200))
def test_targets_have_the_shares_of_the_inputs(seed):
    # Inputs that say their class: what is in them of each is what the targets must say.
    torch.manual_seed(seed)
    labels = torch.randint(0, CLASSES, (12,))
    x, draw = mixup(one_hot(labels), True, alpha=1.0)
    torch.testing.assert_close(soft(mixed_targets(labels, draw, numbers=False)), x)


@given(st.integers(0, 200), st.sampled_from([(7, 7), (4, 9)]))
def test_targets_have_the_shares_of_the_pasted_areas_exactly(seed, sides):
    torch.manual_seed(seed)
    labels = torch.randint(0, CLASSES, (12,))
    images = one_hot(labels)[:, :, None, None].expand(-1, -1, *sides)
    x, draw = cutmix(images, True, alpha=1.0)
    assert set(x.unique().tolist()) <= {0.0, 1.0}
    torch.testing.assert_close(soft(mixed_targets(labels, draw, numbers=False)), x.mean((2, 3)))


def test_boxes_of_cutmix_are_as_large_as_their_share_where_none_hangs_over():
    torch.manual_seed(0)
    x = torch.rand(2000, 1, 40, 40)
    out, draw = cutmix(x, True, alpha=1.0)
    holes = (out != x)[:, 0]
    rows, columns = holes.any(2).sum(1), holes.any(1).sum(1)
    assert torch.equal(holes.flatten(1).sum(1), rows * columns)
    apart = draw.partner != torch.arange(2000)
    torch.testing.assert_close((1 - draw.share)[apart], (rows * columns / 1600.0)[apart])


@given(st.integers(0, 50))
def test_mixed_twice_targets_still_have_the_shares_of_the_inputs(seed):
    torch.manual_seed(seed)
    labels = torch.randint(0, CLASSES, (12,))
    x, first = mixup(one_hot(labels), True, alpha=1.0)
    x, second = mixup(x, True, alpha=1.0)
    targets = mixed_targets(mixed_targets(labels, first, numbers=False), second, numbers=False)
    assert len(targets.parts) == 4
    torch.testing.assert_close(sum(share for _, share in targets.parts), torch.ones(12))
    torch.testing.assert_close(soft(targets), x)


def test_cross_entropy_is_that_against_soft_targets(task):
    torch.manual_seed(0)
    outputs = torch.randn(12, CLASSES, requires_grad=True)
    plain = task()
    batch = mixed_batch(["mixup", "mixup"], torch.rand(12, 4), torch.randint(0, CLASSES, (12,)), plain)
    loss = training_loss(plain, outputs, batch.targets)
    torch.testing.assert_close(loss, F.cross_entropy(outputs, soft(batch.targets)))
    smooth = task(args={"label_smoothing": 0.2})
    wanted = F.cross_entropy(outputs, soft(batch.targets), label_smoothing=0.2)
    torch.testing.assert_close(training_loss(smooth, outputs, batch.targets), wanted)
    assert loss.requires_grad


def test_focal_loss_is_shared_out_sample_by_sample(task):
    torch.manual_seed(0)
    outputs, labels = torch.randn(12, CLASSES), torch.randint(0, CLASSES, (12,))
    focal = task(target="focal", args={"gamma": 2.0})
    batch = mixed_batch(["mixup"], torch.rand(12, 4), labels, focal)
    p = outputs.softmax(1)
    each = -((1 - p) ** 2) * p.log()
    wanted = (soft(batch.targets) * each).sum(1).mean()
    torch.testing.assert_close(training_loss(focal, outputs, batch.targets), wanted)


@pytest.mark.parametrize("loss", [{}, {"target": "focal"}, {"args": {"label_smoothing": 0.1}}])
@pytest.mark.parametrize("shape", [(12,), (12, 3)])
def test_what_a_loss_leaves_out_counts_in_no_share(loss, shape, task):
    torch.manual_seed(0)
    told = task(**loss)
    outputs, labels = torch.randn(12, CLASSES, *shape[1:]), torch.randint(0, CLASSES, shape)
    labels[:4] = -100
    batch = mixed_batch(["mixup"], torch.rand(12, 4), labels, told)
    top = bottom = 0.0
    for targets, share in batch.targets.parts:
        each, known = (value.reshape(12, -1) for value in (told.sample_loss(outputs, targets), targets != -100))
        top, bottom = top + (share[:, None] * each * known).sum(), bottom + (share[:, None] * known).sum()
    torch.testing.assert_close(training_loss(told, outputs, batch.targets), top / bottom)


@pytest.mark.parametrize("args", [{"reduction": "sum"}, {"reduction": "sum", "label_smoothing": 0.1}, {}])
def test_mixup_that_mixes_nothing_changes_no_loss(args, task):
    torch.manual_seed(0)
    told = task(args=args)
    outputs, labels = torch.randn(12, CLASSES), torch.randint(0, CLASSES, (12,))
    batch = mixed_batch([{"mixup": {"p": 0.0}}], torch.rand(12, 4), labels, told)
    torch.testing.assert_close(training_loss(told, outputs, batch.targets), told.loss(outputs, labels))


@pytest.mark.parametrize("loss", [{"args": {"weight": [1.0, 2.0, 1.0, 3.0, 1.0]}}, {"target": "mine:sharp"}])
def test_weighted_and_own_losses_are_shared_out_by_batch(loss, task):
    torch.manual_seed(0)
    outputs, labels = torch.randn(12, CLASSES), torch.randint(0, CLASSES, (12,))
    weighted = task(**loss)
    assert not mixes_each(weighted)
    batch = mixed_batch(["mixup"], torch.rand(12, 4), labels, weighted)
    (own, share), (partners, _) = batch.targets.parts
    lam = share[0]
    wanted = lam * weighted.loss(outputs, own) + (1 - lam) * weighted.loss(outputs, partners)
    torch.testing.assert_close(training_loss(weighted, outputs, batch.targets), wanted)


@pytest.mark.parametrize(("kind", "targets"), [("regression", torch.randn(12)), ("binary", torch.arange(12) % 2)])
def test_numbers_are_mixed_themselves(kind, targets, task):
    told = task(kind)
    x = torch.stack([targets.float(), torch.ones(12)], 1)
    batch = mixed_batch([{"mixup": {"alpha": 1.0}}], x, targets, told)
    torch.testing.assert_close(batch.targets, batch.args[0][:, 0])
    outputs = torch.randn(12, 1)
    torch.testing.assert_close(training_loss(told, outputs, batch.targets), told.loss(outputs, batch.targets))


def test_what_is_not_mixed_has_the_tasks_own_loss(task):
    outputs, labels = torch.randn(12, CLASSES), torch.randint(0, CLASSES, (12,))
    plain = task()
    assert torch.equal(training_loss(plain, outputs, labels), plain.loss(outputs, labels))
    alone = mixed_targets(labels, Draw(torch.arange(12).flip(0), torch.ones(12)), numbers=False)
    assert isinstance(alone, Mixed)
    torch.testing.assert_close(training_loss(plain, outputs, alone), plain.loss(outputs, labels))
    assert math.isfinite(plain.loss(outputs, labels).item())
