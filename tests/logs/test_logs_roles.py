"""What a curve is told to be by the company it keeps: clocks, totals among their parts, splits of files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tunekit.logs import read
from tunekit.logs.log import floats
from tunekit.vocabulary import Curve

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
        (log,) = read(written(tmp_path / "log.json", json.dumps({"seed": 1, "training": rows}, indent=1)))
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
