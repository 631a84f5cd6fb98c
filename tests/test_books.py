"""The books of a step: when trials begin, what is told on the way, and how they end, whatever the order of telling."""

from __future__ import annotations

import math
import random
from itertools import pairwise

import optuna
import pytest

from tests.steps.hand_made import context_of, exploding, failed, falling, trained
from tunekit.books import Books
from tunekit.space import Choices
from tunekit.studies import Conclusion, Studies, open_journal
from tunekit.vocabulary import Measurement, Record, Row, StepResult, Training
from tunekit.worker import Progress

SWEPT = {"lr-sweep": {"lr": 3e-3, "range": [1e-3, 1e-2]}}


@pytest.fixture
def storage(tmp_path):
    return open_journal(tmp_path / "studies.journal")


def answer(request):
    """A training by hand: batches of 32 want a lower rate; far too high a rate diverges. Baselines are not known."""
    if isinstance(request, Measurement):
        return Record(request)
    lr, size = request.config.lr, request.config.batch_size
    if lr > 0.05:
        return trained(request, exploding(2.3, request.until))
    per_epoch = 1280 // size
    loss = 0.3 + 0.1 * abs(math.log10(lr / (1e-3 if size == 32 else 3e-3))) + 100 * request.config.weight_decay
    epochs = request.until // per_epoch
    validations = [(loss + 0.1 / (1 + k), 0.9 - loss - 0.1 / (1 + k)) for k in range(epochs)]
    losses = falling(2.3, loss, request.until)
    return trained(request, losses, validations, [[loss] * 40] * epochs, per_epoch, scores=[0.5] * len(losses))


def rows_of(record, until):
    names = ("iteration", "epoch", "lr", "train_loss", "train_accuracy", "val_loss", "val_accuracy")
    return [Row(*cells) for cells in zip(*(record.rows[name] for name in names), strict=True)][:until]


def told(record, start, end):
    """What a worker says between two iterations, as worker.py does."""
    rows = rows_of(record, end)[start:]
    shown = tuple(row for row in rows if row.val_loss is not None or record.request.shows(row.iteration))
    return Progress(end, record.request.until, rows[-1].train_loss, rows=shown)


def carry_out(context, storage, draw=None, answer=answer):
    """The step on its studies, each round's requests begun, followed and ended in an order that `draw` decides."""
    books, records = Books(context, Studies(storage)), []
    while requests := context.step.plan(context, records):
        entries = books.enter(requests, records)
        answers = [answer(entry.request) for entry in entries]
        order = list(range(len(entries)))
        if draw is not None:
            draw.shuffle(order)
        for place in order:
            entry, record = entries[place], answers[place]
            books.begin(entry)
            if draw is not None and record.iterations:
                cuts = sorted({0, record.iterations, *draw.choices(range(record.iterations + 1), k=3)})
                for start, end in pairwise(cuts):
                    books.follow(entry, told(record, start, end))
            books.end(entry, record)
        records += answers
    books.conclude(
        Conclusion("f", StepResult(context.step.name, "pass", "", handoff={"lr": 3e-3})), {"lr": 3e-3}, records
    )
    return records


def contents(storage, name):
    """All trials of a study, whatever their order: all but times."""
    study = optuna.load_study(study_name=name, storage=storage)
    return sorted(
        (
            t.user_attrs["identity"],
            t.state.name,
            t.value,
            str(t.params),
            str(t.user_attrs),
            str(sorted(t.intermediate_values.items())),
        )
        for t in study.trials
    )


def names(storage):
    return sorted(optuna.get_all_study_names(storage))


@pytest.mark.parametrize("pruner", ["none", "halving"])
@pytest.mark.parametrize("sampler", ["grid", "tpe"])
def test_the_order_of_telling_changes_neither_results_nor_what_the_studies_hold(tmp_path, pruner, sampler):
    grid = {"pruner": pruner, "sampler": sampler, "trials": 14, "epochs": 4}
    context = context_of("coarse-grid", SWEPT, search={"batch_size": [64, 32]}, steps={"coarse-grid": grid})
    once = open_journal(tmp_path / "once")
    records = carry_out(context, once)
    for seed in range(3):
        other = open_journal(tmp_path / str(seed))
        again = carry_out(context, other, random.Random(seed))
        assert [r.request.identity for r in again] == [r.request.identity for r in records]
        assert names(other) == names(once)
        for name in names(once):
            assert contents(other, name) == contents(once, name)
            studies = [optuna.load_study(study_name=name, storage=storage) for storage in (other, once)]
            assert studies[0].user_attrs == studies[1].user_attrs


