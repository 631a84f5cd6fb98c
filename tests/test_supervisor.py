"""The supervisor on steps and executors made for the test: what is run again, reused, told and given up."""

from collections import deque
from pathlib import Path
from types import SimpleNamespace

import pytest

from tunekit.executors import Event
from tunekit.recipe.schema import Loaded, Recipe
from tunekit.rundir import find_run
from tunekit.steps import Context
from tunekit.store import Store
from tunekit.studies import Studies, open_storage
from tunekit.supervisor import Supervisor
from tunekit.vocabulary import Facts, Interrupted, Noted, Row, StepFinished, StepResult, Training, UserError
from tunekit.worker import Progress, Workspace

FACTS = Facts(100, 20, 10, "accuracy", True, 10, 500, 1, "fp32", "cpu", {})


class Scripted:
    """An executor that trains nothing: each request ends as the script says, `done` by writing plausible rows."""

    def __init__(self, script=None, capacity=2):
        self.capacity, self.script, self.events, self.submitted = capacity, script or {}, deque(), []
        self.most, self.open = 0, 0

    def submit(self, request, workspace):
        handle = len(self.submitted)
        self.submitted.append(request)
        self.open += 1
        self.most = max(self.most, self.open)
        kinds = self.script.get(request.config.lr, [])
        kind = kinds.pop(0) if kinds else "done"
        if kind == "done":
            with Store(Path(workspace.trainings)).lease(request.config) as entry:
                start = entry.iterations()
                rows = [
                    Row(i, i / 10, request.config.lr, 1.0, 0.5, None, None) for i in range(start + 1, request.until + 1)
                ]
                entry.append("accuracy", rows)
        note = Progress(1, request.until, note="a note" if kind == "noted" else "")
        self.events.append(Event(handle, "progress", note))
        self.events.append(Event(handle, "done" if kind == "noted" else kind, error="it broke"))
        return handle

    def poll(self, timeout_s=0.1):
        if not self.events:
            return []
        event = self.events.popleft()
        self.open -= event.kind != "progress"
        return [event]

    def cancel(self, handle): ...
    def close(self): ...


def step_of(name="coarse-grid", rates=(0.1, 0.2), until=20):
    def plan(context, records):
        return (
            []
            if records
            else [Training(context.config({"lr": rate}), until, {"lr": rate}, purpose="test") for rate in rates]
        )

    def judge(context, records):
        return StepResult(
            name, "pass", f"{sum(r.error is None for r in records)} of {len(records)}", handoff={"lr": rates[0]}
        )

    def objective(context, record):
        return 0.9

    return SimpleNamespace(
        NAME=name, NEEDS=(), plan=plan, judge=judge, objective=objective, maximize=lambda c: True, choices=lambda c: {}
    )


@pytest.fixture
def supervise(tmp_path):
    recipe = Recipe(name="small", data={"target": "digits"}, model={"target": "mlp"})
    run = find_run(Loaded(recipe, tmp_path), tmp_path / "runs")

    def make(executor, stop=lambda: None):
        studies = Studies(open_storage(run.journal))
        told = []
        supervisor = Supervisor(
            run, studies, executor, Workspace(str(run.trainings), str(tmp_path), "cpu"), told.append, stop
        )
        context = Context(recipe, FACTS, "runs/small-001", studies.results(("lr-sweep",)))
        return supervisor, context, told

    return make


def test_a_step_is_planned_run_judged_and_written(supervise):
    executor = Scripted()
    supervisor, context, told = supervise(executor)
    result = supervisor.run_step(step_of(), context)
    assert result.summary == "2 of 2"
    assert result.cost["iterations"] == 40
    assert supervisor.run.result("coarse-grid") == result
    assert isinstance(told[-1], StepFinished)
    assert [record.params["lr"] for record in told[-1].records] == [0.1, 0.2]


