"""The supervisor on steps and executors made for the test: what is run again, reused, told and given up."""

import json
import math
import shutil
from collections import deque
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import optuna
import pytest

from tunekit.executors import Event
from tunekit.pipeline import schema
from tunekit.recipe.schema import Loaded
from tunekit.runs import find_run
from tunekit.space import Range
from tunekit.steps import Context, Earlier
from tunekit.steps.step import Handoff, Judgement, Settings, Step
from tunekit.store import Store
from tunekit.studies import Studies, open_journal
from tunekit.supervisor import Supervisor
from tunekit.vocabulary import Code, Facts, Interrupted, Noted, Remedy, Row, StepFinished, Training, UserError
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


@dataclass(frozen=True)
class Rate(Handoff):
    lr: float
    best: tuple[str, ...] = ()

    @property
    def trainings(self):
        return tuple(self.best)


def step_of(name="coarse-grid", rates=(0.1, 0.2), until=20, **changes):
    """A step that trains these rates."""

    def plan(context, records):
        requests = [Training(context.config({"lr": rate}), until, {"lr": rate}, purpose="rate") for rate in rates]
        return [] if records else requests

    def judge(context, records):
        return Judgement(f"{sum(r.error is None for r in records)} of {len(records)}", handoff=Rate(rates[0]))

    fields = {"objective": lambda context, record: 0.9, "maximize": lambda context: True, **changes}
    return Step(name, "", Settings, Rate, "a rate", plan, judge, lambda: (), **fields)


@pytest.fixture
def supervise(tmp_path):
    recipe = schema()(name="small", data={"target": "digits"}, model={"target": "mlp"})
    run = find_run(Loaded(recipe, tmp_path), tmp_path / "runs")

    def make(executor, stop=lambda: None, step=None, facts=FACTS, settings=None):
        studies = Studies(open_journal(run.journal))
        told = []
        workspace = Workspace(str(run.trainings), str(tmp_path), "cpu")
        opened = replace(run, recipe=run.recipe.with_values(settings or {}))
        supervisor = Supervisor(opened, studies, executor, workspace, told.append, "runs/small-001", stop)
        earlier = {name: Earlier(left.result) for name, left in studies.conclusions(("lr-sweep",)).items()}
        return supervisor, Context(step or step_of(), opened.recipe, facts, earlier, "fine-run"), told

    return make


def test_a_step_is_planned_run_judged_and_written(supervise):
    executor = Scripted()
    supervisor, context, told = supervise(executor)
    result = supervisor.run_step(context)
    assert result.summary == "2 of 2"
    assert result.cost["iterations"] == 40
    assert supervisor.run.result("coarse-grid") == result
    assert isinstance(told[-1], StepFinished)
    assert [record.params["lr"] for record in told[-1].records] == [0.1, 0.2]


def test_a_finished_step_is_not_run_again_until_what_it_hangs_on_changes(supervise):
    supervisor, context, _ = supervise(Scripted())
    first = supervisor.run_step(context)
    executor = Scripted()
    supervisor, context, told = supervise(executor)
    assert supervisor.run_step(context) == first
    assert not executor.submitted
    assert told[-1].reused
    supervisor, context, told = supervise(executor, settings={"steps.coarse-grid.epochs": 2})
    supervisor.run_step(context)
    assert not executor.submitted  # judged anew, but nothing is trained twice
    assert not told[-1].reused


def test_what_an_earlier_step_trained_is_reused_and_counted(supervise):
    supervisor, context, _ = supervise(Scripted(), step=step_of("lr-sweep", (0.1,), until=20))
    supervisor.run_step(context)
    supervisor, context, _ = supervise(Scripted(), step=step_of("coarse-grid", (0.1, 0.2), until=30))
    cost = supervisor.run_step(context).cost
    assert (cost["iterations"], cost["iterations_reused"]) == (40, 20)


@pytest.mark.parametrize("kind", ["failed", "lost"])
def test_what_failed_once_is_tried_again_and_what_failed_twice_is_a_failed_trial(supervise, kind):
    executor = Scripted({0.1: [kind], 0.2: [kind, kind]})
    supervisor, context, _ = supervise(executor, step=step_of(rates=(0.1, 0.2, 0.3)))
    result = supervisor.run_step(context)
    assert result.summary == "2 of 3"
    assert sorted(r.config.lr for r in executor.submitted) == [0.1, 0.1, 0.2, 0.2, 0.3]


def test_unusable_input_is_not_tried_again(supervise):
    executor = Scripted({0.1: ["unusable"]})
    supervisor, context, _ = supervise(executor)
    assert supervisor.run_step(context).summary == "1 of 2"
    assert len(executor.submitted) == 2


