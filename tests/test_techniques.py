"""What is told of techniques is whole, stands in README, and has a recipe line that is sound and a test."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests.reference import README, with_tables
from tunekit.pipeline import schema
from tunekit.recipe.optimizers import OPTIMIZERS
from tunekit.recipe.schedules import AUTO, SCHEDULES
from tunekit.recipe.schema import check
from tunekit.techniques import KINDS, TECHNIQUES
from tunekit.training.augmentations import AUGMENTATIONS, links_of
from tunekit.training.losses import LOSSES
from tunekit.training.metrics import LABEL_METRICS, METRICS
from tunekit.training.models import MODELS
from tunekit.training.models.layers import ACTIVATIONS, INITS
from tunekit.training.sources.entries import FAMILIES, SOURCES

ROOT = Path(__file__).parent.parent
PARTS = {"normal", "batch_norm", "weights", "freeze", "pretrained"}
LEAST = {"name": "r", "data": {"target": "digits"}, "model": {"target": "mlp"}}


def of_kind(kind):
    return {technique.name for technique in TECHNIQUES.values() if technique.kind == kind}


def test_every_entry_of_the_tables_is_told():
    assert of_kind("optimizer") == set(OPTIMIZERS)
    assert of_kind("regularisation") >= {"early_stopping", "ema", "clip_grad_norm", "decay_on", "with_validation"}
    assert of_kind("schedule") == {AUTO, *SCHEDULES, "warmup"}
    assert of_kind("augmentation") == {*AUGMENTATIONS, "augment_strength", "five-crop"}
    assert of_kind("source") == {*SOURCES, *(f"{family}:NAME" for family in FAMILIES)}
    assert of_kind("model") == {*MODELS, *INITS, *ACTIVATIONS, *PARTS}
    assert "dropout" in of_kind("regularisation")
    assert of_kind("loss") == {*LOSSES, "balanced"}
    assert of_kind("metric") == {*METRICS, *LABEL_METRICS, "torchmetrics"}


def test_readme_has_the_tables():
    text = README.read_text()
    assert text == with_tables(text), "python -m tests.reference"
    shown = re.findall(r"<!-- (\w+) -->\n\| name", text)
    assert shown == [kind for kind in KINDS if of_kind(kind)]


@pytest.mark.parametrize("name", TECHNIQUES)
def test_what_is_told_is_whole(name):
    technique = TECHNIQUES[name]
    assert technique.kind in KINDS
    assert all((technique.what, technique.helps, technique.costs, technique.source))
    assert not technique.proof.startswith("/")
    file, _, test = technique.proof.partition("::")
    assert re.search(rf"def {re.escape(test.split('::')[-1])}\(", (ROOT / file).read_text()), technique.proof


@pytest.mark.parametrize("name", TECHNIQUES)
def test_the_line_of_the_recipe_is_one(name):
    line = yaml.safe_load(f"{{{TECHNIQUES[name].recipe}}}")
    merged = {**LEAST, **line}
    for key in ("data", "model"):
        merged[key] = {**LEAST[key], **line.get(key, {})}
    check(schema(), merged, {(): 1}, "recipe")


@pytest.mark.parametrize("name", sorted(AUGMENTATIONS))
def test_the_line_of_an_augmentation_is_one_that_is_built(name):
    line = yaml.safe_load(f"{{{TECHNIQUES[name].recipe}}}")
    assert [link.name for link in links_of(line["data"]["augment"])] == [name]
