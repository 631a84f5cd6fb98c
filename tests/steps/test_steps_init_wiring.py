"""What step 1 makes of measured wiring, optimizers, randomness and normalisation: thresholds on hand-made numbers."""

import math

import pytest
from hand_made import codes, context_of, found, judged
from init_measurements import INITIAL, SAMPLES, changed, expectations

from tunekit.measured import (
    DataMeasured,
    Decay,
    Dependence,
    Frozen,
    Identical,
    Normalization,
    Optimizing,
    Origin,
    Outside,
    Rate,
    Repeated,
    UsageMeasured,
    VarianceShift,
)
from tunekit.steps import check_init_loss
from tunekit.steps.check_init_loss.finiteness import mending_gradient
from tunekit.vocabulary import Record

HELD = Optimizing(rates=(Rate(100, 1e-3, False),), idle=(), idle_share=0.0, frozen_moved=())
NORM = Normalization("1", momentum=0.1, calls=1, values=64, moved=True, frozen=False)
LIST = Outside(("hidden.0.weight",), 64, of_loss=False, optimized=False)


def judge(changes, context=None, data=None):
    """Over these changes to sound measurements; a list gives each initialisation its own."""
    context = context or context_of("check-init-loss")
    several = changes if isinstance(changes, list) else [changes] * 3
    measured = [DataMeasured(changed(SAMPLES, **(data or {}))), *[changed(INITIAL, **item) for item in several]]
    measured.append(UsageMeasured())
    requests = check_init_loss.plan(context, [])
    return judged(context, [Record(r, values=m.to_json()) for r, m in zip(requests, measured, strict=True)])


def loud(result):
    return {item.code: item.severity for item in result.findings if item.severity != "note"}


SPEAKS = {
    "random": ({"repeated": Repeated(0.2, 0.0, (Origin("dropout", "net.py, line 3"),))}, {"random_in_eval": "warn"}),
    "NaN in eval mode": ({"loss__eval_mode": math.nan}, {"initial_loss_not_finite": "fail"}),
    "infinite in train mode": ({"loss__train_mode": math.inf}, {"initial_loss_not_finite": "fail"}),
    "one initialisation of three": ([{"loss__train_mode": math.nan}, {}, {}], {"initial_loss_not_finite": "fail"}),
    "flat": (
        {"loss__train_mode": 0.0, "loss__eval_mode": 0.0, "loss__at_outputs": 0.0, "loss__elsewhere": 0.0},
        {"loss_without_gradient": "fail"},
    ),
    "a list": ({"outside": (LIST,)}, {"parameters_outside_model": "fail"}),
    "of the loss": ({"outside": (changed(LIST, of_loss=True),)}, {"parameters_outside_model": "warn"}),
    "a list in the optimizer": ({"outside": (changed(LIST, optimized=True),)}, {"parameters_outside_model": "warn"}),
    "most are idle": (
        {"optimizing": changed(HELD, idle=("body",), idle_share=0.9)},
        {"parameters_not_optimized": "fail"},
    ),
    "few are idle": (
        {"optimizing": changed(HELD, idle=("bias",), idle_share=0.01)},
        {"parameters_not_optimized": "warn"},
    ),
    "fixed rates": ({"optimizing": changed(HELD, rates=(Rate(90, 1e-4, True),))}, {"rate_not_used": "fail"}),
    "most rates fixed": (
        {"optimizing": changed(HELD, rates=(Rate(90, 1e-4, True), Rate(10, 1e-3, False)))},
        {"rate_not_used": "warn"},
    ),
    "frozen ones that move": (
        {"optimizing": changed(HELD, frozen_moved=("body",))},
        {"frozen_parameters_move": "fail"},
    ),
    "a decay of its own": ({"decay": Decay(4.0, 3.9, without=3.9)}, {"regularization_not_added": "fail"}),
    "equal units": ({"identical": (Identical("1.weight", 48, 1e-6, 0.1),)}, {"identical_units": "fail"}),
    "fixed statistics": ({"normalizations": (changed(NORM, moved=False),)}, {"statistics_not_updated": "fail"}),
    "two values": ({"normalizations": (changed(NORM, values=2),)}, {"normalized_by_few": "warn"}),
    "two places": ({"normalizations": (changed(NORM, calls=2, apart=2.0),)}, {"shared_statistics": "warn"}),
    "the same for all samples": ({"dependence": Dependence(1e-9, 0.0, spread=1e-8)}, {"input_ignored": "fail"}),
}

