"""Faults planted in small models and data, each to be named by its own code, and sound ones that must stay silent.

Steps 1 and 2 run in this process with tunekit's own probes and trainings; the pieces stand in planted_*.py.
"""

import numpy as np
import pytest
import torch
from inline_run import carry_out, context_of, recipe_of, spoken

from tests.conftest import every_other_day

N = "planted_near:"
SCALAR = {"features": 8, "outputs": 1}
BINARY = {"data": "binary", "task": "binary", "model_args": SCALAR}
REGRESSION = {"data": "regression", "task": "regression", "model_args": SCALAR}
LABELS = {"data": "multilabel", "task": "multilabel", "model_args": {"features": 10, "outputs": 5}}
DIGITS = {"features": 64, "outputs": 10}


def case(model="dense", data="clouds", **recipe):
    return {"model": model, "data": data, **recipe}


def ending(layer, **recipe):
    """A usual network with this layer after its last."""
    return case("ends_in", **{**recipe, "model_args": {**recipe.get("model_args", {}), "layer": layer}})


def wired(fault):
    return case("Wired", model_args={"fault": fault})


SOUND = {
    "logistic regression": case("linear"),
    "logistic regression on two features": case("linear", data_args={"features": 2}, model_args={"features": 2}),
    "logistic regression on digits": case("linear", "images", model_args=DIGITS),
    "linear regression": case("linear", **REGRESSION),
    "linear regression of mean 2": case("linear", **REGRESSION, data_args={"mean": 2, "std": 3}),
    "the last state of an LSTM": case(N + "LastHidden", "images"),
    "the last states of a GRU in both directions": case(
        N + "LastHidden", "images", model_args={"kind": "GRU", "both": True}
    ),
    "MLP of two layers": case(model_args={"depth": 2}),
    "MLP of eight layers, default initialisation": case(model_args={"depth": 8}),
    "MLP with BatchNorm": case(model_args={"depth": 2, "norm": "batch"}),
    "MLP with LayerNorm": case(model_args={"depth": 2, "norm": "layer"}),
    "MLP of twelve layers, He initialisation": case("he"),
    "MLP of forty layers, He initialisation": case("he", model_args={"depth": 40}),
    "three tanh layers": case("saturating", model_args={"kind": "tanh", "depth": 3}),
    "four sigmoid layers": case("saturating", model_args={"kind": "sigmoid", "depth": 4}),
    "fifteen tanh layers, Xavier initialisation": case("saturating", model_args={"kind": "tanh", "xavier": True}),
    "last layer of zeros": case("zero_head"),
    "a single hidden layer and a last one of zeros": case("zero_head", model_args={"depth": 1}),
    "branches behind a scale of zero": case(N + "Gated"),
    "branches behind a tiny scale": case(N + "Gated", model_args={"start": 1e-6}),
    "dropout of a half": case("with_dropout"),
    "in-place activations and a tuple": case(N + "InPlace"),
    "CNN": case("conv", "images"),
    "CNN with BatchNorm": case("conv", "images", model_args={"norm": True}),
    "ResNet": case("residual", "images"),
    "ResNet whose blocks begin as the identity": case("residual", "images", model_args={"zero": True}),
    "transformer on tokens": case("Transformer", "tokens"),
    "own attention on raw sequences": case(N + "OwnAttention", "sequences"),
    "GRU": case("Recurrent", "sequences"),
    "LSTM": case(N + "Lstm", "sequences"),
    "a class a pixel": case(N + "per_pixel", N + "segments"),
    "dictionary batches": case("ByName", "clouds_dicts"),
    "few parameters on dictionary batches": case("ByName", "clouds_dicts", model_args={"small": True}),
    "imbalance of 8 to 1": case(data="clouds_uneven", data_args={"ratio": 8}, model_args={"outputs": 3}),
    "imbalance of 10 to 1": case(data=N + "ten_to_one", model_args={"outputs": 2}),
    "a table of few values, whose rows coincide": case(
        data=N + "small_codes", model_args={"features": 3, "outputs": 2}
    ),
    "validation a little further on": case(data=N + "moved_mildly"),
    "raw inputs before BatchNorm": case(N + "norm_first", N + "raw_clouds"),
    "log_softmax before cross-entropy": case("log_softmax"),
    "log_softmax twice": case("log_softmax", model_args={"times": 2}),
    "log_softmax and nll": case("log_softmax", loss="nll"),
    "label smoothing": case(loss={"target": "cross_entropy", "args": {"label_smoothing": 0.1}}),
    "class weights": case(loss={"target": "cross_entropy", "args": {"weight": [1, 2, 1, 4]}}),
    "class weights, then averaged over the batch": case(loss="planted_models:weighted_then_averaged"),
    "focal loss": case(loss="focal"),
    "own cross-entropy": case(loss="planted_models:own_cross_entropy"),
    "own hinge loss": case(loss="planted_models:hinge"),
    "multi-margin loss": case(loss="multi_margin"),
    "torch's own class as loss": case(loss="torch.nn:CrossEntropyLoss"),
    "softmax before the logarithm": ending("softmax", loss=N + "negative_log"),
    "markers that the loss leaves out": case(
        data=N + "with_unknown", loss={"target": "cross_entropy", "args": {"ignore_index": 255}}
    ),
    "a loss that masks -1": case(data=N + "with_unknown", data_args={"marker": -1}, loss=N + "masked"),
    "binary": case(**BINARY),
    "binary, a tenth positive": case(**BINARY, data_args={"positive": 0.1}),
    "binary with pos_weight": case(
        **BINARY, data_args={"positive": 0.1}, loss={"target": "bce", "args": {"pos_weight": 9.0}}
    ),
    "binary with the prior in the last bias": case(
        N + "prior_bias", "binary", task="binary", data_args={"positive": 0.1}
    ),
    "sigmoid before BCELoss": ending("sigmoid", **BINARY, loss="torch.nn:BCELoss"),
    "sigmoid before the Brier score": ending("sigmoid", **BINARY, loss=N + "brier"),
    "multilabel": case(**LABELS),
    "regression": case(**{**REGRESSION, "model_args": {**SCALAR, "depth": 2}}),
    "regression of flat targets": case(**REGRESSION, data_args={"column": False}),
    "regression of two targets": case(
        data=N + "two_targets", task="regression", model_args={"features": 8, "outputs": 2}
    ),
    "regression of mean 3 and deviation 1": case(**REGRESSION, data_args={"mean": 3, "std": 1}),
    "regression with the mean in the last bias": case(
        N + "mean_bias", "regression", task="regression", data_args={"mean": 50, "std": 10}
    ),
    "regression by absolute error": case(**REGRESSION, loss="l1"),
    "regression by Huber's loss": case(**REGRESSION, loss="huber"),
    "own squared error": case(**REGRESSION, loss="planted_models:own_mean_squares"),
    "a loss below zero": case(**REGRESSION, loss=N + "correlation"),
    "a log-likelihood": case(**REGRESSION, loss=N + "gaussian"),
    "ReLU before positive targets": case(N + "plain_relu_end", N + "positive_targets", task="regression"),
    "sigmoid before shares": case(N + "sigmoid_end", N + "share_targets", task="regression"),
    "softplus before positive targets": case(N + "softplus_end", N + "positive_targets", task="regression"),
    "weight decay in groups": case(optimizer={"target": "planted_models:adam_with_groups", "weight_decay": 1e-3}),
    "pretrained, as the recipe says": case("trained", pretrained=True),
    "frozen body, as the recipe says": case("frozen", pretrained=True),
}