class TestSweepsOfSearchedValues:
    @pytest.fixture
    def grid(self, storage):
        context = context_of("coarse-grid", SWEPT, search={"batch_size": [64, 32]})
        return carry_out(context, storage)

    def test_they_have_studies_of_their_own_and_the_grid_holds_its_cells_alone(self, storage, grid):
        assert names(storage) == ["coarse-grid", "lr-sweep/batch_size=32"]
        study = optuna.load_study(study_name="coarse-grid", storage=storage)
        assert {trial.user_attrs["purpose"] for trial in study.trials} <= {"cell", "further row"}
        assert {trial.state.name for trial in study.trials} == {"COMPLETE"}
        assert {trial.params["batch_size"] for trial in study.trials} == {64, 32}
        assert len({str(sorted(trial.distributions.items())) for trial in study.trials}) == 1

    def test_their_trials_are_scored_by_the_sweep_and_their_study_says_the_rate(self, storage, grid):
        study = optuna.load_study(study_name="lr-sweep/batch_size=32", storage=storage)
        assert (study.metric_names, study.direction.name) == (["train_loss"], "MINIMIZE")
        assert [sorted(trial.params) for trial in study.trials] == [["lr"]] * len(study.trials)
        assert {trial.user_attrs["batch_size"] for trial in study.trials} == {32}
        assert study.user_attrs["tuned"] == {"lr": 1e-3}
        assert study.user_attrs["verdict"] == "pass"
        rates = {
            t.params["lr"]
            for t in optuna.load_study(study_name="coarse-grid", storage=storage).trials
            if t.params["batch_size"] == 32
        }
        assert 1e-3 in rates
        gone = [trial for trial in study.trials if trial.params["lr"] > 0.05]
        assert {trial.state.name for trial in gone} == {"PRUNED"}
        assert all("diverged at iteration" in trial.user_attrs["reason"] for trial in gone)

    def test_one_that_failed_says_its_error_and_comes_to_nothing(self, storage):
        context = context_of("coarse-grid", SWEPT, search={"batch_size": [64, 32]})
        carry_out(context, storage, answer=lambda r: failed(r) if r.config.batch_size == 32 else answer(r))
        study = optuna.load_study(study_name="lr-sweep/batch_size=32", storage=storage)
        assert {(t.state.name, t.user_attrs["error"]) for t in study.trials} == {("FAIL", "RuntimeError: boom")}
        assert study.user_attrs == {}


class TestHalving:
    def test_a_cell_is_one_trial_from_its_first_rung_to_its_last(self, storage):
        grid = {"pruner": "halving", "epochs": 4, "extend": 0}
        carry_out(context_of("coarse-grid", SWEPT, steps={"coarse-grid": grid}), storage)
        study = optuna.load_study(study_name="coarse-grid", storage=storage)
        assert len(study.trials) == 12
        lengths = {t.number: max(t.intermediate_values) for t in study.trials}
        states = {t.number: t.state.name for t in study.trials}
        assert sorted(lengths.values()) == [1] * 6 + [2] * 3 + [4] * 3
        assert {number for number, state in states.items() if state == "COMPLETE"} == {
            number for number, length in lengths.items() if length == 4
        }
        pruned = [trial for trial in study.trials if trial.state.name == "PRUNED"]
        reasons = {f"not taken further than epoch {k}: others did better" for k in (1, 2)}
        assert {trial.user_attrs["reason"] for trial in pruned} == reasons

    def test_one_that_was_pruned_and_is_wanted_later_is_a_trial_with_its_value(self, storage):
        for pruner in ("halving", "none"):
            grid = {"pruner": pruner, "epochs": 4, "extend": 0}
            carry_out(context_of("coarse-grid", SWEPT, steps={"coarse-grid": grid}), storage)
        complete = [
            t for t in optuna.load_study(study_name="coarse-grid", storage=storage).trials if t.value is not None
        ]
        assert len({str(trial.params) for trial in complete}) == len(complete) == 12
        assert {tuple(trial.intermediate_values) for trial in complete} == {(1, 2, 3, 4)}


