"""A study behind its door: books that survive a kill, values that may not be told, draws that do not depend on when."""

import itertools
import math
import shutil
from dataclasses import dataclass, field

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from tunekit.space import Choices, Range
from tunekit.studies import (
    Conclusion,
    Studies,
    Study,
    in_one_line,
    open_database,
    open_journal,
    read_address,
)
from tunekit.vocabulary import Finding, StepResult, Suggestion, UserError

SPACE = {
    "lr": Range(1e-4, 1.0, log=True),
    "weight_decay": Choices((0.0, 1e-4)),
    "model.args.hidden": Choices(([32], [64, 64])),
    "seed": Range(0, 9),
}


@pytest.fixture
def journal(tmp_path):
    return tmp_path / "studies.journal"


@dataclass
class Config:
    folder: str = "lr1e-1_a"


@dataclass
class Asked:
    """A request, as far as a study looks at it."""

    trial_identity: str
    params: dict
    purpose: str = "cell"
    round: int = 1
    config: Config = field(default_factory=Config)


def study_of(journal, maximize=True, space=SPACE, metric="val_accuracy") -> Study:
    return Studies(open_journal(journal)).study("coarse-grid", space, metric, maximize)


def loaded(journal, name="coarse-grid"):
    return optuna.load_study(study_name=name, storage=open_journal(journal))


def trials(journal):
    return loaded(journal).trials


def finished(study, name, value, **params):
    study.finish(study.begin(Asked(name, params)), value)


def test_a_trial_keeps_its_parameters_value_course_and_what_it_was_asked_for(journal):
    study = study_of(journal)
    params = {"lr": 0.003, "weight_decay": 0.0, "model.args.hidden": [64, 64], "seed": 3, "batch_size": 32}
    number = study.begin(Asked("a@100", params))
    study.report(number, [(22, 0.8), (44, 0.91)])
    study.finish(number, 0.91)
    [trial] = trials(journal)
    assert trial.params == {"lr": 0.003, "weight_decay": 0.0, "model.args.hidden": "[64, 64]", "seed": 3}
    assert trial.distributions == {
        "lr": FloatDistribution(1e-4, 1.0, log=True),
        "weight_decay": CategoricalDistribution([0.0, 1e-4]),
        "model.args.hidden": CategoricalDistribution(["[32]", "[64, 64]"]),
        "seed": IntDistribution(0, 9),
    }
    assert (trial.value, trial.intermediate_values) == (0.91, {22: 0.8, 44: 0.91})
    asked_for = {"identity": "a@100", "purpose": "cell", "round": 1, "training": "lr1e-1_a"}
    assert trial.user_attrs == {**asked_for, "batch_size": 32}  # which is no axis of the study
    assert loaded(journal).metric_names == ["val_accuracy"]


@pytest.mark.parametrize(
    ("values", "wanted", "category"),
    [
        ((32, 128), 128, 128),
        (("sgd", "adam"), "adam", "adam"),
        ((None, 0.9), None, None),
        ((True, False), False, False),
        ((1, True), True, "true"),  # which Optuna takes for one another
        ((1, True), 1, "1"),
        (({"name": "cosine"}, "constant"), {"name": "cosine"}, '{"name": "cosine"}'),
        ((32, 32, 64), 64, 64),
    ],
)
def test_every_value_of_a_list_is_a_category_and_comes_back_as_it_was(journal, values, wanted, category):
    study = study_of(journal, space={"axis": Choices(values)})
    finished(study, "a", 1.0, axis=wanted)
    [trial] = trials(journal)
    assert trial.params["axis"] == category
    assert type(trial.params["axis"]) is type(category)
    drawn = [study.suggest(drawing(number, "random", 0), 0)[1]["axis"] for number in range(20)]
    kinds = {(type(value), str(value)) for value in drawn}
    assert kinds == {(type(value), str(value)) for value in values}


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf])
def test_what_has_no_finite_value_is_pruned_with_its_reason_and_never_best(journal, value):
    # Optuna itself makes NaN a failed trial and infinity a finished one, which would then be the best.
    study = study_of(journal)
    good, bad = study.begin(Asked("good", {"lr": 0.1})), study.begin(Asked("bad", {"lr": 0.2}))
    study.finish(good, 0.5)
    study.finish(bad, value, "diverged at iteration 7")
    found = trials(journal)
    assert found[bad].state == optuna.trial.TrialState.PRUNED
    assert found[bad].user_attrs["reason"] == "diverged at iteration 7"
    assert loaded(journal).best_trial.number == good