def test_a_full_disk_ends_the_step_at_once_and_nothing_is_recorded(supervise):
    supervisor, context, _ = supervise(Scripted({0.1: ["storage"]}))
    with pytest.raises(UserError, match="it broke"):
        supervisor.run_step(context)
    assert supervisor.run.result("coarse-grid") is None


def test_a_stop_is_seen_between_events(supervise):
    asked = iter([None, None, "interrupted"])
    step = step_of(rates=(0.1, 0.2, 0.3, 0.4))
    supervisor, context, _ = supervise(Scripted(), lambda: next(asked, "interrupted"), step)
    with pytest.raises(Interrupted, match="interrupted"):
        supervisor.run_step(context)
    supervisor, context, _ = supervise(executor := Scripted(), step=step)
    assert supervisor.run_step(context).summary == "4 of 4"
    assert len(executor.submitted) < 4


def test_trainings_of_several_threads_take_several_workers(supervise):
    executor = Scripted(capacity=4)
    step = step_of(rates=(0.1, 0.2, 0.3, 0.4, 0.5))
    supervisor, context, _ = supervise(executor, step=step, facts=replace(FACTS, threads=2))
    supervisor.run_step(context)
    assert executor.most == 2


def test_notes_of_workers_reach_the_screen(supervise):
    supervisor, context, told = supervise(Scripted({0.1: ["noted"]}))
    supervisor.run_step(context)
    assert Noted("a note") in told


class Saving(Scripted):
    """Leaves weights behind."""

    def submit(self, request, workspace):
        handle = super().submit(request, workspace)
        for name in ("checkpoint.pt", "best.pt"):
            Store(Path(workspace.trainings)).entry(request.config).save(name, b"weights")
        return handle


RATES = tuple(round(0.1 * k, 1) for k in range(1, 9))


def rates_with_weights(run):
    return {path.parent.name.partition("_")[0] for path in run.trainings.glob("*/best.pt")}


def test_only_the_best_few_keep_their_weights(supervise):
    step = step_of(rates=RATES, objective=lambda context, record: -abs(record.params["lr"] - 0.3))
    supervisor, context, _ = supervise(Saving(), step=step)
    supervisor.run_step(context)
    assert rates_with_weights(supervisor.run) == {"lr1e-1", "lr2e-1", "lr3e-1", "lr4e-1", "lr5e-1"}


def test_what_is_handed_on_keeps_its_weights_however_many_are_as_good(supervise):
    """All score the same, and the step's own order, by which it judged, begins with the last."""

    def judge(context, records):
        best = records[-1]
        return Judgement("", handoff=Rate(best.params["lr"], (best.request.config.folder,)))

    last_first = replace(step_of(rates=RATES), judge=judge, order=lambda context, records: records[::-1])
    supervisor, context, _ = supervise(Saving(), step=last_first)
    supervisor.run_step(context)
    assert rates_with_weights(supervisor.run) == {"lr4e-1", "lr5e-1", "lr6e-1", "lr7e-1", "lr8e-1"}
    first_only = replace(step_of(rates=RATES), judge=judge, order=lambda context, records: records[:1])
    supervisor, context, _ = supervise(Saving(), step=first_only, settings={"steps.coarse-grid.epochs": 2})
    supervisor.run_step(context)
    assert rates_with_weights(supervisor.run) == {"lr8e-1"}


def test_what_an_earlier_step_handed_on_keeps_its_weights_in_a_later_one(supervise):
    def judge(context, records):
        return Judgement("", handoff=Rate(0.8, (records[-1].request.config.folder,)))

    supervisor, context, _ = supervise(Saving(), step=replace(step_of("lr-sweep", rates=RATES), judge=judge))
    supervisor.run_step(context)
    later = step_of(rates=RATES, objective=lambda context, record: -record.params["lr"])
    supervisor, context, _ = supervise(Saving(), step=later)
    supervisor.run_step(context)
    assert "lr8e-1" in rates_with_weights(supervisor.run)


def test_what_a_later_step_handed_on_keeps_its_weights_when_an_earlier_one_is_run_again(supervise):
    def judge(context, records):
        return Judgement("", handoff=Rate(0.8, (records[-1].request.config.folder,)))

    later = replace(step_of("fine-run", rates=RATES), judge=judge)
    supervisor, context, _ = supervise(Saving(), step=later)
    supervisor.run_step(context)
    earlier = step_of("coarse-grid", rates=RATES, objective=lambda context, record: -record.params["lr"])
    supervisor, context, _ = supervise(Saving(), step=earlier)
    supervisor.run_step(context)
    assert "lr8e-1" in rates_with_weights(supervisor.run)