FAULTS = {
    "softmax at the end": ("outputs_are_probabilities", ending("softmax")),
    "softmax at the end of a CNN": ("outputs_are_probabilities", case("conv_softmax", "images")),
    "sigmoid before cross-entropy": ("outputs_are_probabilities", ending("sigmoid")),
    "sigmoid before BCEWithLogits": ("outputs_are_probabilities", ending("sigmoid", **BINARY)),
    "sigmoid on many labels": ("outputs_are_probabilities", ending("sigmoid", **LABELS)),
    "tanh on the logits": ("outputs_clipped", ending("tanh")),
    "tanh on a single logit": ("outputs_clipped", ending("tanh", **BINARY)),
    "tanh on the logits of dictionary batches": (
        "outputs_clipped",
        case("ByName", "clouds_dicts", model_args={"tanh": True}),
    ),
    "ReLU on a single logit": ("outputs_clipped", ending("relu", **BINARY)),
    "ReLU before targets below zero": ("outputs_clipped", ending("relu", **REGRESSION)),
    "tanh before targets of 50": ("outputs_clipped", ending("tanh", **REGRESSION, data_args={"mean": 50, "std": 10})),
    "sigmoid before standardised targets": ("outputs_clipped", ending("sigmoid", **REGRESSION)),
    "last layer scaled by 40": ("logits_too_large", case("scaled_head")),
    "last layer of one output scaled by 40": ("logits_too_large", case("scaled_head", **BINARY)),
    "linear regression of mean 50": (
        "targets_not_standardized",
        case("linear", **REGRESSION, data_args={"mean": 50, "std": 10}),
    ),
    "targets of a thousandth": ("initial_loss_high", case(**REGRESSION, data_args={"std": 1e-3})),
    "logarithm of negative outputs": ("initial_loss_not_finite", case(loss="planted_models:log_of_outputs")),
    "weights that have seen the data": ("initial_loss_low", case("trained")),
    "squared errors summed": ("loss_not_averaged", case(**REGRESSION, loss="planted_models:summed_squares")),
    "seven outputs for four classes": ("class_count_mismatch", case(model_args={"outputs": 7})),
    "three outputs for four classes": ("class_count_mismatch", case(model_args={"outputs": 3})),
    "labels counted from one": ("labels_out_of_range", case(data="labels_from_one")),
    "a label of -1": ("labels_out_of_range", case(data="labels_with_marker")),
    "a label of 255": ("labels_out_of_range", case(data="labels_with_marker", data_args={"marker": 255})),
    "binary labels of 1 and 2": ("labels_out_of_range", case(**{**BINARY, "data": "binary_of_one_and_two"})),
    "NaN in targets": ("input_not_finite", case(**{**REGRESSION, "data": "targets_with_nan"})),
    "infinity in a column": ("input_not_finite", case(data="column_with_infinity")),
    "constant rows": ("input_constant", case(data="constant_rows", model_args={"depth": 3})),
    "pixels of 0 to 255": ("input_not_normalized", case(data="raw_images", model_args=DIGITS)),
    "pixels of 0 to 255 into a CNN": ("input_not_normalized", case("conv", "raw_images")),
    "imbalance of 20 to 1": (
        "class_imbalance",
        case(data="clouds_uneven", data_args={"ratio": 20}, model_args={"outputs": 3}),
    ),
    "rows in both splits": ("split_leak", case(data="repeated_across_splits")),
    "one column of validation in other units": ("split_mismatch", case(data="one_column_in_other_units")),
    "a class that training lacks": ("split_mismatch", case(data="class_missing_in_training")),
    "rows twice with other labels": ("conflicting_labels", case(data="shuffled_twins")),
    "a frozen layer": ("frozen_parameters", case("frozen")),
    "a head that forward() leaves out": ("unused_parameters", wired("unused")),
    "detach()": ("unused_parameters", wired("detach")),
    "no_grad()": ("unused_parameters", wired("no_grad")),
    "a view across the batch": ("batch_leak", wired("view")),
    "the mean of the batch taken off": ("batch_leak", wired("mean over batch")),
    "softmax over the samples": ("batch_leak", wired("softmax over samples")),
    "softmax of the outputs over the samples": ("batch_leak", wired("softmax of outputs over samples")),
    "inputs multiplied by zero": ("input_ignored", wired("zero")),
    "channels switched off by their bias": ("dead_units", case("dead_channels", "images")),
    "fifteen tanh layers": ("vanishing_gradients", case("saturating", model_args={"kind": "tanh"})),
    "fifteen sigmoid layers": ("vanishing_gradients", case("saturating", model_args={"kind": "sigmoid"})),
    "twenty layers, default initialisation": ("vanishing_gradients", case(model_args={"depth": 20})),
    "ten layers of tiny weights": ("vanishing_gradients", case("scaled_everywhere", model_args={"factor": 0.1})),
    "ten layers of huge weights": ("exploding_gradients", case("scaled_everywhere", model_args={"factor": 5.0})),
    "an optimizer that drops the decay": (
        "regularization_not_added",
        case(optimizer={"target": "planted_models:adam_without_decay", "weight_decay": 1e-3}),
    ),
}

