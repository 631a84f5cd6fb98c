import json
import math
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunekit.configuration import (
    DataSpec,
    LossSpec,
    MetricSpec,
    ModelSpec,
    OptimizerSpec,
    ScheduleSpec,
    Subset,
    TrainingConfig,
    decimal,
    digest,
    short,
)
from tunekit.vocabulary import (
    Finding,
    Measurement,
    Record,
    Row,
    StepResult,
    StopRule,
    Training,
    cells,
    columns,
    judged_by,
    worst,
)

DIGITS = TrainingConfig(
    task="classification",
    loss=LossSpec(),
    metric=MetricSpec(),
    model=ModelSpec("mlp", {"hidden": [128, 128], "batch_norm": True, "dropout": 0.0}),
    data=DataSpec("digits"),
    optimizer=OptimizerSpec("adam"),
    lr=1e-3,
    weight_decay=1e-4,
    batch_size=64,
    schedule=ScheduleSpec(),
    seed=0,
)
CHANGED = {
    "task": "binary",
    "loss": LossSpec("focal"),
    "metric": MetricSpec("loss"),
    "model": ModelSpec("cnn"),
    "data": DataSpec("arrays"),
    "optimizer": OptimizerSpec("sgd", decay_on="weights"),
    "lr": 0.2,
    "weight_decay": 1e-4,
    "batch_size": 255,
    "schedule": ScheduleSpec("cosine", {"total": 10}),
    "seed": 1,
    "precision": "bf16",
    "threads": 2,
    "clip_grad_norm": 1.0,
    "ema": 0.9,
    "l1": 1e-5,
    "regularize": False,
    "sources": {"model.py": "abc"},
    "format": 99,
}


def test_the_changes_below_name_every_field_of_a_configuration():
    assert set(CHANGED) == {field.name for field in fields(TrainingConfig)}


@pytest.mark.parametrize("name", sorted(CHANGED))
def test_the_key_changes_with_every_field(make_config, name):
    config = make_config()
    assert replace(config, **{name: CHANGED[name]}).key != config.key


# Keys as they were before a configuration's parts had types: stored trainings are found by them, and a change here is a
# change of FORMAT.
STORED = {
    "674c524a965e": DIGITS,
    "e4fbe96dd48d": replace(
        DIGITS,
        task="regression",
        model=ModelSpec("my:Net", pretrained=True),
        data=DataSpec("table", {"path": "t.csv", "target": "y"}, split="random", subset=Subset(samples=32), blank=True),
        batch_size=32,
        regularize=False,
        sources={"my.py": "abc"},
    ),
    "e00fda965492": replace(
        DIGITS,
        loss=LossSpec(args={"label_smoothing": 0.1}),
        data=DataSpec("digits", augment=["flip", {"crop": {"padding": 2}}], subset=Subset(per_class=10)),
        schedule=ScheduleSpec("cosine", {"total": 500, "warmup": 20}),
        optimizer=OptimizerSpec("sgd", {"momentum": 0.9}),
        clip_grad_norm=1.0,
        ema=0.99,
        precision="bf16",
        threads=2,
    ),
}


@pytest.mark.parametrize("key", STORED)
def test_the_key_of_a_configuration_stays_the_same_between_versions(key):
    assert STORED[key].key == key


@pytest.mark.parametrize("config", STORED.values(), ids=STORED)
def test_a_configuration_is_read_back_from_its_json(config):
    data = json.loads(json.dumps(config.as_dict()))
    assert data == config.as_dict()
    assert TrainingConfig.from_dict(data).as_dict() == data


def test_a_subset_says_in_json_what_it_counts_by_alone():
    subsets = [config.as_dict()["data"]["subset"] for config in STORED.values()]
    assert subsets == [None, {"samples": 32}, {"per_class": 10}]


def test_the_key_does_not_depend_on_the_order_of_arguments():
    args = dict(reversed(DIGITS.model.args.items()))
    assert list(args) != list(DIGITS.model.args)
    assert replace(DIGITS, model=ModelSpec("mlp", args)).key == DIGITS.key


