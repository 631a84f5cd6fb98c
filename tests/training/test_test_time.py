"""Asking a trained model about crops: which they are, and what their average means."""

import pytest
import torch
import torch.nn.functional as F
from torchvision.transforms.v2 import functional as reference

from tunekit.configuration import DataSpec
from tunekit.training.building import build_task
from tunekit.training.data import Batch
from tunekit.training.test_time import answer_at_test_time, averaged, averaging_of, five_crops, mirrors, views
from tunekit.vocabulary import UserError


@pytest.fixture
def images():
    return torch.rand(4, 3, 16, 20, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def task(make_config, tmp_path):
    return lambda kind="classification", **loss: build_task(make_config(task=kind, loss=loss), tmp_path)


def linear(outputs):
    weight = torch.randn(3 * 16 * 20, outputs, generator=torch.Generator().manual_seed(1)) * 0.1
    return lambda batch: batch.args[0].flatten(1) @ weight


def test_the_crops_are_those_of_torchvision(images):
    for ours, theirs in zip(five_crops(images, 11, 13), reference.five_crop(images, [11, 13]), strict=True):
        assert torch.equal(ours, theirs)


def test_views_have_the_size_of_the_images_and_are_crops_brought_to_it(images):
    all_views = views(images, 8, mirrored=True)
    assert [view.shape for view in all_views] == [images.shape] * 10
    wanted = reference.resize(images[:, :, :8, :10], [16, 20], antialias=False)
    torch.testing.assert_close(all_views[0], wanted)
    assert torch.equal(all_views[5], all_views[0].flip(-1))
    assert torch.equal(views(images, 16)[4], images)


def test_probabilities_are_averaged_and_the_loss_is_that_of_their_mean(task, images):
    answer, labels = linear(5), torch.tensor([0, 3, 2, 4])
    plain = task()
    out = answer_at_test_time(answer, Batch((images,), {}, labels), plain, "five-crop", 12, mirrored=True)
    each = torch.stack([answer(Batch((view,), {}, labels)).softmax(1) for view in views(images, 12, True)])
    torch.testing.assert_close(out.softmax(1), each.mean(0))
    torch.testing.assert_close(plain.loss(out, labels), F.nll_loss(each.mean(0).log(), labels))


@pytest.mark.parametrize("shape", [(4,), (4, 1), (4, 3)])
def test_a_yes_or_no_is_the_logit_of_the_mean_probability(task, shape):
    outputs = torch.randn(5, *shape) * 3
    out = averaged(outputs, averaging_of(task("multilabel" if shape[1:] == (3,) else "binary")))
    torch.testing.assert_close(out.sigmoid(), outputs.sigmoid().mean(0))


def test_numbers_are_averaged_as_they_are(task):
    outputs = torch.randn(5, 4, 2)
    torch.testing.assert_close(averaged(outputs, averaging_of(task("regression"))), outputs.mean(0))


def test_an_image_and_its_mirror_image_are_told_the_same(task, images):
    batches = [Batch((x,), {}, torch.zeros(4)) for x in (images, images.flip(-1))]
    first, second = (answer_at_test_time(linear(5), batch, task(), "five-crop", mirrored=True) for batch in batches)
    torch.testing.assert_close(first, second, atol=1e-5, rtol=1e-5)


def test_a_single_pass_is_the_models_own_answer(task, images):
    batch = Batch((images,), {}, torch.zeros(4))
    assert torch.equal(answer_at_test_time(linear(5), batch, task()), linear(5)(batch))


def test_mirror_images_are_asked_about_where_training_saw_them():
    assert mirrors(DataSpec("digits", augment=["crop", "flip"]))
    assert not mirrors(DataSpec("digits", augment=["crop", "vertical_flip"]))
    assert not mirrors(DataSpec("digits", augment=["flip"], augment_strength=0.0))


@pytest.mark.parametrize(
    ("answer", "x", "how", "size", "message"),
    [
        (linear(5), torch.zeros(4, 3, 16, 20), "ten-crop", None, "one of single, five-crop, not 'ten-crop'"),
        (linear(5), torch.zeros(4, 7), "five-crop", None, r"five-crop takes images \[C, H, W\]"),
        (linear(5), torch.zeros(4, 3, 16, 20), "five-crop", 17, "crops of 1 to 16 pixels"),
        (lambda batch: batch.args[0], torch.zeros(4, 3, 16, 20), "five-crop", None, "takes outputs for each image"),
    ],
)
def test_what_cannot_be_asked_so_is_told(task, answer, x, how, size, message):
    with pytest.raises(UserError, match=message):
        answer_at_test_time(answer, Batch((x,), {}, torch.zeros(4)), task(), how, size)
