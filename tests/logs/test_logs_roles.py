"""What a curve is told to be by the company it keeps: clocks, totals among their parts, splits of files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tunekit.diagnosis import judge
from tunekit.logs import read
from tunekit.logs.log import floats
from tunekit.logs.names import part
from tunekit.vocabulary import Curve, UserError

COUNT = 40
LOSS = [round(0.4 + 2.5 / (1 + 0.3 * k) + 0.02 * (-1) ** k, 4) for k in range(COUNT)]
LENGTHS = [30 + (17 * k) % 43 for k in range(COUNT)]


def values(curve: Curve | None) -> list[float]:
    return [] if curve is None else [float(value) for value in floats(curve.y)]


def places(curve: Curve | None) -> list[float]:
    return [] if curve is None else [float(value) for value in floats(curve.x)]


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def table(path: Path, **columns: list[float]) -> Path:
    rows = zip(*columns.values(), strict=True)
    return written(path, "\n".join([",".join(columns), *(",".join(map(str, row)) for row in rows)]) + "\n")


class TestClocks:
    """A column is a clock where it counts."""

    @pytest.mark.parametrize("counter", ["episode", "epoch", "Episode"])
    def test_the_length_of_an_episode_is_none(self, tmp_path: Path, counter: str) -> None:
        file = table(tmp_path / "log.csv", **{"steps": LENGTHS, counter: list(range(COUNT)), "loss": LOSS})
        (log,) = read(file)
        assert values(log.train) == LOSS
        assert places(log.train) == list(range(COUNT))
        assert not any("order" in note for note in log.notes)

    def test_nor_in_a_document(self, tmp_path: Path) -> None:
        rows = [{"steps": LENGTHS[k], "episode": k, "reward": -90 + k, "loss": LOSS[k]} for k in range(COUNT)]
        tested = [{"episode": k, "reward": -80 + k} for k in range(0, COUNT, 10)]
        document = {"seed": 1, "training": rows, "validation": tested}
        (log,) = read(written(tmp_path / "log.json", json.dumps(document, indent=1)))
        assert log.objective is not None
        assert values(log.objective.curves["reward"]) == [-90 + k for k in range(COUNT)]

    def test_nor_where_nothing_else_counts_but_episodes(self, tmp_path: Path) -> None:
        (log,) = read(table(tmp_path / "log.csv", episode=list(range(5, 5 + COUNT)), loss=LOSS))
        assert places(log.train)[0] == 5

    def test_rows_out_of_order_are_put_in_order(self, tmp_path: Path) -> None:
        order = [(17 * k) % COUNT for k in range(COUNT - 1)]
        (log,) = read(table(tmp_path / "log.csv", step=order, loss=[LOSS[k] for k in order]))
        assert values(log.train) == [LOSS[k] for k in sorted(order)]

    def test_steps_that_begin_anew_with_each_epoch_are_parts_of_it(self, tmp_path: Path) -> None:
        epochs = [k // 2 for k in range(COUNT)]
        (log,) = read(table(tmp_path / "log.csv", epoch=epochs, batch=[50 * (k % 2) for k in range(COUNT)], loss=LOSS))
        assert values(log.train) == LOSS
        assert log.train is not None
        assert log.train.unit == "epoch"


def noise(seed: int, count: int = COUNT) -> list[float]:
    return [round(float(value), 4) for value in np.random.default_rng(seed).normal(size=count)]


RECON = [round(0.1 + 1.6 / (1 + k) + 0.01 * noise(1)[k], 4) for k in range(COUNT)]
DIVERGENCE = [round(40 + 6 * k + 3 * noise(2)[k], 3) for k in range(COUNT)]
THIRD = [round(0.5 + 0.05 * noise(3)[k], 4) for k in range(COUNT)]


class TestWholes:
    """A total is not added to its own parts."""

    @pytest.mark.parametrize("name", ["loss_vae", "vae_loss", "loss_elbo", "train_L_vae", "elbo/loss"])
    def test_one_whose_name_says_so(self, tmp_path: Path, name: str) -> None:
        beta = [0.001 * k for k in range(COUNT)]  # so that no fixed weights give it
        total = [round(RECON[k] + beta[k] * DIVERGENCE[k], 4) for k in range(COUNT)]
        mark = "train_L" if "_L_" in name else "loss"
        parts = {f"{mark}_recon": RECON, f"{mark}_kl": DIVERGENCE}
        (log,) = read(table(tmp_path / "log.csv", step=list(range(COUNT)), **{name: total}, **parts))
        assert values(log.train) == total

    @pytest.mark.parametrize("weights", [(1, 1, 1), (1, 0.02, 0.5), (2.5, 0.001, 10)])
    @pytest.mark.parametrize("place", [0, 3])
    def test_one_that_the_others_add_up_to(self, tmp_path: Path, weights: tuple[float, ...], place: int) -> None:
        rows = zip(RECON, DIVERGENCE, THIRD, strict=True)
        total = [round(sum(w * v for w, v in zip(weights, row, strict=True)), 4) for row in rows]
        columns = list({"rec_loss": RECON, "kl_loss": DIVERGENCE, "mmd_loss": THIRD}.items())
        columns.insert(place, ("task_loss", total))
        (log,) = read(table(tmp_path / "log.csv", step=list(range(COUNT)), **dict(columns)))
        assert values(log.train) == total

    def test_parts_are_added(self, tmp_path: Path) -> None:
        parts = {"box_loss": RECON, "dfl_loss": DIVERGENCE, "cls_loss": THIRD}
        (log,) = read(table(tmp_path / "log.csv", step=list(range(COUNT)), **parts))
        assert values(log.train) == pytest.approx(np.sum([*parts.values()], axis=0))

    def test_parts_that_fall_alike_are_added(self, tmp_path: Path) -> None:
        parts = {
            name: [round(scale * loss, 6) for loss in LOSS]
            for name, scale in (("box", 1.0), ("obj", 0.4), ("cls", 2.0))
        }
        columns = {f"{name}_loss": part for name, part in parts.items()}
        (log,) = read(table(tmp_path / "log.csv", step=list(range(COUNT)), **columns))
        assert values(log.train) == pytest.approx(np.sum([*parts.values()], axis=0))

    def test_summed_losses(self, tmp_path: Path) -> None:
        total = [round(3 * loss, 4) for loss in LOSS]
        columns = {"train_summed_losses": total, "train_loss_mel": LOSS, "train_loss_fm": RECON}
        (log,) = read(table(tmp_path / "log.csv", step=list(range(COUNT)), **columns))
        assert values(log.train) == total

    def test_names_with_an_l(self) -> None:
        kinds = {name: part(name).kind for name in ("L_total", "train_L_vae", "L1_loss", "G_loss", "L_kl")}
        assert set(kinds.values()) == {"loss"}
        assert part("L_total").total
        assert {part(name).kind for name in ("L_hand", "pos_L_eye", "l_total", "L", "z_L1")} == {""}


class TestEvaluations:
    """Measures of one case after the other are no training."""

    @staticmethod
    def cases(count: int = 200) -> list[float]:
        return [round(float(value), 4) for value in np.random.default_rng(5).uniform(0.2, 0.9, count)]

    def test_of_pictures(self, tmp_path: Path) -> None:
        lines = [
            f"For picture val_{k}.png pixel accuracy is {v}  mean IoU is {v / 2:.4f}"
            for k, v in enumerate(self.cases())
        ]
        with pytest.raises(UserError, match="no course of a training"):
            read(written(tmp_path / "eval.log", "\n".join(lines)))

    def test_in_a_table(self, tmp_path: Path) -> None:
        with pytest.raises(UserError):
            read(table(tmp_path / "scores.csv", iou=self.cases(), dice=self.cases()))

    def test_of_a_training_they_rise(self, tmp_path: Path) -> None:
        lines = [f"done, accuracy: {0.3 + 0.6 * k / 60 + 0.02 * (-1) ** k:.4f}" for k in range(60)]
        (log,) = read(written(tmp_path / "train.log", "\n".join(lines)))
        assert log.metrics

    def test_with_a_clock_they_stand_still(self, tmp_path: Path) -> None:
        (log,) = read(table(tmp_path / "log.csv", epoch=list(range(1, 61)), val_accuracy=self.cases(60)))
        assert log.metrics

    def test_an_accuracy_that_moves_by_a_hair_is_no_divergence(self, tmp_path: Path) -> None:
        right = [1.0, 1.0, 1.0, 1.0, 1.0, 0.9999, 1.0, 1.0, 0.9998, 0.9998, 0.9997, 0.9998]
        rows = {"epoch": list(range(12)), "accuracy": right, "val_accuracy": [v - 0.02 for v in right]}
        (log,) = read(table(tmp_path / "log.csv", **rows))
        assert judge(log).code != "diverged"


class TestFiles:
    """What a file's name says, and what its rows are."""

    @pytest.mark.parametrize("name", ["val_loss.txt", "valid.csv", "validation_metrics.csv", "test_loss.csv"])
    def test_called_after_validation(self, tmp_path: Path, name: str) -> None:
        rising = [round(0.3 + 0.01 * k, 3) for k in range(COUNT)]
        lines = [f"epoch: {k} loss: {LOSS[k]} accuracy: {rising[k]}" for k in range(COUNT)]
        file = tmp_path / name
        if file.suffix == ".csv":
            table(file, epoch=list(range(COUNT)), loss=LOSS, accuracy=rising)
        else:
            written(file, "\n".join(lines))
        (log,) = read(file)
        assert log.train is None
        assert values(log.val) == LOSS
        assert [values(metric.val) for metric in log.metrics] == [pytest.approx(rising)]

    @pytest.mark.parametrize(
        "name", ["test.csv", "dev.csv", "my_validation_run.csv", "train_loss.csv", "eval_run3.csv"]
    )
    def test_not_called_after_validation(self, tmp_path: Path, name: str) -> None:
        (log,) = read(table(tmp_path / name, epoch=list(range(COUNT)), loss=LOSS))
        assert values(log.train) == LOSS

    def test_columns_that_name_their_splits_are_as_they_say(self, tmp_path: Path) -> None:
        (log,) = read(table(tmp_path / "val_loss.csv", epoch=list(range(COUNT)), train_loss=LOSS, val_loss=LOSS[::-1]))
        assert values(log.train) == LOSS

    @pytest.mark.parametrize("asked", ["Train Loss", "TRAIN_LOSS", "train-loss", "trainloss"])
    def test_names_are_found_as_they_are_typed(self, tmp_path: Path, asked: str) -> None:
        file = table(tmp_path / "log.csv", step=list(range(COUNT)), train_loss=LOSS, other_loss=LOSS[::-1])
        (log,) = read(file, train=asked)
        assert values(log.train) == LOSS

    def test_a_row_a_training(self, tmp_path: Path) -> None:
        rng = np.random.default_rng(2)
        settings = {name: list(rng.uniform(0, 1, 30).round(4)) for name in ("lr0", "momentum", "weight_decay", "hsv_h")}
        with pytest.raises(UserError, match="a row a training"):
            read(
                table(tmp_path / "evolve.csv", **{"val/box_loss": LOSS[:30], "metrics/mAP_0.5": LOSS[10:]}, **settings)
            )

    def test_schedules_are_no_settings(self, tmp_path: Path) -> None:
        wave = [round(0.01 + 0.009 * float(np.sin(k)), 5) for k in range(COUNT)]
        (log,) = read(table(tmp_path / "log.csv", loss=LOSS, lr=wave, momentum=[1 - v for v in wave]))
        assert values(log.train) == LOSS
        counted = {
            "epoch": list(range(COUNT)),
            "loss": LOSS,
            "lr": wave,
            "batch_size": [8 + k % 3 for k in range(COUNT)],
        }
        (log,) = read(table(tmp_path / "log2.csv", **counted))
        assert values(log.train) == LOSS

    def test_fractions_and_percents_in_turn(self, tmp_path: Path) -> None:
        acc = [0.011 * (1 + k / 50) if k % 4 else 2.4 * (1 + k / 50) for k in range(COUNT)]
        (log,) = read(table(tmp_path / "log.csv", epoch=list(range(COUNT)), loss=LOSS, val_acc=acc))
        assert not log.metrics
        assert any("fractions and percents" in note for note in log.notes)

    def test_percents_that_begin_below_one(self, tmp_path: Path) -> None:
        acc = [round(0.1 + 0.05 * k * k, 3) for k in range(COUNT)]
        (log,) = read(table(tmp_path / "log.csv", epoch=list(range(COUNT)), loss=LOSS, val_acc=acc))
        assert values(log.metrics[0].val) == pytest.approx([value / 100 for value in acc])


