"""What the steps' figures say: made from records written by hand."""

import math

import numpy as np
import pytest
from hand_made import carry_out, context_of, exploding, falling, judged, trained
from hypothesis import given
from hypothesis import strategies as st

from tunekit.charts import Band, Cells, Figure, Line, Panel, Rule
from tunekit.report import figures, interactive
from tunekit.steps import get_step
from tunekit.steps.coarse_grid.figure import scale

SWEPT = {"lr-sweep": {"lr": 3e-3, "range": [1e-3, 1e-2]}}
SAMPLES = np.random.RandomState(0).gamma(1.0, 0.3, 40)
TOP = [{"lr": 3e-3, "weight_decay": 1e-4}]
GRID = {
    **SWEPT,
    "coarse-grid": {**TOP[0], "val_accuracy": 0.9, "val_loss": 0.1, "iterations": 100, "training": "x", "top": TOP},
}


def ended(request, loss, seed_effect=0.0):
    epochs = request.until // 20
    value = loss + seed_effect * request.config.seed
    samples = [SAMPLES - SAMPLES.mean() + value] * epochs
    return trained(request, falling(2.3, loss, request.until), [(value, 1 - value)] * epochs, samples)


def by_rate(request):
    """Best at 3e-3; from 6e-3 on nothing is finite; weight decay does nothing."""
    if request.config.lr > 5e-3:
        return trained(request, exploding(2.3, request.until))
    return ended(request, 0.2 + abs(math.log10(request.config.lr / 3e-3)))


def drawn(step, answer, earlier=None, **facts):
    context = context_of(step, earlier, facts or None)
    records = carry_out(context, answer, 60)
    return get_step(step).figure(context, judged(context, records), records)


def items(panel, kind):
    return [item for item in panel.items if isinstance(item, kind)]


class TestGrid:
    def test_every_cell_that_diverged_is_marked_the_best_is_chosen_and_its_equals_are_equal(self):
        figure = drawn("coarse-grid", by_rate, SWEPT)
        [cells] = items(figure.panels[0], Cells)
        assert cells.columns == sorted(cells.columns, key=float)
        assert cells.rows == sorted(cells.rows, key=float)
        every = [
            (cells.columns[j], cells.rows[i], mark, cells.values[i][j])
            for i, marks in enumerate(cells.marks)
            for j, mark in enumerate(marks)
        ]
        assert {rate for rate, _, mark, _ in every if mark == "diverged"} == {"6e-3"}
        assert {rate for rate, _, mark, _ in every if mark in ("chosen", "equal")} == {"3e-3"}
        assert sum(mark == "chosen" for _, _, mark, _ in every) == 1
        assert all(value is None for _, _, mark, value in every if mark == "diverged")

    def test_axes_are_on_the_scale_of_the_cells_with_the_chosen_value_marked(self):
        figure = drawn("coarse-grid", by_rate, SWEPT)
        [cells] = items(figure.panels[0], Cells)
        assert len(figure.panels) == 3
        for panel, chosen in zip(figure.panels[1:], ("3e-3", None), strict=True):
            [line] = items(panel, Line)
            assert panel.low < cells.low < cells.high < panel.top
            assert panel.share
            assert line.best is not None
            assert line.star == "chosen"
            assert chosen in (None, panel.ticks[line.best])

    @pytest.mark.parametrize("maximize", [True, False])
    def test_less_is_better_where_the_metric_says_so(self, maximize):
        figure = drawn("coarse-grid", by_rate, SWEPT, metric="accuracy", maximize=maximize, share=False)
        [cells] = items(figure.panels[0], Cells)
        assert cells.falling is not maximize


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=12), st.integers(0, 12), st.booleans())
def test_what_is_equal_to_the_best_takes_at_most_a_third_of_the_scale(values, equal, maximize):
    values = sorted(values, reverse=maximize)
    low, high = scale(values, values[1 : 1 + equal], maximize)
    assert low < high
    assert values[0] == (high if maximize else low)
    span = max((abs(value - values[0]) for value in values[1 : 1 + equal]), default=0.0)
    assert high - low >= 3 * span * (1 - 1e-9)


class TestSweep:
    def test_loss_over_rate_with_what_works_shaded_and_the_taken_one_and_those_that_diverged_marked(self):
        def answer(request):
            rate = request.config.lr
            if rate > 2e-2:
                return trained(request, exploding(2.3, request.until))
            return trained(request, falling(2.3, max(0.1, 2.2 - 600 * rate), request.until))

        left, right = drawn("lr-sweep", answer).panels
        assert (right.x, right.x_scale) == ("learning rate", "log")
        [losses] = items(right, Line)
        assert list(losses.x) == sorted(losses.x)
        assert losses.y[0] > losses.y[-1]
        [band] = items(right, Band)
        [taken] = [rule.x for rule in items(right, Rule) if rule.colour == "chosen"]
        assert band.low < taken < band.high
        gone = {rule.x for rule in items(right, Rule) if rule.colour == "bad"}
        assert gone
        assert gone.isdisjoint(losses.x)
        assert min(gone) > band.high
        assert [float(line.label) for line in items(left, Line) if line.strong] == [taken]