def test_a_step_whose_training_was_removed_is_carried_out_again(supervise):
    def judge(context, records):
        return Judgement("", handoff=Rate(0.1, (records[0].request.config.folder,)))

    step = replace(step_of(), judge=judge)
    supervisor, context, _ = supervise(Saving(), step=step)
    result = supervisor.run_step(context)
    (gone,) = result.handoff["best"]
    shutil.rmtree(supervisor.run.trainings / gone)
    executor = Saving()
    supervisor, context, _ = supervise(executor, step=step)
    assert supervisor.run_step(context).handoff == result.handoff
    assert [request.config.folder for request in executor.submitted] == [gone]


class Validating(Scripted):
    """Trains with one validation, at its end, and leaves weights where that has a finite score."""

    score = 0.9

    def submit(self, request, workspace):
        if not self.script.get(request.config.lr):
            with Store(Path(workspace.trainings)).lease(request.config) as entry:
                start = entry.iterations() + 1
                scores = [None] * (request.until - start) + [self.score]
                rows = [Row(i, i / 10, request.config.lr, 1.0, 0.5, v, v) for i, v in enumerate(scores, start)]
                entry.append("accuracy", rows)
                entry.append_validation(np.zeros(3, np.float32))
                if math.isfinite(self.score):
                    entry.save("best.pt", b"weights of %d" % request.until)
        return super().submit(request, workspace)


def handing_on(**changes):
    """A step that hands on the first of its trainings."""

    def judge(context, records):
        return Judgement("", handoff=Rate(0.1, (records[0].request.config.folder,)))

    return replace(step_of(**changes), judge=judge)


REMOVED = "its weights were removed; it is trained anew"


def restored(told):
    return [event.text for event in told if isinstance(event, Noted) and event.text.endswith(REMOVED)]


def test_weights_that_were_removed_are_made_again_before_a_step_hands_them_on(supervise):
    supervisor, context, told = supervise(Validating(), step=handing_on())
    (name,) = supervisor.run_step(context).handoff["best"]
    assert not restored(told)
    weights = supervisor.run.trainings / name / "best.pt"
    for settings in (None, {"steps.coarse-grid.epochs": 2}):
        weights.unlink()
        supervisor, context, told = supervise(executor := Validating(), step=handing_on(), settings=settings)
        supervisor.run_step(context)
        assert [request.config.folder for request in executor.submitted] == [name]
        assert restored(told) == [f"{name}: {REMOVED}"]
        assert weights.exists()
        supervisor, context, told = supervise(executor := Validating(), step=handing_on(), settings=settings)
        supervisor.run_step(context)
        assert told[-1].reused
        assert not executor.submitted


def test_weights_are_made_again_to_where_the_rows_end_that_another_step_has_added(supervise):
    supervisor, context, _ = supervise(Validating(), step=step_of("lr-sweep", until=30))
    supervisor.run_step(context)
    for path in supervisor.run.trainings.glob("*/best.pt"):
        path.unlink()
    supervisor, context, _ = supervise(executor := Validating(), step=handing_on(until=20))
    (name,) = supervisor.run_step(context).handoff["best"]
    assert [request.until for request in executor.submitted] == [30]
    assert Store(supervisor.run.trainings).by_name(name).iterations() == 30


def test_a_training_without_a_finite_validation_is_not_trained_anew(supervise, monkeypatch):
    monkeypatch.setattr(Validating, "score", math.nan)
    for count in (2, 0, 0):
        supervisor, context, told = supervise(executor := Validating(), step=handing_on())
        supervisor.run_step(context)
        assert len(executor.submitted) == count
        assert not restored(told)


def test_a_step_that_was_killed_while_it_made_weights_again_is_judged_again(supervise):
    supervisor, context, _ = supervise(Validating(), step=handing_on())
    (name,) = supervisor.run_step(context).handoff["best"]
    weights = supervisor.run.trainings / name / "best.pt"
    weights.unlink()
    supervisor, context, _ = supervise(Validating({0.1: ["failed", "failed"]}), step=handing_on())
    with pytest.raises(UserError, match="it broke"):
        supervisor.run_step(context)
    with Store(supervisor.run.trainings).lease(context.config({"lr": 0.1})) as entry:
        entry.append("accuracy", [Row(1, 0.1, 0.1, 1.0, 0.5, None, None)])  # what a kill leaves
    supervisor, context, told = supervise(Validating(), step=handing_on())
    supervisor.run_step(context)
    assert not told[-1].reused
    assert weights.exists()


