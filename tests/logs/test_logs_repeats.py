"""What a printed log says once more, and what only looks so: equal lines, two handlers, summaries, runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tunekit.logs import Log, read
from tunekit.logs.log import floats

LOSSES = [2.31, 1.62, 1.17, 0.91, 0.74, 0.63, 0.55, 0.49]


def written(lines: Sequence[str], folder: Path) -> Log:
    path = folder / "train.log"
    path.write_text("\n".join(lines) + "\n")
    (log,) = read(path)
    return log


class TestEqualLines:
    def test_lines_of_one_epoch_that_stand_still_are_counted(self, tmp_path: Path) -> None:
        values = [2.1, 1.7, 1.7, 1.4, 1.4, 1.4, 1.3, 1.3]
        lines = [
            line
            for y in values
            for line in (f"Epoch 2 Loss {y:.4f} Accuracy 0.31", "Time taken for 1 epoch: 78.2 secs")
        ]
        log = written(lines, tmp_path)
        assert log.train is not None
        np.testing.assert_allclose(floats(log.train.y), values)

    def test_steps_that_are_said_twice_count_once(self, tmp_path: Path) -> None:
        lines = [
            line for k, y in enumerate(LOSSES) for line in (f"step {k}: loss {y}", f"saved {k}", f"step {k}: loss {y}")
        ]
        log = written(lines, tmp_path)
        assert log.train is not None
        np.testing.assert_allclose(floats(log.train.y), LOSSES)

    def test_seconds_of_an_epoch_are_no_epoch(self, tmp_path: Path) -> None:
        lines = [
            line
            for k, y in enumerate(LOSSES)
            for line in (f"Epoch {k} loss {y}", f"Time of one epoch: {78 - k} seconds")
        ]
        log = written(lines, tmp_path)
        assert log.train is not None
        assert list(log.train.x) == list(range(8))

    def test_two_handlers_with_a_prefix_each(self, tmp_path: Path) -> None:
        lines = []
        for k, y in enumerate(LOSSES):
            for place, message in enumerate(
                [f"[{500 * k:6d}] | lr 0.0001 | loss {y:5.2f}", f"Eval batches | loss {y + 0.2:5.2f}"]
            ):
                lines += [
                    f"INFO:tensorflow:{message}",
                    f"I0412 10:0{k}:27.449019 1285298 fit.py:{200 + place}] {message}",
                ]
        log = written(lines, tmp_path)
        assert log.train is not None
        assert log.val is not None
        assert list(log.train.x) == [500 * k for k in range(8)]
        np.testing.assert_allclose(floats(log.train.y), LOSSES)
        np.testing.assert_allclose(floats(log.val.y), np.add(LOSSES, 0.2))


class TestRuns:
    def test_what_wandb_says_at_the_end_is_no_validation_of_the_next_run(self, tmp_path: Path) -> None:
        summary = ["wandb: Run summary:", "wandb:      epoch 7", "wandb: train_loss 0.49", "wandb:   val_loss 3.41"]
        run = [
            line
            for k, y in enumerate(LOSSES)
            for line in (f"Epoch {k}", f"Loss:  {y}", f"Loss:  {y - 0.1:.2f}", "Evaluating...")
        ]
        log = written([*run, *summary, *run, *summary], tmp_path)
        assert log.val is None
        assert log.train is not None
        assert len(log.train.x) == 16
        assert any("2 runs" in note for note in log.notes)

    def test_a_validation_that_counts_its_epoch_stays_one(self, tmp_path: Path) -> None:
        lines = [
            line
            for k, y in enumerate(LOSSES)
            for line in (f"Epoch {k}", f"loss: {y}", "Validation:", f"Epoch {k}", f"loss: {y + 0.3:.2f}")
        ]
        log = written(lines, tmp_path)
        assert log.val is not None
        assert len(log.val.x) == 8

    def test_folds_whose_epochs_are_bars_are_runs(self, tmp_path: Path) -> None:
        lines = []
        for fold in (1, 2, 3):
            lines += [f"Starting fold {fold}/3", "Number of train indices: 800"]
            for y in LOSSES:
                lines.append(f"train loss {y + 0.01 * fold:.2f}: 100%|##########| 25/25 [00:37<00:00,  6.42it/s]")
                lines.append(f"val loss {y + 0.2:.2f}: 100%|##########| 5/5 [00:05<00:00, 10.04it/s]")
            lines.append(f"Fold {fold} loss: 0.51")
        log = written(lines, tmp_path)
        assert log.train is not None
        assert log.val is not None
        assert len(log.val.x) == 8
        assert list(log.val.x) == list(range(8))
        assert any("3 runs" in note for note in log.notes)

    def test_a_first_epoch_that_starts_again_begins_a_run(self, tmp_path: Path) -> None:
        lines = []
        for start in range(3):
            for k in range(1 if start < 2 else 8):
                lines += [f"Starting epoch {k + 1}/8", f"train loss: {LOSSES[k] + start}", f"val loss: {LOSSES[k]}"]
        log = written(lines, tmp_path)
        assert log.train is not None
        np.testing.assert_allclose(floats(log.train.y), np.add(LOSSES, 2))
        assert any("3 runs" in note for note in log.notes)

    def test_one_fold_and_an_epochs_own_validation_begin_none(self, tmp_path: Path) -> None:
        lines = ["Fold 3"]
        for k, y in enumerate(LOSSES):
            lines += [f"Starting epoch {k}", f"train loss: {y}", f"Starting validation of epoch {k}", f"val loss: {y}"]
        log = written(lines, tmp_path)
        assert log.train is not None
        assert len(log.train.x) == 8
        assert not any("runs" in note for note in log.notes)

    def test_rows_are_not_sorted_by_a_counter_that_begins_anew(self, tmp_path: Path) -> None:
        values = [3.0 / (1 + k) + 0.05 * (k % 5) for k in range(36)]
        counts = [5 * place for size in (2, 3, 4, 3, 2, 4, 3, 2, 4, 3, 3, 3) for place in range(size)]
        log = written([f"Batch {n} loss {y:.4f}" for n, y in zip(counts, values, strict=True)], tmp_path)
        assert log.train is not None
        np.testing.assert_allclose(floats(log.train.y), values, atol=1e-4)
        assert not any("sorted" in note for note in log.notes)
