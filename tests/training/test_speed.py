"""Timing a few iterations: plausible, and nothing of it is in a training afterwards."""

import pytest

from tests.steps.inline_run import CPU, HERE, context_of, recipe_of
from tunekit.training.loop import Session
from tunekit.training.probes import Subject
from tunekit.training.probes.speed import measure_speed
from tunekit.training.workbench import Workbench


def subject_of(**changes):
    recipe = recipe_of("mlp", "clouds", model_args={"dropout": 0.5}, **changes)
    return Subject(context_of("check-init-loss", recipe).config(), Workbench(HERE, CPU))


def rows(subject):
    return [row for chunk in Session(subject.config, subject.bench).run(30) for row in chunk.rows]


@pytest.mark.parametrize("batch_size", [32, 600])
def test_what_is_timed_changes_no_number_of_a_training(batch_size):
    timed, other = subject_of(batch_size=batch_size), subject_of(batch_size=batch_size)
    speed = measure_speed(timed)
    assert rows(timed) == rows(other)
    assert speed.batch == batch_size
    assert 0 < speed.iteration < 10
    assert 0 < speed.sample < 1
    assert 0 < speed.start < 10