def test_a_step_whose_hand_off_has_another_shape_by_now_concludes_anew(supervise):
    supervisor, context, _ = supervise(Scripted())
    supervisor.run_step(context)

    @dataclass(frozen=True)
    class More(Handoff):
        lr: float
        spare: int

    changed = replace(step_of(), handoff=More, judge=lambda context, records: Judgement("", handoff=More(0.1, 3)))
    supervisor, context, _ = supervise(executor := Scripted(), step=changed)
    assert supervisor.run_step(context).handoff == {"lr": 0.1, "spare": 3}
    assert not executor.submitted


def test_the_study_owns_the_result_and_a_file_that_differs_is_written_anew(supervise):
    supervisor, context, _ = supervise(Scripted())
    result = supervisor.run_step(context)
    for text in ("{}", json.dumps({**result.as_dict(), "handoff": {"lr": 9.0}})):
        (supervisor.run.step_folder("coarse-grid") / "result.json").write_text(text)
        supervisor, context, told = supervise(Scripted())
        assert supervisor.run_step(context) == result
        assert supervisor.run.result("coarse-grid") == result
        assert sum(isinstance(event, Noted) and "the study counts" in event.text for event in told) == 1


def test_a_step_that_was_killed_before_it_wrote_its_result_is_judged_again_and_trains_nothing(supervise):
    supervisor, context, _ = supervise(Scripted())
    result = supervisor.run_step(context)
    (supervisor.run.step_folder("coarse-grid") / "result.json").unlink()
    executor = Scripted()
    supervisor, context, told = supervise(executor)
    again = supervisor.run_step(context)
    assert (again.handoff, again.summary, again.cost["iterations"]) == (
        result.handoff,
        result.summary,
        result.cost["iterations"],
    )
    assert not executor.submitted
    assert supervisor.run.result("coarse-grid") == again
    assert isinstance(told[-1], StepFinished)
    assert not told[-1].reused


def test_a_kill_in_the_middle_of_telling_changes_neither_the_result_nor_what_the_study_holds(supervise):
    """The journal as it stood after each of its lines, beside the trainings that were stored by then."""
    script = {0.2: ["failed", "failed"]}
    space = {"lr": Range(0.1, 1.0, log=True)}
    step = step_of(rates=RATES, objective=lambda _, record: record.params["lr"], space=lambda *_: space)
    supervisor, context, _ = supervise(Scripted(script), step=step)
    result = supervisor.run_step(context)
    journal = supervisor.run.journal
    lines = journal.read_bytes().splitlines(keepends=True)

    def contents():
        study = optuna.load_study(study_name="coarse-grid", storage=open_journal(journal))
        return sorted((t.state.name, t.value, str(t.params), str(t.user_attrs)) for t in study.trials), study.user_attrs

    whole = contents()
    assert len(lines) > 30
    for count in range(0, len(lines), 3):
        for torn in (b"", lines[count][: len(lines[count]) // 2]):
            journal.write_bytes(b"".join(lines[:count]) + torn)
            (supervisor.run.step_folder("coarse-grid") / "result.json").unlink()
            supervisor, context, _ = supervise(Scripted({0.2: ["failed", "failed"]}), step=step)
            again = supervisor.run_step(context)
            assert replace(again, cost=result.cost) == result
            trials, attributes = contents()
            assert attributes == whole[1]
            # What failed is tried again by a later command, and is a failed trial more.
            assert [t for t in trials if t[0] != "FAIL"] == [t for t in whole[0] if t[0] != "FAIL"]


def test_remedies_are_commands_in_the_advice_and_what_comes_next(supervise):
    code = Code("odd", "warn", "", "", "", ("look",), "")
    remedy = Remedy("coarse-grid", {"steps.coarse-grid.lr_factors": [0.5, 1.0]})

    def judge(context, records):
        return Judgement("", [code.finding("message", remedies=(remedy,))])

    supervisor, context, _ = supervise(Scripted(), step=replace(step_of(), judge=judge, codes=lambda: (code,)))
    result = supervisor.run_step(context)
    quoted = "`tunekit coarse-grid runs/small-001 --set 'steps.coarse-grid.lr_factors=[0.5,1.0]'`"
    assert result.findings[0].advice == ("look", quoted)
    assert result.next == "tunekit fine-run runs/small-001"
    assert result.remedies == (Remedy("fine-run"), remedy)
    assert supervisor.run.result("coarse-grid") == result
