"""The contract of an executor, over every one of them. The pool of processes is shared: each imports torch."""

import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tunekit.executors import make_executor, visible_gpus
from tunekit.executors.inline import InlineExecutor
from tunekit.executors.processes import ProcessExecutor
from tunekit.stopping import stopping
from tunekit.store import Store
from tunekit.vocabulary import Measurement, Training
from tunekit.worker import Workspace

LIMIT_S = 240
FINAL = {"done", "failed", "unusable", "storage", "lost"}
KINDS = ["inline", "processes", "ray"]


CHANGING = """
import decimal, os, random, sys, warnings
import numpy as np
import torch
from torch import nn
{top}
SHIFT = torch.randn(3)

def data():
    {data}
    x = torch.randn(64, 3, dtype=torch.float32)
    y = (x.sum(1) > 0).long()
    return torch.utils.data.TensorDataset(x[:32], y[:32]), torch.utils.data.TensorDataset(x[32:], y[32:])

class Net(nn.Module):
    def __init__(self):
        {init}
        super().__init__()
        self.last = nn.Linear(3, 2)
    def forward(self, x):
        {forward}
        value = self.last(x + SHIFT.to(x)) * torch.ones(2)
        {after}
        return value
"""
NOTHING = dict.fromkeys(("top", "data", "init", "forward", "after"), "pass")
CHANGES = {
    "dtype": ({"top": "torch.set_default_dtype(torch.float64)"}, ["the default dtype to torch.float64; put back"]),
    "dtype_later": (
        {"after": "torch.set_default_dtype(torch.float64)"},
        ["the default dtype to torch.float64; put back"],
    ),
    "device": ({"after": "torch.set_default_device('meta')"}, ["the default device to meta; put back"]),
    "grad": ({"after": "torch.set_grad_enabled(False)"}, ["the grad mode to False; put back"]),
    "threads": ({"data": "torch.set_num_threads(3)"}, ["torch's number of threads to 3; put back"]),
    "strict": (
        {"top": "torch.use_deterministic_algorithms(True); torch.set_float32_matmul_precision('medium')"},
        ["the deterministic mode to 2; put back", "the float32 matmul precision to medium; put back"],
    ),
    "autocast": ({"after": "torch.autocast('cpu').__enter__()"}, ["the autocast; put back"]),
    "denormals": ({"top": "torch.set_flush_denormal(True)"}, ["the flushing of denormal numbers to True; put back"]),
    "folder": ({"init": "os.chdir('/')"}, ["the current folder to /; put back"]),
    "environment": (
        {"init": "os.environ['TUNEKIT_SECRET'] = 'value'"},
        ["environment variables (TUNEKIT_SECRET); put back"],
    ),
    "environment_of_the_module": (
        {"top": "os.environ['TUNEKIT_LASTING'] = '2'", "forward": "x = x * float(os.environ['TUNEKIT_LASTING'])"},
        [],
    ),
    "errors": ({"top": "np.seterr(all='raise')"}, ["what NumPy does at floating-point errors; put back"]),
    "decimals": ({"init": "decimal.getcontext().prec = 3"}, ["the decimal context; put back"]),
    "warnings": ({"top": "warnings.simplefilter('error')"}, ["warnings to errors; put back"]),
    "draws": ({"forward": "x = x + np.random.rand() + random.random()"}, []),
    "draws_of_the_module": ({"top": "OTHER = torch.randn(5), np.random.rand(), random.random()"}, []),
}
"""A person's code that changes something of its process: where, and what is noted of it."""


@pytest.fixture(scope="module")
def pool():
    executor = ProcessExecutor(2)
    yield executor
    executor.close()


@pytest.fixture(scope="module")
def single():
    """A second pool of one worker, for what ends a pool."""
    return ProcessExecutor(1)


@pytest.fixture(scope="module")
def ray_pool():
    """A Ray of this machine's own; its workers see this machine's folders."""
    pytest.importorskip("ray", reason='needs Ray: pip install ".[ray]"')
    from tunekit.executors.ray_cluster import RayExecutor

    executor = RayExecutor(2)
    yield executor
    executor.close()


