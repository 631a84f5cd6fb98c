import math

import pytest
from hand_made import codes, context_of, failed, found, judged
from init_measurements import INITIAL, SAMPLES, SILENT, SPEAKS, changed, expectations, flow

from tunekit.measured import (
    DataMeasured,
    Dependence,
    Direction,
    Frozen,
    InputUse,
    Labels,
    NotFinite,
    Padded,
    Stretched,
    Targets,
    Units,
    UsageMeasured,
    Windows,
)
from tunekit.steps import check_init_loss
from tunekit.steps.check_init_loss.loss import INITIAL_LOSS_HIGH, INITIAL_LOSS_LOW
from tunekit.vocabulary import Record, UserError


def judge(data=None, initial=None, context=None, initializations=3, usage=None):
    """The step over these changes to sound measurements; a list for `initial` gives each initialisation its own."""
    context = context or context_of("check-init-loss")
    several = initial if isinstance(initial, list) else [initial or {}] * initializations
    requests = check_init_loss.plan(context, [])
    measured = [DataMeasured(changed(SAMPLES, **(data or {}))), *[changed(INITIAL, **item) for item in several]]
    measured.append(changed(UsageMeasured(), **(usage or {})))
    records = [Record(request, values=item.to_json()) for request, item in zip(requests, measured, strict=True)]
    return judged(context, records)


def of_kind(kind, expected, train, rms=0.3, **more):
    changes = {
        "kind": kind,
        "loss__expected": expectations(**expected),
        "loss__train_mode": train,
        "loss__eval_mode": train,
    }
    return {**changes, "outputs__rms": rms, "outputs__std": rms, "outputs__shape": (1,), **more}


def regression():
    facts = {"classes": None, "metric": "mae", "maximize": False, "share": False}
    return context_of("check-init-loss", facts=facts, task="regression")


def test_sound_measurements_pass_in_silence():
    result = judge()
    assert (result.verdict, codes(result)) == ("pass", [])
    assert result.handoff["initial_loss"] == pytest.approx(2.35)
    assert "expected 2.303 (ln 10): 2 % off" in result.summary
    assert [row["initialisation"] for row in result.table] == [0, 1, 2]


def test_the_data_once_and_several_initialisations():
    requests = check_init_loss.plan(context_of("check-init-loss", seed=5), [])
    assert [request.probe for request in requests] == ["data", "initial", "initial", "initial", "usage"]
    assert [request.config.seed for request in requests] == [5, 5, 6, 7, 5]
    assert check_init_loss.plan(context_of("check-init-loss"), [Record(requests[0])]) == []


def test_a_probe_that_raised_is_an_error():
    context = context_of("check-init-loss")
    records = [failed(request) for request in check_init_loss.plan(context, [])]
    with pytest.raises(UserError, match="boom"):
        check_init_loss.judge(context, records)


@pytest.mark.parametrize("name", SPEAKS)
def test_speaks(name):
    code, data, initial = SPEAKS[name]
    result = judge(data, initial)
    loud = [item.code for item in result.findings if item.severity != "note"]
    assert loud == [code], [item.message for item in result.findings]
    assert found(result, code).advice
    assert any(character.isdigit() for character in found(result, code).message) or name in (
        "ignored",
        "decay dropped",
        "gradient not finite",
        "loss not finite",
    )


@pytest.mark.parametrize("name", SILENT)
def test_stays_silent(name):
    data, initial = SILENT[name]
    result = judge(data, initial)
    assert [(item.code, item.message) for item in result.findings if item.severity != "note"] == []