class TestRows:
    @pytest.mark.parametrize("metric", ["accuracy", "loss", "mae", "metric"])
    def test_cells_and_columns_of_a_row_go_together_and_the_header_tells_the_metric(self, metric):
        row = Row(3, 0.5, 0.1, 2.0, 2.0, 1.0, 1.0) if metric == "loss" else Row(3, 0.5, 0.1, 2.0, 0.4, 1.0, 0.6)
        named = dict(zip(columns(metric), cells(row, metric), strict=True))
        assert (named["train_loss"], named["val_loss"], named["iteration"]) == (2.0, 1.0, 3)
        assert (named[f"train_{metric}"], named[f"val_{metric}"]) == (row.train_metric, row.val_metric)
        assert judged_by(columns(metric)) == metric

    @pytest.mark.parametrize("metric", ["accuracy", "loss"])
    def test_where_weights_are_averaged_the_raw_ones_have_columns_of_their_own(self, metric):
        row = Row(3, 0.5, 0.1, 2.0, 2.0, 1.0, 1.0, 3.0, 3.0)
        assert cells(row, metric) == cells(row._replace(raw_val_loss=None, raw_val_metric=None), metric)
        named = dict(zip(columns(metric, True), cells(row, metric, True), strict=True))
        assert (named[f"val_{metric}"], named["raw_val_loss"], named[f"raw_val_{metric}"]) == (1.0, 3.0, 3.0)
        assert judged_by(columns(metric, True)) == metric

    @pytest.mark.parametrize("header", [(), ("a",), ("iteration", "epoch"), (*columns("mae"), "x"), ("val_mae",)])
    def test_other_headers_are_no_trainings(self, header):
        assert judged_by(header) is None


@given(st.dictionaries(st.text(), st.recursive(st.integers() | st.text(), st.lists)))
def test_digest_is_hex_of_the_asked_length_and_equal_for_equal_data(data):
    assert digest(data) == digest(dict(reversed(list(data.items()))))
    assert len(digest(data, 6)) == 6
    int(digest(data), 16)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.003, "3e-3"),
        (0.0, "0"),
        (0.00244, "2.44e-3"),
        (0.0001, "1e-4"),
        (1.0, "1e0"),
        (30.0, "3e1"),
        (0.1, "1e-1"),
        (-0.05, "-5e-2"),
        (math.inf, "inf"),
        (math.nan, "nan"),
        (0.0009999, "1e-3"),
    ],
)
def test_short_writes_a_number_as_a_person_writes_a_rate(value, text):
    assert short(value) == text


@given(st.floats(1e-12, 1e12))
def test_short_keeps_three_significant_digits(value):
    assert float(short(value)) == decimal(value)
    assert math.isclose(decimal(value), value, rel_tol=5.1e-3)


def test_label_tells_rate_decay_and_seed(make_config):
    assert make_config(lr=3e-3, weight_decay=1e-4, seed=7).folder.startswith("lr3e-3_wd1e-4_s7-")


def test_identities_tell_requests_of_the_same_configuration_apart(make_config):
    config = make_config()
    requests = [
        Training(config, 10, {}, purpose="test"),
        Training(config, 20, {}, purpose="test"),
        Measurement("outputs", config, {}, purpose="test"),
        Measurement("outputs", config, {}, at=10, purpose="test"),
        Measurement("outputs", config, {}, args={"n": 2}, purpose="test"),
        Measurement("gradients", config, {}, purpose="test"),
    ]
    assert len({request.identity for request in requests}) == len(requests)


