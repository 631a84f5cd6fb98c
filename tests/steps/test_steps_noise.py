"""What is within noise of the best is told by what ranks."""

import numpy as np
import pytest
from hand_made import carry_out, context_of, facts_of, falling, found, judged, trained

from tunekit.halves import half_means
from tunekit.steps.noise import compare, compare_rank
from tunekit.vocabulary import Record

SWEPT = {"lr-sweep": {"lr": 3e-3, "range": [1e-3, 1e-2]}}
RIGHT = {1.5e-3: 0.86, 3e-3: 0.90, 6e-3: 0.60}
LOSSES = {1.5e-3: 0.9, 3e-3: 0.5, 6e-3: 0.5}  # against the metric
KEPT = ["scores", "halves", "neither"]


def answer(kept):
    """Cells whose samples are right as often as RIGHT says, and whose losses say otherwise."""

    def cell(request):
        rate = request.config.lr
        draw = np.random.default_rng(0).random((request.until // 20, 100))
        scores = (draw < RIGHT[rate]).astype(float)
        losses = LOSSES[rate] + 0.1 * np.random.default_rng(int(1e4 * rate)).normal(size=scores.shape)
        ends = list(zip(losses.mean(1), scores.mean(1), strict=True))
        made = trained(request, falling(2.3, 0.5, request.until), ends, losses)
        halves = () if kept == "neither" else half_means(scores)
        return Record(request, made.rows, {}, losses, scores if kept == "scores" else (), halves)

    return cell


@pytest.mark.parametrize("kept", KEPT)
def test_cells_are_within_noise_by_the_metric_that_ranks_them_or_it_is_said_that_their_losses_are(kept):
    steps = {"coarse-grid": {"weight_decays": [0.0], "extend": 0}}
    context = context_of("coarse-grid", SWEPT, {"n_val": 100}, steps=steps)
    result = judged(context, carry_out(context, answer(kept)))
    words = {row["lr"]: row["verdict"] for row in result.table if row["lr"] in RIGHT}
    message = found(result, "within_noise").message
    if kept == "neither":
        assert words == {3e-3: "best", 1.5e-3: "", 6e-3: "loss within noise"}
        assert "1 cell is loss within noise" in message
    else:
        assert words == {3e-3: "best", 1.5e-3: "within noise", 6e-3: ""}
        assert message.endswith("of accuracy")


def pair(first, second):
    facts = facts_of(n_val=first.shape[1])
    context = context_of("coarse-grid", SWEPT, {"n_val": first.shape[1]})
    records = carry_out(context, answer("neither"))[:2]
    both = []
    for record, scores in zip(records, (first, second), strict=True):
        validations = [(0.5, float(value)) for value in scores.mean(1)]
        made = trained(record.request, falling(2.3, 0.5, 20 * len(scores)), validations, scores)
        both.append((made, scores))
    whole = tuple(Record(made.request, made.rows, {}, scores, scores) for made, scores in both)
    halved = tuple(Record(made.request, made.rows, {}, (), (), half_means(scores)) for made, scores in both)
    return facts, whole, halved


@pytest.mark.parametrize("agree", [0.0, 0.9])
def test_halves_of_a_mean_over_samples_say_what_its_pairs_say(agree):
    """A difference of means has the standard error of paired differences: replicated halves estimate just that."""
    draw = np.random.default_rng(1)
    first = (draw.random((2, 2000)) < 0.8).astype(float)
    second = np.where(draw.random(first.shape) < agree, first, draw.random(first.shape) < 0.7)
    facts, whole, halved = pair(first, second)
    by_samples, by_halves = (compare_rank(facts, records, (1, 1)) for records in (whole, halved))
    assert by_halves.mean == pytest.approx(by_samples.mean)
    assert by_halves.mean < 0
    assert by_halves.error == pytest.approx(by_samples.error, rel=0.35)
    assert (by_samples.of, by_halves.of, by_halves.pairs) == ("accuracy", "accuracy", 2000)
    assert compare(facts, whole, (1, 1)).of == "loss"
