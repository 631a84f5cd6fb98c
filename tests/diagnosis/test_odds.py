"""Advice with its odds: drawn counts, and what is told of them."""

import math
from dataclasses import replace

import pytest

from tunekit.diagnosis import odds, prospects
from tunekit.diagnosis.odds import Measured, Odds, Tried, Worth, counsel
from tunekit.logs import Procedure
from tunekit.telling import on_run

WORTH = Worth(
    logs=20,
    healthy=5,
    by_first={
        "longer": {
            "longer": Odds(8, 0, 10),
            "decayed": Odds(2, 1, 10),
            "wider": Odds(7, 1, 10),
            "clipped": Odds(1, 1, 4),
        },
        "": {"longer": Odds(4, 2, 10), "decayed": Odds(4, 3, 10), "wider": Odds(7, 0, 10)},
    },
    missed=(3, 30),
    order=("wider", "longer", "decayed", "clipped"),
)
LINES = (Tried("go on", "longer"), Tried("decay the rate", "decayed"), "look at the data")


@pytest.fixture(autouse=True)
def known(monkeypatch):
    monkeypatch.setattr(odds, "measured", lambda: Measured(100, {"not_converged": WORTH}))


def test_advice_is_told_with_its_odds_and_the_best_that_it_leaves_out():
    told = counsel("not_converged", LINES)
    assert told.lines == (
        "go on (twice as many epochs helped 8 of 10, 49 to 94 %, harmed 0)",  # where it came first
        "decay the rate (a rate that decays to zero helped 2 of 10, 6 to 51 %, harmed 1)",
        "look at the data",
        "not seen in curves: four times the width helped 7 of 10, 40 to 89 %, harmed 1; what decides: five epochs of "
        "it beside five as it is (`--set model.args.width=...`, of a recipe)",
    )
    assert told.confidence == 0.8
    assert told.runner_up == "wider"
    assert [one.does for one in told.told] == ["longer", "decayed", "wider"]


@pytest.mark.parametrize(
    ("commands", "decides"),
    [
        ({}, "five epochs of it beside five as it is"),  # a run whose model has no width, or says it in no known way
        ({"wider": "`this`"}, "five epochs of it beside five as it is (`this`)"),
    ],
)
def test_of_a_run_its_own_command_is_told_or_none(commands, decides):
    told = counsel("not_converged", LINES, commands=commands)
    assert told.lines[-1].endswith(f"; what decides: {decides}")
    assert told.decides == decides


def test_the_command_of_a_run_changes_what_its_recipe_says():
    assert prospects.commands(Procedure()) == {}
    known = Procedure(wider={"model.args.hidden": [512, 256], "model.args.width": 4})
    [line] = prospects.commands(known).values()
    assert line == "`tunekit run RECIPE --set model.args.hidden=[512,256] --set model.args.width=4`"
    assert on_run(line, "runs/a", ("steps",), "recipe.yaml") == (
        "`tunekit run runs/a/recipe.yaml --set 'model.args.hidden=[512,256]' --set model.args.width=4`"
    )


def test_what_is_done_already_is_not_told_besides():
    assert counsel("not_converged", LINES, {"wider"}).runner_up == ""


def test_what_seldom_helped_is_not_told_besides(monkeypatch):
    groups = {"": {"longer": Odds(8, 0, 10), "wider": Odds(2, 0, 10)}}
    monkeypatch.setattr(odds, "measured", lambda: Measured(100, {"not_converged": replace(WORTH, by_first=groups)}))
    assert counsel("not_converged", LINES).runner_up == ""


def test_what_comes_first_is_what_the_first_line_names():
    told = counsel("not_converged", ("look at the data", *LINES))
    assert (told.first, told.confidence) == ("", None)
    assert told.tries == ("longer", "decayed")
    assert told.lines[1].startswith("go on (twice as many epochs helped 4 of 10, ")  # of such logs


def test_what_was_not_measured_has_no_odds():
    told = counsel("reward_collapse", LINES)
    assert told.lines == ("go on", "decay the rate", "look at the data")
    assert told.confidence is None
    assert counsel("not_converged", (Tried("average", "averaged"),)).confidence is None


def test_few_trainings_have_no_odds(monkeypatch):
    few = replace(WORTH, by_first={"longer": {"longer": Odds(9, 0, 9), "wider": Odds(9, 0, 9)}})
    monkeypatch.setattr(odds, "measured", lambda: Measured(100, {"not_converged": few}))
    told = counsel("not_converged", LINES)
    assert (told.lines[0], told.confidence, told.runner_up) == ("go on", None, "")


def test_where_few_had_this_first_advice_all_of_the_verdict_are_counted(monkeypatch):
    groups = {"longer": {"longer": Odds(1, 0, 2)}, "": {"longer": Odds(8, 1, 10)}}
    monkeypatch.setattr(odds, "measured", lambda: Measured(100, {"not_converged": replace(WORTH, by_first=groups)}))
    assert counsel("not_converged", LINES).odds == {"longer": Odds(9, 1, 12)}


def test_explain_counts_all_and_where_it_came_first():
    assert WORTH.tried["longer"] == Odds(12, 2, 20)
    assert WORTH.words == [
        "said of 20 logs of the corpus; nothing that was tried helped 5 of them",
        "where it came first, twice as many epochs helped 8 of 10, 49 to 94 %, harmed 0",
        "silent in 3 of the 30 logs that twice as many epochs helped",
    ]


def test_odds_are_told_with_their_interval():
    """Wilson's of 8 in 10, by hand: (0.8 + z2/20 -+ z sqrt(0.16/10 + z2/400)) / (1 + z2/10)."""
    z = 1.959964
    half = z * math.sqrt(0.16 / 10 + z * z / 400)
    low, high = ((0.8 + z * z / 20 + sign * half) / (1 + z * z / 10) for sign in (-1, 1))
    assert Odds(8, 0, 10).words == f"helped 8 of 10, {100 * low:.0f} to {100 * high:.0f} %, harmed 0"
