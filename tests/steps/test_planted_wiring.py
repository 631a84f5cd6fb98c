"""Faults of the model's wiring, its loss and its optimizer that step 1 names, and near misses on which it is silent."""

import pytest
from inline_run import first_step, spoken

from tests.conftest import every_other_day

W = "planted_wiring:"
N = "planted_near:"
SCALAR = {"features": 8, "outputs": 1}
REGRESSION = {"data": "regression", "task": "regression"}
PLANE = {**REGRESSION, "model_args": SCALAR}


def case(model, data="clouds", **recipe):
    return {"model": model if ":" in model else f"{W}{model}", "data": data, **recipe}


def of(model, *, data="clouds", task="classification", **args):
    """A case by the arguments of its model."""
    return case(model, data, task=task, model_args=args)


def optimized(name, weight_decay=1e-3, lr=1e-3, **recipe):
    optimizer = {"target": f"{W}{name}", "lr": lr, "weight_decay": weight_decay}
    return case("planted_models:dense", optimizer=optimizer, **recipe)


FAULTS = {
    "dropout that never ends": ("random_in_eval", of("Noisy", kind="dropout")),
    "noise in both modes": ("random_in_eval", of("Noisy", kind="noise")),
    "a state that forward() carries on": ("random_in_eval", of("Noisy", kind="state")),
    "a state that settles on equal batches": ("random_in_eval", case("Settling")),
    "BatchNorm in eval mode from the start": ("statistics_not_updated", of("HeldNorm", fresh=True)),
    "nearly all is dropped": ("initial_loss_high", case("Dropped")),
    "dropout on tokens that never ends": ("random_in_eval", case("TokensWithDropout", "tokens")),
    "NaN in eval mode alone": ("initial_loss_not_finite", case("NaNInEval")),
    "a mean over nothing": ("initial_loss_not_finite", case("planted_models:dense", loss=f"{W}over_nothing")),
    "the slope of a root at zero": ("exploding_gradients", case("SquareRoot")),
    "the slope of a power at zero": ("exploding_gradients", case("Powers", **REGRESSION)),
    "a loss that counts errors": ("loss_without_gradient", case("planted_models:dense", loss=f"{W}share_of_errors")),
    "a loss of rounded outputs": (
        "loss_without_gradient",
        case("planted_models:dense", loss=f"{W}rounded", **PLANE),
    ),
    "a mask that keeps nothing": ("loss_without_gradient", case("planted_models:dense", loss=f"{W}masked_out")),
    "nll of softmax": (
        "outputs_are_probabilities",
        case("planted_models:ends_in", model_args={"layer": "softmax"}, loss="nll"),
    ),
    "own nll of softmax": (
        "outputs_are_probabilities",
        case("planted_models:conv_softmax", "images", loss=f"{W}own_nll"),
    ),
    "nll of logits": ("initial_loss_low", case("planted_models:dense", loss="nll")),
    "layers in a list": ("parameters_outside_model", of("Hidden", place="list")),
    "layers in a list in a dictionary": ("parameters_outside_model", of("Hidden", place="dictionary")),
    "a tensor as a plain attribute": ("parameters_outside_model", of("Hidden", place="tensor")),
    "a loss that learns": (
        "parameters_outside_model",
        case("planted_models:dense", loss=f"{W}Weighing", **PLANE),
    ),
    "an optimizer of the head": ("parameters_not_optimized", optimized("head_only")),
    "an optimizer of a copy": ("parameters_not_optimized", optimized("over_a_copy")),
    "a body at a rate of zero": ("parameters_not_optimized", optimized("body_at_zero")),
    "a rate of its own": ("rate_not_used", optimized("fixed_rate")),
    "a step of its own length": ("rate_not_used", optimized("IgnoringGroups", weight_decay=0.0)),
    "a decay of its own": ("regularization_not_added", optimized("fixed_decay")),
    "everything is one half": ("identical_units", of("constant", value=0.5)),
    "a network of zeros": ("identical_units", of("constant", value=0.0)),
    "two factors of zero": ("identical_units", of("LoRA", both=True)),
    "softmax over an axis of one": ("input_ignored", of("AxisOfOne", **REGRESSION, kind="softmax")),
    "LayerNorm over an axis of one": ("normalized_by_few", of("AxisOfOne", **REGRESSION, kind="norm")),
    "BatchNorm of momentum zero": ("statistics_not_updated", of("normed", momentum=0.0)),
    "BatchNorm of momentum zero over pictures": (
        "statistics_not_updated",
        of("normed_pictures", data="images", momentum=0.0),
    ),
    "BatchNorm over pictures one by one": (
        "normalized_by_few",
        case("normed_pictures", "images", batch_size=1),
    ),
    "BatchNorm over a single value": ("normalized_by_few", case("normed_pooled", "images", batch_size=1)),
    "BatchNorm over two samples": ("normalized_by_few", case("normed", batch_size=2)),
    "one BatchNorm at two places": ("shared_statistics", of("Twice", kind="norm")),
    "the place of a maximum": ("unused_parameters", case("PlaceOfMaximum", **REGRESSION)),
    "a ReLU at the end": ("outputs_clipped", case("relu_end", **REGRESSION)),
    "a GRU over samples": ("batch_leak", of("TimeFirst", data="sequences", kind="gru")),
    "attention over samples": ("batch_leak", of("TimeFirst", data="sequences", kind="attention")),
    "pixels of 0 to 255": (
        "input_not_normalized",
        case("planted_models:dense", "raw_images", model_args={"features": 64, "outputs": 10}),
    ),
}