SILENT = {
    "rounding between two passes": {"repeated": Repeated(1e-5, 0.0)},
    "random in one initialisation": [{"repeated": Repeated(0.2, 0.0)}, {}, {}],
    "a hinge that is satisfied": {"loss__at_outputs": 0.0, "loss__elsewhere": 0.3},
    "one group of a fixed rate": {"optimizing": changed(HELD, rates=(Rate(10, 1e-4, True), Rate(90, 1e-3, False)))},
    "a small decay": {"decay": Decay(4.0, 4.0 - 8e-8, without=4.0)},
    "a decay that nobody asked for is lost": {"decay": Decay(4.0, 4.0, without=4.0, asked=False)},
    "zeros that come apart": {"identical": (Identical("1.weight", 48, 0.5, 0.1),)},
    "equal in one initialisation": [{"identical": (Identical("1.weight", 48, 0.0, 0.1),)}, {}, {}],
    "a pair of like inputs": {"normalizations": (changed(NORM, calls=2, apart=0.2),)},
    "frozen BatchNorm that goes on": {"normalizations": (changed(NORM, frozen=True),)},
}


@pytest.mark.parametrize("name", SPEAKS)
def test_speaks(name):
    changes, said = SPEAKS[name]
    assert loud(judge(changes)) == said


@pytest.mark.parametrize("name", SILENT)
def test_stays_silent(name):
    assert loud(judge(SILENT[name])) == {}


def test_a_head_alone_is_a_note_where_the_body_is_pretrained():
    context = context_of("check-init-loss", model={"target": "mlp", "pretrained": True})
    result = judge({"optimizing": changed(HELD, idle=("body",), idle_share=0.9)}, context)
    assert found(result, "parameters_not_optimized").severity == "note"


def test_batch_norm_at_a_batch_size_of_one():
    assert loud(judge({"normalizations": (changed(NORM, values=1),)})) == {"normalized_by_few": "fail"}
    context = context_of("check-init-loss", batch_size=1)
    assert loud(judge({"normalizations": (NORM,)}, context)) == {"normalized_by_few": "warn"}
    assert loud(judge({}, context)) == {}


@pytest.mark.parametrize(
    ("slope", "loss", "code"),
    [(-1.0, -0.1, "initial_loss_low"), (-1.0, 0.2, "initial_loss_low"), (None, -0.1, None), (0.5, -0.1, None)],
)
def test_a_loss_below_zero_is_low_only_where_it_takes_log_probabilities(slope, loss, code):
    expected = expectations(zero=math.log(10)) if loss > 0 else expectations(zero=-0.1)
    changes = {"loss__train_mode": loss, "loss__eval_mode": loss, "loss__slope": slope, "loss__expected": expected}
    result = judge(changes, context_of("check-init-loss", loss="losses:own"))
    assert codes(result) == ([code] if code else [])
    if code:
        assert "log_softmax" in found(result, code).advice[0]


def test_a_cross_entropy_below_zero_has_wrong_targets():
    result = judge({"loss__train_mode": -0.1, "loss__eval_mode": -0.1})
    assert "check the targets" in found(result, "initial_loss_low").advice[0]


def test_inputs_that_are_not_finite_explain_a_loss_that_is_not():
    result = judge({"loss__train_mode": math.nan}, data={"train__targets_not_finite": 3})
    assert codes(result) == ["input_not_finite"]