@pytest.fixture(params=KINDS)
def executor(request):
    if request.param != "inline":
        yield request.getfixturevalue({"processes": "pool", "ray": "ray_pool"}[request.param])
    else:
        executor = InlineExecutor()
        yield executor
        executor.close()


def news_until(executor, wanted):
    """All events until `wanted(events)`, of which there must be some in time."""
    events, end = [], time.monotonic() + LIMIT_S
    while not wanted(events):
        assert time.monotonic() < end, f"no news but {events}"
        events += executor.poll(0.2)
    return events


def news_of(executor, *handles):
    """All events until each handle has its last."""
    return news_until(executor, lambda events: {e.handle for e in events if e.kind in FINAL} >= set(handles))


def entry_of(config, workspace):
    return Store(Path(workspace.trainings)).entry(config)


def metrics(config, workspace):
    return (entry_of(config, workspace).path / "metrics.csv").read_bytes()


class TestContract:
    def test_a_training_that_is_finished_is_done_and_stored(self, executor, make_config, workspace):
        config = make_config()
        handle = executor.submit(Training(config, 7, {}, purpose="test"), workspace)
        events = news_of(executor, handle)
        assert [event.handle for event in events] == [handle] * len(events)
        assert [event.kind for event in events] == ["begun"] + ["progress"] * (len(events) - 2) + ["done"]
        assert entry_of(config, workspace).iterations() == 7

    def test_progress_rises_to_done(self, executor, make_config, workspace):
        handle = executor.submit(Training(make_config(seed=1), 3000, {}, purpose="test"), workspace)
        events = news_of(executor, handle)
        steps = [event.progress for event in events if event.kind == "progress"]
        assert steps
        assert all(step.total == 3000 and 0 < step.done <= 3000 and step.loss > 0 for step in steps)
        assert [step.done for step in steps] == sorted(step.done for step in steps)
        assert events[-1].kind == "done"

    def test_handles_are_their_own_and_all_requests_are_answered(self, executor, make_config, workspace):
        configs = [make_config(seed=seed) for seed in range(5)]
        handles = [executor.submit(Training(config, 6, {}, purpose="test"), workspace) for config in configs]
        assert len(set(handles)) == 5
        events = news_of(executor, *handles)
        assert sorted(event.handle for event in events if event.kind == "done") == sorted(handles)
        assert all(entry_of(config, workspace).iterations() == 6 for config in configs)
        assert executor.poll(0.01) == []

    def test_nothing_to_do_is_no_news(self, executor):
        start = time.monotonic()
        assert executor.poll(0.05) == []
        assert time.monotonic() - start < LIMIT_S

    def test_what_the_persons_code_raises_is_told_with_its_line_and_the_next_request_runs(
        self, executor, make_config, workspace
    ):
        (Path(workspace.folder) / "breaks_x.py").write_text(
            "from torch import nn\n"
            "class Net(nn.Linear):\n"
            "    def __init__(self): super().__init__(2, 2)\n"
            "    def forward(self, x):\n"
            "        raise ValueError('first line\\nsecond line')\n"
        )
        bad = executor.submit(
            Training(make_config(model={"target": "breaks_x:Net", "args": {}}), 5, {}, purpose="test"), workspace
        )
        good = executor.submit(Training(make_config(), 5, {}, purpose="test"), workspace)
        events = {event.handle: event for event in news_of(executor, bad, good) if event.kind in FINAL}
        assert events[bad].kind == "failed"
        assert events[bad].error == "ValueError: first line (breaks_x.py, line 5)"
        assert events[good].kind == "done"

    def test_input_at_fault_is_unusable_and_told_in_one_line(self, executor, make_config, workspace):
        config = make_config(model={"target": "mlpp", "args": {}})
        handle = executor.submit(Training(config, 5, {}, purpose="test"), workspace)
        [begun, event] = news_of(executor, handle)
        assert begun.kind == "begun"
        assert event.kind == "unusable"
        assert event.error.startswith("model.target: no model 'mlpp'")
        assert "\n" not in event.error

    @pytest.mark.parametrize("place", ["init", "forward"])
    @pytest.mark.parametrize(
        "ends",
        [
            "sys.exit(0)",
            "raise KeyboardInterrupt('first\\nsecond')",
            "raise GeneratorExit",
            "raise asyncio.CancelledError",
            "raise type('Mine', (BaseException,), {})",
        ],
    )
    def test_what_would_end_the_program_is_told_with_its_line_and_the_next_request_runs(
        self, executor, make_config, workspace, ends, place
    ):
        name = f"ends_{place}_{sum(map(ord, ends))}"
        init, forward = (ends, "pass") if place == "init" else ("pass", ends)
        (Path(workspace.folder) / f"{name}.py").write_text(
            "import asyncio, sys\n"
            "from torch import nn\n"
            "class Net(nn.Linear):\n"
            "    def __init__(self):\n"
            "        super().__init__(2, 2)\n"
            f"        {init}\n"
            "    def forward(self, x):\n"
            f"        {forward}\n"
        )
        config = make_config(model={"target": f"{name}:Net", "args": {}})
        bad = executor.submit(Training(config, 5, {}, purpose="test"), workspace)
        good = executor.submit(Training(make_config(), 5, {}, purpose="test"), workspace)
        with stopping(None):  # where its handlers stand, a KeyboardInterrupt is the code's own
            events = {event.handle: event for event in news_of(executor, bad, good) if event.kind in FINAL}
        assert events[bad].kind == "unusable"
        who, line = (f"model.target: {name}:Net", 6) if place == "init" else ("the recipe's code", 8)
        assert events[bad].error.startswith(f"{who} raised ")
        assert events[bad].error.endswith(f"({name}.py, line {line}), which would end the program")
        assert "\n" not in events[bad].error
        assert events[good].kind == "done"

    @pytest.mark.parametrize("case", CHANGES)
    def test_what_code_changes_of_its_process_makes_no_number_another(
        self, executor, make_config, workspace, tmp_path, case
    ):
        """Trained here at once, and inline in three pieces with another training of the same code before."""
        source, notes = CHANGES[case]
        (Path(workspace.folder) / f"changes_{case}.py").write_text(CHANGING.format(**{**NOTHING, **source}))
        config = make_config(
            model={"target": f"changes_{case}:Net", "args": {}}, data={"target": f"changes_{case}:data"}, batch_size=8
        )
        events = news_of(executor, executor.submit(Training(config, 20, {}, purpose="test"), workspace))
        assert events[-1].kind == "done", events[-1].error
        told = [event.progress.note for event in events if event.progress is not None and event.progress.note]
        assert [note.partition(" changed ")[2].partition(": a recipe has ")[0] for note in told] == notes
        inline, other = InlineExecutor(), Workspace(str(tmp_path / "other" / "trainings"), workspace.folder, "cpu")
        for seed, until in ((1, 4), (0, 3), (0, 8), (0, 20)):
            request = Training(replace(config, seed=seed), until, {}, purpose="test")
            assert news_of(inline, inline.submit(request, other))[-1].kind == "done"
        assert metrics(config, other) == metrics(config, workspace)

    @pytest.mark.parametrize("error", ["EOFError", "BrokenPipeError", "ConnectionResetError", "FileNotFoundError"])
    def test_an_error_of_the_persons_files_is_no_error_of_the_pool_or_the_disk(
        self, executor, make_config, workspace, error
    ):
        (Path(workspace.folder) / "breaks_y.py").write_text(
            "from torch import nn\n"
            "class Net(nn.Linear):\n"
            "    def __init__(self): super().__init__(2, 2)\n"
            f"    def forward(self, x): raise {error}('mine')\n"
        )
        bad = executor.submit(
            Training(make_config(model={"target": "breaks_y:Net", "args": {}}), 5, {}, purpose="test"), workspace
        )
        [begun, event] = news_of(executor, bad)
        assert begun.kind == "begun"
        assert event.kind == "failed"
        assert event.error.startswith(f"{error}: mine")

    def test_a_place_that_cannot_be_written_is_a_matter_of_storage(self, executor, make_config, workspace, tmp_path):
        (tmp_path / "file").write_text("")
        place = Workspace(str(tmp_path / "file" / "trainings"), workspace.folder, "cpu")
        *before, event = news_of(executor, executor.submit(Training(make_config(), 5, {}, purpose="test"), place))
        assert {other.kind for other in before} <= {"begun"}  # Ray's does not even begin
        assert event.kind == "storage"
        assert "cannot be written" in event.error

    def test_a_measurement_that_cannot_be_made_is_told(self, executor, make_config, workspace):
        handle = executor.submit(Measurement("outputs", make_config(), {}, at=10, purpose="test"), workspace)
        [begun, event] = news_of(executor, handle)
        assert begun.kind == "begun"
        assert event.kind == "unusable"
        assert "no checkpoint to measure at iteration 10" in event.error

    def test_a_cancelled_request_gives_no_more_news_and_keeps_what_it_did(self, executor, make_config, workspace):
        config = make_config(seed=2)
        handle = executor.submit(Training(config, 10**6, {}, purpose="test"), workspace)
        news_until(executor, lambda events: any(event.kind == "progress" for event in events))
        executor.cancel(handle)
        other = executor.submit(Training(make_config(seed=3), 5, {}, purpose="test"), workspace)
        assert {event.handle for event in news_of(executor, other)} == {other}
        # It may take a moment until the other process has written, or the other machine has sent.
        entry, end = entry_of(config, workspace), time.monotonic() + LIMIT_S
        while not entry.has_checkpoint() and time.monotonic() < end:
            assert executor.poll(0.05) == []
        assert entry.iterations() > 0
        assert entry.checkpoint() is not None

    def test_a_waiting_request_that_is_cancelled_never_runs(self, executor, make_config, workspace):
        running = [
            executor.submit(Training(make_config(seed=10 + i), 400, {}, purpose="test"), workspace) for i in range(2)
        ]
        waiting = make_config(seed=12)
        handle = executor.submit(Training(waiting, 5, {}, purpose="test"), workspace)
        executor.cancel(handle)
        executor.cancel(987654)
        events = news_of(executor, *running)
        assert handle not in {event.handle for event in events}
        assert not (entry_of(waiting, workspace).path / "metrics.csv").exists()

    def test_the_same_request_twice_trains_once(self, executor, make_config, workspace):
        config = make_config(seed=4)
        handles = [executor.submit(Training(config, 6, {}, purpose="test"), workspace) for _ in range(2)]
        kinds = [event.kind for event in news_of(executor, *handles) if event.kind in FINAL]
        assert kinds == ["done", "done"]
        assert entry_of(config, workspace).rows()["iteration"] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("kind", ["inline", "processes"])  # Ray: test_ray_cluster.py
