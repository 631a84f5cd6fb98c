"""Tables that people and tools write, each in its own way: names, separators, layouts."""

from __future__ import annotations

from pathlib import Path

from tunekit.logs import read
from tunekit.logs.log import floats
from tunekit.vocabulary import Curve


def values(curve: Curve | None) -> list[float]:
    return [] if curve is None else [float(value) for value in floats(curve.y)]


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


FALLING = [2.0, 1.5, 1.2, 1.0, 0.9, 0.85]


class TestColumns:
    def test_columns_of_one_name_stay_apart(self, tmp_path: Path) -> None:
        rows = "".join(f"{k},{loss},{loss + 7},{loss + 0.1}\n" for k, loss in enumerate(FALLING))
        (log,) = read(written(tmp_path / "log.csv", f"epoch,train_loss,train_loss,val_loss\n{rows}"))
        assert values(log.train) == FALLING
        assert len(values(log.val)) == len(FALLING)

    def test_an_export_of_two_runs_of_one_name(self, tmp_path: Path) -> None:
        head = '"Step","a - loss","a - loss__MIN","a - loss__MAX","a - loss","a - loss__MIN","a - loss__MAX"\n'
        rows = "".join(f'"{k}",{",".join([f"{loss}"] * 3 + [f"{loss + 3}"] * 3)}\n' for k, loss in enumerate(FALLING))
        (log,) = read(written(tmp_path / "export.csv", head + rows))
        assert values(log.train) == FALLING