class TestNumbersAlone:
    """A table without names is refused, and read where its columns are chosen by number."""

    @pytest.mark.parametrize(("separator", "end"), [(",", ""), ("\t", ""), (" ", ""), (",", ",")])
    def test_by_number(self, tmp_path: Path, separator: str, end: str) -> None:
        rows = [separator.join(map(str, (100 * k + 99, LOSS[k], LOSS[k] + 0.5))) + end for k in range(COUNT)]
        file = written(tmp_path / "numbers.txt", "\n".join(rows) + "\n")
        with pytest.raises(UserError, match="--format csv --train 2 --val 3"):
            read(file)
        (log,) = read(file, "csv", "2", "3")
        assert values(log.train) == LOSS
        assert values(log.val) == pytest.approx([loss + 0.5 for loss in LOSS])
        assert places(log.train)[:2] == [99, 199]

    def test_a_number_a_line(self, tmp_path: Path) -> None:
        file = written(tmp_path / "numbers.txt", "\n".join(map(str, LOSS)))
        with pytest.raises(UserError, match="--format csv"):
            read(file)
        (log,) = read(file, "csv", "1")
        assert values(log.train) == LOSS

    def test_a_number_that_is_none_of_its_columns(self, tmp_path: Path) -> None:
        file = written(tmp_path / "numbers.txt", "\n".join(f"{k} {LOSS[k]}" for k in range(COUNT)))
        with pytest.raises(UserError, match="no column '7'"):
            read(file, "csv", "7")

    def test_names_win(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="no column '2'"):
            read(table(tmp_path / "log.csv", epoch=list(range(COUNT)), loss=LOSS), "csv", "2")

    def test_the_reason_comes_first(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="no line or column reads as a loss") as error:
            read(written(tmp_path / "notes.txt", "a list\nof words\n"))
        assert len(str(error.value)) < 200 + len(str(tmp_path))


