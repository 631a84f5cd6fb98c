"""What is told of techniques is whole, stands in the pages, and has a recipe line that is sound and a test."""

from __future__ import annotations

import json
import re

import pytest
import yaml

from tests.pages import PAGES, ROOT, page
from tests.reference import CODES_PAGE, codes_page, with_tables
from tunekit.advice.remarks import CODES as REMARKS
from tunekit.pipeline import schema
from tunekit.recipe.optimizers import OPTIMIZERS
from tunekit.recipe.schedules import AUTO, SCHEDULES
from tunekit.recipe.schema import TASKS, check
from tunekit.recipe.text import SHORT
from tunekit.steps import codes
from tunekit.techniques import KINDS, TECHNIQUES
from tunekit.techniques.aliases import ALIASES, find
from tunekit.training.augmentations import AUGMENTATIONS, links_of
from tunekit.training.losses import LOSSES
from tunekit.training.metrics import LABEL_METRICS, METRICS
from tunekit.training.models import MODELS
from tunekit.training.models.layers import ACTIVATIONS, INITS
from tunekit.training.sources.entries import FAMILIES, SOURCES

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


def test_the_pages_have_the_tables():
    for path in PAGES:
        assert path.read_text() == with_tables(path.read_text()), f"{path.name}: python -m tests.reference"
    assert CODES_PAGE.read_text() == codes_page(), "python -m tests.reference"
    shown = re.findall(r"<!-- (\w+) -->\n\| name", page("recipe"))
    assert shown == [kind for kind in KINDS if of_kind(kind)]


def in_schema(part: object) -> set[str]:
    """Every key and every choice that a JSON schema knows, however deep."""
    if isinstance(part, list):
        return set().union(*map(in_schema, part))
    if not isinstance(part, dict):
        return set()
    own = {*part.get("properties", {}), *part.get("enum", ()), *([part["const"]] if "const" in part else ())}
    return own.union(*map(in_schema, part.values()))


def test_the_page_of_the_recipe_has_every_key_and_every_name_that_one_takes():
    keys = in_schema(schema().model_json_schema())
    assert len(keys) > 60
    assert keys >= {"steps", "lr-sweep", "iterations", "tpe", "five-crop", "always"}
    spoken = set().union(*(re.findall(r"[\w-]+", code) for code in re.findall(r"`([^`\n]+)`", page("recipe"))))
    names = {*TASKS, *SHORT}
    for table in (OPTIMIZERS, SCHEDULES, LOSSES, METRICS, LABEL_METRICS, AUGMENTATIONS, MODELS, INITS, ACTIVATIONS):
        names |= set(table)
    names |= {*SOURCES, *FAMILIES}
    assert sorted({part for name in keys | names for part in name.split(".")} - spoken) == []


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


KINDS_OF_ALL = {**dict.fromkeys((*codes(), *(code.name for code in REMARKS)), "code")} | {
    technique.name: technique.kind for technique in TECHNIQUES.values()
}


@pytest.mark.parametrize("name", KINDS_OF_ALL)
def test_an_entry_is_found_by_its_name_however_it_is_typed(name):
    for typed in (name, name.upper(), name.replace("_", " "), name.replace("_", "-")):
        assert find(typed, KINDS_OF_ALL) == [name]


@pytest.mark.parametrize("words", [*ALIASES, *KINDS])
def test_plain_words_find_entries_that_there_are(words):
    found = find(words, KINDS_OF_ALL)
    assert found
    assert set(found) <= set(KINDS_OF_ALL)
    for one in ALIASES.get(words, ()):
        assert one in found or set(find(one, KINDS_OF_ALL)) <= set(found)
        assert one in KINDS_OF_ALL or one in KINDS or one in ALIASES


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("weight_decay", {"l2", "decoupled", "weight_decay_high"}),
        ("Learning-Rate Schedules", {"cosine", "warmup", "plateau"}),
        ("regularization", {"dropout", "l2", "early_stopping"}),
        ("initializations", {"he", "xavier"}),
        ("warm-up", {"warmup"}),
        ("early stopping", {"early_stopping"}),
        ("gradients", {"vanishing_gradients", "exploding_gradients"}),
        ("class weight", {"balanced", "class_imbalance"}),
        ("overfitting", {"overfit"}),
        ("roc auc", {"auroc"}),
        ("rate of learning, decayed", {"lr_too_high"}),
        ("noise in a label", {"label_smoothing"}),
        ("weight init", {"he", "xavier"}),
        ("finetune", {"freeze"}),
        ("transfer", {"pretrained"}),
        ("data aug", {"flip"}),
    ],
)
def test_words_of_the_field_find_what_they_stand_for(words, wanted):
    assert wanted <= set(find(words, KINDS_OF_ALL))


@pytest.mark.parametrize(
    ("words", "only"),
    [
        ("learning rate warmup", "warmup"),
        ("lr warm-up", "warmup"),
        ("regularization with l2", "l2"),
        ("l1 regularisation", "l1_penalty"),
        ("early stop", "early_stopping"),
        ("cosine annealing schedule", "cosine"),
        ("the adam optimizer", "adam"),
        ("cross entropy loss", "cross_entropy"),
        ("he init", "he"),
        ("random crops", "crop"),
    ],
)
def test_more_words_than_a_name_has_find_it_alone(words, only):
    assert find(words, KINDS_OF_ALL) == [only]


def test_what_stands_for_nothing_finds_nothing():
    assert (
        find("ovrfit", KINDS_OF_ALL)
        == find("a table-spoon of loss-less", {})
        == find("", KINDS_OF_ALL)
        == find("of the", KINDS_OF_ALL)
        == []
    )


def test_a_formula_has_the_letters_that_stand_in_it_explained_and_no_others(tunekit):
    assert "(w weights, g gradient, eta learning rate)" in tunekit("explain", "sgd").out
    assert TECHNIQUES["mse"].symbols == "s score, t target"
    assert not TECHNIQUES["relu"].symbols + TECHNIQUES["dropout"].symbols
    for technique in TECHNIQUES.values():
        letters = [told.split()[0] for told in technique.symbols.split(", ") if told[1:2] == " "]
        assert all(re.search(rf"(?<![A-Za-z]){letter}(?![A-Za-z])", technique.formula) for letter in letters)


def test_each_optimizer_is_named_where_its_weight_decay_is():
    for name, entry in OPTIMIZERS.items():
        told = re.split(r"[:, .]+", TECHNIQUES["decoupled" if entry.decoupled else "l2"].what)
        assert name in told


def test_one_entry_is_explained_and_several_are_listed(tunekit):
    assert tunekit("explain", "dropout rate").out == tunekit("explain", "dropout").out
    listed = json.loads(tunekit("explain", "batch size", "--json").out)
    assert listed.pop("schema") == 3
    assert list(listed["entries"]) == ["batch_is_everything", "normalized_by_few", "noisy_train"]
    assert all(f"\n{name} " in tunekit("explain", "batch size").out for name in listed["entries"])
