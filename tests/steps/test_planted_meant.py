"""What is a fault in one model and meant in another: step 1 tells them apart."""

import pytest
from inline_run import carry_out, context_of, recipe_of, spoken

M = "planted_meant:"


def case(model, data="clouds", **recipe):
    return {"model": model if ":" in model else f"{M}{model}", "data": data, **recipe}


def of(model, *, data="clouds", loss="auto", task="classification", **args):
    """A case by the arguments of its model."""
    return case(model, data, task=task, loss=loss if loss == "auto" or ":" in loss else f"{M}{loss}", model_args=args)


FAULTS = {
    "a head on a body of random numbers": ({"frozen_parameters": "warn"}, of("Head"), "body.0.weight"),
    "the same without a graph": ({"frozen_parameters": "warn"}, of("Head", no_grad=True), "body.0.weight"),
    "a frozen LSTM": ({"frozen_parameters": "warn"}, of("Head", kind="lstm"), "body.weight_ih_l0"),
    "everything is frozen": ({"frozen_parameters": "fail"}, case("everything_frozen"), "no parameter of the model"),
}

SOUND = {
    "a head on a body that was loaded": of("Head", loaded=True),
    "a teacher": of("Taught", loss="distilled"),
    "a teacher that no no_grad() guards": of("Taught", no_grad=False, loss="distilled"),
    "a target network": of("Follower", loss="near_the_target"),
    "keys of a momentum encoder": of("Follower", pairs=True, loss="each_to_its_own"),
    "fixed frequencies": case("Fourier"),
}


def step_1(recipe):
    recipe = dict(recipe)
    return carry_out(context_of("check-init-loss", recipe_of(recipe.pop("model"), recipe.pop("data"), **recipe)))


@pytest.mark.parametrize("name", FAULTS)
def test_the_fault_is_named(name):
    codes, recipe, words = FAULTS[name]
    result = step_1(recipe)
    assert spoken(result) == codes, [item.message for item in result.findings]
    assert words in " ".join(item.message for item in result.findings)


@pytest.mark.parametrize("name", SOUND)
def test_what_is_meant_is_left_in_peace(name):
    result = step_1(SOUND[name])
    assert spoken(result) == {}, [item.message for item in result.findings]
