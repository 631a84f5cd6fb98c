"""What tuning must beat: guessing, and the model as it came. Records by hand; the planted cases train."""

import math

import numpy as np
import pytest
from hand_made import carry_out, codes, context_of, falling, found, judged, trained
from inline_run import CPU, HERE, recipe_of
from inline_run import carry_out as run_inline
from inline_run import context_of as inline_context

from tunekit.halves import half_means
from tunekit.measured import ChanceMeasured, Guess, UntouchedMeasured
from tunekit.steps import coarse_grid, fine_run
from tunekit.steps.baselines import guessed
from tunekit.steps.metric_direction import contradiction
from tunekit.training.probes import Subject
from tunekit.training.probes.chance import measure_chance
from tunekit.training.workbench import Workbench
from tunekit.vocabulary import Record, StepResult, Training

SWEPT = {"lr-sweep": {"lr": 3e-3, "range": [1e-3, 1e-2]}}
CELLS = [{"lr": 3e-3, "weight_decay": 1e-4}, {"lr": 6e-3, "weight_decay": 0.0}]
GRID = {"val_accuracy": 0.9, "val_loss": 0.3, "iterations": 100, "training": "x", "top": CELLS, **CELLS[0]}
SAMPLES = 400
CHANCE = ChanceMeasured(Guess(0.5, "always the most frequent class"), Guess(math.log(2), "prior"), SAMPLES)


def run_of(accuracy, loss, spread=0.5):
    """Answers trainings of which the validation samples are right so often, and lose so much."""

    def answer(request):
        draw = np.random.default_rng(int(request.config.key, 16) % 2**32)
        epochs = request.until // 20
        right = (draw.random((epochs, SAMPLES)) < accuracy).astype(float)
        losses = loss + spread * draw.normal(size=(epochs, SAMPLES))
        validations = list(zip(losses.mean(1), right.mean(1), strict=True))
        made = trained(request, falling(2.3, loss, request.until), validations, losses)
        return Record(request, made.rows, val_losses=losses, val_scores=right, val_halves=half_means(right))

    return answer


def of_step(step, answer, baselines, earlier=None, **recipe):
    context = context_of(step, {**SWEPT, **(earlier or {})}, {"n_val": SAMPLES}, **recipe)
    records = carry_out(context, answer, baselines=baselines)
    return context, records, judged(context, records)


@pytest.mark.parametrize("step", ["coarse-grid", "fine-run"])
class TestChance:
    def said(self, step, answer, chance=CHANCE):
        earlier = {"coarse-grid": GRID} if step == "fine-run" else None
        return of_step(step, answer, {"guessing": chance}, earlier)[2]

    def test_runs_at_chance_fail_though_the_best_of_many_lies_above(self, step):
        result = self.said(step, run_of(0.5, 0.7))
        assert found(result, "no_better_than_chance").severity == "fail"
        assert result.handoff["val_accuracy"] > 0.5

    def test_what_is_learned_is_silent_and_guessing_is_a_row(self, step):
        result = self.said(step, run_of(0.62, 0.65))
        assert "no_better_than_chance" not in codes(result)
        (row,) = [row for row in result.table if row["lr"] == "guessing"]
        assert row["val_accuracy"] == 0.5
        named = "always the most frequent class"
        assert row["verdict"] == (f"{named} (loss: prior)" if "val_loss" in row else named)

    def test_a_loss_that_learned_what_the_metric_does_not_see_warns(self, step):
        chance = ChanceMeasured(Guess(0.9, "majority"), Guess(0.325, "prior"), SAMPLES)
        told = found(self.said(step, run_of(0.9, 0.2, spread=0.3), chance), "no_better_than_chance")
        assert told.severity == "warn"

    def test_a_confident_model_with_a_bad_loss_is_judged_by_its_metric(self, step):
        assert "no_better_than_chance" not in codes(self.said(step, run_of(0.8, 1.5)))

    def test_nothing_is_said_where_nothing_is_known(self, step):
        assert "no_better_than_chance" not in codes(self.said(step, run_of(0.5, 0.7), ChanceMeasured(None, None, 400)))


