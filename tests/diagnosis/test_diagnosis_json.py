"""The object that --json prints: its schema, and levels that are those of the sentences."""

import json

import numpy as np
import pytest

from tunekit.diagnosis import judge
from tunekit.logs import Log, Metric
from tunekit.logs.log import curve
from tunekit.shares import percent


def made(train, val=None, accuracy=None):
    def series(name, y):
        return None if y is None else curve(name, np.arange(1, 1 + len(y)), y, "epoch")

    metrics = () if accuracy is None else (Metric("accuracy", True, None, series("val_acc", accuracy), True, True),)
    return Log("test", train=series("loss", train), val=series("val_loss", val), metrics=metrics)


STEPS = np.arange(400)
FALLS = 0.4 + 2 * np.exp(-STEPS / 60)


def test_the_levels_are_those_of_the_rows():
    train, val, accuracy = FALLS.copy(), FALLS[::20].copy(), 1 - FALLS[::20] / 3
    train[0], train[300], val[0], val[7], accuracy[11] = 157.0, 0.0125, 31.0, 0.375, 0.9375
    evidence = judge(made(train, val, accuracy)).evidence
    assert (evidence["train_start"], evidence["train_lowest"]) == (157.0, 0.0125)
    assert evidence["train_end"] == np.median(train[-40:])
    assert (evidence["val_start"], evidence["val_best"]) == (31.0, 0.375)
    assert evidence["val_end"] == np.median(val[-2:])
    assert (evidence["metric_best"], evidence["metric_end"]) == (0.9375, np.median(accuracy[-2:]))


@pytest.mark.parametrize("grows", [1.0, 40.0])
def test_a_sentence_and_the_levels_beside_it_are_one(grows):
    train = FALLS * np.where(STEPS > 200, grows, 1.0)
    train[0] = 9.75
    diagnosis = judge(made(train, FALLS[::20]))
    assert diagnosis.evidence["train_start"] == 9.75
    assert "9.75 at the start" in diagnosis.summary


def test_an_error_rate_is_told_as_it_was_logged():
    wrong = 0.1 + 0.8 * np.exp(-STEPS[:30] / 5)
    log = Log(
        "test",
        train=made(FALLS).train,
        metrics=(Metric("error", False, None, curve("val_error", np.arange(30) * 13, wrong, "epoch"), bounded=True),),
    )
    evidence = judge(log).evidence
    assert evidence["metric_best"] == wrong.min()


def test_a_loss_that_is_not_there_has_no_levels():
    assert not {"train_start", "train_lowest", "train_end"} & set(judge(made(None, FALLS)).evidence)


def test_the_schema_comes_first_of_the_log_and_of_each_run(tunekit, tmp_path):
    rows = "".join(f"{k},{1 / k},{1.1 / k}\n" for k in range(1, 20))
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "metrics.csv").write_text(f"epoch,train_loss,val_loss\n{rows}")
    one, two = (json.loads(tunekit("diagnose", path, "--json").out) for path in ("a", "."))
    assert next(iter(one.items())) == next(iter(two.items())) == ("schema", 2)
    assert [run["schema"] for run in two["runs"]] == [2, 2]


def test_a_share_is_told_in_per_cent_and_stays_a_plain_number_in_json():
    diagnosis = judge(made(FALLS, FALLS[::20], 1 - FALLS[::20] / 3))
    said = f"validation accuracy at {percent(diagnosis.evidence['metric_end'])} over the last tenth"
    assert said in diagnosis.summary
    assert 0.8 < diagnosis.as_dict()["evidence"]["metric_end"] < 0.9