TINY = {
    "softmax at the end": ("cannot_overfit", FAULTS["softmax at the end"][1]),
    "tanh before targets of 50": ("cannot_overfit", FAULTS["tanh before targets of 50"][1]),
    "a view across the batch": ("cannot_overfit", wired("view")),
    "constant rows": ("cannot_overfit", case(data="constant_rows")),
    "rows twice with other labels": ("cannot_overfit", case(data="shuffled_twins")),
    "inputs multiplied by zero": ("loss_flat", wired("zero")),
    "ten layers of tiny weights": ("loss_flat", FAULTS["ten layers of tiny weights"][1]),
    "logarithm of negative outputs": ("loss_not_finite", case(loss="planted_models:log_of_outputs")),
    "targets of 50,000": ("cannot_overfit", case(**REGRESSION, data_args={"mean": 5e4, "std": 1e4})),
    "a layer left out in eval mode": ("eval_mode_differs", case("OtherInEvaluation")),
}

QUICK = {
    "logistic regression on two features",
    "linear regression",
    "MLP with BatchNorm",
    "last layer of zeros",
    "dropout of a half",
    "few parameters on dictionary batches",
    "label smoothing",
    "focal loss",
    "own hinge loss",
    "markers that the loss leaves out",
    "binary with pos_weight",
    "sigmoid before BCELoss",
    "multilabel",
    "regression of two targets",
    "regression of mean 3 and deviation 1",
    "regression by absolute error",
    "a log-likelihood",
    "pretrained, as the recipe says",
}
"""Sound cases whose tiny set is trained on in every run of the tests; the others are left to the long one."""