class TestSeverity:
    def test_a_class_that_happens_to_be_missing_is_a_note(self):
        result = judge({}, {"outputs__shape": (11,)})
        assert (found(result, "class_count_mismatch").severity, result.verdict) == ("note", "pass")

    def test_a_small_side_branch_without_gradient_is_a_warning(self):
        result = judge({}, {"loss__gradients__unreached": ("aux.bias",), "loss__gradients__unreached_share": 0.01})
        assert found(result, "unused_parameters").severity == "warn"

    def test_fading_gradients_are_a_warning_and_vanished_ones_a_failure(self):
        fading = judge({}, {"loss__gradients__flow": flow(1e-5, 1e-4, 1e-2, 0.1)})
        assert found(fading, "vanishing_gradients").severity == "warn"
        gone = judge({}, {"loss__gradients__flow": flow(1e-8, 1e-4, 1e-2, 0.1)})
        assert found(gone, "vanishing_gradients").severity == "fail"

    def test_one_moved_feature_is_a_warning_unless_it_moves_the_whole(self):
        moved = {"shift__feature_shift": 2.0, "shift__feature_z": 30.0}
        assert found(judge(moved), "split_mismatch").severity == "warn"
        whole = found(judge({**moved, "shift__scale": 2.0}), "split_mismatch")
        assert whole.severity == "fail"
        assert "feature 7" in whole.message

    def test_a_split_by_time_may_shift(self):
        context = context_of("check-init-loss", data={"target": "digits", "split": "time"})
        assert found(judge({"shift__mean": 0.9}, context=context), "split_mismatch").severity == "note"

    def test_rows_of_small_tables_coincide_by_nature(self):
        table = {
            "train__inputs__features": 3,
            "train__inputs__constant_features": 0,
            "duplicates__repeated": 0.9,
            "duplicates__shared__share": 0.8,
        }
        assert found(judge({**table, "duplicates__diversity": 0.1}), "split_leak").severity == "note"
        assert found(judge({**table, "duplicates__diversity": 1.0}), "split_leak").severity == "fail"

    @pytest.mark.parametrize(("by_chance", "equals", "severity"), [(0.2, 0.22, "note"), (0.2, 1.2, "fail")])
    def test_rows_far_oftener_equal_than_by_chance_are_copies(self, by_chance, equals, severity):
        table = {"duplicates__repeated": 0.2, "duplicates__shared__share": 0.2, "duplicates__equals": equals}
        assert found(judge({**table, "duplicates__by_chance": by_chance}), "split_leak").severity == severity


class TestExplained:
    """What another finding explains is not said a second time."""

    def test_large_logits_of_raw_inputs_are_a_note(self):
        result = judge(
            {"train__inputs__std": 96.0}, {"outputs__std": 30.0, "loss__train_mode": 40.0, "loss__eval_mode": 40.0}
        )
        assert found(result, "logits_too_large").severity == "note"
        assert [item.code for item in result.findings if item.severity != "note"] == ["input_not_normalized"]

    def test_large_logits_of_an_exploding_network(self):
        result = judge(
            {}, {"outputs__std": 1e6, "loss__train_mode": 1e6, "loss__gradients__flow": flow(1e6, 1e4, 1e2, 1.0)}
        )
        assert codes(result) == ["exploding_gradients"]

    def test_dead_units_explain_ignored_inputs_and_lost_gradients(self):
        dead = {"loss__units": (Units("1", 64, 1.0, 0.1),)}
        result = judge({}, {**dead, "dependence": Dependence(0.0, 0.0), "loss__gradients__flow": flow(0.0, 0, 0, 0.1)})
        assert codes(result) == ["dead_units"]

    def test_a_lost_input_explains_units_that_are_off(self):
        off = {"loss__units": (Units("1", 64, 0.6, 0.0),)}
        result = judge({}, {**off, "dependence": Dependence(0.0, 0.0), "loss__gradients__flow": flow(0.0, 0, 0, 0.1)})
        assert codes(result) == ["input_ignored"]

    def test_inputs_that_are_not_finite_explain_outputs_that_are_not(self):
        bad = {"train__not_finite": NotFinite(1000, (0,))}
        nothing = {"outputs__finite": False, "loss__train_mode": math.nan, "loss__gradients__finite": False}
        assert codes(judge(bad, nothing)) == ["input_not_finite"]
        alone = judge({}, nothing)
        assert "log, sqrt or division in forward()" in found(alone, "initial_loss_not_finite").advice[0]

    def test_constant_inputs_explain_dead_units_and_leaks(self):
        data = {"train__inputs__constant_features": 64, "train__inputs__std": 0.0, "duplicates__shared__share": 1.0}
        dead = {"loss__units": (Units("1", 64, 1.0, 0.0),)}
        assert codes(judge(data, {**dead, "dependence": Dependence(0.0, 0.0)})) == ["input_constant"]

    def test_a_softmax_over_the_samples_is_a_batch_leak_alone(self):
        outputs = {
            "outputs__lowest": 0.001,
            "outputs__highest": 0.1,
            "outputs__column_sum_off": 1e-6,
            "stretched": None,
        }
        assert codes(judge({}, {**outputs, "dependence": Dependence(0.1, 0.01)})) == ["batch_leak"]