def test_a_failed_trial_says_its_error_and_the_next_attempt_is_another_trial(journal):
    study = study_of(journal)
    running, failed = study.begin(Asked("running", {"lr": 0.1})), study.begin(Asked("failed", {"lr": 0.2}))
    study.finish(failed, None, error="ValueError: boom")
    again = study_of(journal)
    assert again.begin(Asked("running", {"lr": 0.1})) == running
    fresh = again.begin(Asked("failed", {"lr": 0.2}))
    assert fresh not in (running, failed)
    assert again.finish(running, 0.7)
    assert again.finish(running, 0.7)  # telling twice changes nothing
    assert not again.finish(running, 0.1)
    found = trials(journal)
    assert (found[running].value, found[failed].state.name) == (0.7, "FAIL")
    assert found[failed].user_attrs["error"] == "ValueError: boom"


def test_a_value_on_the_way_is_kept_once_and_only_where_it_is_finite(journal):
    study = study_of(journal, metric="train_loss")
    number = study.begin(Asked("a", {"lr": 0.1}))
    study.report(number, [(1, 2.3), (2, math.nan), (3, math.inf)])
    before = journal.stat().st_size
    study.report(number, [(1, 2.3)])
    assert journal.stat().st_size == before
    again = study_of(journal, metric="train_loss")
    again.report(number, [(1, 2.3), (4, 2.0)])
    assert trials(journal)[number].intermediate_values == {1: 2.3, 4: 2.0}
    again.finish(number, 2.0)
    again.report(number, [(5, 1.0)])
    assert trials(journal)[number].intermediate_values == {1: 2.3, 4: 2.0}


@pytest.mark.parametrize("told", ["report", "finish"])
def test_a_trial_that_somebody_else_ended_stays_as_it_is_and_ours_is_another(journal, told):
    study = study_of(journal)
    number = study.begin(Asked("a", {"lr": 0.1}))
    loaded(journal).tell(number, state=optuna.trial.TrialState.FAIL)
    if told == "report":
        study.report(number, [(1, 0.5)])
    assert not study.finish(number, 0.5)
    other = study.begin(Asked("a", {"lr": 0.1}), anew=True)
    assert study.finish(other, 0.5)
    assert [(trial.state.name, trial.value) for trial in trials(journal)] == [("FAIL", None), ("COMPLETE", 0.5)]
    assert study_of(journal).begin(Asked("a", {"lr": 0.1})) == other


def test_a_study_that_is_deleted_while_it_is_written_is_told_in_one_line(journal):
    study = study_of(journal)
    number = study.begin(Asked("a", {"lr": 0.1}))
    optuna.delete_study(study_name="coarse-grid", storage=open_journal(journal))

    def go_on():
        study.finish(number, 0.5)
        study.begin(Asked("b", {"lr": 0.2}))

    with pytest.raises(UserError, match="was deleted meanwhile; give the same command again"), in_one_line():
        go_on()
    with pytest.raises(KeyError, match="mine"), in_one_line():
        raise KeyError("mine")


def test_a_study_of_two_objectives_that_somebody_made_is_made_anew(journal):
    optuna.create_study(study_name="coarse-grid", storage=open_journal(journal), directions=["minimize", "maximize"])
    finished(study_of(journal), "a", 0.5, lr=0.1)
    assert loaded(journal).best_value == 0.5


