"""What a run knows of a subject: its steps see the network and samples of the log, and the log is judged with it."""

import math
from dataclasses import replace

import pytest
import torch

from tests.corpus import known
from tests.corpus.forms import write_log
from tests.corpus.score import Judged
from tests.corpus.settings import SUBJECTS, Subject, subject
from tests.corpus.training import Curves, Run
from tests.corpus.truth import Effect
from tunekit.logs import Procedure

SEEN = [subject(number) for number in range(0, SUBJECTS, 2)]


def first(**wanted: object) -> Subject:
    return next(one for one in SEEN if all(getattr(one.settings, name) == value for name, value in wanted.items()))


QUICK = first(problem="friedman", size=200, width=8, fault=None, optimizer="sgd").number


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """With what the steps say of one subject."""
    folder = tmp_path_factory.mktemp("corpus")
    assert known.raise_subject(folder, QUICK, math.inf) == 1
    return folder


@pytest.mark.parametrize(
    "one",
    [
        first(problem="friedman", norm=True),
        first(problem="table", fault="zero_start"),
        first(problem="shapes", fault="frozen_body"),
        first(problem="friedman", fault="squashed"),
        first(family="lstm"),
        first(problem="brackets", family="transformer"),
    ],
    ids=lambda one: f"{one.settings.family}-{one.settings.fault}",
)
def test_the_network_and_the_samples_are_those_of_the_log(one):
    run = Run(one.settings, seed=0)
    torch.manual_seed(0)
    model = known.model(one.number)
    for (name, ours), (other, theirs) in zip(model.named_parameters(), run.model.named_parameters(), strict=True):
        assert name == other
        assert torch.equal(ours, theirs)
        assert ours.requires_grad == theirs.requires_grad
    train, val = known.data(one.number)
    assert torch.equal(train.tensors[0], run.train[0])
    assert torch.equal(val.tensors[1], run.val[1])


def test_batches_that_were_not_mixed_stay_so():
    one = first(fault="sorted_batches", problem="topics")
    loader, _ = known.data(one.number)
    batches = [y for _, y in loader]
    assert all(len(y) == one.settings.batch for y in batches)
    assert torch.equal(torch.cat(batches), Run(one.settings, 0).train[1][: len(batches) * one.settings.batch])


def test_the_steps_say_what_a_run_of_the_subject_would_know(place, monkeypatch):
    monkeypatch.setattr(known, "KNOWN", place / "table.json")
    assert known.tabulate(place).startswith("1 subjects")
    [(number, procedure)] = known.procedures().items()
    settings = subject(QUICK).settings
    assert number == QUICK
    own = (procedure.lr, procedure.weight_decay, procedure.dropout)
    assert own == (settings.lr, pytest.approx(0.1 * settings.weight_decay), (settings.dropout,))
    variance = float((Run(settings, 0).train[1] ** 2).mean())
    assert procedure.expected_loss == pytest.approx(variance, rel=0.2)  # by zero outputs, over some batches
    assert procedure.classes is None
    low, high = procedure.sweep_range
    assert 1e-3 <= low <= high <= 3.0  # about the usual rates of gradient descent


def test_what_is_there_is_not_made_again(place, tmp_path):
    path = known.file_of(place, QUICK)
    before = path.stat().st_mtime_ns
    assert known.raise_subject(place, QUICK, math.inf) == 0
    assert path.stat().st_mtime_ns == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert known.raise_subject(tmp_path, QUICK, -math.inf) == 0


@pytest.mark.parametrize(("lr", "too_low"), [(1e-4, True), (1e-2, False)])
def test_a_log_is_judged_with_what_is_known_of_its_subject(tmp_path, lr, too_low):
    curves = Curves()
    for epoch in range(1, 41):
        curves.add(epoch, train_loss=1 / (1 + 0.1 * epoch), val_loss=1.05 / (1 + 0.1 * epoch))
    path = write_log(replace(subject(QUICK), by_iterations=False), curves, tmp_path)
    judge = known.judge_by({QUICK: Procedure(lr=lr, sweep_range=(1e-3, 1e-1))})
    assert (judge(QUICK, path) == ("lr_too_low", "higher_rate")) == too_low


def test_advice_that_changes_is_counted_by_what_it_did():
    helps, harms = (Effect(0, "longer", 4, 1.2, 1.0, 0.3, d_loss, 0.01, 0.0, 0.01) for d_loss in (-0.2, 0.2))
    did = {"longer": harms, "higher_rate": helps}
    alone = [Judged(0, "underfit", "longer", did), Judged(2, "underfit", "longer", did), Judged(4, "good_fit", "", did)]
    informed = [Judged(0, "slow", "higher_rate", did), alone[1], Judged(4, "underfit", "longer", did)]
    cells = list(zip(*(column.cells for column in known.changes(alone, informed).columns), strict=True))
    assert cells == [
        ("longer", "higher_rate", "1", "0", "1", "1", "0"),
        ("none", "longer", "1", "0", "0", "0", "1"),
        ("all that differ", "", "2", "0", "1", "1", "1"),
    ]