SOUND = {
    "dropout in train mode": of("Noisy", kind="dropout", always=False),
    "noise in train mode": of("Noisy", kind="noise", always=False),
    "a state that train mode updates": of("Noisy", kind="state", always=False),
    "samples in train mode": case("Sampled"),
    "a root away from zero": of("SquareRoot", safe=True),
    "infinities before a softmax": case("MaskedAttention", "sequences"),
    "a hinge that most samples satisfy": case("planted_models:dense", loss=f"{W}satisfied_hinge", **PLANE),
    "a loss below zero": case("planted_models:dense", loss=f"{W}dice"),
    "1 - p": case("planted_models:ends_in", model_args={"layer": "softmax"}, loss=f"{W}unhinged"),
    "a log-likelihood of log-probabilities": case("planted_models:log_softmax", loss=f"{W}own_nll"),
    "weights normalised by parametrisation": case("normalised_weights"),
    "tied weights": case("Tied"),
    "an input that takes a gradient": case("Slopes", **REGRESSION),
    "a frozen layer in a list": of("Hidden", place="frozen teacher"),
    "a buffer that takes a gradient": of("Hidden", place="buffer"),
    "a tenth of the rate for the body": optimized("slower_body"),
    "one small group at a rate of its own": optimized("one_fixed_group"),
    "decay as L2 under Adam": optimized("adam_l2"),
    "a decay that single precision loses": optimized("slower_body", lr=1e-5, weight_decay=1e-5),
    "a decay that double precision loses": optimized("adam_l2", lr=1e-8, weight_decay=1e-9),
    "no decay, and an optimizer that would drop one": optimized("fixed_decay", weight_decay=0.0),
    "the head alone, pretrained": optimized("head_only", pretrained=True),
    "LoRA": case("LoRA"),
    "zeros before zeros": case("Modulated"),
    "position embeddings of zero": case("Position", "tokens"),
    "a first layer of constants before a random one": of("constant", value=0.1, layers="first"),
    "BatchNorm of momentum None": of("normed", momentum=None),
    "BatchNorm held in eval mode": case("HeldNorm"),
    "BatchNorm over eight samples": case("normed", batch_size=8),
    "a linear layer and dropout used twice": of("Twice", kind="linear"),
    "one encoder for a pair": of("Twice", kind="pair"),
    "a recurrent cell": case("Cell", "sequences"),
    "a GRU over time": of("TimeFirst", data="sequences", kind="gru", batch_first=True),
    "attention over time": of("TimeFirst", data="sequences", kind="attention", batch_first=True),
}