def test_closing_saves_a_running_training_so_that_it_goes_on_bit_for_bit(
    kind, request, make_config, workspace, tmp_path
):
    executor = InlineExecutor() if kind == "inline" else request.getfixturevalue("single")
    config = make_config(model={"target": "mlp", "args": {"hidden": [8], "dropout": 0.2}}, data={"augment": ["noise"]})
    executor.submit(Training(config, 10**6, {}, purpose="test"), workspace)
    executor.submit(Training(make_config(seed=9), 10**6, {}, purpose="test"), workspace)
    news_until(executor, lambda events: any(event.kind == "progress" for event in events))
    executor.close()
    executor.close()
    assert executor.poll(0.01) == []
    entry = entry_of(config, workspace)
    reached = entry.iterations()
    assert reached > 0
    assert entry.checkpoint() is not None
    inline = InlineExecutor()
    news_of(inline, inline.submit(Training(config, reached + 10, {}, purpose="test"), workspace))
    other = Workspace(str(tmp_path / "other" / "trainings"), workspace.folder, "cpu")
    news_of(inline, inline.submit(Training(config, reached + 10, {}, purpose="test"), other))
    assert metrics(config, workspace) == metrics(config, other)
    if kind == "processes":
        assert not any(worker.process.is_alive() for worker in executor._workers)