def test_a_value_outside_its_axis_is_refused_and_nothing_is_written(journal):
    study = study_of(journal)
    before = journal.read_bytes()
    for params in ({"lr": 2.0}, {"seed": 10}, {"weight_decay": 1e-3}):
        with pytest.raises(ValueError):
            study.begin(Asked("a", params))
    assert journal.read_bytes() == before


def test_the_lock_of_another_program_is_neither_waited_for_nor_taken(journal):
    """Optuna takes one for each entry; ours are single appended writes."""
    study_of(journal)
    lock = journal.parent / f"{journal.name}.lock"
    lock.symlink_to(journal)
    finished(study_of(journal), "a", 1.0, lr=0.1)
    assert lock.is_symlink()
    assert [trial.value for trial in trials(journal)] == [1.0]


class TestAxesThatWereChanged:
    """Optuna holds an axis to its first distribution, so the study is made anew."""

    def test_trials_that_fit_stay_with_their_times_and_all_have_one_distribution_an_axis(self, journal):
        study = study_of(journal)
        finished(study, "a", 0.5, lr=0.1, weight_decay=1e-4)
        running = study.begin(Asked("b", {"lr": 0.2, "weight_decay": 0.0}))
        before = trials(journal)
        wider = {**SPACE, "lr": Range(1e-5, 10.0, log=True), "weight_decay": Choices((0.0, 1e-4, 1e-3))}
        other = study_of(journal, space=wider)
        finished(other, "c", 0.6, lr=5.0, weight_decay=1e-3)
        other.finish(other.begin(Asked("b", {"lr": 0.2, "weight_decay": 0.0})), 0.7)
        found = trials(journal)
        assert [trial.value for trial in found] == [0.5, 0.7, 0.6]
        assert [trial.params for trial in found[:2]] == [trial.params for trial in before]
        assert (found[0].datetime_start, found[0].datetime_complete) == (
            before[0].datetime_start,
            before[0].datetime_complete,
        )
        assert found[running].datetime_start == before[running].datetime_start
        assert len({str(sorted(trial.distributions.items(), key=str)) for trial in found}) == 1

    def test_trials_that_do_not_fit_are_asked_for_again(self, journal):
        finished(study_of(journal), "a", 0.5, **{"model.args.hidden": [32]})
        other = study_of(journal, space={"model.args.hidden": Choices(([64, 64], [128]))})
        finished(other, "b", 0.6, **{"model.args.hidden": [128]})
        assert [trial.params["model.args.hidden"] for trial in trials(journal)] == ["[128]"]

    @pytest.mark.parametrize("other", [{"metric": "val_loss"}, {"maximize": False}])
    def test_values_of_another_objective_do_not_stay(self, journal, other):
        finished(study_of(journal), "a", 0.5, lr=0.1)
        study_of(journal, **other)
        assert trials(journal) == []
        assert loaded(journal).metric_names == [other.get("metric", "val_accuracy")]

    def test_what_an_optuna_user_added_is_never_lost(self, journal):
        finished(study_of(journal), "a", 0.5, lr=0.1)
        loaded(journal).set_user_attr("mine", "kept")
        loaded(journal).add_trial(
            optuna.trial.create_trial(
                params={"lr": 0.9}, distributions={"lr": FloatDistribution(0.5, 1.0, log=True)}, value=0.9
            )
        )
        for narrower in (0.2, 0.3):
            study_of(journal, space={**SPACE, "lr": Range(0.01, narrower, log=True)})
            assert [trial.params["lr"] for trial in trials(journal)] == [0.1]
        assert {*optuna.get_all_study_names(open_journal(journal))} == {"coarse-grid", "coarse-grid, before 1"}
        assert [trial.params["lr"] for trial in loaded(journal, "coarse-grid, before 1").trials] == [0.1, 0.9]
        assert loaded(journal).user_attrs["mine"] == "kept"

    def test_where_their_trials_fit_they_go_along_and_no_copy_stays(self, journal):
        finished(study_of(journal), "a", 0.5, lr=0.1)
        axis = FloatDistribution(1e-4, 1.0, log=True)
        loaded(journal).add_trial(optuna.trial.create_trial(params={"lr": 0.9}, distributions={"lr": axis}, value=0.9))
        study_of(journal, space={**SPACE, "lr": Range(1e-5, 2.0, log=True)})
        assert [trial.params["lr"] for trial in trials(journal)] == [0.1, 0.9]
        assert optuna.get_all_study_names(open_journal(journal)) == ["coarse-grid"]

    def test_with_another_axis_every_trial_is_asked_for_again_and_has_it(self, journal):
        """One that lacks it would hide it from Optuna's samplers."""
        finished(study_of(journal, space={"lr": SPACE["lr"]}), "a", 0.5, lr=0.1)
        space = {"lr": SPACE["lr"], "batch_size": Choices((32, 64))}
        finished(study_of(journal, space=space), "a", 0.5, lr=0.1, batch_size=32)
        assert [trial.params for trial in trials(journal)] == [{"lr": 0.1, "batch_size": 32}]
        assert set(optuna.search_space.intersection_search_space(trials(journal))) == {"lr", "batch_size"}
        finished(study_of(journal, space={"lr": SPACE["lr"]}), "a", 0.5, lr=0.1)
        assert [trial.params for trial in trials(journal)] == [{"lr": 0.1}]

    def test_the_same_axes_change_nothing(self, journal):
        finished(study_of(journal), "a", 0.5, lr=0.1)
        loaded(journal).add_trial(
            optuna.trial.create_trial(
                params={"lr": 0.9}, distributions={"lr": FloatDistribution(0.5, 1.0, log=True)}, value=0.9
            )
        )
        before = journal.read_bytes()
        study_of(journal)
        # Optuna's create_study(load_if_exists=True) leaves an entry of its own, which changes nothing.
        assert len(journal.read_bytes()[len(before) :].splitlines()) <= 1
        assert len(trials(journal)) == 2