@pytest.mark.parametrize("name", every_other_day(FAULTS))
def test_the_fault_is_named(name):
    code, recipe = FAULTS[name]
    result = first_step(recipe)
    assert code in spoken(result), [item.message for item in result.findings]
    assert set(spoken(result)) - {code} <= BESIDE.get(name, set()), [item.message for item in result.findings]
    [finding, *_] = [item for item in result.findings if item.code == code]
    for part in WORDS.get(name, ()):
        assert part in " ".join([finding.message, *finding.advice]), (finding.message, finding.advice)


@pytest.mark.parametrize("name", every_other_day(SOUND))
def test_a_near_miss_is_not(name):
    result = first_step(SOUND[name])
    assert spoken(result) == {}, [item.message for item in result.findings]


BESIDE = {
    # A loss that carries no gradient reaches no parameter.
    "a loss that counts errors": {"unused_parameters"},
}

WORDS = {
    "dropout that never ends": ("dropout (planted_wiring.py, line", "training=self.training"),
    "noise in both modes": ("randn_like (planted_wiring.py, line",),
    "a state that forward() carries on": ("forward() keeps something", "fresh state"),
    "a state that settles on equal batches": ("forward() keeps something", "fresh state"),
    "NaN in eval mode alone": ("nan in eval mode", "div (planted_wiring.py, line"),
    "a mean over nothing": ("mean (planted_wiring.py, line", "a mean over nothing is NaN"),
    "the slope of a root at zero": ("sqrt (planted_wiring.py, line", "away from zero"),
    "the slope of a power at zero": ("pow (planted_wiring.py, line",),
    "nll of softmax": ("log_softmax",),
    "nll of logits": ("end the model in log_softmax",),
    "layers in a list": ("middle.0.weight, middle.0.bias (2352 numbers)", "nn.ModuleList"),
    "layers in a list in a dictionary": ("middle.deep.0.weight",),
    "a tensor as a plain attribute": ("scale (48 numbers)", "nn.Parameter"),
    "a loss that learns": ("the loss computes with", "loss's parameters"),
    "a rate of its own": ("lr 0.01",),
    "a decay of its own": ("has its own", "pass weight_decay on"),
    "BatchNorm over a single value": ("torch refuses to train",),
    "a GRU over samples": ("body takes the first axis for time", "batch_first=True"),
    "attention over samples": ("batch_first=True",),
    "pixels of 0 to 255": ("divide by 255",),
}


def test_a_gradient_that_is_nan_is_not_clipped():
    result = first_step(FAULTS["the slope of a root at zero"][1])
    [finding] = [item for item in result.findings if item.code == "exploding_gradients"]
    assert "clip_grad_norm" not in " ".join(finding.advice)


def test_a_frozen_parameter_that_the_optimizer_moves_is_told_from_one_that_follows_in_forward():
    optimizer = {"target": f"{W}decays_everything", "lr": 1e-3, "weight_decay": 1e-3}
    moved = first_step(case("planted_models:frozen", optimizer=optimizer, pretrained=True))
    assert spoken(moved) == {"frozen_parameters_move": "fail"}
    usual = {"target": f"{W}adam_l2", "lr": 1e-3, "weight_decay": 1e-3}
    assert spoken(first_step(case("Momentum", optimizer=usual, pretrained=True))) == {}
    assert spoken(first_step(case("planted_models:frozen", optimizer=usual, pretrained=True))) == {}


def test_a_group_of_a_fixed_rate_among_others_is_a_note():
    result = first_step(SOUND["one small group at a rate of its own"])
    assert [(item.code, item.severity) for item in result.findings] == [("rate_not_used", "note")]


@pytest.mark.parametrize(
    ("name", "summary"),
    [
        ("a mean over nothing", "Initial loss nan: it is not finite, at outputs that know nothing either."),
        ("a mask that keeps nothing", "Initial loss 0, expected 0 (the loss at outputs of zero): no share can be told"),
    ],
)
def test_the_summary_has_no_share_of_nothing(name, summary):
    result = first_step(FAULTS[name][1])
    assert result.summary.startswith(summary)
    assert "nan %" not in result.summary