@pytest.mark.long
def test_all_executors_write_the_same_bytes(pool, ray_pool, make_config, tmp_path):
    config = make_config(
        model={"target": "cnn", "args": {"channels": [4], "dropout": 0.3}}, data={"augment": ["flip", "noise"]}
    )
    places = []
    for name, executor in (("inline", InlineExecutor()), ("processes", pool), ("ray", ray_pool)):
        place = Workspace(str(tmp_path / name / "trainings"), str(tmp_path), "cpu")
        news_of(executor, executor.submit(Training(config, 12, {}, purpose="test"), place))
        places.append(place)
    assert len({metrics(config, place) for place in places}) == 1
    assert len({(entry_of(config, place).path / "validations.bin").read_bytes() for place in places}) == 1


@pytest.mark.long
def test_workers_of_ray_make_room_for_those_with_more_threads(ray_pool, make_config, workspace):
    small = ray_pool.submit(Training(make_config(seed=7), 2000, {}, purpose="test"), workspace)
    large = ray_pool.submit(
        Training(make_config(seed=7, threads=ray_pool._total("CPU")), 5, {}, purpose="test"), workspace
    )
    events = {event.handle: event.kind for event in news_of(ray_pool, small, large) if event.kind in FINAL}
    assert events == {small: "done", large: "done"}