class TestDiverged:
    rule = StopRule(factor=3.0, window=10)

    @pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
    @pytest.mark.parametrize("place", [0, 1, 9, 10, 11, 50])
    def test_a_loss_that_is_not_finite_is_found_where_it_stands(self, bad, place):
        losses = [1.0] * 60
        losses[place] = bad
        assert self.rule.diverged_at(losses) == place

    def test_a_jump_is_found_when_the_mean_of_the_window_passes_the_limit(self):
        # Start 1, spread 0: the limit is 1 + 3 * 1 = 4. One loss of 41 in a window of nine ones has mean 5.
        assert self.rule.diverged_at([1.0] * 20 + [41.0]) == 20
        # With losses of 9 the mean is (10 - k + 9 k) / 10 > 4 from the fourth on: k = 4 gives 4.2.
        assert self.rule.diverged_at([1.0] * 20 + [9.0] * 10) == 23

    def test_negative_losses_that_fall_are_sound_and_those_that_rise_diverge(self):
        assert self.rule.diverged_at([-1.0 - 0.1 * k for k in range(100)]) is None
        # Start -1: the limit is -1 + 3 = 2.
        assert self.rule.diverged_at([-1.0] * 20 + [2.1] * 10) == 29
        assert self.rule.diverged_at([-1.0] * 20 + [1.9] * 30) is None

    def test_a_loss_that_starts_at_zero_is_measured_by_its_spread(self):
        head = [0.0, 1.0] * 5  # standard deviation 0.5: the limit is 1.5
        assert self.rule.diverged_at(head + [0.0, 1.0] * 20) is None
        assert self.rule.diverged_at(head + [1.4] * 30) is None
        # A loss of 1 from the head and nine of 1.6 have mean 1.54.
        assert self.rule.diverged_at(head + [1.6] * 30) == 18

    def test_less_than_a_window_says_nothing_yet(self):
        assert self.rule.diverged_at([1.0] + [1000.0] * 9) is None

    @pytest.mark.parametrize("seed", range(20))
    def test_noisy_but_sound_curves_stay_silent(self, seed):
        draw = np.random.default_rng(seed)
        falls = 2.3 * np.exp(-np.arange(500) / 150)
        assert self.rule.diverged_at(list(falls * draw.lognormal(0, 0.5, 500))) is None
        assert self.rule.diverged_at(list(draw.normal(0.0, 1.0, 500) - 0.01 * np.arange(500))) is None

    @given(
        st.lists(st.floats(-5, 5) | st.floats(-1e6, 1e6) | st.just(math.nan), max_size=80),
        st.lists(st.integers(1, 20), min_size=1, max_size=80),
    )
    def test_checking_piece_by_piece_finds_divergence_if_and_only_if_the_whole_curve_has_it(self, losses, pieces):
        done, found = 0, None
        while done < len(losses) and found is None:
            before = done
            done = min(len(losses), done + pieces[done % len(pieces)])
            found = self.rule.diverged_at(losses[:done], before)
        assert (found is None) == (self.rule.diverged_at(losses) is None)

    @given(
        st.lists(st.floats(-5, 5) | st.floats(-1e6, 1e6), max_size=80),
        st.lists(st.integers(1, 20), min_size=1, max_size=80),
    )
    def test_checking_piece_by_piece_finds_the_same_iteration_in_finite_losses(self, losses, pieces):
        done, found = 0, None
        while done < len(losses) and found is None:
            before = done
            done = min(len(losses), done + pieces[done % len(pieces)])
            found = self.rule.diverged_at(losses[:done], before)
        assert found == self.rule.diverged_at(losses)

    def test_the_earliest_sign_counts_also_where_a_nan_follows(self):
        losses = [1.0] * 20 + [9.0] * 10 + [math.nan]
        assert self.rule.diverged_at(losses[:30]) == 23
        assert self.rule.diverged_at(losses) == 23

    @pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
    def test_a_lucky_first_batch_does_not_make_a_sound_curve_diverge(self, scale):
        assert self.rule.diverged_at([0.0] + [scale] * 50) is None


