"""What is left of a command, on a clock and workers of the test's own: within a factor of 1.5 of what comes, after ten
seconds and for as long as there is something to be told."""

import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from tests.steps.hand_made import context_of, facts_of
from tunekit.forecast import LAST_TURNS, Forecast, Work
from tunekit.measured import SpeedMeasured
from tunekit.outlook import look_ahead
from tunekit.steps import step_names

FACTOR, SAID_FROM_S, NEAR_S = 1.5, 10.0, 3.0


@dataclass
class Machine:
    """What things take here: seconds of an iteration, of a sample in it, of one in a validation, of a training."""

    iteration: float = 0.01
    sample: float = 1e-4
    validated: float = 2e-5
    training: float = 0.2
    measurement: float = 0.5
    slower: tuple[float, float] = (0.0, 1.0)  # from when on by which factor
    kinds: dict[str, float] = field(default_factory=dict)  # by which factor slower these are

    def seconds(self, work, start, end, now):
        factor = self.kinds.get(work.kind, 1.0) * (self.slower[1] if now >= self.slower[0] else 1.0)
        if work.measures:
            return factor * self.measurement
        validations = end // work.every - start // work.every if work.every else 0
        each = self.iteration + self.sample * work.batch
        return factor * (each * (end - start) + self.validated * work.samples * validations)


def cells(count, until=200, purpose="cell", key="c", batch=64, every=50, **changes):
    return [Work(purpose, f"{key}{n}", until, batch=batch, every=every, samples=1000, **changes) for n in range(count)]


def timed(machine, off=1.0):
    each = machine.iteration + 64 * machine.sample
    return SpeedMeasured(off * machine.training / 2, off * each, off * machine.validated, 64)


@dataclass
class Simulation:
    """Workers that do what steps ask for. `said`: (time, what was told to be left) at each piece of news; `ends`: where
    a training ends."""

    machine: Machine
    workers: int = 1
    ends: Callable[[Work], int] = lambda work: work.until
    told: SpeedMeasured | None = None
    turn: float = 0.5
    reading: float = 0.0  # seconds that the first training of a kind takes besides
    now: float = 0.0
    said: list = field(default_factory=list)
    read: set[str] = field(default_factory=set)

    def carry_out(self, steps):
        forecast = Forecast(facts_of(), self.told, clock=lambda: self.now)
        expected, reach = dict(steps), {}
        for name, rounds in steps.items():
            forecast.expect(expected)
            forecast.begin_step(name)
            del expected[name]
            for works in rounds:
                works = [replace(work, behind=min(work.until, reach.get(work.key, 0))) for work in works]
                forecast.begin_round(works, self.workers)
                self._round(forecast, works)
                reach |= {work.key: work.until for work in works}
            self.now += self.turn
        self.now += LAST_TURNS * self.turn
        return self.said, self.now

    def _round(self, forecast, works):
        waiting, news = deque(range(len(works))), []  # when there is news, of which place, at which iteration
        while waiting or news:
            while waiting and len(news) < self.workers:
                place = waiting.popleft()
                forecast.begin(place)
                once = 0.0 if works[place].kind in self.read else self.reading
                self.read.add(works[place].kind)
                heapq.heappush(news, (self.now + self.machine.training / 2 + once, place, works[place].behind))
            self.now, place, done = heapq.heappop(news)
            work, end = works[place], 1 if works[place].measures else self.ends(works[place])
            if done >= end:
                if work.measures:
                    forecast.advance(place, 0)  # a worker's last news
                forecast.end(place, 0 if work.measures else done)
            else:
                if done > work.behind:
                    forecast.advance(place, done)
                further = min(end, done + 10)
                seconds = self.machine.seconds(work, done, further, self.now)
                seconds += self.machine.training / 2 if further >= end else 0.0
                heapq.heappush(news, (self.now + seconds, place, further))
            self.said.append((self.now, forecast.left()))


def carried_out(steps, machine, workers=1, **changes):
    return Simulation(machine, workers, **changes).carry_out(steps)