DRAWN = {
    "lr": Range(1e-4, 1e-1, log=True),
    "weight_decay": Choices((0.0, 1e-4)),
    "model.args.hidden": Choices(([32], [64, 64])),
}


def drawing(number, sampler, seen):
    return Suggestion(number, seen, sampler, sampler, build=None, purpose="drawn cell")


def draws(study, sampler, order=(0, 1, 2, 3), waves=3, reopen=None):
    """Twelve draws in waves of four, whose trials end in this order."""
    drawn = []
    for wave in range(waves):
        if reopen:
            study = reopen()
        numbers = range(wave * 4, wave * 4 + 4)
        batch = {number: study.suggest(drawing(number, sampler, wave * 4), 3) for number in numbers}
        for place in order:
            draw, params = batch[wave * 4 + place]
            trial = study.begin(Asked(f"t{draw}", params), draw)
            study.finish(trial, -abs(math.log10(params["lr"]) + 2))
            # Read back from the trial; and those that have not begun are drawn as if none of their wave had.
            study = reopen() if reopen else study
            assert {number: study.suggest(drawing(number, sampler, wave * 4), 3) for number in numbers} == batch
        drawn += [batch[number][1] for number in numbers]
    return drawn


@pytest.mark.parametrize("sampler", ["random", "tpe"])
class TestDraws:
    def test_they_follow_from_the_draws_before_whatever_ended_first(self, tmp_path, sampler):
        once = draws(study_of(tmp_path / "once", space=DRAWN), sampler)
        for place, order in enumerate([(3, 2, 1, 0), (1, 3, 0, 2)]):
            assert draws(study_of(tmp_path / str(place), space=DRAWN), sampler, order) == once
        journal = tmp_path / "again"
        assert draws(None, sampler, reopen=lambda: study_of(journal, space=DRAWN)) == once
        assert len({params["lr"] for params in once}) == 12
        for params in once:
            assert 1e-4 <= params["lr"] <= 1e-1
            assert params["lr"] == float(f"{params['lr']:.2e}")
            assert params["model.args.hidden"] in ([32], [64, 64])

    def test_another_samplers_draws_and_other_peoples_trials_are_not_looked_at(self, tmp_path, journal, sampler):
        once = draws(study_of(tmp_path / "once", space=DRAWN), sampler)
        study = study_of(journal, space=DRAWN)
        other = "tpe" if sampler == "random" else "random"
        draws(study, other, waves=1)
        finished(study, "a cell of a grid", 0.0, lr=1e-4, weight_decay=0.0, **{"model.args.hidden": [32]})
        loaded(journal).add_trial(
            optuna.trial.create_trial(
                params={"lr": 0.01}, distributions={"lr": FloatDistribution(1e-4, 0.1, log=True)}, value=0.9
            )
        )
        assert draws(study, sampler) == once

    def test_from_other_axes_everything_is_drawn_anew(self, tmp_path, journal, sampler):
        wider = {**DRAWN, "lr": Range(1e-5, 1.0, log=True)}
        once = draws(study_of(tmp_path / "once", space=wider), sampler)
        draws(study_of(journal, space=DRAWN), sampler)
        assert draws(study_of(journal, space=wider), sampler) == once