def test_a_worker_that_is_killed_is_lost_and_the_pool_goes_on(pool, make_config, workspace):
    config = make_config(seed=5)
    handle = pool.submit(Training(config, 10**6, {}, purpose="test"), workspace)
    news_until(pool, lambda events: any(event.kind == "progress" for event in events))
    [worker] = [worker for worker in pool._workers if worker.handle == handle]
    os.kill(worker.process.pid, signal.SIGKILL)
    event = news_of(pool, handle)[-1]
    assert event.kind == "lost"
    assert "SIGKILL" in event.error
    assert "memory" in event.error
    # The lease died with it, and the pool is as large as before.
    assert len(pool._workers) == 2
    assert all(other.process.is_alive() for other in pool._workers)
    again = [pool.submit(Training(make_config(seed=5), 8, {}, purpose="test"), workspace)]
    again += [pool.submit(Training(make_config(seed=6), 8, {}, purpose="test"), workspace)]
    assert {event.kind for event in news_of(pool, *again)} <= {"begun", "progress", "done"}
    assert entry_of(config, workspace).rows(8)["iteration"] == list(range(1, 9))


LOSES_GPU = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.last = nn.Linear(64, 10)
    def forward(self, x):
        def gone():
            raise RuntimeError("CUDA error: device-side assert triggered")
        torch.cuda.is_initialized, torch.cuda.synchronize = (lambda: True), gone
        gone()