class TestSolved:
    def test_three_batches_in_a_row_at_the_target_are_needed(self):
        rule = StopRule(solved_loss=0.1)
        assert rule.solved_at([1, 0.1, 0.1, 0.2, 0.1, 0.1, 0.1, 0.1], []) == 6
        assert rule.solved_at([0.1, 0.1], []) is None
        assert rule.solved_at([0.1, 0.1, math.nan, 0.1, 0.1], []) is None

    def test_the_metric_has_to_be_there_too(self):
        rule = StopRule(solved_loss=0.1, solved_metric=1.0)
        assert rule.solved_at([0.0] * 6, [1.0, 1.0, 0.9, 1.0, 1.0, 1.0]) == 5
        assert rule.solved_at([0.0] * 4, [math.nan] * 4) is None

    def test_without_a_target_nothing_is_solved(self):
        assert StopRule().solved_at([0.0] * 10, [1.0] * 10) is None

    @given(st.lists(st.sampled_from([0.0, 1.0]), max_size=40), st.lists(st.integers(1, 7), min_size=1))
    def test_checking_piece_by_piece_equals_checking_the_whole(self, losses, pieces):
        rule = StopRule(solved_loss=0.5)
        done, found = 0, None
        while done < len(losses) and found is None:
            before = done
            done = min(len(losses), done + pieces[done % len(pieces)])
            found = rule.solved_at(losses[:done], [], before)
        assert found == rule.solved_at(losses, [])


class TestStale:
    def test_so_many_validations_in_a_row_without_a_better_one_end_it(self):
        rule = StopRule(patience=2)
        assert rule.stale_at([None, 1.0, None, 0.9, None, 0.95, None, 0.9, None, 0.1]) == 7
        assert rule.stale_at([1.0, 1.1, 0.9, 0.95]) is None

    def test_better_is_higher_where_the_metric_is_and_by_more_than_asked(self):
        assert StopRule(patience=2, maximize=True).stale_at([0.5, 0.6, 0.7, 0.7, 0.7]) == 4
        # 0.55 is better than 0.5 by no more than 0.1, 0.65 is.
        assert StopRule(patience=2, maximize=True, min_delta=0.1).stale_at([0.5, 0.55, 0.65, 0.7, 0.74]) == 4

    def test_what_is_not_finite_is_no_better_than_anything(self):
        assert StopRule(patience=2).stale_at([math.nan, math.inf, 1.0]) == 1
        assert StopRule(patience=2).stale_at([1.0, -math.inf, 0.5]) is None

    def test_without_patience_nothing_ends(self):
        assert StopRule().stale_at([1.0] * 100) is None

    @given(st.lists(st.sampled_from([None, 0.1, 0.2, 0.3, math.nan]), max_size=40), st.integers(1, 5))
    def test_more_patience_never_ends_a_training_earlier(self, validations, patience):
        ends = [StopRule(patience=wait).stale_at(validations) for wait in (patience, patience + 1)]
        first, second = (math.inf if end is None else end for end in ends)
        assert first < second or first == second == math.inf


def test_record_gives_training_columns_and_validations(make_config):
    rows = {"iteration": [1, 2, 3], "train_loss": [3.0, None, 1.0], "val_loss": [None, 2.0, None]}
    record = Record(Training(make_config(), 3, {"lr": 1}, purpose="test"), rows)
    assert record.iterations == 3
    assert record.column("train_loss")[::2] == [3.0, 1.0]
    assert math.isnan(record.column("train_loss")[1])
    assert record.validations("val_loss") == [(2, 2.0)]
    assert record.validations("val_accuracy") == []


def test_step_result_survives_its_dictionary():
    result = StepResult(
        "lr-sweep", "warn", "0.1 is at the edge", (Finding("best_at_edge", "warn", "x", {"lr": 0.1}, ("a", "b")),)
    )
    assert StepResult.from_dict(result.as_dict()) == result


@pytest.mark.parametrize(
    ("severities", "verdict"),
    [((), "pass"), (("note",), "pass"), (("note", "warn"), "warn"), (("warn", "fail", "note"), "fail")],
)
def test_the_verdict_is_that_of_the_gravest_finding(severities, verdict):
    assert worst([Finding("x", severity, "") for severity in severities]) == verdict