class TestPretrained:
    CONTEXT = context_of("check-init-loss", model={"target": "mlp", "pretrained": True})

    def test_a_low_loss_large_logits_and_frozen_parameters_are_meant(self):
        trained = {"loss__train_mode": 0.1, "loss__eval_mode": 0.1, "outputs__std": 8.0}
        trained["frozen"] = Frozen(("0.weight",), acting=("0.weight",), drawn=("0.weight",))
        assert codes(judge({}, trained, self.CONTEXT)) == []

    def test_a_high_loss_is_still_a_fault(self):
        high = {"loss__train_mode": 9.0, "loss__eval_mode": 9.0, "outputs__std": 6.0}
        assert codes(judge({}, high, self.CONTEXT)) == ["initial_loss_high"]


class TestOtherKinds:
    def test_binary_against_ln_2_and_the_prior(self):
        expected = {"zero": math.log(2), "prior": 0.325}
        shares = {"labels": Labels(0.0, 1.0, None, None)}
        context = context_of("check-init-loss", task="binary", facts={"classes": None})
        for loss in (0.70, 0.33):
            assert codes(judge(shares, of_kind("binary", expected, loss), context)) == []
        result = judge(shares, of_kind("binary", expected, 0.70), context)
        assert "(ln 2)" in result.summary
        assert codes(judge(shares, of_kind("binary", expected, 0.95, rms=1.5), context)) == ["initial_loss_high"]
        assert codes(judge(shares, of_kind("binary", expected, 0.2), context)) == ["initial_loss_low"]

    @pytest.mark.parametrize(("low", "high"), [(1.0, 2.0), (-1.0, 1.0), (0.0, 3.0)])
    def test_binary_targets_beyond_0_and_1(self, low, high):
        context = context_of("check-init-loss", task="binary", facts={"classes": None})
        initial = of_kind("binary", {"zero": 0.69}, 0.69)
        data = {"labels": Labels(low, high, None, None)}
        assert codes(judge(data, initial, context)) == ["labels_out_of_range"]
        own = context_of("check-init-loss", task="binary", facts={"classes": None}, loss="losses:hinge")
        assert codes(judge(data, initial, own)) == []

    def test_regression_outputs_far_larger_than_targets(self):
        expected = {"zero": 1e-6, "prior": 1e-6, "median": 1e-6}
        result = judge({}, of_kind("regression", expected, 0.05, loss__takes_logits=False), regression())
        assert "standardise the targets" in found(result, "initial_loss_high").advice[0]

    def test_regression_outputs_add_their_own_variance(self):
        expected = {"zero": 1.0, "prior": 1.0, "median": 1.0}
        for loss in (1.3, 1.9, 0.7):
            assert codes(judge({}, of_kind("regression", expected, loss, loss__takes_logits=False), regression())) == []
        low = judge({}, of_kind("regression", expected, 0.3, loss__takes_logits=False), regression())
        assert codes(low) == ["initial_loss_low"]

    def test_a_loss_without_scale_is_not_judged(self):
        for expected, loss in (({"zero": 0.0, "prior": -1e-9}, -0.4), ({"zero": -3.0}, -3.5), ({"zero": -3.0}, -1.0)):
            initial = of_kind("regression", expected, loss, loss__takes_logits=False)
            assert codes(judge({}, initial, regression())) == []

    @pytest.mark.parametrize(
        ("low", "high", "targets", "speaks"),
        [
            (-1.0, 1.0, (14.0, 78.0), True),
            (-1.0, 1.0, (-1.6, 1.6), True),
            (-1.0, 1.0, (-0.8, 0.8), False),
            (0.0, 1.0, (-1.6, 1.6), True),
            (0.0, 1.0, (0.1, 0.9), False),
        ],
    )
    def test_regression_outputs_bounded_where_targets_are_not(self, low, high, targets, speaks):
        initial = of_kind(
            "regression",
            {"zero": 1.0},
            1.0,
            loss__takes_logits=False,
            outputs__lowest=low / 2,
            outputs__highest=high / 2,
            stretched=Stretched(low, high, 0.9),
            targets=Targets(lowest=targets[0], highest=targets[1], low=targets[0], high=targets[1]),
        )
        assert codes(judge({}, initial, regression())) == (["outputs_clipped"] if speaks else [])

    @pytest.mark.parametrize(("least", "speaks"), [(-1.0, True), (0.0, False)])
    def test_relu_at_the_end_of_a_regression(self, least, speaks):
        initial = of_kind(
            "regression",
            {"zero": 1.0},
            1.0,
            loss__takes_logits=False,
            outputs__lowest=0.0,
            outputs__zeros=0.5,
            stretched=Stretched(0.0, 900.0, 0.5),
            targets=Targets(lowest=least, highest=3.0, low=least, high=3.0),
        )
        assert codes(judge({}, initial, regression())) == (["outputs_clipped"] if speaks else [])