class TestEnds:
    @pytest.mark.parametrize("head", ["total loss\tscore loss\t", "total loss\tscore loss"])
    @pytest.mark.parametrize("newline", ["\n", "\r\n"])
    def test_a_separator_behind_each_row(self, tmp_path: Path, head: str, newline: str) -> None:
        rows = [f"{LOSS[k]}\t{THIRD[k]}\t" for k in range(COUNT)]
        file = tmp_path / "log.txt"
        file.write_bytes(newline.join([head, *rows, ""]).encode())
        (log,) = read(file)
        assert values(log.train) == LOSS
        assert not any("cells" in note for note in log.notes)

    def test_an_empty_last_cell(self, tmp_path: Path) -> None:
        rows = [f"{k},{LOSS[k]},{'' if k % 5 else THIRD[k]}" for k in range(COUNT)]
        (log,) = read(written(tmp_path / "log.csv", "\n".join(["epoch,train_loss,val_loss", *rows])))
        assert values(log.train) == LOSS
        assert len(values(log.val)) == COUNT // 5


class TestAnyKey:
    """A key of a document that says nothing may be named."""

    def test_of_rows(self, tmp_path: Path) -> None:
        file = tmp_path / "result.json"
        file.write_text(json.dumps([{"it": 10 * k, "zeta": LOSS[k], "mu": k % 3} for k in range(COUNT)], indent=1))
        with pytest.raises(UserError, match="the columns are 'zeta', 'mu'"):
            read(file)
        (log,) = read(file, train="zeta")
        assert values(log.train) == LOSS
        assert places(log.train)[1] == 10

    def test_of_lists(self, tmp_path: Path) -> None:
        file = written(tmp_path / "result.json", json.dumps({"zeta": LOSS, "mu": LOSS[::-1]}))
        with pytest.raises(UserError, match="the columns are 'zeta', 'mu'"):
            read(file)
        (log,) = read(file, train="Zeta", val="mu")
        assert values(log.train) == LOSS

    def test_one_evaluation_beside_settings(self, tmp_path: Path) -> None:
        (log,) = read(written(tmp_path / "result.json", json.dumps({"eval_loss": 0.3, "layers": [64, 32, 10]})))
        assert values(log.val) == [0.3]
