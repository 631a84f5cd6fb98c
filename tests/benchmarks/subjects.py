"""Recipes as the benchmarks need them: loaded, described, and as a training's configuration."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.benchmarks.fresh import ROOT
from tunekit.configuration import ScheduleSpec, TrainingConfig
from tunekit.recipe import Loaded
from tunekit.vocabulary import Facts, UserError

MNIST = ROOT.parent / "shared" / "data"


def recipe_path(name: str) -> Path:
    """Recipes of the benchmarks' own, which stay as they are when those that ship change: rows stay comparable."""
    return Path(__file__).parent / "recipes" / f"{name}.yaml"


def facts_of(loaded: Loaded) -> Facts:
    """What a run would know of a recipe before its first step. Errors: UserError where its data are not here."""
    from tunekit.inspection import check

    return check(loaded, "cpu")


def config_of(name: str, **overrides: Any) -> tuple[TrainingConfig, Path]:
    """The training that a recipe describes at a constant rate, and the recipe's folder."""
    from tunekit.pipeline import read_recipe

    loaded = read_recipe(recipe_path(name), [f"{key}={value}" for key, value in overrides.items()])
    config = loaded.recipe.training_config(facts_of(loaded))
    return replace(config, schedule=ScheduleSpec()), loaded.folder


@contextmanager
def mnist_beside() -> Iterator[None]:
    """The MNIST that lies beside the checkout, where it does, as if tunekit had downloaded it."""
    with tempfile.TemporaryDirectory(prefix="tunekit-cache-") as cache:
        if MNIST.is_dir() and "TUNEKIT_CACHE" not in os.environ:
            sets = Path(cache) / "torchvision"
            sets.mkdir()
            (sets / "MNIST").symlink_to(MNIST, target_is_directory=True)
            os.environ["TUNEKIT_CACHE"] = cache
        yield


def missing_mnist() -> str | None:
    """Why the benchmarks over MNIST cannot run here, or None."""
    try:
        config_of("mnist-mlp")
    except UserError as error:
        return str(error)
    return None