class TestUntouched:
    UNTOUCHED = UntouchedMeasured(0.5, 0.8, SAMPLES)

    def fine(self, answer, pretrained=True):
        model = {"target": "mlp", "pretrained": pretrained}
        return of_step("fine-run", answer, {"untouched": self.UNTOUCHED}, {"coarse-grid": GRID}, model=model)

    def test_where_no_run_is_better_it_is_handed_on(self):
        context, records, result = self.fine(run_of(0.8, 0.52))
        assert found(result, "no_better_than_pretrained").severity == "warn"
        (last,) = [r.request for r in records if r.request.purpose == "the model as it came"]
        assert (last.until, last.config.lr) == (0, 0.0)
        assert result.handoff["training"] == last.config.folder
        assert (result.handoff["val_accuracy"], result.handoff["untouched"]) == (0.8, True)
        assert result.handoff["lr"] in (3e-3, 6e-3, 2.1e-3, 4.2e-3, 8.4e-3)
        assert context.step.read_handoff(result).trainings == (last.config.folder,)
        assert fine_run.plan(context, records) == []

    def test_where_one_is_better_it_is_not(self):
        _, records, result = self.fine(run_of(0.9, 0.3))
        assert "no_better_than_pretrained" not in codes(result)
        assert result.handoff["untouched"] is False
        assert all(not isinstance(r.request, Training) or r.request.until for r in records)

    def test_better_by_the_loss_alone_is_better_where_the_metric_is_not_worse(self):
        assert "no_better_than_pretrained" not in codes(self.fine(run_of(0.81, 0.35))[2])

    def test_a_model_from_scratch_is_not_asked_for_it(self):
        context = context_of("fine-run", {**SWEPT, "coarse-grid": GRID})
        assert [r.purpose for r in fine_run.plan(context, [])][-1] == "guessing"

    def test_weights_that_step_one_finds_trained_are_asked_for_it(self):
        start = {"initial_loss": 0.4, "expected_loss": 2.3, "expected": "ln 10", "trained": True}
        context = context_of("fine-run", {"check-init-loss": start, **SWEPT, "coarse-grid": GRID})
        assert [r.purpose for r in fine_run.plan(context, [])][-1] == "untouched"


def test_the_fine_run_says_what_new_samples_will_see():
    _, _, result = of_step("fine-run", run_of(0.8, 0.5), {"guessing": CHANCE}, {"coarse-grid": GRID})
    low, high = result.handoff["expected_interval"]
    assert low - 0.01 < 0.8 < high + 0.01  # samples draw their luck by the training's key
    assert result.handoff["expected"] < result.handoff["val_accuracy"]
    assert result.handoff["expected_of"] == "val_accuracy"
    assert "New samples: " in result.summary


def test_the_grid_hands_on_among_what_it_chose():
    context, _, result = of_step("coarse-grid", run_of(0.8, 0.5), {})
    assert len(result.handoff["considered"]["here"]) == 32
    best = context.step.read_handoff(result)
    assert best.considered.candidates == 12
    assert context.step.handoff.from_json(best.to_json()) == best


class TestDirection:
    def records(self, sign, overfits=False, trains=True):
        request = coarse_grid.plan(context_of("coarse-grid", SWEPT), [])[0]
        made = []
        for cell in range(4):
            losses = np.linspace(2.0, 0.3, 100) + 0.1 * cell
            val = [(losses[20 * k + 19], sign * losses[20 * k + 19]) for k in range(5)]
            if overfits:
                val = [(0.5 + 0.1 * k, 0.6 + 0.05 * k) for k in range(5)]
            scores = list(-losses if overfits else sign * losses) if trains else None
            made.append(trained(request, losses, val, scores=scores))
        return made

    def test_an_error_under_max_and_a_score_under_min_contradict(self):
        assert contradiction(self.records(1.0), "val_accuracy", True) is not None
        assert contradiction(self.records(-1.0), "val_accuracy", False) is not None
        assert contradiction(self.records(1.0, trains=False), "val_accuracy", True) is not None

    def test_right_directions_and_an_overfitting_whose_accuracy_rises_are_silent(self):
        assert contradiction(self.records(-1.0), "val_accuracy", True) is None
        assert contradiction(self.records(1.0), "val_accuracy", False) is None
        assert contradiction(self.records(0.0, overfits=True), "val_accuracy", True) is None


class TestLate:
    def cells(self, request):
        """Without dropout a short run is better."""
        off = not request.params.get("model.args.dropout")
        return run_of(0.9 if off else 0.7, 0.3 if off else 0.5, spread=0.05)(request)

    def test_both_arms_go_on(self):
        search = {"model.args.dropout": [0.0, 0.3]}
        _, _, result = of_step("coarse-grid", self.cells, {}, search=search)
        assert {params["model.args.dropout"] for params in result.handoff["top"]} == {0.0, 0.3}

    def test_where_there_is_no_place_it_says_so(self):
        search = {"model.args.dropout": [0.0, 0.3]}
        steps = {"fine-run": {"top": 1}}
        _, _, result = of_step("coarse-grid", self.cells, {}, search=search, steps=steps)
        assert "model.args.dropout" in found(result, "late_undecided").evidence["axes"]


