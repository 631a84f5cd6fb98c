import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.steps.hand_made import context_of
from tunekit.configuration import ScheduleSpec
from tunekit.final import final_training
from tunekit.pipeline import read_recipe, schema
from tunekit.recipe.schedules import SCHEDULES, build_schedule, resolved, stretched
from tunekit.vocabulary import UNKNOWN, UserError


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
    assert values("wsd", [0, 50, 80, 90, 100], total=100) == approx([1, 1, 1, 0.5, 0])
    assert values("wsd", [0, 60, 80, 100], total=100, decay=0.4, final=0.5) == approx([1, 1, 0.75, 0.5])
    assert values("one-cycle", [0, 15, 30, 65, 100], total=100) == approx([0.04, 0.52, 1, (1 + 1e-4) / 2, 1e-4])


@pytest.mark.parametrize("name", ["cosine", "linear", "one-cycle", "wsd"])
def test_beyond_the_end_the_last_value_stays(name):
    assert values(name, [100, 101, 1000], total=100) == [values(name, [100], total=100)[0]] * 3


def test_warmup_rises_in_a_line_and_then_the_schedule_begins():
    """What depends on the end has the rest of the training for itself."""
    assert values("constant", range(6), warmup=4) == pytest.approx([0.2, 0.4, 0.6, 0.8, 1, 1])
    assert values("linear", [0, 1, 2, 6, 11], total=11, warmup=1) == pytest.approx([0.5, 1, 0.9, 0.5, 0])
    assert values("step", [0, 1, 10, 11], every=10, gamma=0.5, warmup=1) == pytest.approx([0.5, 1, 1, 0.5])
    assert values("cosine", [20, 70, 120], total=120, warmup=20) == pytest.approx([1, 0.5, 0])


@pytest.mark.parametrize(
    ("written", "iterations"),
    [
        (500, 500),
        (0, 0),
        ("500 iterations", 500),
        ("2 epochs", 40),
        ("1 epoch", 20),
        ("0.5 epochs", 10),
        ("5 %", 50),
        ("5%", 50),
        ("12.5 %", 125),
        ("0 %", 0),
    ],
)
def test_a_warmup_is_iterations_epochs_or_a_share_of_the_training(written, iterations):
    spec = resolved("cosine", {"warmup": written}, per_epoch=20, total=1000)
    assert spec == ScheduleSpec("cosine", {"total": 1000, "warmup": iterations})


def test_auto_decays_in_a_whole_training_and_is_constant_in_the_steps():
    """A share of a warm-up counts from the fine run's length in the steps, and from its own in the final training."""
    context = context_of("fine-run", schedule={"warmup": "10 %"}, batch_size=64)  # 20 iterations an epoch, 10 epochs
    assert context.config().schedule == ScheduleSpec("constant", {"warmup": 20})
    assert final_training(context, 30).config.schedule == ScheduleSpec("cosine", {"total": 600, "warmup": 60})
    constant = context_of("fine-run", schedule="constant")
    assert final_training(constant, 30).config == constant.config(constant.params)


@pytest.mark.parametrize("given", ["schedule.warmup", "schedule.args.warmup"])
@pytest.mark.parametrize("written", ["{name: cosine, warmup: 500}", "{name: cosine, args: {warmup: 500}}", "cosine"])
def test_a_warmup_of_the_command_line_takes_the_place_of_the_files_wherever_that_stands(tmp_path, written, given):
    path = tmp_path / "r.yaml"
    path.write_text(f"name: r\ndata: {{target: digits}}\nmodel: {{target: mlp}}\nschedule: {written}\n")
    schedule = read_recipe(path, (f"{given}=20",)).recipe.schedule
    assert (schedule.name, schedule.args) == ("cosine", {"warmup": 20})


@pytest.mark.parametrize("name", sorted(SCHEDULES))
def test_every_schedule_takes_its_length_from_the_training(name):
    context = context_of("fine-run", schedule=name)
    for config in (final_training(context, 3).config, context.config(), context.recipe.training_config(UNKNOWN)):
        assert 0 <= build_schedule(config.schedule)(0) <= 1


def test_a_plateau_lowers_the_rate_after_its_patience_in_epochs():
    pace = build_schedule(ScheduleSpec("plateau", {"factor": 0.5, "patience": 2, "min_delta": 0.1, "final": 0.2}))
    seen = []
    for loss in (1.0, 0.95, 0.91, 0.85, 0.8, 0.76, 0.9, math.nan, 0.8, 0.9, 0.9):
        pace.observe(loss)
        seen.append(pace(0))
    # 0.95 and 0.91 lie within min_delta of 1.0; 0.85 is lower, then 0.8 and 0.76 are not; and so on down to `final`.
    assert seen == pytest.approx([1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.2, 0.2, 0.2, 0.2])
    other = build_schedule(ScheduleSpec("plateau", {"factor": 0.5, "patience": 2, "min_delta": 0.1, "final": 0.2}))
    other.restore(pace.state())
    assert other(0) == pace(0)
    assert build_schedule(ScheduleSpec("cosine", {"total": 9})).state() == {}