RESULT = StepResult(
    "coarse-grid",
    "warn",
    "Best of 4 cells: lr 1e-1.",
    (Finding("best_at_edge", "warn", "the best lr, 1e-1, is the highest tried", advice=("widen it",)),),
    handoff={"lr": 0.1, "val_accuracy": 0.9, "top": [{"lr": 0.1}]},
    next="tunekit fine-run runs/r",
)
CONCLUSION = Conclusion("f", RESULT, ("cause",), ("training",), {"key": 3})
TUNED = {"lr": 0.1}


class TestConclusion:
    def test_it_is_in_attributes_of_their_own_types_and_read_back_whole(self, journal):
        study = study_of(journal)
        study.conclude(CONCLUSION, TUNED)
        assert Studies(open_journal(journal)).conclusions(["coarse-grid", "lr-sweep"]) == {"coarse-grid": CONCLUSION}
        attributes = loaded(journal).user_attrs
        assert attributes["tuned"]["lr"] == 0.1
        assert attributes["handoff"] == RESULT.handoff
        assert (attributes["verdict"], attributes["codes"]) == ("warn", ["best_at_edge"])
        assert attributes["summary"] == RESULT.summary

    def test_the_study_owns_the_hand_off(self, journal):
        """What an Optuna user changes there is what later steps get."""
        study_of(journal).conclude(CONCLUSION, TUNED)
        loaded(journal).set_user_attr("handoff", {"lr": 0.2})
        assert Studies(open_journal(journal)).conclusions(["coarse-grid"])["coarse-grid"].result.handoff == {"lr": 0.2}

    def test_a_kill_while_it_is_told_leaves_the_whole_of_it_or_none(self, journal, tmp_path):
        """The journal cut after each line, as a kill may leave it."""
        study = study_of(journal)
        finished(study, "a", 0.9, lr=0.1)
        study.conclude(CONCLUSION, TUNED)
        first = journal.read_bytes()
        other = Conclusion("g", RESULT)
        study.conclude(other, TUNED)
        lines = journal.read_bytes()[len(first) :].splitlines(keepends=True)
        assert len(lines) >= 6
        cut = tmp_path / "cut.journal"
        seen = []
        for count in range(len(lines) + 1):
            for torn in (b"", b'{"op_code": 3, "wor'):
                cut.write_bytes(first + b"".join(lines[:count]) + torn)
                seen.append(Studies(open_journal(cut)).conclusions(["coarse-grid"]).get("coarse-grid"))
        assert [group for group, _ in itertools.groupby(seen)] == [CONCLUSION, None, other]

    @pytest.mark.parametrize(("attribute", "value"), [("verdict", "banana"), ("handoff", None), ("handoff", "lr")])
    def test_attributes_that_were_made_nonsense_are_no_conclusion(self, journal, attribute, value):
        study_of(journal).conclude(CONCLUSION, TUNED)
        loaded(journal).set_user_attr(attribute, value)
        assert Studies(open_journal(journal)).conclusions(["coarse-grid"]) == {}

    @pytest.mark.parametrize("attribute", [None, "text", {}, {"fingerprint": "f"}, {"result": 3}])
    def test_what_another_version_wrote_is_none(self, journal, attribute):
        study_of(journal).conclude(CONCLUSION, TUNED)
        storage = open_journal(journal)
        storage.set_study_system_attr(storage.get_study_id_from_name("coarse-grid"), "tunekit:conclusion", attribute)
        assert Studies(storage).conclusions(["coarse-grid"]) == {}

    def test_two_runs_in_one_database_are_apart(self, tmp_path):
        url = f"sqlite:///{tmp_path}/team.db"
        for name in ("one", "two"):
            studies = Studies(open_database(read_address(url)), f"{name}/")
            conclusion = Conclusion(name, RESULT)
            studies.study("coarse-grid", SPACE, "val_accuracy", True).conclude(conclusion, TUNED)
        kept = Studies(open_database(read_address(url)), "two/").conclusions(["lr-sweep", "coarse-grid"])
        assert kept == {"coarse-grid": conclusion}