class TestDecays:
    def alike(self, request):
        made = run_of(0.8, 0.3)(request)
        same = np.random.default_rng(int(1e6 * request.config.lr)).gamma(1.0, 0.3, np.shape(made.val_losses))
        return Record(request, made.rows, val_losses=same, val_scores=made.val_scores, val_halves=made.val_halves)

    def test_decays_that_do_nothing_cost_one_cell(self):
        _, records, result = of_step("coarse-grid", self.alike, {})
        assert len(records) == 4
        assert "weight decay up to 1e-3 changes nothing" in found(result, "late_undecided").message

    def test_a_decoupled_decay_has_a_ladder_in_time(self):
        _, records, _ = of_step("coarse-grid", run_of(0.8, 0.3), {}, optimizer={"target": "adamw"})
        decays = sorted({r.params["weight_decay"] for r in records})
        epochs = [1 / (3e-3 * decay * 20) for decay in decays[1:]]
        assert decays[0] == 0.0
        assert epochs == pytest.approx([100, 30, 10], rel=0.01)

    @pytest.mark.parametrize("target", ["adam", "sgd", "torch.optim:Adam"])
    def test_one_in_the_loss_has_the_classical_one(self, target):
        _, records, _ = of_step("coarse-grid", run_of(0.8, 0.3), {}, optimizer={"target": target})
        assert sorted({r.params["weight_decay"] for r in records}) == [0.0, 1e-5, 1e-4, 1e-3]


PLANTED = [
    ("zeros", "random_labels", {}, True),
    ("mlp", "random_labels", {}, True),
    ("constant", "learnable_regression", {"task": "regression"}, True),
    ("zeros", "imbalanced", {}, True),
    ("mlp", "imbalanced", {"metric": "balanced_accuracy"}, False),
    ("mlp", "learnable", {}, False),
    ("mlp", "weak_regression", {"task": "regression"}, False),
    ("mlp", "learnable", {"metric": "max planted_chance:macro_f1"}, False),
]


@pytest.mark.parametrize(("model", "data", "changes", "at_chance"), PLANTED)
def test_planted(model, data, changes, at_chance):
    target = model if model == "mlp" else f"planted_chance:{model}"
    recipe = recipe_of(target, f"planted_chance:{data}", optimizer={"lr": 3e-3}, **changes)
    result = run_inline(inline_context("coarse-grid", recipe))
    assert ("no_better_than_chance" in codes(result)) == at_chance, result.findings


@pytest.mark.parametrize(
    ("task", "metric", "score_how", "loss_how"),
    [
        ("classification", "auto", "always the most frequent class", "how often each target occurs"),
        ("binary", "auto", "always the most frequent class", "how often each target occurs"),
        ("classification", "loss", "how often each target occurs", "how often each target occurs"),
    ],
)
def test_each_number_of_guessing_is_that_of_the_guess_that_is_named(task, metric, score_how, loss_how):
    """The loss of shares of classes is their entropy; a sure answer that is wrong at times has one without bound."""
    recipe = recipe_of("mlp", "planted_chance:imbalanced", task=task, metric={"target": metric})
    context = inline_context("coarse-grid", recipe)
    bench = Workbench(HERE, CPU)
    chance = measure_chance(Subject(context.config(), bench))
    assert (chance.score.how, chance.loss.how) == (score_how, loss_how)
    splits = bench.splits(context.config())
    train, val = splits.train.targets().double(), splits.val.targets().double()
    share, rare = float(train.mean()), float(val.mean())
    entropy = -rare * math.log(share) - (1 - rare) * math.log(1 - share)
    assert chance.loss.value == pytest.approx(entropy, rel=1e-4)
    assert chance.score.value == pytest.approx(entropy if metric == "loss" else 1 - rare, rel=1e-4)


def test_what_guessing_reaches_is_what_the_last_step_that_asked_says():
    first, second, last = (
        StepResult(step, "pass", "", table=table, formats={"val_f1": "share"})
        for step, table in (
            ("coarse-grid", ({"lr": 0.1, "val_f1": 0.9}, {"lr": "guessing", "val_f1": 0.1, "val_loss": 2.3})),
            ("fine-run", ({"lr": "guessing", "val_f1": 0.2}, {"lr": "guessing", "val_loss": None})),
            ("diagnose", ()),
        )
    )
    assert guessed([first, second, last], "val_f1") == (0.2, "share")
    assert guessed([first, second, last], "val_loss") == (2.3, None)
    assert guessed([first, second, last], "val_mae") is None
