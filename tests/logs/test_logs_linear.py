"""No file costs a reader more than its size is worth: time and memory of files made against it, in every format."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest
from adversarial import FILES, SIZE, written

from tests.conftest import every_other_day
from tunekit.diagnosis import judge
from tunekit.logs import read
from tunekit.logs.readers import readers
from tunekit.logs.textlog import parse
from tunekit.vocabulary import UserError

RATE = 15.0
"""Seconds of processor time for a megabyte; of a file of 8 MB a reader of the square of its size would take hours.

The slowest, a text with a new name on each of its lines of 14 bytes, takes 10 seconds a megabyte at every size.
"""

SHORT = 1_000_000
"""Bytes of the files of every day, of which it would take minutes; `pytest -m long` reads such of 8 MB."""

MEMORY = 1_500_000_000
"""Address space for the same, NumPy and the interpreter among it."""

TABLES = {"brackets", "commas"}
OBJECTS = {"opening brackets", "epochs", "digits"}
PIECES = {"rows", "steps that go back", "brackets"}
DATABASES = {"rows", "one long cell", "damaged pages"}
QUICK = {
    **dict.fromkeys(("tunekit", "lightning", "keras", "ultralytics", "fastai", "timm"), TABLES),
    "csv": {"epochs that begin anew", "brackets", "commas", "rows of many columns", "zeros behind the beginning"},
    **dict.fromkeys(("openmmlab", "detectron2", "deit"), OBJECTS),
    "json": {
        "keys beside a list",
        "short lists",
        "history in history",
        "names in a long name",
        "opening brackets alone",
    },
    "huggingface": {"deep", "deep objects", "zeros", "steps"},
    "nanogpt": {"digits of an estimate", "digits of a step", "escapes that are not ended", "one line of letters"},
    "text": {"pieces", "snake case", "blanks", "digits of a number", "digits of a step", "digits, points", "bars"}
    | {"escapes that are not ended", "carriage returns", "digits"},
    "mlflow": {"words of one line", "values", "escapes that are not ended"},
    "tensorboard": {"zeros", "a length that lies", "records of an empty field", "points", "empty fields 3 deep"},
    **dict.fromkeys(("catboost", "dvclive"), PIECES),
    "allennlp": {"names of one object", "opening braces"},
    "ludwig": {"short lists", "measures", "splits"},
    "flair": {"brackets", "commas", "quoted rows"},
    **dict.fromkeys(("mlflow-db", "trackio"), DATABASES),
    **dict.fromkeys(("wandb-csv", "tensorboard-csv"), TABLES),
    "wandb": {"zeros", "empty middles", "middles", "lengths that lie", "deep values"},
    "dictionaries": {"dictionaries", "keys", "open dictionaries", "braces and quotation marks"},
    "boosting": {"rounds", "names of sets", "names of one round", "blanks in a set"},
    "keras-output": {"epochs of bars", "states of a bar of Keras", "names of a state", "places"},
    "tables": {"rows", "headers", "other headers", "blanks of a table"},
    "spacy": {"rows of spaCy", "bars of a table"},
    "darknet": {"iterations of Darknet", "digits of Darknet"},
    "dl4j": {"scores"},
    "fairseq": {"epochs of fairseq", "parts of fairseq", "states of fairseq"},
    "ultralytics-output": {"epochs of YOLO", "words of YOLO"},
    "notebook": {"cells of a line", "lines of one cell", "rows of a table", "tags that are not ended", "attributes"}
    | {"comments", "entities"},
    "markdown": {"fences", "blocks", "quotation marks", "indented lines and others", "one block"},
}
"""Reader -> the shapes that once took longest, or fill memory, and now take a second or two."""


def read_under_limits(reader: str, folder: Path, names: set[str], size: int) -> None:
    """Read each of the files in a process with limits of time and memory, which says what it has read."""
    done = subprocess.run(
        [sys.executable, __file__, reader, str(folder), str(size), *sorted(names)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert set(done.stdout.splitlines()) == names, f"exit code {done.returncode}\n{done.stderr}"


def test_every_reader_has_files_made_against_it() -> None:
    assert len(readers()) == 37
    assert set(FILES) == set(QUICK) == set(readers())
    assert SIZE == 8_000_000


@pytest.mark.parametrize("reader", every_other_day(sorted(QUICK)))
def test_reads_what_once_took_long(reader: str, tmp_path: Path) -> None:
    read_under_limits(reader, tmp_path, QUICK[reader], SHORT)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("reader", sorted(FILES))
def test_reads_whatever_is_made_against_it(reader: str, tmp_path: Path) -> None:
    read_under_limits(reader, tmp_path, set(FILES[reader][1]), SIZE)


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "line",
    [
        "a_" * 50 + "x",
        "/".join(["some_word_in_snake_case"] * 30) + " x",
        "loss" + " " * 3900 + "x",
        "loss " + "1" * 3900 + "/",
        "step " + "1" * 3900 + "%",
        "1%|" * 1300,
        "[=" * 1900,
        "loss (" * 600,
    ],
)
def test_a_line_is_taken_apart_at_once(line: str) -> None:
    started = time.process_time()
    for _ in range(20):
        parse(line)
    assert time.process_time() - started < 5  # twenty lines of the longest take 50 ms; one took 12 s


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("name", "refusal"),
    [
        ("events.out.tfevents.1.host", None),
        ("trainer_state.json", "GB is more than a log has"),
        ("run.wandb", "does not begin like"),
        ("log.csv", "not a log that tunekit knows"),
        ("train.log", "not a log that tunekit knows"),
    ],
)
def test_a_sparse_file_of_zeros_is_not_read_to_its_end(name: str, refusal: str | None, tmp_path: Path) -> None:
    with (tmp_path / name).open("wb") as file:
        file.truncate(1_900_000_000)
    started = time.process_time()
    if refusal is None:
        assert read(tmp_path / name)[0].points == 0
    else:
        with pytest.raises(UserError, match=refusal):
            read(tmp_path / name)
    assert time.process_time() - started < 5


def main(reader: str, folder: Path, size: int, names: set[str]) -> None:
    """What a process of its own does: recognise and read each file, and judge what it holds."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    for name, path in written(reader, folder, names, size):
        end = int(time.process_time() + RATE * size / 1e6)
        resource.setrlimit(resource.RLIMIT_CPU, (end, resource.RLIM_INFINITY))
        assert 0.0 <= readers()[reader].recognise(path) <= 1.0
        try:
            judge(read(path, format=reader)[0])
        except UserError as error:
            if "memory" in str(error):
                raise
        print(name, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), set(sys.argv[4:]))


@pytest.mark.parametrize("place", ["trainings", "trainings/x", "trainings/x/metrics.csv", "notes"])
def test_a_link_out_of_a_run_is_not_followed_from_below_either(tmp_path, place):
    """The run may come from anybody, and the person looks into a part of it."""
    run = tmp_path / "run"
    (run / "trainings/x").mkdir(parents=True)
    (run / "notes").mkdir()
    (run / "environment.json").write_text("{}")
    (tmp_path / "secret.csv").write_text("epoch,loss\n1,2\n2,1\n")
    (run / "trainings/x/metrics.csv").symlink_to(tmp_path / "secret.csv")
    (run / "notes/log.csv").symlink_to(tmp_path / "secret.csv")
    with pytest.raises(UserError, match=r"is a link to .*secret\.csv, outside the run"):
        read(run / place)