def test_a_wider_tolerance_is_taken_a_narrower_one_is_refused():
    high = {"loss__train_mode": 2.9, "loss__eval_mode": 2.9, "outputs__std": 1.2}
    assert codes(judge({}, high)) == ["initial_loss_high"]
    wide = context_of("check-init-loss", steps={"check-init-loss": {"tolerance": 0.4}})
    assert codes(judge({}, high, wide)) == []
    with pytest.raises(ValueError, match=r"at least 0\.15, since sound networks start up to 11 %"):
        context_of("check-init-loss", steps={"check-init-loss": {"tolerance": 0.05}})


def test_data_that_cannot_be_indexed_are_said_and_the_model_is_still_judged():
    context = context_of("check-init-loss")
    requests = check_init_loss.plan(context, [])
    summed = changed(INITIAL, loss__over_halves=2.0)
    records = [Record(requests[0], values=DataMeasured(None).to_json())]
    records += [Record(request, values=summed.to_json()) for request in requests[1:-1]]
    assert codes(judged(context, records)) == ["not_repeatable", "loss_not_averaged"]


def test_objective_is_the_distance_from_the_expectation():
    data, request, *_ = check_init_loss.plan(context_of("check-init-loss"), [])
    value = check_init_loss.objective(context_of("check-init-loss"), Record(request, values=INITIAL.to_json()))
    assert value == pytest.approx(2.35 / math.log(10) - 1)
    unfit = changed(INITIAL, loss=None)
    assert check_init_loss.objective(context_of("check-init-loss"), Record(request, values=unfit.to_json())) is None
    assert (
        check_init_loss.objective(context_of("check-init-loss"), Record(data, values=DataMeasured(SAMPLES).to_json()))
        is None
    )


class TestWords:
    """What `explain` says is what the code does."""

    def test_a_high_loss_has_other_tolerances_in_a_regression(self):
        says = INITIAL_LOSS_HIGH.measured
        assert "more than 15 % (`steps.check-init-loss.tolerance`), with outputs of a scale above 1" in says
        assert "in a regression by more than 100 %, whatever the scale" in says
        above = {"loss__train_mode": 1.16 * math.log(10), "loss__eval_mode": 1.16 * math.log(10)}
        assert codes(judge({}, {**above, "outputs__std": 1.01})) == ["initial_loss_high"]
        assert codes(judge({}, {**above, "outputs__std": 0.99})) == []
        for value, speaks in ((1.99, False), (2.01, True)):
            initial = of_kind("regression", {"zero": 1.0}, value, rms=0.1, loss__takes_logits=False)
            assert codes(judge({}, initial, regression())) == (["initial_loss_high"] if speaks else [])

    def test_a_low_loss_too(self):
        says = INITIAL_LOSS_LOW.measured
        assert "in train and in eval mode: below the least of those values by more than 15 %" in says
        assert "in a regression by more than 50 %" in says

    def test_the_parameters_of_a_request_are_its_own(self):
        assert [request.params for request in check_init_loss.plan(context_of("check-init-loss"), [])][:2] == [
            {},
            {"seed": 0},
        ]


