"""Schedule-free optimizers are judged by their averaged weights, and a look at them leaves no trace."""

import io
from pathlib import Path

import pytest
import torch

from tests.conftest import config_of
from tunekit.training.loop import Session
from tunekit.training.modes import evaluation_weights, has_modes
from tunekit.training.workbench import Workbench

NORMS = {"target": "mlp", "args": {"hidden": [8], "batch_norm": True}}


@pytest.fixture
def session():
    config = config_of(model=NORMS, optimizer={"target": "schedule-free"}, lr=0.05)
    made = Session(config, Workbench(Path(), torch.device("cpu")))
    for _ in made.run(7):
        pass
    return made


def test_validation_and_the_kept_weights_are_those_of_the_mean_of_z(session):
    """x = (y - (1 - beta) z) / beta, beta 0.9."""
    training = {name: p.detach().clone() for name, p in session.model.named_parameters()}
    z = {name: session.optimizer.state[p]["z"] for name, p in session.model.named_parameters()}
    kept = torch.load(io.BytesIO(session.weights()))["model"]
    for name, y in training.items():
        assert torch.allclose(kept[name], (y - 0.1 * z[name]) / 0.9, atol=1e-5)
        assert not torch.equal(kept[name], y)
    with evaluation_weights(session), torch.no_grad():
        session.model.load_state_dict(kept)
        session.model.eval()
        whole = session.splits.val.batch(torch.arange(len(session.splits.val)))
        by_hand = session.task.loss(session.answer(session.model, whole), whole.targets)
    assert session.evaluate().loss == pytest.approx(float(by_hand), rel=1e-5)


def test_looking_leaves_no_trace(session):
    before = session.state()
    session.evaluate()
    session.weights()
    assert session.state() == before
    assert session.model.training


def test_batch_norms_statistics_are_those_of_the_weights_that_are_judged(session):
    """The mean of the first layer's outputs over training batches, with the averaged weights."""
    norm = next(m for m in session.model.modules() if isinstance(m, torch.nn.BatchNorm1d))
    linear = next(m for m in session.model.modules() if isinstance(m, torch.nn.Linear))
    running = norm.running_mean.clone()
    with evaluation_weights(session), torch.no_grad():
        inputs = session.splits.train.batch(torch.arange(len(session.splits.train))).args[0].flatten(1)
        assert torch.allclose(norm.running_mean, linear(inputs).mean(0), atol=0.05)
        assert norm.momentum == 0.1
    assert torch.equal(norm.running_mean, running)


def test_before_the_first_step_and_for_other_optimizers_nothing_is_done():
    plain = Session(config_of(), Workbench(Path(), torch.device("cpu")))
    with evaluation_weights(plain):
        assert "optimizer" not in vars(plain)
    assert not has_modes(plain.optimizer)


def test_a_frozen_body_keeps_the_statistics_that_it_came_with():
    config = config_of(model={**NORMS, "freeze": "always"}, optimizer={"target": "schedule-free"}, lr=0.05)
    session = Session(config, Workbench(Path(), torch.device("cpu")))
    norm = next(m for m in session.model.modules() if isinstance(m, torch.nn.BatchNorm1d))
    with torch.no_grad():
        norm.running_mean.fill_(5)
        norm.running_var.fill_(9)
    for _ in session.run(3):
        pass
    kept = torch.load(io.BytesIO(session.weights()))["model"]
    [mean] = [value for name, value in kept.items() if name.endswith("running_mean")]
    assert mean.eq(5).all()
    with evaluation_weights(session):
        assert norm.running_var.eq(9).all()


def test_a_model_that_raises_while_it_is_looked_at_is_left_as_it_was(session, monkeypatch):
    before = session.state()

    def broken(*_):
        raise RuntimeError("no answer")

    with monkeypatch.context() as patch:
        patch.setattr(session, "answer", broken)
        with pytest.raises(RuntimeError, match="no answer"), evaluation_weights(session):
            pass
    norm = next(m for m in session.model.modules() if isinstance(m, torch.nn.BatchNorm1d))
    assert norm.momentum == 0.1
    assert session.state() == before
