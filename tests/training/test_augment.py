import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tunekit.training.augment import AUGMENTATIONS, build_augmentation, crop, erase, flip, jitter, noise, rotate
from tunekit.training.data import Batch
from tunekit.vocabulary import UserError


@pytest.fixture
def images():
    return torch.rand(16, 2, 8, 8, generator=torch.Generator().manual_seed(0)) + 1


def seeded(function, *args, seed=0, **kwargs):
    torch.manual_seed(seed)
    return function(*args, **kwargs)


@pytest.mark.parametrize("name", sorted(AUGMENTATIONS))
def test_each_keeps_the_shape_follows_the_seed_and_draws_per_sample(name, images):
    function = AUGMENTATIONS[name].apply
    same = images[:1].expand(16, -1, -1, -1).contiguous()
    before = same.clone()
    first, again, other = (seeded(function, same, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(same, before)
    assert first.shape == same.shape
    assert first.dtype == same.dtype
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert len({tuple(image.flatten().tolist()) for image in first}) > 1


def test_flip_twice_is_nothing_and_at_zero_is_nothing(images):
    assert torch.equal(flip(images, p=1.0), images.flip(-1))
    assert torch.equal(flip(flip(images, p=1.0), p=1.0), images)
    assert torch.equal(flip(images, p=0.0), images)


def test_flip_turns_about_half_of_the_images():
    x = torch.arange(2.0).view(1, 1, 1, 2).expand(2000, 1, 1, 2)
    turned = seeded(flip, x)[:, 0, 0, 0].mean().item()
    assert turned == pytest.approx(0.5, abs=0.05)


@given(st.integers(0, 5), st.integers(0, 100))
def test_crop_is_a_shift_of_the_image_with_zeros_coming_in(padding, seed):
    x = torch.arange(1.0, 4 * 2 * 5 * 6 + 1).view(4, 2, 5, 6)
    out = seeded(crop, x, seed=seed, padding=padding)
    padded = torch.nn.functional.pad(x, (padding,) * 4)
    for image, whole in zip(out, padded, strict=True):
        windows = [whole[:, i : i + 5, j : j + 6] for i in range(2 * padding + 1) for j in range(2 * padding + 1)]
        assert any(torch.equal(image, window) for window in windows)


def test_all_shifts_of_a_crop_come_up():
    x = torch.zeros(2000, 1, 3, 3)
    x[:, :, 1, 1] = 1
    out = seeded(crop, x, padding=1)
    places = out.view(2000, 9).argmax(1)
    assert torch.bincount(places, minlength=9).min() > 150


def test_rotation_by_nothing_is_nothing(images):
    torch.testing.assert_close(rotate(images, degrees=0.0), images)


def test_rotation_stays_within_its_angle():
    # A dot right of the centre moves up and down, never by more than the sine of the angle.
    x = torch.zeros(200, 1, 33, 33)
    x[:, :, 16, 28] = 1
    out = seeded(rotate, x, degrees=30.0)
    rows = out.view(200, 33, 33).sum(2)
    rows = (rows * torch.arange(33)).sum(1) / rows.sum(1) - 16
    assert rows.abs().max() <= 12 * 0.5 + 1
    assert rows.max() > 4
    assert rows.min() < -4


def test_erase_makes_a_hole_of_zeros_no_larger_than_asked(images):
    out = seeded(erase, images, p=1.0, size=0.5)
    changed = out != images
    assert (out[changed] == 0).all()
    for hole in changed.any(1):
        assert hole.any(1).sum() <= 5
        assert hole.any(0).sum() <= 5
    assert torch.equal(erase(images, p=0.0), images)


def test_noise_and_jitter_have_the_asked_size():
    x = torch.zeros(64, 1, 32, 32)
    assert seeded(noise, x, std=0.3).std().item() == pytest.approx(0.3, rel=0.02)
    shifted = seeded(jitter, x, brightness=0.2, contrast=0.0)
    assert shifted.abs().max() <= 0.2
    assert (shifted == shifted[:, :, :1, :1]).all()
    scaled = seeded(jitter, x + 1, brightness=0.0, contrast=0.3)
    assert 0.7 <= scaled.min() < 0.8
    assert 1.2 < scaled.max() <= 1.3


def test_entries_are_applied_in_order_to_the_first_input_alone(images):
    augment = build_augmentation([{"flip": {"p": 1.0}}, {"jitter": {"brightness": 0.0, "contrast": 0.0}}])
    second, targets = torch.ones(16), torch.arange(16)
    out = augment(Batch((images, second), {}, targets))
    assert torch.equal(out.args[0], images.flip(-1))
    assert out.args[1] is second
    assert out.targets is targets
    assert build_augmentation([])(out) is out


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (["flipp"], "data.augment: no augmentation 'flipp'; one of flip"),
        ([{"flip": {"q": 1}}], "data.augment: flip: got an unexpected keyword argument 'q'"),
        ([{"flip": {"p": "x"}}], "data.augment: flip: "),
        ([{"crop": {"padding": -2}}], "data.augment: crop: "),
        ([{"crop": {"padding": 1.5}}], "data.augment: crop: "),
        ([{"flip": 0.5}], "data.augment: an entry is a name or one"),
        ([{"flip": {}, "crop": {}}], "data.augment: an entry is a name or one"),
        ([3], "data.augment: an entry is a name or one"),
        ([None], "data.augment: an entry is a name or one"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(entries, message):
    with pytest.raises(UserError) as caught:
        build_augmentation(entries)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_images_are_needed_for_what_turns_images():
    with pytest.raises(UserError, match=r"flip takes images \[C, H, W\], not samples of shape \[64\]"):
        build_augmentation(["flip"])(Batch((torch.zeros(2, 64),), {}, torch.zeros(2)))
    with pytest.raises(UserError, match="not on dictionaries"):
        build_augmentation(["noise"])(Batch((), {"x": torch.zeros(2)}, torch.zeros(2)))
    assert build_augmentation(["noise"])(Batch((torch.zeros(2, 64),), {}, torch.zeros(2))).args[0].std() > 0