def test_a_wrong_schedule_is_told_with_all_other_faults(tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text(
        "name: r\ndata: {target: digits}\nmodel: {target: mlp}\nschedule: cosin\nbatch_size: 2.5\noptimzer: adam\n"
    )
    with pytest.raises(UserError) as caught:
        read_recipe(path)
    assert set(str(caught.value).splitlines()) == {
        f"{path}, line 4: schedule: no schedule 'cosin' (did you mean 'cosine'?); one of auto, constant, step, "
        "exponential, cosine, linear, one-cycle, wsd, plateau",
        f"{path}, line 5: batch_size must be a whole number, not 2.5",
        f"{path}, line 6: unknown key 'optimzer' (did you mean 'optimizer'?)",
    }


def test_a_warmup_stands_beside_the_name_or_among_the_arguments():
    least = {"name": "r", "data": {"target": "digits"}, "model": {"target": "mlp"}}
    recipes = [
        schema().model_validate({**least, "schedule": schedule})
        for schedule in ({"name": "wsd", "warmup": "5 %"}, {"name": "wsd", "args": {"warmup": "5 %"}})
    ]
    assert recipes[0] == recipes[1]
    assert recipes[0].with_values({"schedule.warmup": 7}).schedule.args == {"warmup": 7}
    with pytest.raises(ValueError, match=r"schedule\.warmup: stands in"):
        schema().model_validate({**least, "schedule": {"warmup": 3, "args": {"warmup": 4}}})


@given(st.sampled_from(sorted(SCHEDULES)), st.integers(1, 500), st.integers(0, 1000), st.integers(0, 50))
def test_factors_stay_between_zero_and_one(name, total, iteration, warmup):
    args = {"warmup": warmup, **({"total": total} if SCHEDULES[name].needs_total else {})}
    assert 0 <= build_schedule(ScheduleSpec(name, args))(iteration) <= 1


def test_those_that_depend_on_the_end_need_their_total():
    assert {name for name, schedule in SCHEDULES.items() if schedule.needs_total} == {
        "cosine",
        "linear",
        "one-cycle",
        "wsd",
    }
    for name in SCHEDULES:
        if SCHEDULES[name].needs_total:
            with pytest.raises(UserError, match="total"):
                build_schedule(ScheduleSpec(name))
        else:
            build_schedule(ScheduleSpec(name))


@pytest.mark.parametrize(
    ("name", "args", "message"),
    [
        ("cosin", {}, "schedule: no schedule 'cosin' (did you mean 'cosine'?); one of auto, constant, step"),
        ("step", {"every": -5}, "schedule.args: step: the factor on the rate lies between 0 and 1, not at 10"),
        ("exponential", {"gamma": 1.1}, "schedule.args: exponential: "),
        ("cosine", {"total": 0}, "schedule.args: cosine: total must be 1 iteration or more, not 0"),
        ("plateau", {"factor": 2.0}, "schedule.args: plateau: factor lies between 0 and 1"),
        (
            "plateau",
            {"patience": 0},
            "schedule.args: plateau: factor lies between 0 and 1, patience is 1 or more",
        ),
        (
            "cosine",
            {"warmup": "5 percent", "total": 9},
            "schedule.args.warmup: iterations (500), '2 epochs'",
        ),
        ("cosine", {"warmup": "150 %", "total": 9}, "schedule.args.warmup: at most 100 % of the training, not 150 %"),
        ("step", {"evry": 3}, "schedule.args: step: got an unexpected keyword argument 'evry'"),
        ("step", {"every": "x"}, "schedule.args: step: "),
        ("step", {"every": 0}, "schedule.args: step: "),
        (
            "constant",
            {"warmup": -1},
            "schedule.args.warmup: iterations (500), '2 epochs' or '5 %' of the training, not -1",
        ),
        (
            "constant",
            {"warmup": 1.5},
            "schedule.args.warmup: iterations (500), '2 epochs' or '5 %' of the training, not 1.5",
        ),
    ],
)
def test_what_is_wrong_is_told_in_one_line(name, args, message):
    with pytest.raises(UserError) as caught:
        build_schedule(ScheduleSpec(name, args))
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_a_schedule_that_depends_on_the_end_is_given_it_unless_the_recipe_says_it():
    assert resolved("cosine", {"final": 0.1}, 1, 7).args == {"final": 0.1, "total": 7}
    assert resolved("cosine", {"total": 5}, 1, 7).args == {"total": 5}
    assert resolved("step", {}, 1, 7) == ScheduleSpec("step")


@pytest.mark.parametrize(
    ("name", "args", "told"),
    [
        (
            "constant",
            {"warmup": True},
            "schedule.args.warmup: iterations (500), '2 epochs' or '5 %' of the training, not true",
        ),
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


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("cosine", {"total": 100}),
        ("cosine", {"total": 100, "warmup": 12}),
        ("wsd", {"total": 60, "warmup": 4, "decay": 0.5}),
        ("one-cycle", {"total": 80}),
        ("step", {"every": 20, "gamma": 0.5}),
        ("step", {}),
        ("exponential", {"gamma": 0.98}),
        ("exponential", {}),
        ("constant", {"warmup": 10}),
    ],
)
@pytest.mark.parametrize("times", [1.0, 1.5, 3.0])
def test_a_stretched_schedule_runs_the_same_course(name, args, times):
    spec = ScheduleSpec(name, args)
    short, long = build_schedule(spec), build_schedule(stretched(spec, times))
    warmup = args.get("warmup", 0)
    for k in (*range(warmup, 60, 2), 2000, 2500):  # a line that begins above 0 has no exact stretch
        assert long(round(k * times)) == pytest.approx(short(k), abs=0.03)


@pytest.mark.parametrize("args", [{"decay": 2}, {"decay": -0.5}])
def test_a_share_of_the_run_is_one(args):
    with pytest.raises(UserError, match="decay is a share of the run, from 0 to 1"):
        build_schedule(ScheduleSpec("wsd", {"total": 100, **args}))
    with pytest.raises(UserError, match="rise is a share"):
        build_schedule(ScheduleSpec("one-cycle", {"total": 100, "rise": 1.5}))