@pytest.mark.parametrize(
    ("loss", "expected", "summary"),
    [
        (math.inf, {"zero": math.inf}, "Initial loss inf: it is not finite, at outputs that know nothing either."),
        (math.nan, {"zero": 2.3}, "Initial loss nan: it is not finite."),
        (
            2.3,
            {"zero": math.inf},
            "Initial loss 2.3; at outputs that know nothing it is not finite, or not known.",
        ),
        (0.0, {"zero": 0.0}, "Initial loss 0, expected 0 (the loss at outputs of zero): no share can be told of zero."),
    ],
)
def test_the_summary_never_has_a_share_of_what_is_not_finite(loss, expected, summary):
    changes = {"loss__train_mode": loss, "loss__eval_mode": loss, "loss__expected": expectations(**expected)}
    assert judge(changes).summary == summary


def test_pixels_are_divided_by_255():
    raw = {"train__inputs__mean": 78.0, "train__inputs__std": 96.0}
    assert "255" not in found(judge({}, data=raw), "input_not_normalized").advice[0]
    pixels = judge({}, data={**raw, "train__inputs__bytes": True, "train__inputs__highest": 255.0})
    assert "divide by 255" in found(pixels, "input_not_normalized").advice[0]


def test_time_first_is_named_with_the_layer():
    leak = judge({"dependence": Dependence(0.5, 0.1, time_first=("body",))})
    assert "body `batch_first=True`" in found(leak, "batch_leak").advice[0]


@pytest.mark.parametrize("origin", [None, Origin("sqrt", "net.py, line 3"), Origin("mul")])
def test_what_mends_a_gradient_that_is_not_finite_is_no_clipping(origin):
    advice = " ".join(mending_gradient(origin))
    assert "sqrt" in advice
    assert "clip_grad_norm" not in advice


FROZEN_AT_RANDOM = {"frozen": Frozen(("0.weight",), acting=("0.weight",), drawn=("0.weight",))}


def test_a_body_that_the_recipe_freezes_is_no_fault_and_random_numbers_in_it_are_said():
    context = context_of("check-init-loss", model={"target": "mlp", "freeze": "always"})
    result = judge(FROZEN_AT_RANDOM, context)
    assert loud(result) == {}
    note = found(result, "frozen_parameters")
    assert note.severity == "note"
    assert note.message.startswith("model.freeze: the body stays at the random numbers")
    assert loud(judge(FROZEN_AT_RANDOM)) == {"frozen_parameters": "warn"}


@pytest.mark.parametrize("model", [{"freeze": "always", "weights": "w.pt"}, {"pretrained": True}, {"weights": "w.pt"}])
def test_weights_that_were_loaded_may_be_frozen(model):
    context = context_of("check-init-loss", model={"target": "mlp", **model})
    assert "frozen_parameters" not in codes(judge(FROZEN_AT_RANDOM, context))


def test_batch_norm_of_a_frozen_body_is_held_on_purpose():
    idle = {"normalizations": (changed(NORM, idle=True, calls=0, values=0, moved=False),)}
    assert loud(judge(idle)) == {"statistics_not_updated": "warn"}
    context = context_of("check-init-loss", model={"target": "mlp", "freeze": "always"})
    assert loud(judge(idle, context)) == {}


SHIFT = VarianceShift("3", ratio=2.0, direct=True)


@pytest.mark.parametrize(
    ("shifts", "severity"),
    [
        ([SHIFT] * 3, "warn"),
        ([changed(SHIFT, direct=False)] * 3, "note"),
        ([changed(SHIFT, ratio=1.49)] * 3, None),
        ([SHIFT, SHIFT, changed(SHIFT, ratio=1.4)], None),  # not in every initialisation
        ([changed(SHIFT, ratio=0.5)] * 3, None),
    ],
)
def test_a_variance_that_dropout_shifts_in_every_initialisation_is_said(shifts, severity):
    result = judge([{"shifts": (shift,)} for shift in shifts])
    said = [item.severity for item in result.findings if item.code == "dropout_before_batch_norm"]
    assert said == ([severity] if severity else [])
