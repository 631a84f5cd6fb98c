"""Advice on the architecture: what is told for which data, and near misses of every rule."""

from dataclasses import replace

import pytest
import torch
import yaml

from tunekit.advice import Situation, advise, situation_of
from tunekit.advice.remarks import A_SAMPLE, FEW, REMARKS
from tunekit.advice.starts import FEW_PHOTOS, FEW_ROWS, MANY, SMALL, SOME_PICTURES, SOME_ROWS, STARTS, TINY
from tunekit.configuration import ModelSpec
from tunekit.measured import Channel, DataReport, InputReport, Lengths, ModelReport, Sides, SplitReport
from tunekit.pipeline import read_recipe
from tunekit.training.data import Batch
from tunekit.training.models import build_model

MODEL = ModelReport(
    parameters=100_000,
    trainable=100_000,
    layers=4,
    convolutions=3,
    stem=(3, 1),
    smallest_map=4,
    largest_linear=1_000,
    forward_ms=1.0,
    device="cpu",
)


def pictures(samples=10_000, side=32, colours=3, task="classification", **changes) -> Situation:
    return Situation("images", (colours, side, side), samples, task, **changes)


def table(samples, features=20, **changes) -> Situation:
    return Situation("table", (features,), samples, "classification", **changes)


@pytest.mark.parametrize("seen", [pictures(classes={"cat": 500}), table(500, classes={"cat": 500})])
def test_one_class_alone_has_no_starting_point(seen):
    told = advise(seen)
    assert told.starts == ()
    assert told.silent == "no advice on an architecture: all training samples are of one class, 'cat'"
    assert advise(replace(seen, task="multilabel")).starts
    assert advise(replace(seen, classes={"cat": 500, "dog": 500})).starts


def titles(seen: Situation) -> list[str]:
    return [start.title for start in advise(seen).starts]


def codes(seen: Situation) -> list[str]:
    return [remark.code for remark in advise(seen).remarks]


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (table(FEW_ROWS - 1), ["trees", "linear"]),
        (table(FEW_ROWS), ["trees", "narrow"]),
        (table(SOME_ROWS - 1), ["trees", "narrow"]),
        (table(SOME_ROWS), ["trees", "256"]),
        (pictures(side=TINY - 1), ["two convolutions"]),
        (pictures(side=TINY), ["ResNet-20"]),
        (pictures(side=TINY, samples=SOME_PICTURES), ["ResNet-20"]),
        (pictures(side=SMALL - 1, samples=SOME_PICTURES - 1), ["two convolutions"]),
        (pictures(side=SMALL - 1), ["ResNet-20"]),
        (pictures(side=32, samples=900, file_sides=Sides(180, 191, 200)), ["pretrained ResNet-18"]),
        (pictures(side=32, samples=900, file_sides=Sides(20, 32, 200)), ["two convolutions"]),
        (pictures(side=SMALL, file_sides=Sides(8, 8, 8)), ["pretrained ResNet-18"]),
        (pictures(side=SMALL, samples=FEW_PHOTOS - 1), ["pretrained ResNet-18"]),
        (pictures(side=SMALL, samples=FEW_PHOTOS), ["pretrained ResNet-50"]),
        (pictures(side=224, samples=MANY), ["ResNet-50, or a ViT"]),
        (pictures(side=SMALL, colours=1), ["four convolutions"]),
        (pictures(side=224, task="regression", samples=500), ["pretrained ResNet-18"]),
        (Situation("tokens", (40,), 900, "classification"), ["word counts"]),
        (Situation("tokens", (40,), 900, "classification", axes=1), ["small transformer"]),
        (Situation("series", (200, 3), 900, "classification"), ["three convolutions"]),
    ],
)
def test_what_is_proven_for_such_data_is_told_with_its_source(seen, words):
    starts = advise(seen).starts
    assert len(starts) == len(words)
    assert all(word in start.title for start, word in zip(starts, words, strict=True))
    assert all(start.source and start.why for start in starts)
    assert not advise(seen).silent


@pytest.mark.parametrize(
    "seen",
    [
        pictures(axes=2),
        Situation("series", (200, 3), 900, "classification", axes=1),
        Situation("other", (), 900, "classification", why_other="samples have 3 inputs"),
        table(900, features=784, pixels=True),
        Situation("series", (200, 3), 900, "classification", answers=False),
    ],
)
def test_of_what_nothing_is_known_there_is_no_advice_and_it_is_said(seen):
    told = advise(seen)
    assert told.starts == ()
    assert "no advice" in told.silent