@pytest.mark.parametrize(
    ("metric", "code"),
    [
        ("max own:rms_error", ["metric_direction"]),
        ("max own:PixelDistance", ["metric_direction"]),
        ("min own:top1_accuracy", ["metric_direction"]),
        ("max own:negative_mse", []),
        ("max own:one_minus_error", []),
        ("min own:rms_error", []),
        ("max own:accuracy_under_loss", []),
    ],
)
def test_where_a_metric_cannot_be_measured_its_name_is_looked_at(metric, code):
    result = judge(context=context_of("check-init-loss", metric=metric))
    assert [(item.code, item.severity) for item in result.findings] == [(name, "warn") for name in code]


def test_a_measured_metric_is_judged_by_what_it_gives_and_not_by_its_name():
    named = context_of("check-init-loss", metric="max own:rms_error")
    assert codes(judge(context=named, usage={"direction": Direction(0.0, -1.4, maximize=True, made=True)})) == []
    result = judge(context=named, usage={"direction": Direction(0.0, 1.4, maximize=True, made=True)})
    assert (result.verdict, codes(result)) == ("fail", ["metric_direction"])
    assert "right outputs score 0 and outputs of other samples 1.4" in result.findings[0].message


def test_a_mask_that_is_not_passed_on_explains_that_padding_acts():
    padded = Padded(share=0.4, effect=0.5, told=True, in_loss=0.0, token=3)
    (finding,) = judge(usage={"padded": padded}).findings
    assert finding.code == "padding_not_masked"
    assert "of the positions are padding, token 3)" in finding.message
    uses = (InputUse("words", True, masks=False), InputUse("mask", False, masks=True))
    assert codes(judge(usage={"padded": padded, "inputs": uses})) == ["input_unused"]


def test_windows_that_occur_whole_in_training_are_a_series_that_repeats_itself():
    windows = Windows(share=0.9, same=0.1, shift=1, length=24, looked_at=200)
    assert codes(judge({"windows": windows})) == ["windows_overlap"]
    assert codes(judge({"windows": changed(windows, same=0.6)})) == []
    assert judge({"windows": changed(windows, share=0.2, same=0.0)}).findings[0].severity == "note"


