"""What the nearest training samples say of mirror images: of digits, and of things that face either way."""

import pytest
import torch

from tunekit.training.data import Batch, LoaderSplit, TensorSplit
from tunekit.training.probes.mirrored import measure_mirrored, mirrored
from tunekit.training.sources.digits import digits


def split(x, y):
    return TensorSplit(Batch((x,), {}, y))


def things(count, seed=0, size=24):
    """Arrows [count, 3, size, size] of three thicknesses that point left or right, each as often."""
    draw = torch.Generator().manual_seed(seed)
    y = torch.randint(0, 3, (count,), generator=draw)
    x = 0.1 * torch.randn(count, 3, size, size, generator=draw)
    for image, label, turn in zip(x, y.tolist(), torch.rand(count, generator=draw).tolist(), strict=True):
        image[:, 12 - 3 * label - 1 : 12 + 3 * label + 1, 4:20] += 1
        image[:, 4:20, 18:20] += 1
        if turn < 0.5:
            image.copy_(image.flip(-1).clone())
    return x, y


@pytest.mark.parametrize("name", ["flip", "vertical_flip"])
def test_digits_are_other_digits_mirrored(name):
    found = mirrored(digits().train, name)
    assert found.name == name
    assert found.as_they_are > 0.95
    assert found.mirrored < 0.5
    assert found.other > 0.5
    assert found.looked_at == 500
    assert (5, 2) in found.pairs


def test_things_that_face_either_way_stay_what_they_are():
    found = mirrored(split(*things(600)), "flip")
    assert found.as_they_are > 0.9
    assert found.mirrored == pytest.approx(found.as_they_are, abs=0.05)
    assert found.pairs == ()


def test_labels_that_images_do_not_say_are_at_chance_both_times():
    found = mirrored(split(torch.randn(600, 1, 8, 8), torch.randint(0, 4, (600,))), "flip")
    assert abs(found.as_they_are) < 0.2
    assert abs(found.mirrored) < 0.2


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (torch.randn(100, 64), torch.arange(100) % 2),
        (torch.randn(20, 1, 8, 8), torch.arange(20) % 2),
        (torch.randn(100, 1, 8, 8), torch.zeros(100).long()),
        (torch.randn(300, 1, 8, 8), torch.arange(300)),
        (torch.randn(100, 1, 8, 8), torch.zeros(100, 3)),
    ],
)
def test_what_cannot_be_told_is_none(x, y):
    assert mirrored(split(x, y), "flip") is None


def test_it_is_asked_of_the_flips_of_the_recipe(make_config):
    train = digits().train
    config = make_config(data={"augment": ["crop", "vertical_flip", {"flip": {"p": 0.2}}]})
    assert [one.name for one in measure_mirrored(train, config)] == ["vertical_flip", "flip"]
    for augment, strength in ((["crop"], 1.0), (["flip"], 0.0)):
        assert measure_mirrored(train, make_config(data={"augment": augment, "augment_strength": strength})) == ()
    assert measure_mirrored(LoaderSplit([]), config) == ()