def test_each_reason_is_one_of_these_pictures():
    """Small pictures or few ones, as they are; and of files that are larger than what is read of them that is said."""
    small, few = (advise(seen).starts[0].why for seen in (pictures(side=8, samples=90_000), pictures(samples=900)))
    assert "below 16 pixels" in small
    assert "2,000" not in small
    assert "fewer than 2,000" in few
    assert "16 pixels" not in few
    large = pictures(samples=900, file_sides=Sides(180, 191, 200))
    assert "sees more at `data.args.size: 224` than at 32, of files of 191 pixels a side" in advise(large).starts[0].why
    assert "data.args.size" not in advise(replace(large, shape=(3, 96, 96))).starts[0].why


def test_every_starting_point_is_told_somewhere():
    seen = [
        table(100),
        table(500),
        table(5_000),
        pictures(side=8),
        pictures(samples=90),
        pictures(),
        pictures(side=96),
        pictures(side=96),
    ]
    seen += [pictures(side=96, samples=50_000), pictures(side=96, samples=2_000_000), pictures(side=96, colours=1)]
    seen += [Situation("tokens", (9,), 9, "classification", axes=axes) for axes in (0, 1)]
    seen += [Situation("series", (9, 1), 9, "classification")]
    assert {title for one in seen for title in titles(one)} == {entry.title for entry in STARTS}
    assert len(STARTS) == 14


@pytest.mark.parametrize("entry", [entry for entry in STARTS if entry.lines], ids=lambda entry: entry.title[:30])
def test_the_recipe_lines_are_a_recipe_whose_model_is_built(entry, tmp_path):
    """With a name and data in front; networks of torchvision without their weights, which are downloaded."""
    own = "" if "model" in yaml.safe_load(entry.lines) else "model: {target: mlp}\n"
    (tmp_path / "advised.yaml").write_text(f"name: advised\ndata: {{target: digits}}\n{own}{entry.lines}\n")
    recipe = read_recipe(tmp_path / "advised.yaml", ()).recipe
    shape = {"transformer": (7,), "mlp": (20,)}.get(recipe.model.target, (3, 64, 64))
    inputs = torch.zeros(2, *shape, dtype=torch.long if recipe.model.target == "transformer" else torch.float32)
    args = {"vocab": 10} if recipe.model.target == "transformer" else {}
    spec = ModelSpec(recipe.model.target, {**recipe.model.args, **args})
    model = build_model(spec, tmp_path, Batch((inputs,), {}, torch.zeros(2)), 5, 0)
    assert model.eval()(inputs).shape == (2, 5)


def test_a_named_input_has_no_lines_for_built_in_models():
    assert all(start.lines == "" for start in advise(replace(pictures(), built_in=False)).starts)


RESNET_152 = replace(MODEL, parameters=60_192_808, trainable=60_192_808, convolutions=155, stem=(7, 2), smallest_map=1)


@pytest.mark.parametrize(
    ("seen", "wanted"),
    [
        (pictures(samples=10_000, side=224, model=RESNET_152), ["too_large"]),
        (pictures(samples=10_000, side=224, model=RESNET_152, pretrained=True), []),
        (pictures(samples=1_281_167, side=224, model=RESNET_152), []),
        (pictures(samples=500, side=224, model=RESNET_152, pretrained=True), ["too_large"]),
        (pictures(samples=500, side=224, model=replace(RESNET_152, trainable=20_490), pretrained=True), []),
        # Wide ResNet-28-10 on CIFAR-10, and the last parameter that is let through
        (pictures(samples=50_000, model=replace(MODEL, trainable=36_500_000)), []),
        (pictures(samples=10_000, model=replace(MODEL, trainable=A_SAMPLE * 10_000)), []),
        (pictures(samples=10_000, model=replace(MODEL, trainable=A_SAMPLE * 10_000 + 1)), ["too_large"]),
        (table(20, model=replace(MODEL, trainable=900_000)), []),
        # thirty pictures of 512x512 with a class a pixel feed a U-Net
        (pictures(samples=30, side=512, colours=1, axes=2, model=replace(MODEL, trainable=31_000_000)), []),
        (pictures(model=replace(MODEL, stem=(7, 2), smallest_map=1)), ["imagenet_stem"]),
        (pictures(model=replace(MODEL, stem=(7, 1))), []),
        (pictures(model=replace(MODEL, stem=(3, 2))), []),
        (pictures(side=64, model=replace(MODEL, stem=(7, 2))), []),
        (pictures(model=replace(MODEL, parameters=7_000_000, convolutions=120)), ["deep_stack"]),
        (pictures(model=replace(MODEL, parameters=850_000, convolutions=120)), []),
        (pictures(model=replace(MODEL, parameters=23_000_000, convolutions=53)), []),
        (pictures(side=224, model=replace(MODEL, parameters=7_000_000, convolutions=120)), []),
        (pictures(model=replace(MODEL, convolutions=0, largest_linear=90_000)), ["dense_on_images"]),
        (pictures(model=replace(MODEL, convolutions=0, largest_linear=40_000)), []),
        (pictures(side=28, colours=1, model=replace(MODEL, convolutions=0, largest_linear=90_000)), []),
        (table(900, features=784, pixels=True), ["flattened_images"]),
        (table(900, features=784), []),
        (pictures(side=64, file_sides=Sides(20, 128, 300)), ["shrunk"]),
        (pictures(side=64, file_sides=Sides(20, 127.5, 1_000)), []),
        (pictures(side=128, file_sides=Sides(1_000, 1_000, 1_000)), []),
        (pictures(classes={"cat": 400, "rare": FEW - 1}), ["few_samples"]),
        (pictures(classes={"cat": 400, "rare": FEW}), []),
        (pictures(classes={"1": 3}, task="regression"), []),
        (pictures(classes={"road": 3}, axes=2), []),
        (pictures(model=None), []),
    ],
)
def test_rules_speak_and_their_near_misses_do_not(seen, wanted):
    assert codes(seen) == wanted


