"""Of how many samples of each class the final model is right, by the names that the data have."""

import json
from pathlib import Path

import numpy as np
import pytest
from torch.utils.data import ConcatDataset, DataLoader, Subset, TensorDataset, random_split

from tests.final.points import clouds
from tunekit.final.result import found
from tunekit.measured import OfClass, SplitScored
from tunekit.training.sources.parts import names_of_classes

FIXED = """
import torch
from torch import nn
from torch.utils.data import TensorDataset
def of(targets):
    return [TensorDataset(x[:, None].float(), targets) for x in [torch.arange(len(targets))] * 3]
def animals():
    data = of(torch.tensor([0] * 4 + [1] * 10 + [2] * 30))
    data[0].classes = ["cat", "<blink>", "yak"]
    return data
def labels():
    data = of(torch.tensor([[1.0, 1.0]] * 8 + [[0.0, 1.0]] * 2 + [[0.0, 0.0]] * 10))
    data[0].class_names = ("red", "blue")
    return data
class Third(nn.Module):
    '''Says `first` where a sample's number divides by three, and else `other`.'''
    def __init__(self, first, other):
        super().__init__()
        self.first, self.other = (nn.Parameter(torch.tensor(one)) for one in (first, other))
    def forward(self, x):
        return torch.where(x % 3 == 0, self.first, self.other)
"""


@pytest.mark.parametrize(
    ("task", "data", "model", "told"),
    [
        (
            "classification",
            "animals",
            "first: [0.0, 9.0, 0.0], other: [0.0, 0.0, 9.0]",
            (
                [("cat", 4, 0), ("<blink>", 10, 3), ("yak", 30, 20)],
                "'<blink>' 30.0 % of 10, 'yak' 66.7 % of 30, ... and 1 more in final/result.json",
            ),
        ),
        (
            "multilabel",
            "labels",
            "first: [9.0, 9.0], other: [-9.0, 9.0]",
            ([("red", 8, 3), ("blue", 10, 10)], "'red' 37.5 % of 8, 'blue' 100.0 % of 10"),
        ),
    ],
)
def test_each_class_is_told_with_its_share_the_worst_first(points, tmp_path, task, data, model, told):
    rows, line = told
    Path("fixed.py").write_text(FIXED)
    recipe = f"{{target: 'fixed:Third', args: {{{model}}}}}"
    final = points("--epochs", "1", data=f"fixed:{data}", model=recipe, text=f"task: {task}")
    assert [(row["class"], row["n"], row["right"]) for row in final["by_class"]] == rows
    assert [row["accuracy"] for row in final["by_class"]] == [right / n for _, n, right in rows]
    kept = json.loads((tmp_path / "runs/points-001/final/result.json").read_text())
    assert f"accuracy by class, worst first: {line}" in kept["found"]
    page = (tmp_path / "runs/points-001/report.html").read_text()
    assert "Accuracy by class" in page
    assert "<blink>" not in page


def test_two_classes_of_yes_and_no_have_a_share_each(points):
    Path("fixed.py").write_text(FIXED.replace("[2] * 30", "[1] * 0"))
    model = "{target: 'fixed:Third', args: {first: [9.0], other: [-9.0]}}"
    told = points("--epochs", "1", data="fixed:animals", model=model, text="task: binary")
    assert [(row["class"], row["n"], row["right"]) for row in told["by_class"]] == [("<blink>", 10, 3), ("cat", 4, 2)]


def test_a_regression_has_no_classes(points):
    told = points("--epochs", "1", data="points:numbers", model="{target: mlp}", text="task: regression")
    assert told["by_class"] == []


@pytest.mark.parametrize(
    ("scored", "told"),
    [
        (SplitScored(9, answers=9, by_class=(OfClass("few", 4, 0, 0), OfClass("all", 5, 5, 9))), False),
        (SplitScored(9, answers=9, by_class=(OfClass("none", 0, 0, 4), OfClass("some", 5, 4, 5))), True),
        (SplitScored(9, answers=900, by_class=tuple(OfClass(str(k), 9, 1, 9) for k in range(50))), True),
        (SplitScored(9, answers=900, by_class=tuple(OfClass(str(k), 9, 1, 9) for k in range(51))), False),
    ],
)
def test_shares_of_few_samples_and_of_words_are_no_sentence(scored, told, final_model):
    assert any("by class" in line for line in found(final_model(scored))) == told


@pytest.mark.parametrize("names", [["cat", "dog", "yak"], ("1", "2", "3"), [1, 2, 3], np.array(["x", "y", "z"])])
@pytest.mark.parametrize("attribute", ["classes", "class_names"])
def test_names_are_those_of_a_dataset_or_of_what_it_is_a_part_of(names, attribute):
    data = TensorDataset(*clouds(30, 0))
    setattr(data, attribute, names)
    parts = [data, Subset(data, [1, 2]), random_split(data, [20, 10])[0], DataLoader(Subset(data, [1]))]
    for part in (*parts, ConcatDataset([data, data]), DataLoader(Subset(ConcatDataset([data]), [0]))):
        assert names_of_classes(part) == tuple(map(str, names))


@pytest.mark.parametrize("names", [[], None, 3, [["a"], ["b"]], "cat"])
def test_what_holds_no_names_names_no_classes(names):
    data = TensorDataset(*clouds(30, 0))
    data.classes = names
    assert names_of_classes(data) is None
