"""Commands on damaged files, one after the other in this process, under a limit of memory and of time a call.

python calls.py FOLDER FIRST COUNT: FOLDER holds what is damaged (see test_fuzz.py); prints the calls that went wrong.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import resource
import shutil
import signal
import sys
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path

from tests.fuzz.mutations import mutated

MOST_MEMORY = 12 * 2**30  # of address space, most of which torch never touches
MOST_S = 20

RUN_FILES = ["result.json", "environment.json", "studies.journal", "recipe.yaml", "metrics.csv", "config.json"]


def cases(folder: Path, place: Path, number: int) -> tuple[str, list[str]]:
    """What is damaged in call `number`, put at `place`, and the words of the command."""
    chance = random.Random(number)
    kind = ("log", "run", "recipe", "log", "run")[number % 5]
    if kind == "log":
        samples = sorted((folder / "logs").iterdir())
        shutil.copytree(samples[number // 5 % len(samples)], place / "log")
        files = [path for path in sorted((place / "log").rglob("*")) if path.is_file()]
        path = chance.choice(files)
        path.write_bytes(mutated(path.read_bytes(), chance))
        top = next(iter(sorted((place / "log").iterdir())))
        return f"log {path.relative_to(place)}", ["diagnose", str(chance.choice([place / "log", top]))]
    if kind == "run":
        shutil.copytree(folder / "run", place / "run")
        name = RUN_FILES[number // 5 % len(RUN_FILES)]
        path = chance.choice(sorted((place / "run").rglob(name)))
        path.write_bytes(mutated(path.read_bytes(), chance))
        words = chance.choice(
            [["status", "RUN"], ["report", "RUN"], ["diagnose", "RUN"], ["diagnose", "RUN"], ["clean", "RUN"]]
        )
        return f"run {path.relative_to(place)}", [word.replace("RUN", str(place / "run")) for word in words]
    path = place / "recipe.yaml"
    path.write_bytes(mutated((folder / "recipe.yaml").read_bytes(), chance))
    command = chance.choice(["validate", "inspect", "check-init-loss"])
    return "recipe", [command, str(path), *(("--jobs", "1") if command == "check-init-loss" else ())]


@contextlib.contextmanager
def limited() -> Iterator[None]:
    def ring(_number: int, _frame: object) -> None:
        raise TimeoutError("hangs")

    signal.signal(signal.SIGALRM, ring)
    signal.alarm(MOST_S)
    try:
        yield
    finally:
        signal.alarm(0)


def call(words: list[str]) -> tuple[object, str, str]:
    from tunekit import cli

    sys.argv = ["tunekit", *words, "--debug"]
    out, err = io.StringIO(), io.StringIO()
    code: object = None
    try:
        with limited(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            cli.main()
    except SystemExit as end:
        code = end.code
    except BaseException:
        code = "raised"
        err.write(traceback.format_exc())
    return code, out.getvalue(), err.getvalue()


def outside(place: Path) -> list[str]:
    return sorted(str(path.relative_to(place)) for path in place.rglob("*"))


def main(folder: Path, first: int, count: int, give_up: int = 40) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    warnings.simplefilter("error", RuntimeWarning)
    wrong: list[dict[str, object]] = []
    done: dict[str, int] = {}
    home = Path.home()
    for number in range(first, first + count):
        place = folder / f"case{number}"
        place.mkdir()
        os.chdir(place)
        what, words = cases(folder, place, number)
        done[what.split()[0]] = done.get(what.split()[0], 0) + 1
        allowed = {path for path in outside(folder) if not path.startswith(place.name)}
        code, out, err = call(words)
        left = {path for path in outside(folder) if not path.startswith(place.name)} - allowed
        control = [char for char in out + err if not char.isprintable() and char != "\n"]
        if code not in (0, 1, 2) or left or control or outside(home):
            wrong.append({"number": number, "what": what, "words": words, "code": code, "err": err[-3000:]})
            wrong[-1] |= {"left": sorted(left), "control": control[:5]}
            if len(wrong) >= give_up:
                break
        shutil.rmtree(place)
    json.dump({"wrong": wrong, "done": done}, sys.__stdout__)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
