"""What a column means that a person names: by its name, as log by log it would be read, or as `min` and `max` say."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from tunekit.diagnosis import judge
from tunekit.logs import read
from tunekit.logs.names import part
from tunekit.vocabulary import UserError

COUNT = 40
FALLS = [0.1 + 2.3 * math.exp(-k / 8) for k in range(COUNT)]
RISES = [0.69 - 0.257 * math.exp(-k / 10) for k in range(COUNT)]


def table(folder: Path, **columns: list[float]) -> Path:
    path = folder / "log.csv"
    rows = [",".join(f"{value:.6f}" for value in row) for row in zip(*columns.values(), strict=True)]
    path.write_text("\n".join([",".join(columns), *rows]) + "\n")
    return path


@pytest.mark.parametrize(
    "name", ["valid_acc", "val accuracy", "dev/F1", "val_auc", "eval_score", "val_neg_mse", "val_log_likelihood"]
)
def test_a_score_by_its_name_is_no_loss(tmp_path, name):
    path = table(tmp_path, train_loss=FALLS, **{name: RISES})
    (log,) = read(path, val=name)
    assert log.train.name == "train_loss"
    assert log.val is None
    assert (log.metrics[0].val.name, log.metrics[0].maximize) == (name, True)
    assert any(note.startswith(f"{name!r} is a score by its name") for note in log.notes)
    assert judge(log).code != "overfit"


@pytest.mark.parametrize(
    "name", ["val_loss", "val_nll", "val neg_log_likelihood", "val_error_rate", "val_wer", "val_rmse"]
)
def test_a_loss_or_an_error_by_its_name_is_to_fall(tmp_path, name):
    path = table(tmp_path, train_loss=FALLS, **{name: RISES})
    (log,) = read(path, val=name)
    assert log.val.name == name
    assert judge(log).code == "overfit"
    assert [note for note in log.notes if "by its name" in note] == [] or part(name).kind == "error"


def test_two_scores_are_one_metric_beside_the_losses(tmp_path):
    path = table(tmp_path, loss=FALLS, val_loss=FALLS, f1=RISES, val_f1=RISES, acc=RISES, val_acc=RISES)
    (log,) = read(path, train="f1", val="val_f1")
    first = log.metrics[0]
    assert (first.name, first.train.name, first.val.name) == ("f1", "f1", "val_f1")
    assert [metric.name for metric in log.metrics] == ["f1", "accuracy"]
    assert (log.train.name, log.val.name) == ("loss", "val_loss")


def test_two_scores_alone_are_judged_by_their_errors(tmp_path):
    (log,) = read(table(tmp_path, acc=RISES, val_acc=RISES), train="acc", val="val_acc")
    assert (log.train, log.val) == (None, None)
    assert judge(log).code not in ("overfit", "diverged", "cannot_tell")


def test_what_a_person_says_of_a_column_goes_before_its_name(tmp_path):
    path = table(tmp_path, score=FALLS, val_score=FALLS, loss=RISES)
    (log,) = read(path, train="min score", val="MIN val_score")
    assert (log.train.name, log.val.name) == ("score", "val_score")
    (log,) = read(path, val="max loss")
    assert log.val is None
    assert (log.metrics[0].val.name, log.metrics[0].maximize) == ("loss", True)


def test_a_name_that_says_nothing_is_taken_for_a_loss_and_told(tmp_path):
    path = table(tmp_path, foo=FALLS, bar=FALLS)
    (log,) = read(path, train="foo", val="bar")
    assert (log.train.name, log.val.name) == ("foo", "bar")
    assert "'bar' does not say by its name what it is: it is taken for a loss" in " ".join(log.notes)
    (log,) = read(path, train="foo", val="max bar")
    assert (log.val, log.metrics[0].name) == (None, "bar")


def test_a_column_may_be_called_so(tmp_path):
    rows = [{"step": k, "loss": FALLS[k], "max score": RISES[k], "min": FALLS[k]} for k in range(COUNT)]
    path = tmp_path / "log.json"
    path.write_text(json.dumps(rows))
    for name in ("max score", "min"):
        (log,) = read(path, val=name)
        assert log.val.name == name
    with pytest.raises(UserError, match="no column 'min nothing'"):
        read(path, val="min nothing")