def assert_near(said, end, since=SAID_FROM_S):
    assert end > since + 2 * NEAR_S, "the example is too short to say something"
    for now, left in said:
        came = end - now
        if now >= since and came > NEAR_S:
            assert left is not None
            assert 1 / FACTOR <= (left + 1) / (came + 1) <= FACTOR, f"at {now:.0f} s: {left:.0f} s, came {came:.0f} s"


STEPS = {
    "look": [[Work("look", measures=True)] * 3],
    "sweep": [cells(9, 100, "sweep", "s", every=0)],
    "grid": [cells(12)],
    "fine": [cells(3, 400, "fine"), cells(2, 400, "finer", "f"), cells(2, 400, "repeat", "r")],
}


@pytest.mark.parametrize("workers", [1, 2, 4])
@pytest.mark.parametrize("off", [0.5, 1.0, 2.0])
def test_it_is_near_what_comes_whatever_was_timed_before(workers, off):
    machine = Machine()
    said, end = carried_out(STEPS, machine, workers, told=timed(machine, off))
    assert_near(said, end)


def test_what_steps_do_besides_their_trainings_is_counted():
    said, end = carried_out(STEPS, Machine(), told=timed(Machine()), turn=6.0)
    assert_near(said, end)


def test_what_the_first_training_alone_takes_is_not_expected_of_the_others():
    said, end = carried_out({"grid": [cells(30)]}, Machine(), told=timed(Machine()), reading=8.0)
    assert_near(said, end)


def test_it_counts_the_steps_after_the_one_at_hand():
    machine = Machine()
    said, end = carried_out(STEPS, machine, told=timed(machine))
    at = next(left for now, left in said if now >= 10)  # in the sweep, which ends soon
    assert at > (end - 10) / FACTOR


def test_where_nothing_was_timed_it_is_silent_until_it_has_seen_something_and_then_near():
    said, end = carried_out(STEPS, Machine())
    assert said[0][1] is None
    assert_near(said, end)


@pytest.mark.parametrize("factor", [0.4, 2.5])
def test_a_machine_that_changes_its_speed_is_followed(factor):
    machine = Machine(slower=(8.0, factor))
    said, end = carried_out(STEPS, machine, told=timed(machine))
    assert_near(said, end, since=25.0 if factor > 1 else 18.0)


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_trainings_that_end_early_are_taken_to_go_on_doing_so(share):
    steps = {"grid": [cells(60)]}
    machine = Machine()
    said, end = carried_out(steps, machine, ends=lambda work: max(10, int(share * work.until)), told=timed(machine))
    assert_near(said, end)


def test_validations_that_cost_most_are_known_when_they_begin():
    machine = Machine(validated=2e-3)
    said, end = carried_out(STEPS, machine, told=timed(machine))
    assert_near(said, end)


def test_other_batch_sizes_take_as_long_as_they_come_to():
    steps = {"grid": [cells(6, batch=16, key="a") + cells(6, batch=64, key="b") + cells(6, batch=256, key="d")]}
    machine = Machine(iteration=1e-3, sample=1e-3)
    said, end = carried_out(steps, machine, told=timed(machine))
    assert_near(said, end, since=45.0)  # a third of it: the second size has been seen


@pytest.mark.parametrize("chosen", ["small", "large"])
def test_models_that_differ_in_speed_are_known_apart_once_they_were_seen(chosen):
    grid = cells(8, key="a", kind="small") + cells(8, key="b", kind="large")
    steps = {"grid": [grid], "fine": [cells(8, 400, "fine", "f", kind=chosen)]}
    machine = Machine(kinds={"large": 4.0})
    said, end = carried_out(steps, machine, told=timed(machine))
    fine = 4 * 0.5 + {"small": 1.0, "large": 4.0}[chosen] * 8 * 400 * (machine.iteration + 64 * machine.sample)
    assert_near(said, end, since=end - fine)


def test_what_stands_in_the_store_takes_no_time():
    stored = {
        name: [[replace(work, behind=work.until) for work in works] for works in rounds]
        for name, rounds in STEPS.items()
    }
    del stored["look"]
    machine = Machine()
    forecast = Forecast(facts_of(), timed(machine))
    forecast.expect(stored)
    assert forecast.left() <= 3


