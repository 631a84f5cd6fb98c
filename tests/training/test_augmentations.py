"""What each augmentation computes, drawn per sample, in units of the image; the chain of a recipe; its strength."""

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torchvision.transforms.v2 import functional as reference

from tunekit.training.augmentations import AUGMENTATIONS, Chain, links_of
from tunekit.training.augmentations.drawing import boxes
from tunekit.training.augmentations.geometry import affine, crop, enlarged, flip, moved, resized_crop, rotate, turned
from tunekit.training.augmentations.geometry import vertical_flip as upside_down
from tunekit.training.augmentations.units import Units, units_of
from tunekit.training.augmentations.values import brightened, contrasted, erase, hued, jitter, noise, saturated
from tunekit.training.data import Batch, LoaderSplit, Normalize, TensorSplit
from tunekit.training.loop import Session
from tunekit.training.workbench import Workbench
from tunekit.vocabulary import UserError

MEAN = torch.tensor([0.2, 0.4, 0.6]).view(3, 1, 1)
UNITS = Units(torch.zeros(3, 1, 1), torch.ones(3, 1, 1), MEAN)


@pytest.fixture
def images():
    return torch.rand(16, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 0.9 + 0.05


def seeded(function, *args, seed=0, **kwargs):
    torch.manual_seed(seed)
    return function(*args, **kwargs)


def applied(name, x, **args):
    """An entry as a chain applies it to images in image units; of a mixing one the images."""
    entry = AUGMENTATIONS[name]
    given = [MEAN] if entry.fills else [True] if entry.mixes else []
    out = entry.apply(x, *given, **args)
    return out[0] if entry.mixes else out


@pytest.mark.parametrize("name", sorted(AUGMENTATIONS))
def test_each_keeps_the_shape_follows_the_seed_and_draws_per_sample(name, images):
    # One image over and over, so that samples differ by what is drawn alone; of two kinds where they are mixed.
    same = torch.cat([images[:1].expand(8, -1, -1, -1), images[1:2].expand(8, -1, -1, -1)])
    before = same.clone()
    first, again, other = (seeded(applied, name, same, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(same, before)
    assert first.shape == same.shape
    assert first.dtype == same.dtype
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    for half in (first[:8], first[8:]):
        assert len({tuple(image.flatten().tolist()) for image in half}) > 1


class TestFlips:
    @pytest.mark.parametrize(("function", "axis"), [(flip, -1), (upside_down, -2)])
    def test_twice_is_nothing_and_at_zero_is_nothing(self, function, axis, images):
        assert torch.equal(function(images, p=1.0), images.flip(axis))
        assert torch.equal(function(function(images, p=1.0), p=1.0), images)
        assert torch.equal(function(images, p=0.0), images)

    @pytest.mark.parametrize("p", [0.2, 0.5])
    @pytest.mark.parametrize("function", [flip, upside_down])
    def test_each_image_is_turned_with_its_probability(self, function, p):
        x = torch.arange(4.0).view(1, 1, 2, 2).expand(4000, 1, 2, 2)
        turned = (seeded(function, x, p=p) != x).flatten(1).any(1).float().mean().item()
        assert turned == pytest.approx(p, abs=4 * math.sqrt(p * (1 - p) / 4000))


class TestCrop:
    @given(st.integers(0, 4), st.integers(0, 100), st.sampled_from(["black", "mean", "edge", "reflect"]))
    def test_is_a_window_of_the_padded_image(self, padding, seed, fill):
        x = torch.rand(4, 3, 5, 6, generator=torch.Generator().manual_seed(seed)) + 0.1
        out = seeded(crop, x, MEAN, seed=seed, padding=padding, fill=fill)
        mode = {"edge": "replicate", "reflect": "reflect"}.get(fill, "constant")
        outside = MEAN if fill == "mean" else torch.zeros(3, 1, 1)
        whole = F.pad(x - outside, (padding,) * 4, mode=mode) + outside
        for image, padded in zip(out, whole, strict=True):
            windows = [padded[:, i : i + 5, j : j + 6] for i in range(2 * padding + 1) for j in range(2 * padding + 1)]
            assert any(torch.allclose(image, window) for window in windows)

    def test_all_shifts_come_up(self):
        x = torch.zeros(2000, 1, 3, 3)
        x[:, :, 1, 1] = 1
        places = seeded(crop, x, MEAN[:1], padding=1).view(2000, 9).argmax(1)
        assert torch.bincount(places, minlength=9).min() > 150


class TestResizedCrop:
    @given(st.integers(0, 1000), st.sampled_from([(8, 8), (6, 11)]))
    def test_boxes_lie_in_the_image_and_keep_area_and_shape(self, seed, sides):
        x = torch.zeros(64, 1, *sides)
        box = seeded(boxes, x, (0.25, 0.8), (0.75, 4 / 3), seed=seed)
        assert (box.top >= 0).all()
        assert (box.left >= 0).all()
        assert (box.top + box.height <= sides[0]).all()
        assert (box.left + box.width <= sides[1]).all()
        off = 0.5 / box.height + 0.5 / box.width + 0.25 / (box.height * box.width)  # sides are rounded to pixels
        area = box.height * box.width / (sides[0] * sides[1])
        assert (area >= 0.25 * (1 - off)).all()
        assert (area <= 0.8 * (1 + off)).all()

    def test_areas_are_uniform_and_shapes_within_bounds(self):
        box = seeded(boxes, torch.zeros(4000, 1, 200, 200), (0.2, 0.6), (0.5, 2.0))
        area = box.height * box.width / 40_000
        shape = box.height / box.width
        assert area.mean().item() == pytest.approx(0.4, abs=0.01)
        assert area.std().item() == pytest.approx(0.4 / math.sqrt(12), rel=0.05)
        assert 0.48 < shape.min() < 0.52
        assert 1.92 < shape.max() < 2.08
        assert shape.log().mean().item() == pytest.approx(0.0, abs=0.03)

    def test_a_box_comes_to_full_size_as_torchvision_brings_it(self):
        x = torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(1))
        box = seeded(boxes, x, (0.3, 0.6), (0.75, 1.33))
        out = enlarged(x, box)
        for k in range(6):
            top, left, height, width = (int(side[k]) for side in (box.top, box.left, box.height, box.width))
            theirs = reference.resized_crop(x[k], top, left, height, width, [16, 16], antialias=False)
            # Theirs repeats the box's own edge where ours sees the next pixel of the image.
            torch.testing.assert_close(out[k, :, 2:-2, 2:-2], theirs[:, 2:-2, 2:-2], atol=1e-5, rtol=1e-5)

    def test_the_whole_image_is_itself(self, images):
        out = resized_crop(images, scale=(1.0, 1.0), ratio=(1.0, 1.0))
        torch.testing.assert_close(out, images, atol=1e-5, rtol=1e-5)


class TestAffine:
    @pytest.mark.parametrize("quarters", [1, 2, 3])
    def test_turned_by_right_angles_is_rot90(self, quarters, images):
        out = moved(images, turned(torch.full((16,), 90.0 * quarters)), "black", MEAN)
        torch.testing.assert_close(out, torch.rot90(images, quarters, (2, 3)), atol=1e-5, rtol=1e-5)

    def test_an_image_that_is_not_square_keeps_its_angles(self):
        x = torch.zeros(1, 1, 9, 21)
        x[0, 0, 4, 14] = 1  # four to the right of the centre: a quarter turn brings it four up
        out = moved(x, turned(torch.tensor([90.0])), "black", MEAN[:1])
        assert out[0, 0, 0, 10] == pytest.approx(1.0, abs=1e-5)

    @pytest.mark.parametrize("fill", ["black", "mean"])
    def test_whole_pixels_are_shifted_exactly(self, fill, images):
        pixels = torch.tensor([[2.0, -3.0]]).expand(16, 2)  # right and down
        out = moved(images, turned(torch.zeros(16)), fill, MEAN, pixels)
        wanted = (MEAN if fill == "mean" else torch.zeros(3, 1, 1)).expand(16, 3, 8, 8).clone()
        wanted[:, :, :5, 2:] = images[:, :, 3:, :6]
        torch.testing.assert_close(out, wanted, atol=1e-5, rtol=1e-5)

    def test_drawn_shifts_are_whole_pixels_within_the_share_of_the_side(self):
        x = torch.zeros(500, 1, 16, 32)
        x[:, :, 8, 16] = 1
        out = seeded(affine, x, MEAN[:1], degrees=0, translate=0.25, scale=[1, 1])
        assert out.amax((1, 2, 3)).min() > 1 - 1e-4
        places = out.flatten(1).argmax(1)
        assert set((places // 32 - 8).tolist()) == set(range(-4, 5))
        assert set((places % 32 - 16).tolist()) == set(range(-8, 9))

    def test_shear_and_scale_move_points_as_their_matrix_says(self):
        matrix = turned(torch.tensor([30.0]), torch.tensor([1.5]), torch.tensor([20.0]))[0]
        cos, sin, lean = math.cos(math.pi / 6), math.sin(math.pi / 6), math.tan(math.pi / 9)
        turn, shear = torch.tensor([[cos, sin], [-sin, cos]]), torch.tensor([[1.0, lean], [0.0, 1.0]])
        torch.testing.assert_close(matrix, 1.5 * turn @ shear)
        x = torch.zeros(1, 1, 65, 65)
        x[0, 0, 30:35, 30 + 10 : 35 + 10] = 1  # a spot ten to the right
        out = moved(x, matrix[None], "black", MEAN[:1])[0, 0]
        weights = out / out.sum()
        rows, columns = (torch.arange(65.0) - 32).view(-1, 1), (torch.arange(65.0) - 32).view(1, -1)
        centre = torch.stack([(weights * columns).sum(), (weights * rows).sum()])
        torch.testing.assert_close(centre, matrix @ torch.tensor([10.0, 0.0]), atol=0.1, rtol=0)

    def test_rotation_stays_within_its_angle(self):
        # A dot right of the centre moves up and down, never by more than the sine of the angle.
        x = torch.zeros(200, 1, 33, 33)
        x[:, :, 16, 28] = 1
        rows = seeded(rotate, x, MEAN[:1], degrees=30.0).view(200, 33, 33).sum(2)
        rows = (rows * torch.arange(33)).sum(1) / rows.sum(1) - 16
        assert rows.abs().max() <= 12 * 0.5 + 1
        assert rows.max() > 4
        assert rows.min() < -4

    def test_by_nothing_is_nothing(self, images):
        torch.testing.assert_close(rotate(images, MEAN, degrees=0.0), images)


class TestErase:
    @pytest.mark.parametrize("value", ["mean", "random", 0.0, 1.0])
    def test_a_box_of_the_asked_area_and_value(self, value):
        x = torch.full((256, 3, 20, 20), 0.5)
        out = seeded(erase, x, MEAN, p=1.0, scale=(0.1, 0.3), value=value)
        holes = (out != x).any(1)
        rows, columns = holes.any(2).sum(1), holes.any(1).sum(1)
        assert torch.equal(holes.flatten(1).sum(1), rows * columns)  # a full rectangle
        off = 0.5 / rows + 0.5 / columns + 0.01
        share = rows * columns / 400
        assert (share >= 0.1 * (1 - off)).all()
        assert (share <= 0.3 * (1 + off)).all()
        inside = out.movedim(1, -1)[holes]
        if value == "mean":
            torch.testing.assert_close(inside, MEAN.flatten().expand_as(inside))
        elif value == "random":
            assert inside.mean().item() == pytest.approx(0.5, abs=0.01)
            assert inside.std().item() == pytest.approx(1 / math.sqrt(12), rel=0.02)
        else:
            assert (inside == value).all()

    def test_so_many_images_as_the_probability_says(self):
        x = torch.full((2000, 1, 8, 8), 0.5)
        erased = (seeded(erase, x, MEAN[:1], p=0.3) != x).flatten(1).any(1).float().mean().item()
        assert erased == pytest.approx(0.3, abs=0.04)


class TestJitter:
    @pytest.mark.parametrize(
        ("ours", "theirs"),
        [
            (brightened, reference.adjust_brightness),
            (contrasted, reference.adjust_contrast),
            (saturated, reference.adjust_saturation),
        ],
    )
    @pytest.mark.parametrize("factor", [0.0, 0.6, 1.0, 1.7])
    def test_factors_do_what_torchvision_does_to_one_image(self, ours, theirs, factor, images):
        out = ours(images, torch.full((16,), factor))
        for one, image in zip(out, images, strict=True):
            torch.testing.assert_close(one, theirs(image, factor), atol=2e-4, rtol=2e-4)

    @given(st.floats(-0.5, 0.5), st.integers(0, 100))
    def test_hues_turn_as_torchvision_turns_them(self, turn, seed):
        x = torch.rand(2, 3, 6, 6, generator=torch.Generator().manual_seed(seed))
        x[0, :, 0] = 0.3  # grey, and two equal values
        x[1, 1] = x[1, 2]
        out = hued(x, torch.full((2,), turn))
        torch.testing.assert_close(out, reference.adjust_hue(x, turn), atol=1e-4, rtol=1e-4)

    def test_a_grey_image_has_brightness_and_contrast_alone(self, images):
        grey = images[:, :1]
        out = seeded(jitter, grey, brightness=0, contrast=0, saturation=0.5, hue=0.2)
        assert torch.equal(out, grey)
        theirs = reference.adjust_contrast(grey[0], 0.5)
        torch.testing.assert_close(contrasted(grey, torch.full((16,), 0.5))[0], theirs, atol=1e-5, rtol=1e-5)

    def test_factors_are_uniform_about_one(self):
        x = torch.full((4000, 1, 2, 2), 0.25)
        out = seeded(jitter, x, brightness=0.4, contrast=0)[:, 0, 0, 0] / 0.25
        assert 0.6 <= out.min() < 0.61
        assert 1.39 < out.max() <= 1.4 + 1e-6
        assert out.mean().item() == pytest.approx(1.0, abs=0.01)


def test_noise_has_the_asked_size():
    assert seeded(noise, torch.zeros(64, 1, 32, 32), std=0.3).std().item() == pytest.approx(0.3, rel=0.02)


class TestUnits:
    def split(self, x, normalize=None):
        return TensorSplit(Batch((x,), {}, torch.zeros(len(x))), normalize)

    def test_bytes_begin_at_black_and_end_at_their_largest_value(self):
        x = torch.randint(0, 256, (50, 3, 8, 8), dtype=torch.uint8)
        x[0, 0, 0, 0], x[:, 2] = 255, x[:, 2] // 2
        split = self.split(x, Normalize.fit(x))
        units = units_of(split)
        seen = split.batch(torch.arange(50)).args[0]
        torch.testing.assert_close(units.to_image(seen), x / 255, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(units.to_input(units.to_image(seen)), seen, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(units.mean.flatten(), (x / 255).mean((0, 2, 3)))

    def test_the_digits_are_white_at_sixteen(self):
        x = torch.randint(0, 17, (50, 1, 8, 8), dtype=torch.uint8)
        seen = self.split(x, Normalize.fit(x))
        image = units_of(seen).to_image(seen.batch(torch.arange(50)).args[0])
        torch.testing.assert_close(image, x / 16, atol=1e-5, rtol=1e-5)

    def test_what_came_normalised_is_black_at_each_channels_least_value(self):
        raw = torch.rand(200, 3, 8, 8)
        raw[0, :, 0, 0], raw[0, :, 0, 1] = 0, 1
        mean, std = torch.tensor([0.5, 0.4, 0.3]).view(3, 1, 1), torch.tensor([0.2, 0.25, 0.3]).view(3, 1, 1)
        units = units_of(LoaderSplit([((raw - mean) / std, torch.zeros(200))]))
        torch.testing.assert_close(units.to_image((raw - mean) / std), raw, atol=1e-5, rtol=1e-5)

    def test_a_black_border_is_black_whatever_the_normalisation(self):
        x = torch.full((4, 1, 6, 6), 200, dtype=torch.uint8)
        x[:, :, 0, 0] = 255
        split = self.split(x, Normalize(torch.full((1, 1, 1), 130.0), torch.full((1, 1, 1), 1 / 60)))
        chain = Chain(links_of([{"crop": {"padding": 6}}]), units_of(split))
        out = seeded(chain, split.batch(torch.arange(4))).args[0]
        assert out.min().item() == pytest.approx(-130 / 60, abs=1e-5)

    def test_what_is_no_image_is_refused(self):
        with pytest.raises(UserError, match=r"takes images \[C, H, W\] as the first input, not samples \[64\]"):
            units_of(self.split(torch.zeros(3, 64)))


class TestChain:
    def test_entries_are_applied_in_order_to_the_first_input_alone(self, images):
        chain = Chain(links_of([{"flip": {"p": 1.0}}, {"vertical_flip": {"p": 1.0}}]), UNITS)
        second, targets = torch.ones(16), torch.arange(16)
        out = chain(Batch((images, second), {}, targets))
        assert torch.equal(out.args[0], images.flip(-1, -2))
        assert out.args[1] is second
        assert out.targets is targets
        assert Chain()(out) is out

    def test_bytes_stay_bytes(self):
        x = torch.randint(0, 256, (8, 3, 6, 6), dtype=torch.uint8)
        units = Units(torch.zeros(3, 1, 1), torch.full((3, 1, 1), 255.0), MEAN)
        out = seeded(Chain(links_of(["flip", "crop", "jitter"]), units), Batch((x,), {}, torch.zeros(8))).args[0]
        assert out.dtype == torch.uint8
        assert torch.equal(Chain(links_of([{"flip": {"p": 0}}]))(Batch((x,), {}, torch.zeros(8))).args[0], x)

    @pytest.mark.parametrize(
        ("entries", "message"),
        [
            (["flipp"], "data.augment: no augmentation 'flipp' (did you mean 'flip'?); one of flip"),
            ([{"flip": {"q": 1}}], "data.augment: flip: got an unexpected keyword argument 'q'"),
            ([{"flip": {"p": "x"}}], "data.augment: flip: "),
            ([{"flip": {"p": 1.5}}], "data.augment: flip: p: a probability, 0 to 1, not 1.5"),
            ([{"crop": {"padding": -2}}], "data.augment: crop: padding: from 0, not -2"),
            ([{"crop": {"padding": 1.5}}], "data.augment: crop: padding: whole pixels"),
            ([{"crop": {"fill": "white"}}], "data.augment: crop: fill: one of black, mean, edge, reflect"),
            ([{"crop": {"mean": 3}}], "data.augment: crop: "),
            ([{"erase": {"value": "median"}}], "data.augment: erase: value: mean, random, or a number"),
            ([{"erase": {"scale": [0.4, 0.2]}}], "data.augment: erase: scale: [lowest, highest], within 0 and 1"),
            ([{"resized_crop": {"scale": 0.5}}], "data.augment: resized_crop: scale: [lowest, highest]"),
            ([{"jitter": {"hue": 0.7}}], "data.augment: jitter: hue: from 0 to 0.5"),
            ([{"mixup": {"alpha": 0}}], "data.augment: mixup: alpha: above 0"),
            ([{"affine": {"scale": [-1, 1]}}], "data.augment: affine: scale: [lowest, highest], above 0"),
            ([{"erase": {"value": True}}], "data.augment: erase: value: mean, random, or a number"),
            ([{"rotate": {"degrees": [10, 20]}}], "data.augment: rotate: degrees: one number"),
            ([{"crop": {"padding": [1, 2]}}], "data.augment: crop: padding: one number"),
            ([{"jitter": {"brightness": [0.8, 1.2]}}], "data.augment: jitter: brightness: one number"),
            ([{"flip": {"p": [0, 1]}}], "data.augment: flip: p: a probability"),
            ([{"mixup": {"alpha": [1, 1]}}], "data.augment: mixup: alpha: above 0"),
            ([{"flip": 0.5}], "data.augment: an entry is a name or one"),
            ([{"flip": {}, "crop": {}}], "data.augment: an entry is a name or one"),
            ([3], "data.augment: an entry is a name or one"),
            ([None], "data.augment: an entry is a name or one"),
        ],
    )
    def test_what_is_wrong_is_told_in_one_line(self, entries, message):
        with pytest.raises(UserError) as caught:
            links_of(entries)
        assert str(caught.value).startswith(message)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize(
        ("entry", "batch", "message"),
        [
            ("flip", Batch((torch.zeros(2, 64),), {}, torch.zeros(2)), r"flip takes images \[C, H, W\], not .* \[64\]"),
            ("noise", Batch((), {"x": torch.zeros(2)}, torch.zeros(2)), "not on dictionaries"),
            ("noise", Batch((torch.zeros(2, 9).long(),), {}, torch.zeros(2)), "not whole numbers"),
            ("flip", Batch((torch.zeros(2, 3, 8, 8),), {}, torch.zeros(2, 8, 8)), "and not those of their targets"),
            ("mixup", Batch((torch.zeros(2, 9), torch.zeros(2)), {}, torch.zeros(2)), "mixes one input"),
            ("mixup", Batch((torch.zeros(2, 9),), {}, ["a", "b"]), "a target for each sample"),
        ],
    )
    def test_batches_that_do_not_fit_are_refused(self, entry, batch, message):
        with pytest.raises(UserError, match=message):
            Chain(links_of([entry]))(batch)

    def test_noise_is_of_any_numbers(self):
        batch = Batch((torch.zeros(2, 64),), {}, torch.zeros(2))
        assert Chain(links_of(["noise"]))(batch).args[0].std() > 0


class TestStrength:
    def test_one_is_as_written_and_zero_is_nothing(self):
        entries = [*AUGMENTATIONS, {"crop": {"padding": 2, "fill": "edge"}}]
        for link in links_of(entries, 1.0):
            plain = link.augmentation.at({}, 1.0)
            assert {**plain, **link.args} == link.args
        assert links_of(entries, 0.0) == ()

    def test_magnitudes_are_scaled_and_probabilities_stay(self):
        def at(strength, **entry):
            return links_of([entry], strength)[0].args

        assert at(2, crop={"padding": 3, "fill": "edge"}) == {"padding": 6, "fill": "edge"}
        assert at(0.5, crop={}) == {"padding": 2}
        assert at(2, rotate={"degrees": 20}) == {"degrees": 40}
        assert at(2, flip={"p": 0.5}) == {"p": 0.5}
        assert at(2, noise={}) == {"std": 0.2}
        assert at(2, mixup={"alpha": 0.4, "p": 0.5}) == {"alpha": 0.8, "p": 0.5}
        assert at(2, erase={"scale": [0.1, 0.6]}) == {"scale": [0.2, 1.0]}
        assert at(3, jitter={"hue": 0.2}) == pytest.approx(
            {"brightness": 0.6, "contrast": 0.6, "saturation": 0.6, "hue": 0.5}
        )
        assert at(2, resized_crop={"scale": [0.5, 1.0]})["scale"] == [0.25, 1.0]
        assert at(0.5, affine={"scale": [0.81, 1.21]})["scale"] == pytest.approx([0.9, 1.1])

    @given(st.sampled_from(sorted(AUGMENTATIONS)), st.floats(0.01, 5))
    def test_every_strength_can_be_applied(self, name, strength):
        batch = Batch((torch.rand(4, 3, 8, 8),), {}, torch.zeros(4))
        out = Chain(links_of([name], strength), UNITS)(batch).args[0]
        assert torch.isfinite(out).all()


def changed(name):
    """An entry that changes every image a little: what a training does under it shows in its numbers."""
    return {name: {"p": 1.0} if name in ("flip", "vertical_flip", "erase") else {}}


class TestInTraining:
    @pytest.fixture
    def config(self, make_config):
        def made(entries, **data):
            model = {"target": "cnn", "args": {"channels": [4], "hidden": [8], "dropout": 0.2}}
            return make_config(model=model, data={"augment": entries, **data}, optimizer={"target": "momentum"})

        return made

    @pytest.mark.parametrize("name", [*sorted(AUGMENTATIONS), "all"])
    def test_cut_and_resumed_is_bit_for_bit_the_uninterrupted_one(self, name, config, tmp_path):
        bench = Workbench(tmp_path, torch.device("cpu"))
        wanted = config([*AUGMENTATIONS] if name == "all" else [name], augment_strength=0.8)
        whole = Session(wanted, bench)
        rows = [row for chunk in whole.run(7) for row in chunk.rows]
        first = Session(wanted, bench)
        again = [row for chunk in first.run(3) for row in chunk.rows]
        second = Session(wanted, bench)
        second.restore(first.state())
        torch.rand(5)  # what else draws between does not matter
        again += [row for chunk in second.run(7) for row in chunk.rows]
        assert again == rows
        assert second.weights() == whole.weights()
        plain = [row.train_loss for chunk in Session(config([]), bench).run(7) for row in chunk.rows]
        assert plain != [row.train_loss for row in rows]

    @pytest.mark.parametrize("name", sorted(AUGMENTATIONS))
    def test_validation_sees_nothing_of_it(self, name, config, tmp_path):
        bench = Workbench(tmp_path, torch.device("cpu"))
        plain, augmented = Session(config([]), bench), Session(config([changed(name)]), bench)
        torch.manual_seed(0)
        assert augmented.evaluate().loss == plain.evaluate().loss
        batch = augmented.batch(0)
        assert not torch.equal(augmented.augment(batch).args[0], batch.args[0])

    def test_it_is_off_where_regularisers_are_and_at_strength_zero(self, config, tmp_path):
        bench = Workbench(tmp_path, torch.device("cpu"))
        entries = ["mixup", "crop", "jitter"]
        for off in (replace(config(entries), regularize=False), config(entries, augment_strength=0.0)):
            session = Session(off, bench)
            batch = session.batch(0)
            assert session.augment(batch) is batch

    def test_a_metric_of_mixed_samples_is_not_shown_and_validation_has_one(self, config, tmp_path):
        bench = Workbench(tmp_path, torch.device("cpu"))
        session = Session(config(["cutmix"]), bench)
        rows = [row for chunk in session.run(session.iterations_per_epoch) for row in chunk.rows]
        assert {row.train_metric for row in rows} == {None}
        assert 0 <= rows[-1].val_metric <= 1

    def test_the_strength_is_part_of_what_names_a_training(self, config):
        keys = {config(["flip"], augment_strength=strength).key for strength in (0.0, 0.5, 1.0)}
        assert len(keys) == 3
