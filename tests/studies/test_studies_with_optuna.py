"""A run's studies in the hands of somebody who knows Optuna and not tunekit: plots, samplers, importances."""

from __future__ import annotations

import json
import re
import shutil
import warnings
from pathlib import Path

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.samplers import TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from tests.commands import FAST, spawn, without_seconds
from tests.gate import command, gated
from tests.pages import page

SEARCH = "search: {batch_size: [64, 128], model.args.hidden: [[16], [32]]}\n"
AXES = {"lr", "weight_decay", "batch_size", "model.args.hidden"}


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A run up to its grid, over four axes."""
    folder = tmp_path_factory.mktemp("searched")
    recipe = FAST.replace(
        "lr_factors: [1, 2], weight_decays: [0, 1e-4], epochs: 1", "lr_factors: [0.1, 1, 3], epochs: 1"
    )
    (folder / "r.yaml").write_text(recipe + SEARCH)
    done = spawn("run", "r.yaml", "--name", "r", "--to", "coarse-grid", "--jobs", "2", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "runs" / "r"


def load(run: Path, name: str = "coarse-grid", **kwargs) -> optuna.Study:
    storage = JournalStorage(JournalFileBackend(str(run / "studies.journal")))
    return optuna.load_study(study_name=name, storage=storage, **kwargs)


@pytest.fixture
def copy(run, tmp_path) -> Path:
    shutil.copytree(run.parent.parent, tmp_path / "copy")
    return tmp_path / "copy" / "runs" / "r"


def test_a_study_a_step_and_one_a_sweep_of_searched_values(run):
    storage = JournalStorage(JournalFileBackend(str(run / "studies.journal")))
    sweeps = [f"lr-sweep/batch_size={b},model.args.hidden=[{h}]" for b in (64, 128) for h in (16, 32)]
    own = "lr-sweep/batch_size=64,model.args.hidden=[32]"  # which is the recipe, and step 3's own
    assert set(optuna.get_all_study_names(storage)) == {
        "check-init-loss",
        "overfit-tiny",
        "lr-sweep",
        "coarse-grid",
        *sweeps,
    } - {own}
    objectives = {
        s: (load(run, s).metric_names, load(run, s).direction.name) for s in ("lr-sweep", "coarse-grid", sweeps[0])
    }
    assert objectives == {
        "lr-sweep": (["train_loss"], "MINIMIZE"),
        "coarse-grid": (["val_accuracy"], "MAXIMIZE"),
        sweeps[0]: (["train_loss"], "MINIMIZE"),
    }


def test_every_cell_is_a_complete_trial_of_four_axes_with_one_distribution_each(run):
    study = load(run)
    assert {trial.state.name for trial in study.trials} == {"COMPLETE"}
    assert len({str(sorted(trial.distributions.items())) for trial in study.trials}) == 1
    space = study.trials[0].distributions
    assert set(space) == AXES
    assert isinstance(space["lr"], FloatDistribution)
    assert space["lr"].log
    assert space["weight_decay"] == CategoricalDistribution([0.0, 1e-5, 1e-4, 1e-3])
    assert space["batch_size"] == CategoricalDistribution([64, 128])
    assert space["model.args.hidden"] == CategoricalDistribution(["[16]", "[32]"])
    tried = {trial.params["lr"] for trial in study.trials}
    assert (space["lr"].low, space["lr"].high) == (min(tried), max(tried))  # extend: 0
    handed_on = json.loads((run / "coarse-grid/result.json").read_text())["handoff"]
    assert study.best_value == handed_on["val_accuracy"]
    assert study.user_attrs["tuned"] == {name: handed_on[name] for name in AXES}


@pytest.mark.parametrize("multivariate", [False, True])
def test_tpe_goes_on_within_the_space_from_what_stands(copy, multivariate):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = TPESampler(seed=0, multivariate=multivariate)
    study = load(copy, sampler=sampler)
    before = study.get_trials()
    space = before[0].distributions
    assert set(optuna.search_space.intersection_search_space(before)) == AXES

    def objective(trial):
        """As somebody writes it who looks at the dashboard: ranges of their own, the lists as they are."""
        lr = trial.suggest_float("lr", space["lr"].low, space["lr"].high, log=True)
        decay = trial.suggest_categorical("weight_decay", [0.0, 1e-5, 1e-4, 1e-3])
        size = trial.suggest_categorical("batch_size", [64, 128])
        hidden = json.loads(trial.suggest_categorical("model.args.hidden", ["[16]", "[32]"]))
        return 0.5 + 10 * decay - abs(lr - 0.01) + size / 1000 + sum(hidden) / 1000

    study.optimize(objective, n_trials=10)
    added = study.trials[len(before) :]
    assert [trial.state.name for trial in added] == ["COMPLETE"] * 10
    assert all(trial.distributions == space for trial in added)
    assert len({trial.params["lr"] for trial in added}) > 1


def test_ask_and_tell_on_the_studys_own_space(copy):
    study = load(copy, sampler=TPESampler(seed=0))
    for _ in range(3):
        trial = study.ask(study.best_trial.distributions)
        study.tell(trial, 0.1)
    assert [set(trial.params) for trial in study.trials[-3:]] == [AXES] * 3


def test_the_pages_example_word_for_word(copy, capsys, monkeypatch):
    import matplotlib as mpl

    mpl.use("Agg")
    monkeypatch.chdir(copy.parent.parent)
    copy.rename(copy.with_name("digits-001"))
    [code] = [
        block for block in re.findall(r"^```python\n(.*?)^```", page("optuna"), re.S | re.M) if "TPESampler" in block
    ]
    asked = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        exec(code, {"your_training": lambda params: asked.append(params) or 0.5})
    assert [set(params) for params in asked] == [AXES] * 10
    assert capsys.readouterr().out.count("'lr': ") == 2


@pytest.mark.long
def test_later_steps_do_not_mind_what_somebody_added(run, copy, tmp_path):
    study = load(copy, sampler=TPESampler(seed=0))
    for _ in range(3):
        study.tell(study.ask(study.best_trial.distributions), 2.0)  # better than any
    study.ask(study.best_trial.distributions)  # and one that is running
    plain = tmp_path / "plain"
    shutil.copytree(run.parent.parent, plain)
    for folder in (plain, copy.parent.parent):
        (folder / "runs/r/coarse-grid/result.json").unlink()  # so that it is judged again
        for step in ("coarse-grid", "fine-run", "diagnose"):
            done = spawn(step, "runs/r", cwd=folder)
            assert done.returncode == 0, done.stderr
    for step in ("coarse-grid", "fine-run", "diagnose"):
        mine, theirs = (without_seconds(f / "runs/r" / step / "result.json") for f in (plain, copy.parent.parent))
        assert mine == theirs, step
    states = [trial.state.name for trial in load(copy).trials]
    assert states.count("RUNNING") == 1  # of theirs: nobody ended it for them


class TestPlots:
    """Optuna's own, by matplotlib: they show where the trials are, on an axis that is logarithmic where a rate's is."""

    @pytest.fixture(autouse=True)
    def _plots(self):
        import matplotlib as mpl

        mpl.use("Agg")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
        import matplotlib.pyplot as plt

        plt.close("all")

    def test_slice(self, run):
        study = load(run)
        panels = {ax.get_xlabel(): ax for ax in optuna.visualization.matplotlib.plot_slice(study)}
        assert set(panels) == AXES
        assert panels["lr"].get_xscale() == "log"
        assert all(ax.get_xscale() == "linear" for name, ax in panels.items() if name != "lr")
        tried = [trial.params["lr"] for trial in study.trials]
        low, high = panels["lr"].get_xlim()
        assert min(tried) / 4 < low < min(tried) <= max(tried) < high < 4 * max(tried)  # no empty space
        shown = panels["lr"].collections[0].get_offsets()
        assert sorted(shown[:, 0]) == pytest.approx(sorted(tried))

    def test_contour(self, run):
        study = load(run)
        axis = optuna.visualization.matplotlib.plot_contour(study, params=["lr", "weight_decay"])
        assert {axis.get_xlabel(), axis.get_ylabel()} == {"lr", "weight_decay"}
        assert axis.get_xscale() == "log"
        assert len(axis.collections) > 1  # the trials on the surface
        every = optuna.visualization.matplotlib.plot_contour(study)
        assert every.shape == (4, 4)

    def test_importances(self, run):
        axis = optuna.visualization.matplotlib.plot_param_importances(
            load(run), evaluator=FanovaImportanceEvaluator(seed=0)
        )
        names = [label.get_text() for label in axis.get_yticklabels()]
        assert set(names) == AXES
        assert names[-1] == "lr"  # the longest bar: rates of a tenth to 3 times the best, in one epoch

    def test_courses_and_timeline(self, run):
        study = load(run)
        axis = optuna.visualization.matplotlib.plot_intermediate_values(study)
        assert len(axis.lines) == len(study.trials)
        spans = [(trial.datetime_start, trial.datetime_complete) for trial in load(run, "lr-sweep").trials]
        assert all(start <= end for start, end in spans)
        assert len({start for start, _ in spans}) == len(spans)  # not all at the same moment


def test_importances_of_the_run_and_those_that_optuna_finds_in_its_study_agree(run):
    details = json.loads((run / "coarse-grid/result.json").read_text())["details"]
    theirs = get_param_importances(load(run), evaluator=FanovaImportanceEvaluator(seed=0))
    assert max(details["importance"], key=details["importance"].__getitem__) == "lr" == next(iter(theirs))
    assert details["importance"]["weight_decay"] < 0.1 > theirs["weight_decay"]


def test_one_worker_leaves_the_same_studies_as_two(tunekit, run, tmp_path):
    """But for times, and for the numbers of trials that ran side by side."""
    shutil.copy(run.parent.parent / "r.yaml", tmp_path)
    done = tunekit("run", "r.yaml", "--name", "r", "--to", "coarse-grid", "--jobs", 1)
    assert done.code == 0, done.err
    single = tmp_path / "runs" / "r"
    storages = [JournalStorage(JournalFileBackend(str(place / "studies.journal"))) for place in (run, single)]
    assert len({tuple(sorted(optuna.get_all_study_names(storage))) for storage in storages}) == 1
    for name in optuna.get_all_study_names(storages[0]):
        studies = [load(place, name) for place in (run, single)]
        assert studies[0].user_attrs == studies[1].user_attrs
        assert contents(studies[0]) == contents(studies[1])


def contents(study: optuna.Study) -> list[tuple]:
    """All but times and numbers, and but for what a trial says on the way after five seconds."""
    told = [
        (
            {name: value for name, value in trial.user_attrs.items() if name not in ("iteration", "train_loss")},
            trial.state.name,
            trial.value,
            trial.params,
            trial.distributions,
            trial.intermediate_values,
        )
        for trial in study.trials
    ]
    return sorted(told, key=lambda trial: trial[0]["identity"])


def test_two_workers_are_two_trials_at_a_time_in_the_journal_while_they_train(tmp_path):
    recipe = gated(FAST.replace("epochs: 1, extend: 0", "epochs: 3, extend: 0"), tmp_path, at=31)
    (tmp_path / "r.yaml").write_text(recipe)
    words = ("run", "r.yaml", "--name", "r", "--jobs", "2", "--to", "coarse-grid")
    with command(*words, cwd=tmp_path, tickets=2) as (process, gate):
        gate.held(process)
        running = load(tmp_path / "runs" / "r").trials
        assert [trial.state.name for trial in running] == ["RUNNING", "RUNNING"]
        gate.open()
        assert process.wait() == 0
    trials = load(tmp_path / "runs" / "r").trials
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 4
    assert [trial.datetime_start for trial in trials[:2]] == [trial.datetime_start for trial in running]
    assert max(trial.datetime_start for trial in trials[:2]) < min(trial.datetime_complete for trial in trials[:2])