def step(name, recipe):
    recipe = dict(recipe)
    return carry_out(context_of(name, recipe_of(recipe.pop("model"), recipe.pop("data"), **recipe)))


@pytest.mark.parametrize("name", every_other_day(SOUND))
def test_step_1_stays_silent(name):
    result = step("check-init-loss", SOUND[name])
    assert spoken(result) == {}, [item.message for item in result.findings]


@pytest.mark.parametrize("name", every_other_day(FAULTS))
def test_step_1_names_the_fault_and_no_other(name):
    code, recipe = FAULTS[name]
    result = step("check-init-loss", recipe)
    assert list(spoken(result)) == [code], [item.message for item in result.findings]


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.long) for name in SOUND]
)
def test_step_2_passes_in_silence(name):
    result = step("overfit-tiny", SOUND[name])
    assert spoken(result) == {}, [item.message for item in result.findings]
    assert result.handoff["epochs"] > 0


LONG_TINY = ("targets of 50,000", "ten layers of tiny weights")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.long) if name in LONG_TINY else name for name in TINY]
)
def test_step_2_names_the_fault(name):
    code, recipe = TINY[name]
    result = step("overfit-tiny", recipe)
    assert list(spoken(result)) == [code], [item.message for item in result.findings]


def test_the_quick_cases_are_cases():
    assert set(SOUND) >= QUICK


def test_the_message_names_what_gave_it_away():
    said = {name: step("check-init-loss", FAULTS[name][1]).findings[0].message for name in FAULTS if name in MESSAGES}
    for name, part in MESSAGES.items():
        assert part in said[name]


MESSAGES = {
    "softmax at the end": "every row sums to 1",
    "labels counted from one": "labels reach from 1 to 4; the model's 4 outputs take 0 to 3",
    "infinity in a column": "(sample 33)",
    "one column of validation in other units": "feature 3 (counted from 0) of the validation inputs",
    "a class that training lacks": "classes 2 occur in validation but never in training",
    "detach()": "body.weight, body.bias",
    "a frozen layer": "1.weight, 1.bias",
    "squared errors summed": "2.0 times that of its halves",
}


def test_weights_that_start_at_zero_are_put_back():
    from planted_models import zero_head

    from tunekit.training.probes.gradients import stirred

    model = zero_head()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with stirred(model):
        assert bool(model[-1].weight.any())
        assert not bool(model[-1].bias.any())
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_an_infinity_in_standardised_arrays_is_told_of_its_own_row(tmp_path):
    """Standardising spreads it over the column: all rows would be named otherwise. (In a table it is missing.)"""
    x = torch.randn(200, 3, generator=torch.Generator().manual_seed(0)).numpy()
    x[7, 1] = float("inf")
    np.savez(tmp_path / "data.npz", x=x, y=np.arange(200) % 2)
    recipe = recipe_of("mlp", "x:y")
    arguments = {"path": "data.npz", "standardize": True}
    recipe = recipe.with_values({"data.target": "arrays", "data.args": arguments})
    result = carry_out(context_of("check-init-loss", recipe, tmp_path), tmp_path)
    assert list(spoken(result)) == ["input_not_finite"]
    assert result.findings[0].message.startswith(
        ("1 training sample holds NaN or infinity", "1 validation sample holds NaN or infinity")
    )