class TestSweepOfFineTuning:
    @staticmethod
    def answer(request):
        """The training loss falls most at high rates, which forget; from 6e-3 on nothing is finite."""
        rate = request.config.lr
        if rate > 5e-3:
            return trained(request, exploding(2.3, request.until))
        held_out = 0.2 + abs(math.log10(rate / 1e-4))
        ends = [(held_out, 1 - held_out / 4)]
        return trained(request, falling(2.3, 0.5 - 10 * rate, request.until), ends, [SAMPLES + held_out])

    def figure(self, **facts):
        context = context_of("lr-sweep", None, facts or None, model={"target": "mlp", "weights": "w.pt"})
        records = carry_out(context, self.answer)
        return get_step("lr-sweep").figure(context, judged(context, records), records), context

    def test_it_shows_what_rates_are_judged_by_and_what_is_taken(self):
        figure, _ = self.figure()
        assert [panel.y for panel in figure.panels] == ["val_loss at the end", "val_accuracy at the end"]
        assert [panel.share for panel in figure.panels] == [False, True]
        for panel, least in zip(figure.panels, (True, False), strict=True):
            assert (panel.x, panel.x_scale) == ("learning rate", "log")
            [line] = items(panel, Line)
            assert (min if least else max)(zip(line.y, line.x, strict=True))[1] == 1e-4
            assert [rule.x for rule in items(panel, Rule) if rule.colour == "chosen"] == [1e-4]
            gone = {rule.x for rule in items(panel, Rule) if rule.colour == "bad"}
            assert gone
            assert gone.isdisjoint(line.x)
            [band] = items(panel, Band)
            assert band.low < 1e-4 < band.high

    def test_one_panel_where_the_metric_is_the_loss(self):
        figure, _ = self.figure(metric="loss", maximize=False, share=False)
        assert [panel.y for panel in figure.panels] == ["val_loss at the end"]

    def test_what_is_told_meanwhile_has_the_name_of_what_it_is(self):
        step = get_step("lr-sweep")
        assert step.metric(self.figure()[1]) == "val_loss"
        assert step.metric(context_of("lr-sweep")) == "train_loss"


class TestFineRun:
    def test_the_chosen_one_is_strong_and_its_seeds_are_a_mean_with_their_range(self):
        figure = drawn("fine-run", lambda request: ended(request, by_lr(request), 0.01), GRID)
        for panel in figure.panels:
            lines = items(panel, Line)
            [chosen] = [line for line in lines if line.strong]
            [spread] = [line for line in lines if line.low is not None]
            assert chosen.label.endswith("chosen")
            assert chosen.best is not None
            assert chosen.star == "handed on"
            assert spread.low[0] == pytest.approx(min(spread.low[0], spread.y[0], spread.high[0]))
            assert spread.high[0] - spread.low[0] == pytest.approx(0.02)
            assert spread.y[0] == pytest.approx((spread.low[0] + spread.high[0]) / 2)
            assert len({line.label for line in lines}) == len(lines)
        assert [panel.share for panel in figure.panels] == [False, True]


class TestDiagnose:
    """Losses are lowest at the second of three validations, and the metric is best at the third."""

    ENDS = ((0.9, 0.5), (0.3, 0.6), (0.6, 0.8))

    @pytest.mark.parametrize(("facts", "place"), [({}, 2), ({"metric": "loss", "maximize": False, "share": False}, 1)])
    def test_the_epoch_that_is_best_by_the_metric_is_marked_on_every_panel_and_named_so(self, facts, place):
        context = context_of("diagnose", GRID, facts or None, steps={"fine-run": {"epochs": 3}})
        samples = [SAMPLES] * 3
        records = carry_out(context, lambda one: trained(one, falling(2.3, 0.2, one.until), self.ENDS, samples), 1)
        figure = get_step("diagnose").figure(context, judged(context, records), records)
        assert [panel.y for panel in figure.panels] == list(dict.fromkeys(("loss", context.facts.metric)))
        for panel in figure.panels:
            _, val = items(panel, Line)
            assert (val.best, val.star) == (place, f"best {context.metric}")

    def test_a_figure_says_what_its_star_is(self):
        panel = Panel([Line([1, 2], [0.5, 0.6], "val", best=1, star="handed on")], legend="")
        (axes,) = figures.drawn(Figure("", [panel])).axes
        assert [text.get_text() for text in axes.get_legend().get_texts()] == ["val", "handed on"]
        [plot] = interactive._plots(Figure("", [panel]))
        assert [item.label.value for item in plot.legend[0].items] == ["val", "handed on"]


def by_lr(request):
    return 0.2 + abs(math.log10(request.config.lr / 3e-3))
