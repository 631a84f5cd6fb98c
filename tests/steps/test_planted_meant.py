"""What is a fault in one model and meant in another: step 1 tells them apart."""

import warnings

import pytest
import torch
from inline_run import HERE, first_step, spoken

M = "planted_meant:"
SCALAR = {"features": 8, "outputs": 1}


def case(model, data="clouds", **recipe):
    return {"model": model if ":" in model else f"{M}{model}", "data": data, **recipe}


def of(model, *, data="clouds", loss="auto", task="classification", **args):
    """A case by the arguments of its model."""
    return case(model, data, task=task, loss=loss if loss == "auto" or ":" in loss else f"{M}{loss}", model_args=args)


def decaying(own, kind="AdamW", lr=1e-3, **recipe):
    optimizer = {"target": f"{M}decaying", "lr": lr, "args": {"own": own, "kind": kind}}
    return case("planted_models:dense", optimizer=optimizer, **recipe)


FAULTS = {
    "a head on a body of random numbers": ({"frozen_parameters": "warn"}, of("Head"), "body.0.weight"),
    "the same without a graph": ({"frozen_parameters": "warn"}, of("Head", no_grad=True), "body.0.weight"),
    "a frozen LSTM": ({"frozen_parameters": "warn"}, of("Head", kind="lstm"), "body.weight_ih_l0"),
    "everything is frozen": ({"frozen_parameters": "fail"}, case("everything_frozen"), "no parameter of the model"),
    "a dropout that never ends beside a sample": (
        {"random_in_eval": "warn"},
        of("Variational", data=f"{M}same", loss="evidence", task="regression", dropped=True),
        "dropout (planted_meant.py, line",
    ),
    "a mask that is drawn in either mode": (
        {"random_in_eval": "warn"},
        of("Diffusion", loss="noise_found", mask=True),
        "bernoulli (planted_meant.py, line",
    ),
    "scores over a hundredth": ({"logits_too_large": "warn"}, case("Cold"), "standard deviation"),
    "a support vector machine of large weights": (
        {"initial_loss_high": "fail"},
        case("Plane", f"{M}line", loss=f"{M}hinge", model_args={"scale": 20.0}),
        "outputs have scale",
    ),
    "outputs that are rounded": (
        {"gradient_cut": "fail"},
        of("Stepped", data="regression", task="regression", kind="round"),
        "round (planted_meant.py, line",
    ),
    "inputs that are cast": (
        {"gradient_cut": "fail"},
        of("Stepped", data="regression", task="regression", kind="cast"),
        "they differ",
    ),
    "as many groups as channels": (
        {"normalized_by_few": "fail"},
        of("Normed", kind="groups"),
        "norm normalise one value at a time",
    ),
    "LayerNorm of one feature beside others": ({"normalized_by_few": "warn"}, of("Normed", kind="beside"), "norm"),
    "a decay of a hundred": (
        {"weight_decay_high": "warn"},
        decaying(100.0),
        "takes 10.0 % of the weights in each step: alone it takes them away in 10 iterations",
    ),
    "decay as a part of Adam's gradient": (
        {"weight_decay_high": "warn"},
        decaying(2.0, "Adam"),
        "times as much as the loss's gradient",
    ),
}

SOUND = {
    "a head on a body that was loaded": of("Head", loaded=True),
    "a teacher": of("Taught", loss="distilled"),
    "a teacher that no no_grad() guards": of("Taught", no_grad=False, loss="distilled"),
    "a target network": of("Follower", loss="near_the_target"),
    "keys of a momentum encoder": of("Follower", pairs=True, loss="each_to_its_own"),
    "fixed frequencies": case("Fourier"),
    "a variational autoencoder that samples in eval mode": of(
        "Variational", data=f"{M}same", loss="evidence", task="regression"
    ),
    "noise that is to be found": of("Diffusion", loss="noise_found"),
    "weights that are drawn": of("Sampled", loss="with_prior"),
    "rounding that the gradient passes": of("Stepped", data="regression", task="regression", kind="passed"),
    "a rounded number that is only looked at": of("Stepped", data="regression", task="regression", kind="looked"),
    "tokens that come as real numbers": of("Stepped", data=f"{M}real_tokens", kind="tokens"),
    "one group": of("Normed", kind="group"),
    "LayerNorm": of("Normed", kind="layer"),
    "InstanceNorm of pictures": of("Normed", data="images", kind="pictures"),
    "a decay of a tenth": decaying(0.1),
    "decay under momentum": decaying(1e-3, "SGD", lr=0.1),
    "a usual decay as a part of Adam's gradient": decaying(1e-3, "Adam"),
    "an absolute error of far targets": case(
        "planted_models:dense", "regression", task="regression", loss="l1", model_args=SCALAR
    ),
    "own errors beside a mean": case("planted_models:dense", loss=f"{M}beside_a_mean"),
    "one minus a correlation": case(
        "planted_models:dense", "regression", task="regression", loss="planted_near:correlation", model_args=SCALAR
    ),
    "likenesses over a learned temperature": of("Likenesses", loss="both_ways"),
    "likenesses over a fixed temperature": of("Likenesses", loss="both_ways", learned=False),
    "large scores of a loss that makes them small": of("Cold", loss="calmed"),
    "a support vector machine turned the wrong way": case("Plane", f"{M}line", loss=f"{M}hinge"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_the_fault_is_named(name):
    codes, recipe, words = FAULTS[name]
    result = first_step(recipe)
    assert spoken(result) == codes, [item.message for item in result.findings]
    assert words in " ".join(item.message for item in result.findings)


def test_a_draw_that_a_loss_asks_for_is_a_note():
    result = first_step(SOUND["noise that is to be found"])
    [finding] = [item for item in result.findings if item.code == "random_in_eval"]
    assert finding.severity == "note"
    assert "randint (planted_meant.py, line" in finding.message
    assert "what is learned" in finding.advice[0]


@pytest.mark.parametrize("name", SOUND)
def test_what_is_meant_is_left_in_peace(name):
    result = first_step(SOUND[name])
    assert spoken(result) == {}, [item.message for item in result.findings]


def test_what_a_loss_takes_sample_by_sample_is_no_news():
    from planted_meant import distilled

    from tests.conftest import config_of
    from tunekit.training.building import build_task

    config = config_of(loss={"target": f"{M}distilled", "args": {}})
    task = build_task(config, HERE)
    outputs, targets = (torch.randn(6, 4), torch.randn(6, 4)), torch.arange(6) % 4
    task.settle(outputs, targets)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        losses = task.sample_losses(outputs, targets)
    assert not heard
    assert losses.shape == (6,)
    assert float(losses.mean()) == pytest.approx(float(distilled(outputs, targets)), rel=1e-5)


def test_a_model_that_takes_slopes_in_forward_leaves_no_warning():
    always = torch.is_warn_always_enabled()
    torch.set_warn_always(True)
    try:
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            first_step(case("Force", "regression", task="regression"))
    finally:
        torch.set_warn_always(always)
    assert not [one for one in heard if "to a scalar" in str(one.message)]