class TestOnTheWay:
    def test_a_trial_begins_when_it_is_taken_up_and_tells_its_epochs_while_it_runs(self, storage):
        context = context_of("coarse-grid", SWEPT, steps={"coarse-grid": {"epochs": 3}})
        books = Books(context, Studies(storage))
        entered = books.enter(context.step.plan(context, []), [])
        entry = next(entry for entry in entered if isinstance(entry.request, Training))
        study = optuna.load_study(study_name="coarse-grid", storage=storage)
        assert study.trials == []
        record = answer(entry.request)
        books.begin(entry)
        [trial] = study.trials
        assert (trial.state.name, trial.params["lr"]) == ("RUNNING", entry.request.params["lr"])
        books.follow(entry, told(record, 0, 39))
        books.follow(entry, told(record, 39, 45))
        ends = [value for _, value in record.validations("val_accuracy")]
        assert study.trials[0].intermediate_values == {1: ends[0], 2: ends[1]}
        books.end(entry, record)
        assert study.trials[0].intermediate_values == {1: ends[0], 2: ends[1], 3: ends[2]}
        assert study.trials[0].value == ends[-1]

    def test_a_long_one_says_every_few_seconds_how_far_it_is(self, storage, monkeypatch):
        now = [0.0]
        monkeypatch.setattr("tunekit.books.time.monotonic", lambda: now[0])
        context = context_of("coarse-grid", SWEPT)
        books = Books(context, Studies(storage))
        entry = books.enter(context.step.plan(context, []), [])[0]
        books.begin(entry)
        seen = []
        for done in range(1, 13):
            now[0] = float(done)
            books.follow(entry, Progress(done, 100, 2.0 - done / 10))
            [trial] = optuna.load_study(study_name="coarse-grid", storage=storage).trials
            seen.append((trial.user_attrs.get("iteration"), trial.user_attrs.get("train_loss")))
        assert seen[4] == (None, None)
        assert seen[5] == (6, pytest.approx(1.4))
        assert seen[11] == (12, pytest.approx(0.8))
        record = answer(entry.request)
        books.end(entry, record)
        [trial] = optuna.load_study(study_name="coarse-grid", storage=storage).trials
        assert trial.user_attrs["iteration"] == record.iterations

    def test_what_measures_the_data_alone_is_no_trial(self, storage):
        context = context_of("check-init-loss")
        books = Books(context, Studies(storage))
        entries = books.enter(context.step.plan(context, []), [])
        for entry in entries:
            books.begin(entry)
        study = optuna.load_study(study_name="check-init-loss", storage=storage)
        assert len(entries) == len(study.trials) + 2  # the data, and what a batch shows
        assert [trial.params for trial in study.trials] == [{"seed": number} for number in range(len(study.trials))]

    def test_trials_of_other_settings_and_of_killed_commands_are_gone_with_the_step(self, storage):
        """What the study holds is what the step came to."""
        wide = context_of("lr-sweep", steps={"lr-sweep": {"iterations": 300}})
        books = Books(wide, Studies(storage))
        for entry in books.enter(wide.step.plan(wide, []), []):
            books.begin(entry)
        for iterations in (200, 100):
            carry_out(context_of("lr-sweep", steps={"lr-sweep": {"iterations": iterations}}), storage)
            trials = optuna.load_study(study_name="lr-sweep", storage=storage).trials
            assert {trial.user_attrs["iterations"] for trial in trials} == {iterations}
            assert {trial.state.name for trial in trials} == {"COMPLETE", "PRUNED"}
            assert len(trials) == len({trial.params["lr"] for trial in trials})

    def test_trials_of_values_that_are_not_searched_any_more_do_not_run_for_ever(self, storage):
        searched = context_of("coarse-grid", SWEPT, search={"batch_size": [64, 32]})
        books = Books(searched, Studies(storage))
        for entry in books.enter(searched.step.plan(searched, []), []):
            books.begin(entry)
        carry_out(context_of("coarse-grid", SWEPT), storage)
        left = optuna.load_study(study_name="lr-sweep/batch_size=32", storage=storage).trials
        assert {(trial.state.name, trial.user_attrs["reason"]) for trial in left} == {
            ("PRUNED", "not asked for any more")
        }


def test_a_grid_that_grows_stays_one_study_with_one_distribution_an_axis(storage):
    context = context_of("coarse-grid", SWEPT)

    def higher(request):
        if isinstance(request, Measurement):
            return Record(request)
        loss = 2.0 - 0.3 * math.log10(request.config.lr) - 0.2 * math.log10(request.config.weight_decay + 1e-6)
        epochs = request.until // 20
        return trained(
            request, falling(9, loss, request.until), [(loss, 1 / loss)] * epochs, [[loss, loss + 1] * 20] * epochs
        )

    records = carry_out(context, storage, answer=higher)
    study = optuna.load_study(study_name="coarse-grid", storage=storage)
    cells = [record for record in records if isinstance(record.request, Training)]
    assert {record.request.purpose for record in cells} == {"cell", "further row"}
    assert len(study.trials) == len(cells)
    assert len({str(sorted(trial.distributions.items())) for trial in study.trials}) == 1
    space = optuna.search_space.intersection_search_space(study.get_trials())
    assert set(space) == {"lr", "weight_decay"}


def test_a_search_that_was_added_later_is_an_axis_of_every_trial(storage):
    for search in ({}, {"batch_size": [64, 32]}):
        carry_out(context_of("coarse-grid", SWEPT, search=search), storage)
    study = optuna.load_study(study_name="coarse-grid", storage=storage)
    space = optuna.search_space.intersection_search_space(study.get_trials())
    assert set(space) == {"lr", "weight_decay", "batch_size"}
    assert {trial.params["batch_size"] for trial in study.trials} == {64, 32}


def test_values_of_a_list_stay_themselves_in_the_hand_off(storage):
    search = {"model.args.hidden": [[8], [16, 16]], "ema": [None, 0.99]}
    context = context_of("coarse-grid", SWEPT, search=search, steps={"coarse-grid": {"sampler": "tpe", "trials": 8}})
    assert context.step.space(context, [])["ema"] == Choices((None, 0.99))
    records = [record for record in carry_out(context, storage) if isinstance(record.request, Training)]
    assert all(record.params["model.args.hidden"] in ([8], [16, 16]) for record in records)
    assert {record.params["ema"] for record in records} <= {None, 0.99}
