"""Ray beyond the executors' contract: two nodes that share no folder, one of them lost, whole runs, what it says."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from unittest.mock import MagicMock

import pytest

from tests.commands import FAST, spawn, without_seconds
from tests.executors import test_executors as contract
from tests.executors.test_executors import entry_of, metrics, news_of, news_until
from tests.gate import NETWORK, Gate, command, gated
from tunekit import pipeline
from tunekit.executors import make_executor, ray_cluster
from tunekit.executors.inline import InlineExecutor
from tunekit.executors.ray_cluster import RayExecutor, _cause, _Needs
from tunekit.runs import find_run
from tunekit.steps import step_names
from tunekit.vocabulary import Training, UserError
from tunekit.worker import Workspace

needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason='needs Ray: pip install ".[ray]"')
AFTER_A_FLUSH = {"at": 2300, "seconds": 0.006}  # batches that take longer than the time between two flushes


@pytest.fixture(scope="module")
def cluster():
    """A head and whatever nodes a test adds, one CPU each, on the loopback interface."""
    os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    yield made
    made.shutdown()


@pytest.fixture
def second_node(cluster):
    node = cluster.add_node(num_cpus=1)
    yield node
    if node in cluster.worker_nodes:
        cluster.remove_node(node)


@pytest.fixture(scope="class")
def apart(cluster):
    node = cluster.add_node(num_cpus=1)
    executor = RayExecutor(2, cluster.address, shared=False)
    yield executor
    executor.close()
    cluster.remove_node(node)


@needs_ray
@pytest.mark.long
class TestNodesThatShareNoFolder(contract.TestContract):
    """The contract, with the recipe's folder and the training's files sent there and back."""

    @pytest.fixture
    def executor(self, apart):
        return apart


@needs_ray
@pytest.mark.long
@pytest.mark.parametrize("shared", [True, False])
class TestCluster:
    def test_a_lost_node_costs_no_more_than_a_flush(
        self,
        cluster,
        second_node,
        shared,
        make_config,
        workspace,
        tmp_path,
    ):
        (Path(workspace.folder) / "gated.py").write_text(NETWORK)
        gate = Gate(tmp_path / "gate", 2)
        model = {"target": "gated:Net", "args": {"gate": str(gate.place), **AFTER_A_FLUSH}}
        configs = [make_config(model=model, seed=seed, data={"augment": ["noise"]}) for seed in (0, 1)]
        requests = [Training(config, 2400, {}, purpose="test") for config in configs]
        executor = RayExecutor(2, cluster.address, shared=shared)
        try:
            handles = {executor.submit(request, workspace): request for request in requests}
            entries = {handle: entry_of(request.config, workspace) for handle, request in handles.items()}
            news_until(executor, lambda events: all(entry.has_checkpoint() for entry in entries.values()))
            gate.held()
            cluster.remove_node(second_node, allow_graceful=False)
            [lost] = [
                e
                for e in news_until(executor, lambda events: any(e.kind == "lost" for e in events))
                if e.kind == "lost"
            ]
            assert "Ray" in lost.error
            reached = entries[lost.handle].iterations()
            assert 0 < reached < 2400
            gate.open()
            again = executor.submit(handles[lost.handle], workspace)
            [other] = set(handles) - {lost.handle}
            events = news_of(executor, again, other)
            assert {event.kind for event in events} == {"begun", "progress", "done"}
            assert min(event.progress.done for event in events if event.handle == again and event.progress) > reached
        finally:
            executor.close()
        inline, place = InlineExecutor(), Workspace(str(tmp_path / "inline" / "trainings"), workspace.folder, "cpu")
        request = handles[lost.handle]
        news_of(inline, inline.submit(request, place))
        assert metrics(request.config, workspace) == metrics(request.config, place)

    def test_closing_saves_a_running_training_so_that_it_goes_on_bit_for_bit(
        self,
        cluster,
        shared,
        make_config,
        workspace,
        tmp_path,
    ):
        config = make_config(model={"target": "mlp", "args": {"hidden": [8], "dropout": 0.2}})
        before = signal.getsignal(signal.SIGTERM)
        executor = RayExecutor(1, cluster.address, shared=shared)
        assert signal.getsignal(signal.SIGTERM) is before
        executor.submit(Training(config, 10**6, {}, purpose="test"), workspace)
        executor.submit(Training(make_config(seed=9), 10**6, {}, purpose="test"), workspace)
        news_until(executor, lambda events: any(event.kind == "progress" for event in events))
        executor.close()
        executor.close()
        assert executor.poll(0.01) == []
        reached = entry_of(config, workspace).iterations()
        assert reached > 0
        assert entry_of(config, workspace).checkpoint() is not None
        assert not list(Path(workspace.trainings).parent.glob(".*.part"))
        inline = InlineExecutor()
        news_of(inline, inline.submit(Training(config, reached + 10, {}, purpose="test"), workspace))
        other = Workspace(str(tmp_path / "other" / "trainings"), workspace.folder, "cpu")
        news_of(inline, inline.submit(Training(config, reached + 10, {}, purpose="test"), other))
        assert metrics(config, workspace) == metrics(config, other)

    def test_a_worker_that_is_killed_is_lost_and_another_one_goes_on(
        self,
        cluster,
        shared,
        make_config,
        workspace,
        tmp_path,
    ):
        (Path(workspace.folder) / "dies_once.py").write_text(
            "import os\nfrom pathlib import Path\nfrom torch import nn\n"
            "class Net(nn.Linear):\n"
            "    def __init__(self, flag): super().__init__(64, 10); self.flag = Path(flag)\n"
            "    def forward(self, x):\n"
            "        if not self.flag.exists(): self.flag.touch(); os.kill(os.getpid(), 9)\n"
            "        return super().forward(x.flatten(1))\n"
        )
        config = make_config(model={"target": "dies_once:Net", "args": {"flag": str(tmp_path / "flag")}})
        executor = RayExecutor(1, cluster.address, shared=shared)
        try:
            [event] = news_of(executor, executor.submit(Training(config, 5, {}, purpose="test"), workspace))
            assert event.kind == "lost"
            assert event.error.startswith("its Ray worker ended unexpectedly; perhaps out of memory")
            assert (
                news_of(executor, executor.submit(Training(config, 5, {}, purpose="test"), workspace))[-1].kind
                == "done"
            )
        finally:
            executor.close()
        assert entry_of(config, workspace).iterations() == 5

    def test_what_was_not_sent_is_named_where_it_is_missed(
        self,
        cluster,
        shared,
        make_config,
        workspace,
    ):
        import numpy as np

        (Path(workspace.folder) / "data").mkdir()
        np.savez(Path(workspace.folder) / "data" / "d.npz", x=np.eye(20, dtype="float32"), y=np.arange(20) % 2)
        config = make_config(data={"target": "arrays", "args": {"path": "data/d.npz"}}, batch_size=4)
        executor = RayExecutor(1, cluster.address, shared=shared)
        try:
            event = news_of(executor, executor.submit(Training(config, 5, {}, purpose="test"), workspace))[-1]
        finally:
            executor.close()
        if shared:
            assert event.kind == "done", event
        else:
            assert event.kind == "unusable"
            assert str(Path(workspace.folder) / "data/d.npz") in event.error
            assert event.error.endswith(
                "(not sent to the node with the recipe: data/; give a path that every node sees)"
            )


@pytest.fixture(scope="class")
def inline(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inline")
    (folder / "recipe.yaml").write_text(FAST)
    done = spawn("run", "recipe.yaml", "--name", "r", "--jobs", "1", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "runs/r"


@needs_ray
@pytest.mark.long
class TestWholeRuns:
    def check(self, run, inline):
        for step in step_names():
            assert without_seconds(run / step / "result.json") == without_seconds(inline / step / "result.json"), step
        found = sorted((inline / "trainings").glob("*/metrics.csv"))
        assert len(found) > 5
        for path in found:
            assert (run / "trainings" / path.parent.name / "metrics.csv").read_bytes() == path.read_bytes()

    def test_a_ray_of_ones_own_gives_what_one_process_gives_and_nothing_of_it_stays(self, inline, tmp_path):
        (tmp_path / "recipe.yaml").write_text(FAST)
        done = spawn("run", "recipe.yaml", "--name", "r", "--executor", "ray", "--json", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert len(json.loads(done.stdout)["results"]) == len(step_names())
        assert "ray" not in done.stderr.lower()
        self.check(tmp_path / "runs/r", inline)

    def test_a_node_that_is_lost_in_the_middle_changes_nothing(
        self, cluster, second_node, tmp_path, monkeypatch, capfd
    ):
        gate, lost = Gate(tmp_path / "gate", 2), []
        (tmp_path / "recipe.yaml").write_text(gated(FAST, tmp_path, gate=str(gate.place)))
        bury = RayExecutor._bury
        monkeypatch.setattr(RayExecutor, "_bury", lambda self, *args: lost.extend(found := bury(self, *args)) or found)

        def remove():
            """A node, as soon as a worker on each stands at the gate."""
            try:
                gate.held()
                cluster.remove_node(second_node, allow_graceful=False)
            finally:
                gate.open()

        options = pipeline.Options(executor="ray", ray_address=cluster.address)
        loaded = pipeline.read_recipe(tmp_path / "recipe.yaml")
        runs = [find_run(loaded, tmp_path / name, "r") for name in ("ray", "inline")]
        remover = threading.Thread(target=remove)
        remover.start()
        pipeline.run_steps(runs[0], step_names(), options, lambda event: None, "r")
        remover.join()
        assert [event.kind for event in lost] == ["lost"]
        assert capfd.readouterr() == ("", "")  # Ray tells of the lost node there
        pipeline.run_steps(runs[1], step_names(), pipeline.Options(jobs=1), lambda event: None, "r")
        self.check(runs[0].path, runs[1].path)

    def test_ctrl_c_leaves_a_run_that_goes_on(self, tmp_path):
        places = {name: tmp_path / name for name in ("inline", "ray")}
        for place in places.values():
            place.mkdir()
            (place / "recipe.yaml").write_text(gated(FAST, place))
        words = ("run", "recipe.yaml", "--name", "r")
        done = spawn(*words, "--jobs", "1", cwd=places["inline"])
        assert done.returncode == 0, done.stderr
        words += ("--executor", "ray")
        with command(*words, cwd=places["ray"], tickets=2) as (process, gate):
            gate.held(process)
            os.killpg(process.pid, signal.SIGINT)
            gate.open()
            _, err = process.communicate()
        assert process.returncode == 130, err
        assert err.strip().splitlines() == [
            "interrupted; nothing is lost: `tunekit run runs/r --executor ray` goes on from here"
        ]
        done = spawn(*words, cwd=places["ray"])
        assert done.returncode == 0, done.stderr
        self.check(places["ray"] / "runs/r", places["inline"] / "runs/r")


class FakeRay:
    """As much of Ray as an executor needs to count nodes."""

    def __init__(self, *nodes):
        self._nodes = nodes

    def nodes(self):
        return [{"Alive": True, "Resources": node} for node in self._nodes]

    def remote(self, **options):
        return lambda actor: MagicMock()

    def put(self, thing):
        return thing

    def wait(self, things, **options):
        return [], things


def counted(monkeypatch, jobs, *nodes, address="head:1"):
    monkeypatch.setattr(ray_cluster, "connect", lambda *args: (FakeRay(*nodes), False))
    return RayExecutor(jobs, address)


class TestNeeds:
    @pytest.mark.parametrize(
        ("device", "jobs", "gpus"),
        [("cpu", 0, 0), ("auto", 0, 1), ("cuda", 0, 1), ("auto", 4, 1), ("auto", 8, 0.5), ("cuda", 9, 1 / 3)],
    )
    def test_a_worker_takes_a_gpu_or_a_share_where_more_were_asked_for(
        self, monkeypatch, make_config, device, jobs, gpus
    ):
        executor = counted(monkeypatch, jobs, {"CPU": 8, "GPU": 4}, {"CPU": 8})
        request = Training(make_config(threads=2), 5, {}, purpose="test")
        assert executor._needs(request, Workspace("", "", device)) == _Needs(2, gpus)

    def test_without_gpus_auto_is_the_cpu(self, monkeypatch, make_config):
        executor = counted(monkeypatch, 0, {"CPU": 8})
        assert executor._needs(Training(make_config(), 5, {}, purpose="test"), Workspace("", "", "auto")) == _Needs(
            1, 0
        )

    def test_a_gpu_by_number_is_not_for_a_cluster(self, monkeypatch, make_config, tmp_path):
        executor = counted(monkeypatch, 0, {"CPU": 8, "GPU": 4})
        handle = executor.submit(
            Training(make_config(), 5, {}, purpose="test"), Workspace(str(tmp_path / "t"), str(tmp_path), "cuda:1")
        )
        [event] = executor.poll(0)
        assert (event.handle, event.kind) == (handle, "unusable")
        assert "say cuda" in event.error

    @pytest.mark.parametrize(
        ("needs", "room"), [((1, 0), 13), ((2, 0), 6), ((8, 0), 1), ((9, 0), 0), ((2, 1), 2), ((1, 0.5), 4)]
    )
    def test_room_is_counted_node_by_node(self, monkeypatch, needs, room):
        executor = counted(monkeypatch, 0, {"CPU": 8, "GPU": 2}, {"CPU": 5})
        assert executor._room(_Needs(*needs)) == room
        assert executor.capacity == 13

    def test_a_training_that_this_machine_cannot_hold_is_told_at_once(self, monkeypatch, make_config, tmp_path):
        executor = counted(monkeypatch, 0, {"CPU": 2}, address=None)
        request = Training(make_config(threads=4), 5, {}, purpose="test")
        with pytest.raises(UserError, match=r"needs 4 CPUs, .* holds 2 CPUs and 0 GPUs on 1 nodes; lower `threads`"):
            executor.submit(request, Workspace(str(tmp_path / "t"), str(tmp_path), "cpu"))

    def test_a_cluster_has_time_to_grow(self, monkeypatch, make_config, tmp_path):
        executor = counted(monkeypatch, 0, {"CPU": 2}, {"CPU": 2})
        executor.submit(
            Training(make_config(), 5, {}, purpose="test"), Workspace(str(tmp_path / "t"), str(tmp_path), "cuda")
        )
        assert executor.poll(0.01) == []
        now = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: now + ray_cluster.PATIENCE_S + 1)
        with pytest.raises(UserError, match=r"needs 1 CPUs and 1 GPUs, .* holds 4 CPUs and 0 GPUs on 2 nodes"):
            executor.poll(0.01)


class TestUnreachable:
    def test_a_missing_package_is_named_with_the_extra(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "ray", None)
        with pytest.raises(UserError, match=r'pip install "\.\[ray\]" in the checkout'):
            make_executor("ray", 2)

    @needs_ray
    @pytest.mark.parametrize(
        ("address", "words"),
        [
            ("ray://localhost:10001", "give HOST:PORT"),
            ("nonsense", "no cluster found"),
            ("localhost:1", "does not answer"),
            ("auto", "no cluster found"),
        ],
    )
    def test_an_address_where_no_cluster_is_is_told_at_once(self, monkeypatch, tmp_path, address, words):
        monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
        monkeypatch.delenv("RAY_ADDRESS", raising=False)
        with pytest.raises(UserError, match=words) as told:
            make_executor("ray", None, address)
        assert str(told.value).startswith(f"--ray-address {address}: ")
        assert "\n" not in str(told.value)

    def test_ray_is_imported_for_ray_alone(self):
        code = (
            "import sys, tunekit.cli, tunekit.pipeline as p; p.make_executor('inline', 1); print('ray' in sys.modules)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "False"

    def test_an_address_goes_with_ray(self, tmp_path):
        done = spawn("run", "digits", "--ray-address", "a:1", "--executor", "inline", cwd=tmp_path)
        assert done.returncode == 2
        assert done.stderr.startswith("error: --ray-address a:1: goes with --executor ray")


DIED = "The actor died unexpectedly before finishing this task.\n\tpid: 1\n"
BORN = (
    "The actor died because of an error raised in its creation task\n  File x\nModuleNotFoundError: No module 'torch'\n"
)


@pytest.mark.parametrize(
    ("name", "text", "cause"),
    [
        ("ActorDiedError", f"{DIED}The actor died because its node has died. Node Id: f", "its Ray node was lost"),
        ("ActorDiedError", f"{DIED}its worker process has died", "its Ray worker ended unexpectedly; perhaps out of"),
        ("ActorDiedError", BORN, "ModuleNotFoundError: No module 'torch'"),
        ("ActorUnavailableError", "The actor x is unavailable: RpcError", "its Ray node was lost"),
        ("OutOfMemoryError", "Task was killed", "its Ray worker was ended: out of memory"),
        ("RaySystemError", "System error: lost\nmore", "its Ray worker was lost: System error: lost"),
    ],
)
def test_a_loss_is_told_in_one_line(name, text, cause):
    told = _cause(type(name, (Exception,), {})(text))
    assert told.startswith(cause)
    assert "\n" not in told