def test_every_remark_has_a_case():
    cases = test_rules_speak_and_their_near_misses_do_not.pytestmark[0].args[1]
    assert {code for _, wanted in cases for code in wanted} == set(REMARKS)


def test_a_remark_tells_its_numbers():
    seen = pictures(samples=10_000, side=224, model=RESNET_152, classes={"rare": 2, "cat": 90})
    told = {remark.code: remark.message for remark in advise(seen).remarks}
    assert "60,192,808 parameters train on 10,000 targets: 6,019 for each" in told["too_large"]
    assert "1 class has fewer than 10 training samples: rare (2)" in told["few_samples"]


def report(*inputs: InputReport, axes: int = 0) -> DataReport:
    train = SplitReport("train", 80, 80, 0, 0, {0: 70, 1: 10}, None, None, None, None)
    return DataReport((train,), ("cat", "dog"), inputs, (), (), (), (), None, axes)


def given(kind, shape, name="input 1", dtype="float32", vocabulary=None, channels=0) -> InputReport:
    lengths = None if vocabulary is None else Lengths(2, 5.0, 9, 0.3, vocabulary, vocabulary)
    columns = tuple(Channel(str(number), 80, 0.0, 1.0, 0.0, 1.0, 0) for number in range(channels))
    return InputReport(name, kind, dtype, shape, 0.0, 255.0, 0, columns, lengths)


def test_the_situation_is_that_of_the_tokens_beside_their_mask():
    inputs = [given("tokens", (12,), name, "int64", words) for name, words in (("ids", 40), ("mask", 2))]
    seen = situation_of(report(*inputs, axes=1), "classification", False, None)
    assert (seen.kind, seen.shape, seen.samples, seen.judged) == ("tokens", (5,), 80, 400)
    assert not seen.built_in
    assert seen.classes == {"cat": 70, "dog": 10}


def test_two_pictures_a_sample_are_no_picture():
    inputs = [given("images", (3, 32, 32), f"input {number}", channels=3) for number in (1, 2)]
    seen = situation_of(report(*inputs), "classification", False, None)
    assert seen.kind == "other"
    assert advise(seen).silent == (
        "no advice on an architecture: samples have 2 inputs (input 1, input 2), of which nothing proven is known here"
    )


@pytest.mark.parametrize(
    ("shape", "channels", "wanted", "built_in"),
    [
        ((3, 32, 48), 3, (3, 32, 48), True),
        ((32, 48, 3), 3, (3, 32, 48), False),
        ((32, 48), 1, (1, 32, 48), False),
    ],
)
def test_channels_stand_first_in_a_situation(shape, channels, wanted, built_in):
    seen = situation_of(report(given("images", shape, channels=channels)), "classification", False, None)
    assert (seen.shape, seen.side, seen.built_in) == (wanted, 32, built_in)


@pytest.mark.parametrize(
    ("features", "dtype", "pixels"),
    [(784, "uint8", True), (3072, "uint8", True), (784, "float32", False), (783, "uint8", False), (9, "uint8", False)],
)
def test_as_many_bytes_as_a_square_picture_has_may_be_one(features, dtype, pixels):
    seen = situation_of(report(given("table", (features,), dtype=dtype)), "classification", False, None)
    assert seen.pixels == pixels
