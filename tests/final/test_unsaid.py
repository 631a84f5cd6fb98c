"""Classes that the final model never says."""

from pathlib import Path

import pytest

from tunekit.final.unsaid import unsaid
from tunekit.measured import Missed, SplitScored
from tunekit.pipeline import schema

RARE = """
import torch
from torch import nn
from torch.utils.data import TensorDataset
def of(targets):
    x = torch.zeros(len(targets), 2)
    return [TensorDataset(x, targets) for _ in range(3)]
def rare():
    data = of((torch.arange(200) % 6 == 0).long())
    data[0].classes = ["no", "yes"]
    return data
def labels():
    return of(torch.stack([torch.arange(60) % 2 < 2, torch.arange(60) % 10 == 0, torch.zeros(60)], 1).float())
def steps():
    return of((torch.arange(60)[:, None] + torch.arange(4)) % 3)
class Fixed(nn.Module):
    def __init__(self, scores, repeats=0):
        super().__init__()
        self.bias = nn.Parameter(torch.tensor(scores))
        self.repeats = repeats
    def forward(self, x):
        scores = self.bias.expand(len(x), -1)
        return scores[:, :, None].expand(-1, -1, self.repeats) if self.repeats else scores
"""


@pytest.mark.parametrize(
    ("task", "data", "model", "said", "missed"),
    [
        ("binary", "rare", "scores: [-9.0]", "no sample was taken for 'yes': 34 of 34 missed; ", {"yes": 34}),
        (
            "classification",
            "rare",
            "scores: [0.0, 9.0]",
            "no sample was taken for 'no': 166 of 166 missed; ",
            {"no": 166},
        ),
        ("multilabel", "labels", "scores: [9.0, -9.0, -9.0]", "no answer was taken for '1': 6 of 6 missed; ", {"1": 6}),
        (
            "classification",
            "steps",
            "scores: [9.0, 0.0, 0.0], repeats: 4",
            "no answer was taken for '1', '2': 160 of 160 missed; ",
            {"1": 80, "2": 80},
        ),
    ],
)
def test_a_class_that_is_never_said_is_told_with_how_often_it_occurs(points, task, data, model, said, missed):
    Path("rare.py").write_text(RARE)
    recipe = f"{{target: 'rare:Fixed', args: {{{model}}}}}"
    told = points("--epochs", "1", data=f"rare:{data}", model=recipe, text=f"task: {task}")
    assert told["never_predicted"] == missed
    assert [note.startswith(said) for note in told["notes"]] == [True]
    assert told["unsaid"] == told["notes"][0]


def test_where_each_class_is_said_nothing_is_told(points):
    told = points("--epochs", "4")
    assert (told["never_predicted"], told["notes"]) == ({}, [])


@pytest.mark.parametrize(
    ("recipe", "ways"),
    [
        (
            {"task": "binary"},
            "`tunekit run runs/r-001/recipe.yaml --set loss.args.pos_weight=balanced --set metric=balanced_accuracy` "
            "lets rare ones count for more; or take a lower threshold than 0.5 on the column 'probability k0' of "
            "`tunekit predict runs/r-001 FILES --out said.csv`",
        ),
        (
            {"loss": {"target": "focal"}, "metric": "f1"},
            "`tunekit run runs/r-001/recipe.yaml --set loss.args.alpha=balanced` lets rare ones count for more",
        ),
        (
            {"task": "binary", "loss": {"target": "auto", "args": {"pos_weight": "balanced"}}, "metric": "f1"},
            "take a lower threshold than 0.5 on the column 'probability k0' of `tunekit predict "
            "runs/r-001 FILES --out said.csv`",
        ),
        (
            {"loss": {"target": "auto", "args": {"weight": "balanced"}}, "metric": "f1"},
            "give it more samples of them, or larger weights in the loss",
        ),
    ],
)
def test_what_may_be_done_is_what_the_recipe_has_not_done(recipe, ways):
    recipe = schema().model_validate({"name": "r", "data": {"target": "digits"}, "model": {"target": "mlp"}, **recipe})
    scored = SplitScored(1000, answers=1000, missed=tuple(Missed(f"k{k}", 600) for k in range(6)))
    line = unsaid(scored, recipe, "runs/r-001")
    assert line == f"no sample was taken for 'k0', 'k1', 'k2', 'k3' and 2 more: 3,600 of 3,600 missed; {ways}"


@pytest.mark.parametrize(("classes", "answers", "told"), [(2, 1000, True), (3, 1000, False), (2, 4000, False)])
def test_of_two_classes_a_threshold_is_told_whatever_the_task(classes, answers, told):
    recipe = schema().model_validate({"name": "r", "data": {"target": "digits"}, "model": {"target": "mlp"}})
    names = tuple(map(str, range(classes)))
    scored = SplitScored(1000, answers=answers, classes=names, missed=(Missed("1", 600),))
    assert ("the column 'probability 1' of `tunekit predict r FILES" in unsaid(scored, recipe, "r")) is told


@pytest.mark.parametrize("words", ["threshold", "never_predicted", "never predicted"])
def test_its_words_are_explained(tunekit, words):
    assert "class_imbalance" in tunekit("explain", words).out
