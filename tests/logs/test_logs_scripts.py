"""What people's own scripts print, in the manners that are met: values, splits and places, and what is none of them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from output_samples import BOTH, TRAINING_ALONE

from tunekit.diagnosis import judge
from tunekit.logs import Log, read
from tunekit.logs.forms import Layouts, Templates, form_of
from tunekit.logs.log import floats
from tunekit.logs.textline import parse, template_of
from tunekit.vocabulary import Curve

POINTS = 10
TRAIN = [round(0.25 + 1.75 * math.exp(-0.3 * k), 4) for k in range(POINTS)]
VAL = [round(0.45 + 1.5 * math.exp(-0.3 * k), 4) for k in range(POINTS)]
SCORE = [round(0.88 - 0.6 * math.exp(-0.3 * k), 4) for k in range(POINTS)]
RETURN = [round(10.0 + 15.5 * k, 2) for k in range(POINTS)]
FACTORS = (1.05, 0.95, 1.0)
BATCHES = [round(value * factor, 4) for value in TRAIN for factor in FACTORS]


def log_of(folder: Path, lines: Sequence[str]) -> Log:
    path = folder / "train.log"
    path.write_text("\n".join(lines) + "\n")
    (log,) = read(path)
    return log


def values(curve: Curve | None) -> list[float]:
    return [] if curve is None else list(map(float, curve.y))


class TestLines:
    @pytest.mark.parametrize(
        ("line", "expected"),
        [
            ("loss tensor(0.5, device='cuda:0', grad_fn=<MeanBackward0>)", {"loss": 0.5}),
            ("val loss: np.float32(0.5)", {"val_loss": 0.5}),
            ("LOSS train 0.31 valid 0.42", {"train_loss": 0.31, "val_loss": 0.42}),
            ("loss train: 0.3, val: 0.4 | iter time: 12.5 ms", {"train_loss": 0.3, "val_loss": 0.4}),
            ("Loss = 0.30 (val 0.40)", {"loss": 0.3, "val_loss": 0.4}),
            ("acc: train 0.91 val 0.85", {"train_accuracy": 0.91, "val_accuracy": 0.85}),
            ("train/val loss: 0.3/0.4", {"train_loss": 0.3, "val_loss": 0.4}),
            ("loss(avg): 0.3", {"loss": 0.3}),
            ("Loss (train): 0.3 | Loss (val): 0.4", {"train_loss": 0.3, "val_loss": 0.4}),
            ("DEV : f1-score (micro avg)  0.7", {"val_f1_score": 0.7}),
            ("tr_loss:0.3 te_loss:0.4", {"train_loss": 0.3, "test_loss": 0.4}),
            ("Classification loss: 1.1 | Running loss: 2.0", {"classification_loss": 1.1, "loss": 2.0}),
            ("G_GAN: 1.1 G_L1: 2.2 D_real: 0.4", {"g_gan_loss": 1.1, "g_l1_loss": 2.2, "d_real_loss": 0.4}),
            ("Episode 3 reward: 12.5 (best 20.0)", {"reward": 12.5}),
            ("mean_reward=20.5 +/- 3.2", {"mean_reward": 20.5}),
            ("G_loss: 0.5 D_loss: 0.4 errD_real: 0.3", {"g_loss": 0.5, "d_loss": 0.4, "errd_real_loss": 0.3}),
            ("Evaluation over 10 episodes: 312.5", {"episode_return": 312.5}),
            ("Last 10 training episodes: mean/median reward 12.5/13.0", {"episode_return": 12.5}),
            ("Train steps: 9 Val steps: 3 1.12s loss: 0.5 val_loss: 0.7", {"loss": 0.5, "val_loss": 0.7}),
            ("episode: 3/1000, score: 23, e: 0.9", {"episode_score": 23.0}),
            ("Accuracy: 98 / 100 (98%)", {"accuracy": 98.0}),
        ],
    )
    def test_hold_these(self, line: str, expected: dict[str, float]) -> None:
        read_line = parse(line)
        assert read_line is not None
        assert read_line.values == expected

    @pytest.mark.parametrize(
        ("line", "expected"),
        [
            ("loss: 0.3 (best 0.2)", {"loss": 0.3}),
            ("loss: 0.3 (train time 4.5)", {"loss": 0.3}),
            ("loss: 0.5, train time 3.1", {"loss": 0.5}),
            ("loss 0.3, lr 0.1, grad_norm 3.1, G_lr: 0.0002, D_lr: 0.0002", {"loss": 0.3, "lr": 0.1}),
            ("loss 0.3, reward_scale: 5.0, reward threshold 195.0, max reward: 7.0", {"loss": 0.3}),
        ],
    )
    def test_hold_nothing_besides(self, line: str, expected: dict[str, float]) -> None:
        read_line = parse(line)
        assert read_line is not None
        assert read_line.values == expected

    @pytest.mark.parametrize(
        "line",
        [
            "exit return code 1",
            "returns 3 values",
            "loss weights: train 1.0 val 2.0",
            "train/val split: 0.8/0.2",
            "val loss 12 of 100",
            "score: 12 / 100",
            "loss (x1e3): 0.5",
        ],
    )
    def test_hold_nothing(self, line: str) -> None:
        assert parse(line) is None

    @pytest.mark.parametrize(
        ("line", "step", "loss"),
        [
            ("Train loss 100 2.31 Grad Norm 0.3 1.2s/it", 100, 2.31),
            ("Validation loss 100:  2.31  ", 100, 2.31),
            ("Loss after mini-batch   500: 2.31", None, 2.31),
        ],
    )
    def test_a_count_between_the_name_and_the_number_is_a_place(self, line: str, step: int | None, loss: float) -> None:
        read_line = parse(line)
        assert read_line is not None
        assert list(read_line.values.values()) == [loss]
        assert read_line.clock.get("step") == step


@pytest.mark.parametrize(
    ("line", "clock"),
    [
        ("ep:3 loss:0.5", {"epoch": 3}),
        ("Ep. 3 : Up. 500 : Cost 0.5", {"epoch": 3}),
        ("ep 3/10 loss 0.5", {"epoch": 3}),
        ("Ep: 3 | reward: 20.0", {"step": 3}),
        ("Episode 3 loss 0.5", {"step": 3}),
        ("step 3 loss 0.5", {"step": 3}),
        ("keep 3 loss 0.5", {}),
        ("eps 1 loss 0.5", {}),
        ("rep 3 loss 0.5", {}),
    ],
)
def test_short_names_of_clocks(line: str, clock: dict[str, float]) -> None:
    read_line = parse(line)
    assert read_line is not None
    assert read_line.clock == clock


def tutorial() -> list[str]:
    lines = []
    for k in range(POINTS):
        lines += [f"EPOCH {k + 1}:"]
        lines += [f"  batch {1000 * n} loss: {TRAIN[k] * factor:.4f}" for n, factor in enumerate(FACTORS, 1)]
        lines += [f"LOSS train {TRAIN[k]} valid {VAL[k]}"]
    return lines


def competition() -> list[str]:
    lines = []
    for k in range(POINTS):
        for n, loss in enumerate(BATCHES[3 * k : 3 * k + 3]):
            lines += [f"Epoch: [{k + 1}][{100 * n}/301] Elapsed 0m 12s (remain 1m 2s) Loss: {loss}({loss}) Grad: 1.1"]
        lines += [f"EVAL: [{n}/31] Elapsed 0m 2s (remain 0m 12s) Loss: 9.9({VAL[k]}) " for n in (0, 30)]
        lines += [f"Epoch {k + 1} - avg_train_loss: {TRAIN[k]}  avg_val_loss: {VAL[k]}  time: 123s"]
    return lines


def meters_behind_a_prefix() -> list[str]:
    lines = []
    for k in range(POINTS):
        at = "[2021-05-01 10:00:00 net] (main.py 178): INFO"
        lines += [
            f"{at} Train: [{k}/300][{10 * n}/40]\teta 0:12:11\tloss {TRAIN[k] * f:.4f} ({TRAIN[k] * f:.4f})"
            for n, f in enumerate(FACTORS)
        ]
        lines += [f"{at} Test: [0/98]\tLoss 1.2 ({VAL[k]})\tAcc@1 40.1 (40.1)", f"{at}  * Acc@1 {100 * SCORE[k]:.2f}"]
    return lines


def perplexity_under_a_heading() -> list[str]:
    lines = []
    for k in range(POINTS):
        lines += [
            f"Epoch: {k}, Step: 99, Rank: 0, loss = {TRAIN[k]}",
            f"** Evaluating perplexity, Epoch {k + 1}/10 **",
        ]
        lines += [f"ppl: {math.exp(VAL[k])}, loss: {VAL[k]}"]
    return lines


def both_on_one_line_between_bars() -> list[str]:
    return [f"| epoch {k} | train loss {TRAIN[k]} | valid loss {VAL[k]} | valid ppl 9.1" for k in range(POINTS)]


@pytest.mark.parametrize(
    "program",
    [
        tutorial,
        competition,
        meters_behind_a_prefix,
        perplexity_under_a_heading,
        both_on_one_line_between_bars,
    ],
)
def test_programs(program: Callable[[], list[str]], tmp_path: Path) -> None:
    log = log_of(tmp_path, program())
    assert values(log.val) == pytest.approx(VAL, abs=1e-3)
    assert len(values(log.train)) in (POINTS, 3 * POINTS)
    mean = np.asarray(values(log.train)).reshape(POINTS, -1).mean(axis=1)
    assert list(mean) == pytest.approx(TRAIN, abs=1e-3)
    assert not any("runs in one log" in note for note in log.notes)


def test_the_summary_of_a_validation_is_no_metric_of_training(tmp_path: Path) -> None:
    (metric,) = log_of(tmp_path, meters_behind_a_prefix()).metrics
    assert metric.train is None
    assert values(metric.val) == pytest.approx(SCORE, abs=1e-3)


def test_steps_that_begin_anew_behind_an_epochs_result_are_one_run(tmp_path: Path) -> None:
    lines = []
    for k in range(POINTS):
        lines += [f"Iter: {50 * n:03d}, Train Loss: {TRAIN[k] * f:.4f}" for n, f in enumerate(FACTORS)]
        lines += [f"Epoch: {k + 1:03d}, Inference Time: 1.2 secs"]
        lines += [f"Epoch: {k + 1:03d}, Train Loss: {TRAIN[k]}, Valid Loss: {VAL[k]}, Training Time: 12.1/epoch"]
    log = log_of(tmp_path, lines)
    assert values(log.val) == VAL
    assert not any("runs in one log" in note for note in log.notes)


class TestScoresWithoutAName:
    def rows(self, scores: Sequence[float]) -> list[str]:
        return [
            f"Epoch: {k:03d}, Loss: {TRAIN[k]:.4f}, Train: {scores[k]:.4f}, Val: {0.9 * scores[k]:.4f}, Test: 0.5"
            for k in range(POINTS)
        ]

    def test_rise_within_0_and_1(self, tmp_path: Path) -> None:
        log = log_of(tmp_path, self.rows(SCORE))
        assert values(log.train) == TRAIN
        assert log.val is None
        (metric,) = log.metrics
        assert (metric.name, metric.maximize, metric.bounded) == ("score", True, True)
        assert values(metric.val) == pytest.approx([0.9 * value for value in SCORE], abs=1e-4)

    def test_what_falls_is_none(self, tmp_path: Path) -> None:
        log = log_of(tmp_path, self.rows(VAL))
        assert (values(log.train), log.val, log.metrics) == (TRAIN, None, ())


BOXED = (
    "| rollout/                |              |",
    "|    ep_len_mean          | 180          |",
    "|    ep_rew_mean          | {value:<12} |",
    "| time/                   |              |",
    "|    iterations           | {k:<12} |",
    "|    total_timesteps      | {steps:<12} |",
    "| train/                  |              |",
    "|    loss                 | 3.1          |",
    "------------------------------------------",
)
RIGHT = (
    "---------------------------------------",
    "|             Epoch |{k:15d} |",
    "|      AverageEpRet |{value:15} |",
    "|          StdEpRet |            10.1 |",
    "|             LossV |             412 |",
    "---------------------------------------",
)
PLAIN = (
    "--------------------------  ---------------",
    "trainer/Policy Loss            -10.2",
    "evaluation/Average Returns     {value}",
    "Epoch                          {k}",
    "--------------------------  ---------------",
)


class TestReturns:
    @pytest.mark.parametrize("table", [BOXED, RIGHT, PLAIN])
    def test_in_a_table_a_step(self, table: Sequence[str], tmp_path: Path) -> None:
        rows = [row.format(k=k, value=RETURN[k], steps=2048 * (k + 1)) for k in range(POINTS) for row in table]
        log = log_of(tmp_path, ["Using cpu device", *rows])
        assert log.objective is not None
        assert log.objective.kind == "reinforcement"
        reward = log.objective.curves["reward"]
        assert values(reward) == RETURN
        assert (table is BOXED) == (float(reward.x[0]) == 2048)

    @pytest.mark.parametrize(
        "row",
        [
            "Episode {k} reward: {value} steps: 200",
            "global_step={k}000, episodic_return=[{value}]",
            "Total T: {k}200 Episode Num: {k} Episode T: 200 Reward: {value}",
            "Iter: {k}; avg. reward={value}",
            "Episode {k}\tAverage Score: {value}",
        ],
    )
    def test_in_lines(self, row: str, tmp_path: Path) -> None:
        log = log_of(tmp_path, [row.format(k=k, value=RETURN[k]) for k in range(1, POINTS)])
        assert log.objective is not None
        assert log.objective.kind == "reinforcement"
        assert values(log.objective.curves["reward"]) == RETURN[1:]

    def test_a_table_of_settings_is_no_step(self, tmp_path: Path) -> None:
        table = ["-----------------", "| loss | 99.0 |", "| epochs | 5 |", "| lr | 0.1 |", "-----------------"]
        log = log_of(tmp_path, [*table, *(f"epoch {k} loss {TRAIN[k]}" for k in range(POINTS))])
        assert values(log.train) == TRAIN

    def test_a_score_alone_is_a_metric(self, tmp_path: Path) -> None:
        log = log_of(tmp_path, [f"Average Score: {value}" for value in RETURN])
        (metric,) = log.metrics
        assert values(metric.val) == RETURN
        assert judge(log).code != "insufficient_data"


def test_networks_that_oppose_each_other(tmp_path: Path) -> None:
    rows = [
        f"(epoch: {k + 1}, iters: 100, time: 0.112, data: 0.212) G_GAN: 1.{k} G_L1: {10 * TRAIN[k]:.3f} D_real: 0.5{k}"
        for k in range(POINTS)
    ]
    log = log_of(tmp_path, rows)
    assert log.objective is not None
    assert log.objective.kind == "adversarial"
    assert values(log.objective.curves["generator"])[:2] == [1.0, 1.1]


def test_a_notebook_on_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cell = {"output_type": "stream", "text": [f"epoch {k} loss {TRAIN[k]}\n" for k in range(POINTS)]}
    document = {"cells": [{"cell_type": "code", "outputs": [cell], "source": []}], "nbformat": 4, "nbformat_minor": 5}
    path = tmp_path / "nb"
    path.write_text(json.dumps(document, indent=1))
    with path.open() as file:
        monkeypatch.setattr("sys.stdin", file)
        (log,) = read("-")
    assert (log.format, list(floats(log.train.y if log.train else ()))) == ("notebook", TRAIN)


@pytest.mark.parametrize("key", ["log", "message", "msg"])
def test_messages_that_are_kept_as_json_lines(key: str, tmp_path: Path) -> None:
    rows = [{key: f"epoch {k} train loss {TRAIN[k]} val loss {VAL[k]}\n", "stream": "stdout"} for k in range(POINTS)]
    log = log_of(tmp_path, [json.dumps(row) for row in rows])
    assert (log.format, values(log.train), values(log.val)) == ("text", TRAIN, VAL)


def test_json_lines_with_numbers_and_a_message_are_read_by_their_numbers(tmp_path: Path) -> None:
    rows = [{"msg": "epoch done", "epoch": k, "loss": TRAIN[k]} for k in range(POINTS)]
    log = log_of(tmp_path, [json.dumps(row) for row in rows])
    assert (log.format, values(log.train)) == ("json", TRAIN)


def test_a_table_that_grows_is_one_run(tmp_path: Path) -> None:
    lines = []
    for k in range(POINTS):
        lines += ["+-------+------------+----------+", "| epoch | train_loss | val_loss |", "+---+---+---+"]
        lines += [f"| {n:5d} | {TRAIN[n]:10.4f} | {VAL[n]:8.4f} |" for n in range(k + 1)]
    log = log_of(tmp_path, lines)
    assert (values(log.train), values(log.val), log.notes) == (TRAIN, VAL, ())


def test_validations_steps_within_an_epoch_are_one_loop(tmp_path: Path) -> None:
    lines = []
    for k in range(POINTS):
        lines += [f"epoch {k} iter {n} loss {loss}" for n, loss in enumerate(BATCHES[3 * k : 3 * k + 3])]
        lines += [f"epoch {k} valid iter {n} loss {VAL[k] + n - 1:.4f}" for n in range(3)]
    log = log_of(tmp_path, lines)
    assert values(log.train) == BATCHES
    assert values(log.val) == pytest.approx(VAL)
    assert log.notes == ()


def test_an_evaluation_that_counts_epochs_from_one_does_not_make_another_run(tmp_path: Path) -> None:
    lines = []
    for k in range(POINTS):
        lines += [
            f"Train Epoch: {k} [{100 * n}/400 (25%)] Loss: {loss}" for n, loss in enumerate(BATCHES[3 * k : 3 * k + 3])
        ]
        lines += [f"Eval Epoch: {k + 1} val-top1: {SCORE[k]}"]
    log = log_of(tmp_path, lines)
    assert values(log.train) == BATCHES
    assert log.notes == ()


@pytest.mark.parametrize("line", ["epoch 3 loss: 2,31", "epoch_003 train_loss_2.1 val_loss_2.2"])
def test_a_part_of_a_number_is_none(line: str) -> None:
    read_line = parse(line)
    assert read_line is None or not read_line.values


class TestForms:
    """Lines of one form are taken apart once, which must give what taking each apart gives."""

    def test_give_the_same_as_each_line_alone(self) -> None:
        templates = Templates(template_of)
        for program in (*BOTH.values(), *TRAINING_ALONE.values()):
            for line in program():
                template = templates.of(line, form_of(line), "")
                assert (template.filled(line) if template else None) == parse(line)

    @pytest.mark.parametrize(
        ("first", "second"),
        [
            ("acc1: 0.5 acc5: 0.9 loss1: 2", "acc5: 0.5 acc1: 0.9 loss2: 3"),
            ("epoch 1 top-1 acc: 0.5", "epoch 2 top-5 acc: 0.9"),
            ("d1_loss: 0.5 block3 loss: 0.7", "d2_loss: 0.5 block4 loss: 0.7"),
            ("valid_0's auc: 0.5", "valid_1's auc: 0.6"),
            ("mAP50: 0.5", "mAP75: 0.5"),
            ("step_100 loss: 0.5", "step_200 loss: 0.6"),
        ],
    )
    def test_keep_the_digits_of_names_apart(self, first: str, second: str) -> None:
        templates = Templates(template_of)
        for line in (first, second, first):
            template = templates.of(line, form_of(line), "")
            assert (template.filled(line) if template else None) == parse(line)

    def test_keep_the_digits_of_keys_apart(self) -> None:
        def pairs(text: str) -> list[tuple[str, tuple[int, int], tuple[int, int]]]:
            return [(match[1], match.span(1), match.span(2)) for match in re.finditer(r"(\w+)=([\d.]+)", text)]

        layouts = Layouts(pairs)
        for text, numbers in (
            ("a1=0.5 b=12", {"a1": 0.5, "b": 12.0}),
            ("a2=0.7 b=34", {"a2": 0.7, "b": 34.0}),
            ("a1=0.9 b=56", {"a1": 0.9, "b": 56.0}),
        ):
            assert layouts.numbers(text) == numbers


def test_a_row_without_one_of_its_cells_is_read_by_its_places(tmp_path: Path) -> None:
    """skorch marks the epochs at which it saves: rows without the mark are the worse ones."""
    head = [
        "  epoch    train_loss    valid_acc    valid_loss    cp     dur",
        "-------  ------------  -----------  ----------",
    ]
    rows = [
        f"{k + 1:7d}        {TRAIN[k]:.4f}       {SCORE[k]:.4f}        {VAL[k]:.4f}  {mark}  0.0290"
        for k, mark in enumerate(["   +", "    ", "   +", "    ", "    "] * 2)
    ]
    log = log_of(tmp_path, ["Re-initializing module.", *head, *rows])
    assert (values(log.train), values(log.val)) == (TRAIN, VAL)
    assert values(log.metrics[0].val) == SCORE


def test_a_number_below_two_names_is_no_cell(tmp_path: Path) -> None:
    head = "epoch  train_loss  val_loss  time"
    rows = [f"{k:<5d}  {TRAIN[k]:<10.4f}  {VAL[k]:<8.4f}  1.5" for k in range(POINTS)]
    log = log_of(tmp_path, ["using cpu", head, *rows, "3      19.123456789012  4"])
    assert (values(log.train), values(log.val)) == (TRAIN, VAL)