class TestNotes:
    """As optuna-dashboard reads them."""

    @pytest.fixture(autouse=True)
    def _installed(self):
        self.read = pytest.importorskip("optuna_dashboard", reason='needs pip install ".[dashboard]"').get_note

    def trial_notes(self, journal):
        study = loaded(journal)
        return {
            trial.number: note
            for trial in study.trials
            if (note := self.read(optuna.trial.Trial(study, trial._trial_id)))
        }

    def concluded(self, journal, conclusion=CONCLUSION, tuned=TUNED):
        study = study_of(journal)
        finished(study, "worse", 0.8, lr=0.01)
        finished(study, "best", 0.9, lr=0.1)
        study.conclude(conclusion, tuned)
        return study

    def test_the_study_says_what_it_came_to_and_the_best_trial_what_it_reached(self, journal):
        self.concluded(journal)
        note = self.read(loaded(journal))
        for part in (
            "## coarse-grid: warn",
            RESULT.summary,
            "`best_at_edge`",
            "- widen it",
            "| lr | 0.1 |",
            RESULT.next,
        ):
            assert part in note
        assert list(notes := self.trial_notes(journal)) == [1]
        assert "## the best of coarse-grid" in notes[1]
        assert "val_accuracy 0.9" in notes[1]
        assert "trainings/lr1e-1_a" in notes[1]

    def test_what_is_handed_on_and_is_not_the_best_has_one_too(self, journal):
        """A sweep prefers the lower neighbour of a rate that stands next to divergence."""
        result = StepResult("lr-sweep", "pass", "", handoff={"lr": 0.01})
        self.concluded(journal, Conclusion("f", result), {"lr": 0.01})
        notes = self.trial_notes(journal)
        assert notes[0].startswith("## handed on by lr-sweep\n\nval_accuracy 0.8; trial 1 has the better value\n")
        assert notes[1].startswith("## the best value of lr-sweep\n\nval_accuracy 0.9; trial 0 is handed on")

    def test_a_long_note_is_whole_and_a_shorter_one_after_it_leaves_nothing_behind(self, journal):
        study = study_of(journal)
        study.conclude(Conclusion("f", StepResult("coarse-grid", "pass", "long " * 2000)), {})
        assert self.read(loaded(journal)).count("long ") == 2000
        study.conclude(Conclusion("g", StepResult("coarse-grid", "pass", "short")), {})
        assert self.read(loaded(journal)) == "## coarse-grid: pass\n\nshort\n"

    def test_what_a_person_wrote_stays(self, journal):
        from optuna_dashboard import save_note

        study = self.concluded(journal)
        save_note(loaded(journal), "mine")
        study.conclude(Conclusion("g", StepResult("coarse-grid", "pass", "other")), {})
        assert self.read(loaded(journal)) == "mine"

    def test_what_a_person_wrote_stays_where_the_study_is_made_anew(self, journal):
        from optuna_dashboard import save_note

        self.concluded(journal)
        save_note(loaded(journal), "mine")
        save_note(optuna.trial.Trial(loaded(journal), trials(journal)[0]._trial_id), "on a trial")
        other = study_of(journal, space={**SPACE, "lr": Range(1e-3, 2.0, log=True)})
        finished(other, "worse", 0.8, lr=0.01)
        finished(other, "best", 0.9, lr=0.1)
        other.conclude(CONCLUSION, TUNED)
        assert self.read(loaded(journal)) == "mine"
        assert self.trial_notes(journal)[0] == "on a trial"
        assert "## the best of coarse-grid" in self.trial_notes(journal)[1]

    def test_one_that_is_not_the_best_any_more_loses_its_note(self, journal):
        study = self.concluded(journal)
        finished(study, "better", 0.95, lr=0.5)
        study.conclude(Conclusion("g", RESULT), {"lr": 0.5})
        assert list(self.trial_notes(journal)) == [2]

    def test_a_kill_while_it_is_put_leaves_one_that_is_put_again(self, journal, tmp_path):
        study = self.concluded(journal)
        first = journal.read_bytes()
        study.conclude(Conclusion("g", StepResult("coarse-grid", "pass", "second")), TUNED)
        lines = journal.read_bytes()[len(first) :].splitlines(keepends=True)
        cut = tmp_path / "cut.journal"
        for count in range(len(lines)):
            cut.write_bytes(first + b"".join(lines[:count]))
            again = study_of(cut)
            finished(again, "worse", 0.8, lr=0.01)
            finished(again, "best", 0.9, lr=0.1)
            again.conclude(Conclusion("h", StepResult("coarse-grid", "pass", "third")), TUNED)
            assert self.read(loaded(cut)) == "## coarse-grid: pass\n\nthird\n"


