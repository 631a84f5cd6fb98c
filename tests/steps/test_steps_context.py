"""What a step knows: values as they were handed on, the recipe as tuned."""

from hand_made import context_of, left

SEARCH = {"loss": ["auto", "mse"], "schedule": ["constant", {"name": "constant", "args": {"warmup": 5}}]}


def test_searched_values_stay_as_they_were_written_and_the_recipe_has_them_whole():
    """A searched part of names is its target: `loss: [mse, l1]` is `loss.target`, by which the study knows it."""
    best = {"lr": 0.01, "weight_decay": 0.0, "loss.target": "mse", "schedule": SEARCH["schedule"][1]}
    grid = {**best, "val_mae": 0.1, "val_loss": 0.1, "iterations": 10, "training": "t", "top": [best]}
    context = context_of("diagnose", {"coarse-grid": grid}, task="regression", search=SEARCH)
    assert context.params == best
    assert context.recipe.loss.target == "mse"
    assert context.config().schedule.args == {"warmup": 5}
    assert all(context.params[path] in values for path, values in context.recipe.search.items())


def test_without_hand_offs_the_recipes_own_rates_are_what_is_known():
    context = context_of("diagnose", optimizer={"lr": 0.5}, search=SEARCH)
    assert context.params == {"lr": 0.5, "weight_decay": 0.0}


def test_a_step_without_a_hand_off_has_handed_on_nothing():
    context = context_of("coarse-grid", {"lr-sweep": left("lr-sweep", verdict="fail")})
    assert context.handoff(context.step.needs[0]) is None
