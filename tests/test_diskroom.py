"""Room on the disk: the estimate by hand, against what small runs really take, and what is said of it."""

import json
import re
import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from tests.commands import recipe
from tunekit.configuration import OptimizerSpec
from tunekit.diskroom import Planned, Sizes, peak, room, shown, sizes_of, warning
from tunekit.recipe.optimizers import states
from tunekit.roomwatch import RoomWatch
from tunekit.roomwatch import room as estimate
from tunekit.supervisor import Supervisor

SIZES = Sizes(checkpoint=3000, best=1000)


def test_a_training_takes_its_weights_its_rows_and_the_losses_of_its_samples():
    assert room([Planned(10, 2, 100)], SIZES) == 3000 + 1000 + 10 * 70 + 2 * 100 * 8
    assert room([Planned(10, 0, 100)], SIZES) == 3000 + 10 * 70  # never validated: there is no best epoch
    assert room([Planned(10, 2, 100, begins=False)], SIZES) == 10 * 70 + 2 * 100 * 8
    assert room([Planned(1, 1, 0)] * 3, SIZES) == 3 * room([Planned(1, 1, 0)], SIZES)
    assert room([], SIZES) == 0


def test_a_run_holds_what_earlier_steps_left_beside_a_steps_own():
    one = Planned(0, 1, 0)
    assert peak([[one] * 9, [one] * 12, [one]], SIZES, kept=5) == (5 + 12) * 4000
    assert peak([[one] * 12, [one]], SIZES, kept=5) == 12 * 4000


def test_an_optimizers_state_is_a_copy_of_the_weights_for_each_of_its_tensors():
    plain, adam = sizes_of(10**6, 4, 0, False), sizes_of(10**6, 4, 2, False)
    assert adam.checkpoint == pytest.approx(3 * plain.checkpoint, rel=0.02)
    assert adam.best == plain.best == plain.checkpoint
    assert sizes_of(10**6, 4, 0, True).checkpoint == sizes_of(10**6, 4, 1, False).checkpoint


@pytest.mark.parametrize(
    ("target", "args", "count"),
    [("sgd", {}, 0), ("sgd", {"momentum": 0.9}, 1), ("torch.optim:SGD", {}, 0), ("adam", {}, 2), ("own:Best", {}, 2)],
)
def test_what_an_optimizer_keeps_of_each_parameter(target, args, count):
    assert states(OptimizerSpec(target, args)) == count


def test_nothing_is_said_of_little_and_too_little_is_said_to_be():
    assert warning("lr-sweep", 100, 9, 1000) == ""
    assert warning("lr-sweep", 200, 9, 1000) == (
        "lr-sweep will take about 200 bytes of the disk for 9 trainings; 1.0 kB are free"
    )
    assert "too little, so free space" in warning("lr-sweep", 2000, 9, 1000)


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (1.9e9, "1.9 GB"), (2e12, "2.0 TB")]
)
def test_bytes_as_a_person_reads_them(size, text):
    assert shown(size) == text


def used(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_the_estimate_is_near_what_a_run_really_takes(tunekit, tmp_path, monkeypatch, optimizer):
    """What each round was said to take, against what the step had added when it ended; and what `inspect` said of the
    whole run, against its true peak."""
    path = recipe(tmp_path, optimizer=f"{{target: {optimizer}, lr: 1e-3}}", model="{target: mlp, args: {hidden: [64]}}")
    told, before, grew, held = {}, {}, {}, []
    begin, tidy = RoomWatch.begin, Supervisor._tidy

    def spy(watch, requests):
        begin(watch, requests)
        name = watch._context.step.name
        before.setdefault(name, used(watch._store.root))
        told[name] = told.get(name, 0) + estimate(watch._planned, watch._sizes)

    def measured(supervisor, context, records, handed_on):
        held.append(used(supervisor.run.trainings))
        grew[context.step.name] = held[-1] - before[context.step.name]
        tidy(supervisor, context, records, handed_on)

    monkeypatch.setattr(RoomWatch, "begin", spy)
    monkeypatch.setattr(Supervisor, "_tidy", measured)
    assert tunekit("run", path, "--jobs", 1, "--keep-going").code in (0, 1)
    for name in ("overfit-tiny", "lr-sweep", "coarse-grid", "fine-run"):
        assert 1 / 1.5 < told[name] / grew[name] < 1.5, name
    said = json.loads(tunekit("inspect", path, "--json").out)["disk"]
    assert 1 / 1.5 < said["bytes"] / max(held) < 1.5


Usage = namedtuple("Usage", "total used free")


@pytest.mark.parametrize(("free", "too_little"), [(10**6, False), (1000, True)])
def test_a_step_that_needs_much_of_what_is_free_says_so_once_and_goes_on(tunekit, fast, monkeypatch, free, too_little):
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage(10**9, 0, free))
    done = tunekit("run", fast, "--jobs", 1, "--to", "lr-sweep")
    assert done.code == 0
    said = re.findall(
        r"lr-sweep will take about [\d.]+ kB of the disk for 5 trainings; [\d.]+ [kM]B are free(: too little)?",
        " ".join(done.out.split()),
    )
    assert said == [": too little" if too_little else ""]


def test_inspect_says_what_a_run_will_take(tunekit, fast):
    said = r"disk: a run takes about [\d.]+ kB for about \d+ trainings; [\d.]+ \wB are free here"
    assert re.search(said, tunekit("inspect", fast).out)


def test_a_dry_run_of_a_run_says_what_is_left_of_it(tunekit, fast):
    assert tunekit("run", fast, "--to", "overfit-tiny").code == 0
    kept = [Path("runs/fast-001/recipe.yaml"), *Path("runs/fast-001").rglob("result.json")]
    before = [path.stat().st_mtime_ns for path in kept]
    left = json.loads(tunekit("run", "runs/fast-001", "--dry-run", "--json").out)
    assert [step["step"] for step in left["steps"]] == ["lr-sweep", "coarse-grid", "fine-run", "diagnose"]
    assert tunekit("overfit-tiny", "runs/fast-001", "--dry-run").out == "nothing is left to do: the step is finished\n"
    again = json.loads(tunekit("run", fast, "--dry-run", "--json").out)  # the run that the recipe goes on with
    assert again["iterations"] == left["iterations"]
    longer = ("--set", "steps.overfit-tiny.epochs=7")
    assert "overfit-tiny" in tunekit("overfit-tiny", "runs/fast-001", "--dry-run", *longer).out
    assert before == [path.stat().st_mtime_ns for path in kept]


def test_a_dry_run_says_what_would_be_trained_and_makes_no_run(tunekit, fast, tmp_path):
    done = tunekit("run", fast, "--dry-run")
    assert done.code == 0, done.err
    assert re.search(
        r"lr-sweep +5 +150 +\d+ s +[\d.]+ kB *\n", done.out
    )  # 1e-3 to 1e-1 in half decades, 30 iterations each
    assert re.search(r"disk: a run takes about .* for about \d+ trainings; .* are free here\n", done.out)
    assert not (tmp_path / "runs").exists()
    outlook = json.loads(tunekit("run", fast, "--dry-run", "--json").out)
    assert outlook["trainings"] == sum(row["trainings"] for row in outlook["steps"])
    assert all(step.pop("seconds") > 0 for step in [outlook, *outlook["steps"]])
    known = json.loads(tunekit("inspect", fast, "--json").out)["disk"]  # which times nothing
    assert all(step.pop("seconds") is None for step in [known, *known["steps"]])
    assert outlook == known | {"free": outlook["free"]}