def test_a_training_that_goes_on_costs_what_is_missing():
    machine = Machine()
    forecast = Forecast(facts_of(), timed(machine))
    whole = forecast.seconds_of([cells(1, 400)], 1)
    reach = {}
    first = forecast.seconds_of([cells(1, 200)], 1, reach)
    rest = forecast.seconds_of([cells(1, 400)], 1, reach)
    assert first + rest == pytest.approx(whole, rel=0.2, abs=1.0)


def test_a_round_that_was_not_expected_leaves_the_others_to_come():
    forecast = Forecast(facts_of(), timed(Machine()))
    forecast.expect({"grid": [cells(3, purpose="sweep"), cells(12)]})
    forecast.begin_step("grid")
    forecast.begin_round(cells(3, purpose="sweep"), 1)
    forecast.begin_round(cells(1, purpose="sweep", key="x"), 1)  # the sweep grows at an edge
    before = forecast.left()
    forecast.begin_round(cells(12), 1)
    assert before > forecast.left()
    forecast.begin_round(cells(1, purpose="further row", key="y"), 1)
    assert forecast.left() < before / 3


PLANS = {
    "plain": {},
    "search": {"search": {"batch_size": [32, 64]}},
    "halving": {"steps": {"coarse-grid": {"pruner": "halving", "epochs": 4}}},
    "drawn": {"steps": {"coarse-grid": {"sampler": "random", "trials": 10}}},
}


@pytest.mark.parametrize("plan", PLANS)
def test_the_first_round_that_a_step_asks_for_is_the_first_that_it_is_expected_to(plan):
    assert context_of("diagnose").step.expected(context_of("diagnose")) == []  # it reads
    for name in ("check-init-loss", "overfit-tiny", "lr-sweep", "coarse-grid"):
        context = context_of(name, **PLANS[plan])
        first, *_ = context.step.expected(context)
        asked = context.step.plan(context, [])
        assert [one.purpose for one in first] == [one.purpose for one in asked]
        if plan != "drawn":
            assert [one.goal for one in first] == [one.goal for one in asked]


def test_the_whole_is_that_of_its_steps_and_a_fine_run_goes_on_from_the_cells():
    contexts = [context_of(name) for name in step_names()]
    outlook = look_ahead(contexts, Forecast(contexts[0].facts, timed(Machine())), 1, lambda _: 0)
    grid, fine = outlook.steps["coarse-grid"], outlook.steps["fine-run"]
    assert (grid.trainings, fine.trainings) == (12 - 1, 3 + 2 + 2)  # one cell is a training of the sweep
    cell = next(one for one in outlook.rounds["coarse-grid"][0] if not one.measures).until
    length = contexts[0].recipe.settings("fine-run").epochs * 20
    assert fine.iterations == 7 * length - 3 * cell
    assert outlook.whole.iterations == sum(one.iterations for one in outlook.steps.values())
    assert outlook.whole.seconds == pytest.approx(sum(one.seconds for one in outlook.steps.values()))


def test_of_what_stands_there_is_nothing_to_do():
    contexts = [context_of("lr-sweep")]
    outlook = look_ahead(contexts, Forecast(contexts[0].facts, timed(Machine())), 1, lambda _: None)
    assert (outlook.whole.trainings, outlook.whole.iterations, outlook.whole.bytes) == (0, 0, 0)
    assert outlook.whole.seconds < 1


def test_a_measurement_costs_what_it_takes_whatever_news_there_is_of_it():
    now = 0.0
    forecast, look = Forecast(facts_of(), clock=lambda: now), Work("look", measures=True)
    for _ in range(20):
        forecast.begin_round([look], 1)
        forecast.begin(0)
        now += 2.0
        forecast.advance(0, 0)
        forecast.end(0, 0)
    assert forecast.speed.seconds("", look.parts(0, 0, 1.0)) == pytest.approx(2.0, rel=0.2)
