"""A batch before and after augmentation as pictures: the training's own first batch, de-normalised."""

import numpy as np
import pytest
import torch

from tunekit.training.augmentations.showing import show_augmentation
from tunekit.training.data import LoaderSplit
from tunekit.training.loop import Session
from tunekit.training.order import epoch_order
from tunekit.training.seeds import seed_step
from tunekit.training.workbench import Workbench
from tunekit.vocabulary import UserError


@pytest.fixture
def session(make_config, tmp_path):
    def made(augment, **changes):
        config = make_config(data={"augment": augment}, batch_size=32, **changes)
        return Session(config, Workbench(tmp_path, torch.device("cpu")))

    return made


def shown(session, **more):
    return show_augmentation(session.config, session.splits.train, session.task, **more)


def test_before_are_the_first_batchs_images_as_they_are_stored(session):
    one = session(["flip"])
    pictures = shown(one, count=9)
    train = one.splits.train
    picks = epoch_order(len(train), 0, 0)[:9]
    stored = train.stored.args[0][picks][:, 0].numpy()
    assert pictures.before.dtype == np.uint8
    assert pictures.before.shape == (9, 8, 8, 1)
    assert np.array_equal(pictures.before[..., 0], np.round(stored / 16 * 255).astype(np.uint8))
    assert pictures.told_before == tuple(map(str, train.targets()[picks].tolist()))


def test_after_is_what_the_first_iteration_sees(session):
    one = session([{"crop": {"padding": 2}}, {"erase": {"p": 1.0, "value": 1.0}}])
    pictures = shown(one)
    seed_step(0, 0, torch.device("cpu"))
    seen = one.augment(one.batch(0)).args[0][:16]
    wanted = (one.augment.units.to_image(seen) * 255).round().clamp(0, 255)[:, 0].numpy()
    assert np.array_equal(pictures.after[..., 0], wanted.astype(np.uint8))


def test_the_same_is_shown_again_and_nothing_else_is_drawn(session):
    one = session(["crop", "jitter"])
    torch.manual_seed(4)
    expected = torch.rand(3)
    torch.manual_seed(4)
    first = shown(one)
    assert torch.equal(torch.rand(3), expected)
    assert np.array_equal(first.after, shown(one).after)
    assert not np.array_equal(first.after, shown(session(["crop", "jitter"], seed=1)).after)


def test_mixed_samples_are_told_with_their_shares_and_names(session):
    names = [f"class {k}" for k in range(10)]
    pictures = shown(session([{"mixup": {"alpha": 4.0}}]), names=names)
    assert all(told in names for told in pictures.told_before)
    both = [told for told in pictures.told_after if "," in told]
    assert len(both) > 8
    for told in both:
        shares = [int(part.split()[-2]) for part in told.split(", ")]
        assert 99 <= sum(shares) <= 101
        assert shares == sorted(shares, reverse=True)


def test_without_augmentation_nothing_changes(session):
    pictures = shown(session([]))
    assert np.array_equal(pictures.before, pictures.after)


def test_batches_of_a_loader_are_shown_as_they_come(session):
    one = session(["flip"])
    x = torch.rand(20, 5, 6, 7)
    pictures = show_augmentation(one.config, LoaderSplit([(x, torch.rand(20))]), one.task, count=4)
    assert pictures.before.shape == (4, 6, 7, 3)


def test_what_is_no_picture_is_told(session):
    one = session(["noise"])
    with pytest.raises(UserError, match="takes images"):
        show_augmentation(one.config, LoaderSplit([(torch.rand(20, 5), torch.zeros(20))]), one.task)
