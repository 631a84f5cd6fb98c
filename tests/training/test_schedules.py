import math
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunekit.configuration import ScheduleSpec
from tunekit.training.schedules import SCHEDULES, build_schedule, ending_at
from tunekit.vocabulary import UserError


def values(name, at, **args):
    factor = build_schedule(ScheduleSpec(name, args))
    return [factor(k) for k in at]


def test_values_at_the_start_the_middle_and_the_end_are_those_computed_by_hand():
    approx = pytest.approx
    assert values("constant", [0, 50, 10**6]) == [1, 1, 1]
    assert values("step", [0, 9, 10, 19, 20, 35], every=10, gamma=0.5) == [1, 1, 0.5, 0.5, 0.25, 0.125]
    assert values("exponential", [0, 1, 2, 10], gamma=0.9) == approx([1, 0.9, 0.81, 0.9**10])
    assert values("cosine", [0, 25, 50, 75, 100], total=100) == approx(
        [1, (1 + math.sqrt(0.5)) / 2, 0.5, (1 - math.sqrt(0.5)) / 2, 0]
    )
    assert values("cosine", [0, 50, 100], total=100, final=0.2) == approx([1, 0.6, 0.2])
    assert values("linear", [0, 25, 50, 100], total=100) == approx([1, 0.75, 0.5, 0])
    assert values("linear", [0, 50, 100], total=100, final=0.5) == approx([1, 0.75, 0.5])
    assert values("one-cycle", [0, 15, 30, 65, 100], total=100) == approx([0.04, 0.52, 1, (1 + 1e-4) / 2, 1e-4])


@pytest.mark.parametrize("name", ["cosine", "linear", "one-cycle"])
def test_beyond_the_end_the_last_value_stays(name):
    assert values(name, [100, 101, 1000], total=100) == [values(name, [100], total=100)[0]] * 3


def test_warmup_rises_in_a_line_and_then_is_over():
    assert values("constant", range(6), warmup=4) == pytest.approx([0.2, 0.4, 0.6, 0.8, 1, 1])
    assert values("linear", [0, 1, 2, 5], total=10, warmup=1) == pytest.approx([0.5, 0.9, 0.8, 0.5])


@given(st.sampled_from(sorted(SCHEDULES)), st.integers(1, 500), st.integers(0, 1000), st.integers(0, 50))
def test_factors_stay_between_zero_and_one(name, total, iteration, warmup):
    args = {"warmup": warmup, **({"total": total} if SCHEDULES[name].needs_total else {})}
    assert 0 <= build_schedule(ScheduleSpec(name, args))(iteration) <= 1


def test_those_that_depend_on_the_end_need_their_total():
    assert {name for name, schedule in SCHEDULES.items() if schedule.needs_total} == {"cosine", "linear", "one-cycle"}
    for name in SCHEDULES:
        if SCHEDULES[name].needs_total:
            with pytest.raises(UserError, match="total"):
                build_schedule(ScheduleSpec(name))
        else:
            build_schedule(ScheduleSpec(name))


@pytest.mark.parametrize(
    ("name", "args", "message"),
    [
        ("cosin", {}, "schedule: no schedule 'cosin'; one of constant, step"),
        ("step", {"evry": 3}, "schedule.args: step: got an unexpected keyword argument 'evry'"),
        ("step", {"every": "x"}, "schedule.args: step: "),
        ("step", {"every": 0}, "schedule.args: step: "),
        ("constant", {"warmup": -1}, "schedule.args.warmup: a number of iterations, not -1"),
        ("constant", {"warmup": 1.5}, "schedule.args.warmup: a number of iterations, not 1.5"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(name, args, message):
    with pytest.raises(UserError) as caught:
        build_schedule(ScheduleSpec(name, args))
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_schedules_are_read_without_torch():
    code = "import sys, tunekit.training.schedules; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_schedule_that_depends_on_the_end_is_given_it_unless_the_recipe_says_it():
    assert ending_at(ScheduleSpec("cosine", {"final": 0.1}), 7).args == {"final": 0.1, "total": 7}
    assert ending_at(ScheduleSpec("cosine", {"total": 5}), 7).args == {"total": 5}
    assert ending_at(ScheduleSpec("step"), 7) == ScheduleSpec("step")


@pytest.mark.parametrize(
    ("name", "args", "told"),
    [
        ("constant", {"warmup": True}, "schedule.args.warmup: a number of iterations, not true"),
        ("constant", {"warmup": 10**12}, "schedule.args.warmup: at most 1,000,000,000 iterations, not 1,000,"),
        ("step", {"gamma": True}, "schedule.args: step: gamma must be a number, not true"),
        ("cosine", {"total": True}, "schedule.args: cosine: total must be a number, not true"),
        ("exponential", {"gamma": float("inf")}, "schedule.args: exponential: gamma must be a finite number, not inf"),
    ],
)
def test_what_is_no_number_is_told(name, args, told):
    with pytest.raises(UserError) as caught:
        build_schedule(ScheduleSpec(name, args))
    assert str(caught.value).startswith(told)