"""


def test_a_worker_whose_gpu_is_lost_tells_why_and_leaves_its_place_to_another(pool, make_config, workspace):
    """An index that points at nothing ends every later use of a GPU by that process."""
    (Path(workspace.folder) / "loses_gpu.py").write_text(LOSES_GPU)
    broken = make_config(model={"target": "loses_gpu:Net", "args": {}})
    before = {worker.process.pid for worker in pool._workers}
    event = news_of(pool, pool.submit(Training(broken, 4, {}, purpose="test"), workspace))[-1]
    assert event.kind in ("failed", "unusable")
    assert "a class that there is no output for" in event.error
    again = [pool.submit(Training(make_config(seed=seed), 8, {}, purpose="test"), workspace) for seed in (11, 12)]
    assert {event.kind for event in news_of(pool, *again)} <= {"begun", "progress", "done"}
    news_until(pool, lambda _: len({worker.process.pid for worker in pool._workers} - before) == 1)


@pytest.mark.parametrize(("ends", "why"), [("os._exit(3)", "with exit code 3"), ("os.abort()", "by SIGABRT")])
def test_a_worker_whose_code_ends_it_is_lost_with_what_it_did_and_the_pool_goes_on(
    pool, make_config, workspace, ends, why
):
    name = f"ends_{why.split()[-1]}"
    (Path(workspace.folder) / f"{name}.py").write_text(
        "import os\n"
        "from torch import nn\n"
        "class Net(nn.Sequential):\n"
        "    def __init__(self): super().__init__(nn.Flatten(), nn.Linear(64, 10))\n"
        f"    def forward(self, x): {ends}\n"
    )
    config = make_config(model={"target": f"{name}:Net", "args": {}})
    bad = pool.submit(Training(config, 5, {}, purpose="test"), workspace)
    good = pool.submit(Training(make_config(), 5, {}, purpose="test"), workspace)
    events = {event.handle: event for event in news_of(pool, bad, good) if event.kind in FINAL}
    assert events[bad].kind == "lost"
    assert why in events[bad].error
    assert f"at iteration 0 of training {config.folder} (with the code of {name}:Net)" in events[bad].error
    assert events[good].kind == "done"


def test_a_pool_whose_code_does_not_return_is_closed_in_seconds(make_config, workspace, monkeypatch):
    stop_s = 5
    monkeypatch.setattr("tunekit.executors.processes.GRACE_S", 0.5)
    monkeypatch.setattr("tunekit.executors.processes.STOP_S", stop_s)
    (Path(workspace.folder) / "deaf_z.py").write_text(
        "import os, time\n"
        "from pathlib import Path\n"
        f"Path({str(workspace.folder)!r}, f'hung{{os.getpid()}}').touch()\n"
        "while True:\n"
        "    try: time.sleep(1)\n"
        "    except BaseException: pass\n"
    )
    pool, config = ProcessExecutor(2), make_config(model={"target": "deaf_z:Net", "args": {}})
    for seed in range(2):
        pool.submit(Training(replace(config, seed=seed), 5, {}, purpose="test"), workspace)
    news_until(pool, lambda _: len(list(Path(workspace.folder).glob("hung*"))) == 2)
    start = time.monotonic()
    pool.close()
    assert time.monotonic() - start < 2 * stop_s  # not so long a worker, and on a busy machine
    assert not any(worker.process.is_alive() for worker in pool._workers)


@pytest.mark.parametrize(("seconds", "limit_s", "saved"), [(2, LIMIT_S, True), (1e6, 2, False)])
def test_a_pool_that_is_closed_waits_for_a_worker_that_saves_already(
    make_config, workspace, monkeypatch, seconds, limit_s, saved
):
    """It does not ask meanwhile whether it shall stop; and code that hangs as it is saved has STOP_S."""
    monkeypatch.setattr("tunekit.executors.processes.GRACE_S", 0.5)
    monkeypatch.setattr("tunekit.executors.processes.KILL_S", 0.1)
    monkeypatch.setattr("tunekit.executors.processes.STOP_S", limit_s)
    (Path(workspace.folder) / "saves_long.py").write_text(
        "import time\n"
        "from pathlib import Path\n"
        "from torch import nn\n"
        "class Net(nn.Sequential):\n"
        "    def __init__(self): super().__init__(nn.Flatten(), nn.Linear(64, 10))\n"
        "    calls = 0\n"
        "    def forward(self, x):\n"
        "        self.calls += 1\n"
        "        return super().forward(x)\n"
        "    def state_dict(self, *args, **words):\n"
        "        if self.calls >= 5:\n"
        f"            Path({str(workspace.folder)!r}, 'saving').touch()\n"
        f"            time.sleep({seconds})\n"
        "        return super().state_dict(*args, **words)\n"
    )
    pool, config = ProcessExecutor(1), make_config(model={"target": "saves_long:Net", "args": {}})
    pool.submit(Training(config, 5, {}, purpose="test"), workspace)
    news_until(pool, lambda _: (Path(workspace.folder) / "saving").exists())
    pool.close()
    assert not any(worker.process.is_alive() for worker in pool._workers)
    assert entry_of(config, workspace).has_checkpoint() is saved


def test_executors_are_made_by_name(monkeypatch):
    assert isinstance(make_executor("auto", 1), InlineExecutor)
    assert isinstance(make_executor("inline", 8), InlineExecutor)
    monkeypatch.setattr(ProcessExecutor, "_start", lambda self, place: None)
    for name, jobs in (("auto", 2), ("processes", 1)):
        made = make_executor(name, jobs)
        assert isinstance(made, ProcessExecutor)
        assert made.capacity == jobs


def test_each_worker_sees_one_gpu_of_those_that_may_be_used(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3, 5")
    assert visible_gpus() == ["3", "5"]
    given = []

    def process(target, args, name):
        given.append(args[1])
        raise RuntimeError("not started")

    executor = ProcessExecutor.__new__(ProcessExecutor)
    executor._gpus = visible_gpus()
    executor._context = type(
        "Context", (), {"Pipe": staticmethod(lambda: (None, None)), "Process": staticmethod(process)}
    )
    for place in range(3):
        with pytest.raises(RuntimeError):
            executor._start(place)
    assert given == ["3", "5", "3"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert visible_gpus() == []
