"""The warning of a flip that makes another class: by what was measured, by the source, by the names of classes."""

from dataclasses import replace

import pytest
import torch
from hand_made import context_of
from PIL import Image

from tunekit.measured import Mirrored
from tunekit.steps.check_init_loss.mirrors import flips_in, flips_of_signs, judge
from tunekit.training.probes import Subject
from tunekit.training.probes.dataset import measure_data
from tunekit.training.workbench import Workbench
from tunekit.vocabulary import UNKNOWN

LOST = Mirrored("flip", as_they_are=0.98, mirrored=0.3, error=0.02, other=0.62, pairs=((3, 8), (5, 2)), looked_at=500)
KEPT = replace(LOST, mirrored=0.9, other=0.09, pairs=())
LETTERS = [chr(ord("a") + k) for k in range(26)]


def said(augment, measured=(), names=(), **data):
    # Of a source whose name says nothing.
    recipe = {"target": "mine:data", "augment": augment, **data}
    return judge(measured, names, context_of("check-init-loss", data=recipe))


def test_a_flip_that_loses_the_class_is_told_with_what_it_becomes():
    [finding] = said(["crop", "flip"], [LOST])
    assert (finding.code, finding.severity) == ("augmentation_changes_class", "warn")
    assert "flip: 62.0 % of the mirror images lie nearest to images of another class (3 like 8, 5 like 2)" in (
        finding.message
    )
    assert finding.evidence["measured"][0]["mirrored"] == 0.3


@pytest.mark.parametrize(
    "measured",
    [
        KEPT,
        replace(LOST, mirrored=0.74),  # three quarters are left
        replace(LOST, as_they_are=0.39, mirrored=0.0),  # the nearest say little anyway
        replace(LOST, error=0.2),  # few samples
    ],
)
def test_where_the_class_survives_or_nothing_can_be_told_it_is_silent(measured):
    assert said(["flip"], [measured]) == []


def test_what_is_no_flip_of_the_recipe_is_not_minded():
    assert said(["crop"], [LOST]) == []
    assert said(["flip"], [LOST], augment_strength=0.0) == []
    assert said([], [], target="digits") == []


@pytest.mark.parametrize("source", ["digits", "torchvision:MNIST", "torchvision:SVHN"])
def test_sources_of_signs_are_known_by_name(source):
    [finding] = said(["vertical_flip"], target=source)
    assert f"vertical_flip: {source} holds digits, letters or signs" in finding.message
    assert said(["flip"], target="torchvision:CIFAR10") == []


@pytest.mark.parametrize(
    ("names", "speaks"),
    [
        (LETTERS, True),
        (["zero", "One", "two", "three"], True),
        ([*map(str, range(10))], True),
        (["3", "7"], True),
        (["letter_A", "letter_B"], True),
        (["upper B", "lower_b"], True),
        (["left", "right"], True),
        (["turnLeft", "straight", "stop", "TURN-right"], True),
        (["cat", "dog", "a"], False),
        (["cat", "dog"], False),
        (["left", "straight"], False),
        (["up", "down"], False),  # of which a flip to the side makes none the other
        (["0", "1", "2", "3", "4"], False),  # grades
        ([str(k) for k in range(1, 103)], False),
        ([str(k) for k in range(1, 11)], False),
        (["class_10", "class_12"], False),
        (["8"], False),
        ([], False),
    ],
)
def test_names_of_classes_tell_signs(names, speaks):
    assert (flips_of_signs(["flip"], [], "image-folder", names) is not None) == speaks
    # Numbers may also count the classes: what was measured knows better.
    assert flips_of_signs(["flip"], [KEPT], "image-folder", names) is None
    assert flips_of_signs([], [LOST], "digits", names) is None


@pytest.mark.parametrize(("names", "speaks"), [(("3", "7"), True), (("left", "right"), True), (("cat", "dog"), False)])
def test_names_of_folders_come_here(names, speaks, tmp_path):
    for place, name in enumerate(names):
        (tmp_path / "signs" / name).mkdir(parents=True)
        for k in range(10):
            Image.new("L", (8, 8), 20 * k + 10 * place).save(tmp_path / "signs" / name / f"{k}.png")
    recipe = {"target": "image-folder", "args": {"path": "signs", "size": 8}, "augment": ["flip"]}
    context = context_of("check-init-loss", data=recipe)
    subject = Subject(context.recipe.training_config(UNKNOWN), Workbench(tmp_path, torch.device("cpu")))
    samples = measure_data(subject).samples
    assert (judge(samples.mirrored, samples.classes, context) != []) == speaks


def test_top_and_bottom_are_for_the_other_flip_and_pairs_are_told_by_their_names():
    assert "'arrow up' and 'arrow down'" in said(["vertical_flip"], names=["arrow up", "arrow down"])[0].message
    # What the neighbours know of one flip says nothing of the other.
    assert said(["flip", "vertical_flip"], [KEPT], ["top", "bottom"]) != []
    assert "(three like eight)" in said(["flip"], [replace(LOST, pairs=((0, 1),))], ["three", "eight"])[0].message


def test_flips_are_found_with_and_without_arguments():
    assert flips_in(["crop", {"vertical_flip": {"p": 0.1}}, "flip"]) == ["flip", "vertical_flip"]
    assert flips_in([{"crop": None}]) == []
    turns = [{"affine": {"degrees": 180}}, {"rotate": {"degrees": 90}}, "flip"]
    assert flips_in(turns) == ["flip", "rotate", "affine"]
    assert flips_in(turns, 0.5) == ["flip", "affine"]
    assert flips_in(["rotate", {"affine": {"degrees": 15}}]) == []


def test_a_large_turn_is_as_good_as_a_flip():
    half = [{"rotate": {"degrees": 180}}]
    lost, kept = replace(LOST, name="rotate"), replace(KEPT, name="rotate")
    assert "rotate: 62.0 % of the turned images lie nearest to images of another class" in said(half, [lost])[0].message
    assert "turned they are others" in said(half, target="digits")[0].message
    assert "'turn left' and 'turn right'" in said(half, names=["turn left", "turn right"])[0].message
    assert said(half, [kept], LETTERS) == []
    assert said([{"rotate": {"degrees": 15}}], [lost], LETTERS, target="digits") == []
    assert said(half, names=["cat", "dog"]) == []
