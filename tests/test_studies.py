"""Optuna behind its door: books that survive a kill, values that may not be told, draws that do not depend on when."""

import math
from types import SimpleNamespace

import optuna
import pytest

from tunekit.studies import Conclusion, Studies, Study, open_storage
from tunekit.vocabulary import StepResult, UserError

CHOICES = {"model.args.hidden": [[32], [64, 64]]}


@pytest.fixture
def journal(tmp_path):
    return tmp_path / "studies.journal"


def asked(identity, params):
    """A request, as far as a study looks at it."""
    return SimpleNamespace(identity=identity, params=params, purpose="cell", round=1)


def study_of(journal, maximize=True, choices=CHOICES) -> Study:
    return Studies(open_storage(journal)).study("coarse-grid", maximize, choices)


def trials(journal):
    storage = open_storage(journal)
    return optuna.load_study(study_name="coarse-grid", storage=storage).trials


def test_a_trial_keeps_its_parameters_value_curve_and_identity(journal):
    study = study_of(journal)
    number = study.begin(
        asked("a@100", {"lr": 0.003, "weight_decay": 0.0, "model.args.hidden": [64, 64], "batch_size": 32})
    )
    study.finish(number, 0.91, [(22, 0.8), (44, 0.91)])
    [trial] = trials(journal)
    assert trial.params == {"lr": 0.003, "weight_decay": 0.0, "model.args.hidden": "[64, 64]", "batch_size": 32}
    assert trial.value == 0.91
    assert trial.intermediate_values == {22: 0.8, 44: 0.91}
    assert trial.user_attrs == {"identity": "a@100", "purpose": "cell", "round": 1}


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf])
def test_what_has_no_finite_value_is_pruned_with_its_reason_and_never_best(journal, value):
    # Optuna itself makes NaN a failed trial and infinity a finished one, which would then be the best.
    study = study_of(journal)
    good = study.begin(asked("good", {"lr": 0.1}))
    study.finish(good, 0.5)
    bad = study.begin(asked("bad", {"lr": 0.2}))
    study.finish(bad, value, reason="diverged at iteration 7")
    found = trials(journal)
    assert found[bad].state == optuna.trial.TrialState.PRUNED
    assert found[bad].user_attrs["reason"] == "diverged at iteration 7"
    assert optuna.load_study(study_name="coarse-grid", storage=open_storage(journal)).best_trial.number == good


def test_what_has_no_parameters_is_a_trial_too(journal):
    study = study_of(journal)
    number = study.begin(asked("the data", {}))
    study.finish(number, None, reason="measured, not scored")
    study.finish(study.begin(asked("one", {"seed": 0})), 0.5)
    again = study_of(journal)
    assert again.begin(asked("the data", {})) == number
    assert [(trial.params, trial.state.name) for trial in trials(journal)] == [
        ({}, "PRUNED"),
        ({"seed": 0}, "COMPLETE"),
    ]
    assert again.importance() == {}


def test_a_continued_study_takes_up_what_stands_and_asks_failed_cells_again(journal):
    study = study_of(journal)
    running, failed = study.begin(asked("running", {"lr": 0.1})), study.begin(asked("failed", {"lr": 0.2}))
    study.finish(failed, None, reason="raised", failed=True)
    again = study_of(journal)
    assert again.begin(asked("running", {"lr": 0.1})) == running
    fresh = again.begin(asked("failed", {"lr": 0.2}))
    assert fresh not in (running, failed)
    again.finish(running, 0.7)
    again.finish(running, 0.1)  # telling twice changes nothing
    assert trials(journal)[running].value == 0.7


def test_a_trial_killed_before_it_had_a_name_is_closed(journal):
    study = study_of(journal)
    orphan = study._study.ask({"lr": optuna.distributions.FloatDistribution(0, 1)})
    study_of(journal)
    assert trials(journal)[orphan.number].state == optuna.trial.TrialState.FAIL


def test_a_lock_left_by_a_killed_writer_holds_nobody_up(journal):
    study_of(journal)
    (journal.parent / f"{journal.name}.lock").symlink_to(journal)
    study = study_of(journal)  # would wait for half a minute
    study.finish(study.begin(asked("a", {"lr": 0.1})), 1.0)
    assert [trial.value for trial in trials(journal)] == [1.0]


def test_axes_that_were_changed_make_the_study_anew(journal):
    study = study_of(journal)
    study.finish(study.begin(asked("a", {"model.args.hidden": [32]})), 0.5)
    other = study_of(journal, choices={"model.args.hidden": [[32], [128]]})
    other.finish(other.begin(asked("b", {"model.args.hidden": [128]})), 0.6)
    assert [trial.params["model.args.hidden"] for trial in trials(journal)] == ["[128]"]


SPACE = {"lr": {"low": 1e-4, "high": 1e-1, "log": True}, "weight_decay": [0.0, 1e-4], **CHOICES}


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_draws_follow_from_the_history_alone(tmp_path, sampler):
    def draws(journal, reopen: bool) -> list[dict]:
        study, found = study_of(journal), []
        for number in range(12):
            if reopen:
                study = study_of(journal)
            params = study.suggest(number, SPACE, sampler, seed=3)
            found.append(params)
            assert study.suggest(number, SPACE, sampler, seed=3) == params
            trial = study.begin(asked(f"t{number}", params), number)
            study.finish(trial, -abs(math.log10(params["lr"]) + 2))
            assert study.suggest(number, SPACE, sampler, seed=3) == params  # told: read back from the trial
        return found

    once = draws(tmp_path / "once", reopen=False)
    assert once == draws(tmp_path / "again", reopen=True)
    assert len({params["lr"] for params in once}) == 12
    assert all(
        1e-4 <= params["lr"] <= 1e-1 and params["model.args.hidden"] in CHOICES["model.args.hidden"] for params in once
    )


def test_importance_names_the_axis_that_matters_and_is_silent_on_few_trials(journal):
    study = study_of(journal)
    for i, lr in enumerate((1e-3, 2e-3, 4e-3, 8e-3)):
        for decay in (0.0, 1e-5, 1e-4):
            if i == 2 and decay == 0.0:
                assert study.importance() == {}  # six trials
            study.finish(study.begin(asked(f"{lr},{decay}", {"lr": lr, "weight_decay": decay})), 1 - lr * 50 + decay)
    found = study.importance()
    assert found["lr"] > 0.9 > 0.1 > found["weight_decay"]


def test_results_are_kept_in_the_study_and_in_any_storage(tmp_path):
    url = f"sqlite:///{tmp_path}/team.db"
    for name in ("one", "two"):
        studies = Studies(open_storage(tmp_path / "unused", url), f"{name}/")
        result = StepResult("lr-sweep", "pass", "", handoff={"lr": 0.1 if name == "one" else 0.2})
        studies.study("lr-sweep", False, {}).conclude(Conclusion("f", result, ("cause",), ("training",), {"key": 3}))
    conclusions = Studies(open_storage(tmp_path / "unused", url), "two/").conclusions(["lr-sweep", "coarse-grid"])
    assert conclusions == {"lr-sweep": Conclusion("f", result, ("cause",), ("training",), {"key": 3})}
    with pytest.raises(UserError, match="--storage nonsense"):
        open_storage(tmp_path / "unused", "nonsense")


def test_a_journal_damaged_in_its_middle_is_said_with_the_way_out(journal):
    study = study_of(journal)
    study.finish(study.begin(asked("a", {"lr": 0.1})), 0.5)
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:2], b'{"op_co\x00de": 4,,}\n', *lines[3:]]))
    with pytest.raises(UserError, match="is damaged; remove it"):
        study_of(journal)