def test_words_are_as_frequent_as_they_are():
    zipf = {word: 10_000 // (word + 1) for word in range(200)}
    words = Labels(lowest=0.0, highest=199.0, train=zipf, val={**zipf, 500: 1}, axes=1)
    assert judge({"labels": words}).findings == ()
    tags = Labels(lowest=0.0, highest=1.0, train={0: 900, 1: 30}, val={0: 90, 1: 3}, axes=1)
    assert [(item.code, item.severity) for item in judge({"labels": tags}).findings] == [("class_imbalance", "note")]


@pytest.mark.parametrize(
    ("classes", "low", "outputs", "severity"), [(2, 1, 3, "note"), (3, 1, 4, "note"), (3, 1, 9, "fail")]
)
def test_classes_that_are_numbered_from_1_have_the_line_that_mends_it(classes, low, outputs, severity):
    high = float(classes + low - 1)
    initial = {"outputs__shape": (outputs,), "targets": Targets(lowest=float(low), highest=high, low=1.0, high=high)}
    context = context_of("check-init-loss", facts={"classes": classes})
    finding = found(judge(initial=initial, context=context), "class_count_mismatch")
    assert finding.severity == severity
    assert finding.message.endswith(f"labels reach from 1 to {high:g}")
    assert finding.advice == ("number the classes from 0",)


def test_a_sample_that_is_not_finite_hides_no_scale():
    told = judge({"train__not_finite": NotFinite(1, (5,)), "train__inputs__std": 96.0})
    assert {"input_not_finite", "input_not_normalized"} <= set(codes(told))


def test_targets_that_are_not_finite_are_named():
    finding = found(judge({"train__targets_not_finite": 2, "train__bad_targets": (3, 13)}), "input_not_finite")
    assert finding.message == "2 training targets are NaN or infinite (sample 3, 13)"


def test_classes_are_called_by_their_names():
    names = {"classes": ("cat", "dog", "emu")}
    uneven = Labels(lowest=0.0, highest=2.0, train={0: 900, 1: 30, 7: 200}, val={0: 90, 1: 3, 2: 50})
    findings = judge({"labels": uneven, **names}).findings
    assert [item.message for item in findings] == [
        "classes 'emu' occur in validation but never in training",
        "class 'cat' has 900 training samples, class 'dog' has 30: 30 to 1",
    ]
    single = Labels(lowest=1.0, highest=1.0, train={1: 900}, val={1: 90}, same=True)
    assert found(judge({"labels": single, **names}), "single_class").message.endswith("are of class 'dog'")
    assert found(judge({"labels": single}), "single_class").message == "all training targets are 1"


@pytest.mark.parametrize(
    ("target", "args", "said"), [("table", {}, True), ("table", {"classes": True}, False), ("arrays", {}, False)]
)
def test_a_table_can_number_classes_itself(target, args, said):
    context = context_of("check-init-loss", task="binary", data={"target": target, "args": {"path": "x", **args}})
    labels = Labels(lowest=-1.0, highest=1.0, train={-1: 500, 1: 500}, val={-1: 50, 1: 50})
    finding = found(judge({"labels": labels}, context=context), "labels_out_of_range")
    assert any("`classes: true`" in line for line in finding.advice) is said
    assert [remedy.set for remedy in finding.remedies] == [{"data.args.classes": True}] * said


def test_letters_are_as_frequent_as_they_are():
    letters = Labels(lowest=0.0, highest=19.0, train={k: 1 + 5 * k for k in range(20)}, val={3: 5, 20: 1}, tokens=True)
    assert [(item.code, item.severity) for item in judge({"labels": letters}).findings] == [("split_mismatch", "note")]
    assert "class_imbalance" in codes(judge({"labels": changed(letters, tokens=False)}))


SKEWED = Labels(lowest=0.0, highest=1.0, train={0: 393, 1: 28}, val={0: 90, 1: 9})


@pytest.mark.parametrize(
    ("metric", "loss", "left"), [("auto", {}, 2), ("balanced_accuracy", {}, 1), ("f1", "focal", 0)]
)
def test_rare_classes_are_told_with_what_the_recipe_does_not_do_yet(metric, loss, left):
    facts = {"metric": "accuracy" if metric == "auto" else metric}
    context = context_of("check-init-loss", facts=facts, metric=metric, **({"loss": loss} if loss else {}))
    (finding,) = [one for one in judge({"labels": SKEWED}, context=context).findings if one.code == "class_imbalance"]
    assert len(finding.advice) == left
    assert finding.message == "class 0 has 393 training samples, class 1 has 28: 14 to 1"
    assert finding.severity == ("note" if loss else "warn")


def test_counts_of_some_samples_say_of_how_many():
    finding = judge({"labels": changed(SKEWED, whole=False), "train__seen": 1000, "train__size": 4000}).findings[0]
    assert finding.message.endswith("14 to 1 among the 1,000 of 4,000 samples looked at")


@pytest.mark.parametrize(("axis", "shape"), [(1, (5, 24)), (2, (24, 5))])
def test_a_class_a_token_too_few_is_told_wherever_the_classes_lie(axis, shape):
    few = {"loss": None, "outputs__shape": shape, "outputs__axis": axis, "targets": Targets(0.0, 5.0, 0.0, 5.0)}
    result = judge(initial=few, context=context_of("check-init-loss", facts={"classes": None}))
    assert "give the model an output for each class" in found(result, "labels_out_of_range").advice