@pytest.mark.parametrize(
    "line", [b'{"op_co\x00de": 4,,}\n', b"[]\n", b'{"op_code": 99}\n', b'{"op_code": 4}\n', b"3\n"]
)
def test_a_journal_damaged_in_its_middle_is_said_with_the_way_out(journal, line):
    finished(study_of(journal), "a", 0.5, lr=0.1)
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:2], line, *lines[3:]]))
    with pytest.raises(UserError, match="is damaged; the next command that goes on"):
        study_of(journal)


def test_a_journal_cut_anywhere_is_opened_and_goes_on(journal, tmp_path):
    study = study_of(journal)
    finished(study, "a", 0.5, lr=0.1)
    number = study.begin(Asked("b", {"lr": 0.2}))
    study.report(number, [(1, 0.3), (2, 0.4)])
    study.finish(number, None, "diverged at iteration 3")
    whole = journal.read_bytes()
    cut = tmp_path / "cut.journal"
    for size in range(0, len(whole) + 1, 7):
        shutil.copy(journal, cut)
        with cut.open("rb+") as file:
            file.truncate(size)
        again = study_of(cut)
        finished(again, "a", 0.5, lr=0.1)
        number = again.begin(Asked("b", {"lr": 0.2}))
        again.report(number, [(1, 0.3), (2, 0.4)])
        again.finish(number, None, "diverged at iteration 3")
        left = [(t.state.name, t.value, t.params, t.intermediate_values, t.user_attrs) for t in trials(cut)]
        assert left == [(t.state.name, t.value, t.params, t.intermediate_values, t.user_attrs) for t in trials(journal)]
