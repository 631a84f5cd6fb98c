"""Files with a value, a letter or a folder that nobody expects: read all the same, or refused in one line."""

from __future__ import annotations

import json
import re
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from tunekit.diagnosis import Diagnosis, judge
from tunekit.logs import Log, read
from tunekit.report.logs import RUNS, show_logs
from tunekit.vocabulary import UserError


def rows(*cells: str, head: str = "epoch,train_loss,val_loss", count: int = 20) -> str:
    """A table whose cells are expressions of the row's number `k`."""
    written = (",".join(str(eval(cell, {"k": k})) for cell in cells) for k in range(count))
    return "\n".join(([head] if head else []) + list(written)) + "\n"


CURVES = rows("k", "2 - k / 20", "2.1 - k / 20")


def told(log: Log) -> Diagnosis:
    """The verdict, after a look that no sentence of it and no JSON holds what is no number."""
    diagnosis = judge(log)
    json.dumps(diagnosis.as_dict(), allow_nan=False)
    sentences = [diagnosis.summary, *(note.message for note in diagnosis.notes), *diagnosis.advice]
    assert not [text for text in sentences if re.search(r"\b(?:nan|inf)\b", text)]
    return diagnosis


@pytest.mark.parametrize("metric", ["-1", "0", "1", "0.5", "1e308", "-1e308"])
def test_a_metric_that_is_one_number(metric: str, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(rows("k", "2 - k / 20", metric, head="epoch,loss,val_accuracy"))
    (log,) = read(tmp_path / "log.csv")
    assert [metric.name for metric in log.metrics] == ["accuracy"]
    assert told(log).code != "good_fit"


@pytest.mark.parametrize("train", ["1e300", "1e308", "5e-324", "-1e308"])
@pytest.mark.parametrize("val", ["1e-300", "1e308", "5e-324"])
def test_losses_at_the_ends_of_what_numbers_hold(train: str, val: str, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(rows("k", f"{train} * (1 - k / 100)", f"{val} * (1 - k / 100)"))
    (log,) = read(tmp_path / "log.csv")
    assert log.points == 40
    assert told(log).code not in ("overfit", "good_fit")


def test_a_letter_that_is_another_in_the_other_case(tmp_path: Path) -> None:
    (tmp_path / "train.log").write_text("".join(f"epoch {k}: loss {2 - k / 20} (beſte: 1)\n" for k in range(20)))
    assert read(tmp_path / "train.log")[0].points == 20


@pytest.mark.parametrize("head", ["에폭,학습 손실,검증 손실", "轮次,训练损失,验证损失", "エポック,訓練 損失,検証 損失"])
def test_columns_in_other_languages(head: str, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(rows("k", "2 - k / 20", "2.1 - k / 20", head=head))
    (log,) = read(tmp_path / "log.csv")
    assert log.train is not None
    assert log.val is not None
    assert (log.train.y[0], log.val.y[0], log.train.unit) == (2.0, 2.1, "epoch")


def test_columns_by_their_numbers_beside_one_that_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(rows("f'{k}%'", "2 - k / 20", "2.1 - k / 20", head=""))
    (log,) = read(tmp_path / "log.csv", format="csv", train="2", val="3")
    assert log.points == 40


def test_a_word_among_numbers_does_not_cost_the_column(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(rows("'x' if k == 7 else 2 - k / 20", "k", head="a,b"))
    (log,) = read(tmp_path / "log.csv", train="a")
    assert log.train is not None
    assert len(log.train.x) == 19


def test_a_step_that_is_no_number_is_no_place(tmp_path: Path) -> None:
    text = rows("k", "'inf' if k == 19 else k", "2 - k / 20", head="Wall time,Step,Value")
    (tmp_path / "run_loss.csv").write_text(text)
    (log,) = read(tmp_path / "run_loss.csv")
    assert log.points == 19
    assert judge(log).code != "diverged"


def test_folders_that_are_searched_last(tmp_path: Path) -> None:
    """Within each other too; a link out of the folder is not followed under their names either."""
    inside = tmp_path / "run" / "artifacts" / "checkpoints"
    inside.mkdir(parents=True)
    (inside / "log.csv").write_text(CURVES)
    assert read(tmp_path / "run")[0].points == 40
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "log.csv").write_text(CURVES)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "weights").symlink_to(tmp_path / "other")
    with pytest.raises(UserError, match="no log that tunekit knows below it"):
        read(tmp_path / "mine")


def test_what_lies_too_deep_is_said(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*"abcdefghij")
    deep.mkdir(parents=True)
    (deep / "log.csv").write_text(CURVES)
    (tmp_path / "log.csv").write_text(CURVES)
    assert any("more than 8 folders deep" in note for note in read(tmp_path)[0].notes)


def test_runs_that_are_not_shown_are_counted(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(CURVES)
    log, console = read(tmp_path / "log.csv")[0], Console(record=True, width=200, file=StringIO())
    show_logs(console, [(log, judge(log))] * (RUNS + 7))
    assert "and 7 more (--json lists all)" in console.export_text()


def test_a_return_that_stands_and_then_stands_lower(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(rows("k", "1 if k < 15 else 0", head="step,ep_rew_mean"))
    assert told(read(tmp_path / "log.csv")[0]).code == "reward_collapse"


def test_a_measure_that_begins_far_below_zero_is_no_percentage(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(rows("k", "2 - k / 20", "0.8 - 3.9 * 0.7**k", head="epoch,loss,val_r2"))
    (metric,) = read(tmp_path / "log.csv")[0].metrics
    assert metric.val is not None
    assert metric.val.y[0] == pytest.approx(-3.1)
    (tmp_path / "log.csv").write_text(rows("k", "2 - k / 20", "80 - 70 * 0.7**k", head="epoch,loss,val_r2"))
    (metric,) = read(tmp_path / "log.csv")[0].metrics
    assert metric.val is not None
    assert metric.val.y[0] == pytest.approx(0.1)


def test_a_perplexity_without_its_base_is_said_to_be_taken_for_one(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(rows("k", "3 - k / 20", "20 - k / 3", head="step,train_loss,val_ppl"))
    assert "taken for that of a cross-entropy in nats" in " ".join(read(tmp_path / "log.csv")[0].notes)


def test_validation_that_is_no_number_for_a_while_is_not_good(tmp_path: Path) -> None:
    """Losses that are not finite in between, in training as well: they are counted where they are told of."""
    trained, held = "2 * 0.9**k + 0.1", "'nan' if 20 <= k < 29 else 2 * 0.9**k + 0.12"
    (tmp_path / "log.csv").write_text(rows("k", trained, held, count=61))
    assert judge(read(tmp_path / "log.csv")[0]).code != "good_fit"
    (tmp_path / "log.csv").write_text(rows("k", f"'inf' if k == 10 else {trained}", "2 * 0.9**k + 0.12", count=61))
    reasons = {item.code: item.reason for item in judge(read(tmp_path / "log.csv")[0]).dismissed}
    assert reasons["diverged"].startswith("all but 1 of 61 training losses are finite")


def test_a_lowest_value_in_few_points_is_no_other_task(tmp_path: Path) -> None:
    train, val = (2, 1, 0.5, 0.4, 0.3, 0.2), (2, 1.5, 2, 2.1, 2.2, 2.3)
    (tmp_path / "log.csv").write_text(rows("k", f"{train}[k]", f"{val}[k]", count=6))
    assert judge(read(tmp_path / "log.csv")[0]).code != "train_val_mismatch"