def test_a_finished_step_is_not_run_again_until_what_it_hangs_on_changes(supervise):
    supervisor, context, _ = supervise(Scripted())
    first = supervisor.run_step(step_of(), context)
    executor = Scripted()
    supervisor, context, told = supervise(executor)
    assert supervisor.run_step(step_of(), context) == first
    assert not executor.submitted
    assert told[-1].reused
    other = Context(context.recipe.with_values({"steps.coarse-grid.epochs": 2}), FACTS, "run", {})
    supervisor.run_step(step_of(), other)
    assert not executor.submitted  # judged anew, but nothing is trained twice
    assert not told[-1].reused


def test_what_an_earlier_step_trained_is_reused_and_counted(supervise):
    supervisor, context, _ = supervise(Scripted())
    supervisor.run_step(step_of("lr-sweep", (0.1,), until=20), context)
    supervisor, context, _ = supervise(Scripted())
    cost = supervisor.run_step(step_of("coarse-grid", (0.1, 0.2), until=30), context).cost
    assert (cost["iterations"], cost["iterations_reused"]) == (40, 20)


@pytest.mark.parametrize("kind", ["failed", "lost"])
def test_what_failed_once_is_tried_again_and_what_failed_twice_is_a_failed_trial(supervise, kind):
    executor = Scripted({0.1: [kind], 0.2: [kind, kind]})
    supervisor, context, _ = supervise(executor)
    result = supervisor.run_step(step_of(rates=(0.1, 0.2, 0.3)), context)
    assert result.summary == "2 of 3"
    assert sorted(r.config.lr for r in executor.submitted) == [0.1, 0.1, 0.2, 0.2, 0.3]


def test_unusable_input_is_not_tried_again(supervise):
    executor = Scripted({0.1: ["unusable"]})
    supervisor, context, _ = supervise(executor)
    assert supervisor.run_step(step_of(), context).summary == "1 of 2"
    assert len(executor.submitted) == 2


def test_a_full_disk_ends_the_step_at_once_and_nothing_is_recorded(supervise):
    supervisor, context, _ = supervise(Scripted({0.1: ["storage"]}))
    with pytest.raises(UserError, match="it broke"):
        supervisor.run_step(step_of(), context)
    assert supervisor.run.result("coarse-grid") is None


def test_a_stop_is_seen_between_events(supervise):
    asked = iter([None, None, "interrupted"])
    supervisor, context, _ = supervise(Scripted(), lambda: next(asked, "interrupted"))
    with pytest.raises(Interrupted, match="interrupted"):
        supervisor.run_step(step_of(rates=(0.1, 0.2, 0.3, 0.4)), context)
    supervisor, context, _ = supervise(executor := Scripted())
    assert supervisor.run_step(step_of(rates=(0.1, 0.2, 0.3, 0.4)), context).summary == "4 of 4"
    assert len(executor.submitted) < 4


def test_trainings_of_several_threads_take_several_workers(supervise):
    executor = Scripted(capacity=4)
    supervisor, context, _ = supervise(executor)
    threaded = Context(context.recipe, Facts(**{**vars(FACTS), "threads": 2}), "run", {})
    supervisor.run_step(step_of(rates=(0.1, 0.2, 0.3, 0.4, 0.5)), threaded)
    assert executor.most == 2


def test_notes_of_workers_reach_the_screen(supervise):
    supervisor, context, told = supervise(Scripted({0.1: ["noted"]}))
    supervisor.run_step(step_of(), context)
    assert Noted("a note") in told


def test_only_the_best_few_keep_their_weights(supervise):
    class Saving(Scripted):
        def submit(self, request, workspace):
            handle = super().submit(request, workspace)
            Store(Path(workspace.trainings)).entry(request.config).save("checkpoint.pt", b"weights")
            return handle

    rates = tuple(round(0.1 * k, 1) for k in range(1, 9))
    step = step_of(rates=rates)
    step.objective = lambda context, record: -abs(record.params["lr"] - 0.3)
    supervisor, context, _ = supervise(Saving())
    supervisor.run_step(step, context)
    kept = {path.parent.name.partition("_")[0] for path in supervisor.run.trainings.glob("*/checkpoint.pt")}
    assert kept == {"lr1e-1", "lr2e-1", "lr3e-1", "lr4e-1", "lr5e-1"}
