import io
import math
import os
import shutil
import typing
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tunekit.stopping import Stop
from tunekit.store import Store
from tunekit.vocabulary import Measurement, StopRule, Training, UserError
from tunekit.worker import Worker, Workspace, _Writer, stopped_early_at


@pytest.fixture
def workspace(tmp_path):
    (tmp_path / "recipe").mkdir()
    return Workspace(str(tmp_path / "run" / "trainings"), str(tmp_path / "recipe"), "cpu")


@pytest.fixture
def config(make_config):
    return make_config(
        model={"target": "mlp", "args": {"hidden": [8], "batch_norm": True, "dropout": 0.2}},
        optimizer={"target": "adam", "args": {}},
        lr=1e-2,
    )


def entry_of(config, workspace):
    return Store(Path(workspace.trainings)).entry(config)


def content(config, workspace):
    path = entry_of(config, workspace).path
    return (path / "metrics.csv").read_bytes(), (path / "validations.bin").read_bytes()


def advance(config, until, workspace, **stop):
    return list(Worker().work(Training(config, until, {}, StopRule(**stop), purpose="test"), workspace))


@pytest.fixture
def whole(config, tmp_path):
    (tmp_path / "other").mkdir()
    place = Workspace(str(tmp_path / "other" / "trainings"), str(tmp_path / "other"), "cpu")
    advance(config, 23, place)
    return content(config, place)


def test_going_on_gives_the_files_of_a_training_that_never_stopped(config, workspace, whole):
    for until in (4, 5, 5, 17, 23):
        advance(config, until, workspace)
        assert entry_of(config, workspace).iterations() == until
    assert content(config, workspace) == whole


def test_what_is_stored_is_not_trained_again(config, workspace, monkeypatch):
    advance(config, 10, workspace)
    monkeypatch.setattr("tunekit.training.loop.Session.__init__", lambda *args: pytest.fail("trained again"))
    before = content(config, workspace)
    advance(config, 10, workspace)
    advance(config, 3, workspace)
    assert content(config, workspace) == before


def test_a_generator_that_is_closed_saves_where_it_is(config, workspace, whole, monkeypatch):
    monkeypatch.setattr("tunekit.worker.PROGRESS_S", 0.0)
    running = Worker().work(Training(config, 23, {}, purpose="test"), workspace)
    next(running)
    running.close()
    entry = entry_of(config, workspace)
    assert 0 < entry.iterations() < 23
    assert entry.checkpoint() is not None
    advance(config, 23, workspace)
    assert content(config, workspace) == whole


def test_what_ends_an_iteration_in_its_middle_saves_none_of_it(config, workspace, whole, monkeypatch):
    """Ctrl-C may leave a training between its optimizer's step and the count of it."""
    from tunekit.training import loop

    def stops(session, pending):
        step(session, pending)
        if session.iteration == 17:
            session.iteration -= 1
            raise Stop

    step = loop.Session._step
    monkeypatch.setattr(loop.Session, "_step", stops)
    with pytest.raises(Stop):
        advance(config, 23, workspace)
    monkeypatch.undo()
    advance(config, 23, workspace)
    assert content(config, workspace) == whole


@pytest.mark.parametrize("part", ["", "scores"])
def test_what_ends_a_training_while_its_rows_are_handed_over_saves_none_of_them(
    config, workspace, whole, monkeypatch, part
):
    def stops(writer, chunk):
        if chunk.rows[-1].iteration == 15:
            if part:
                monkeypatch.setattr(writer, part, None)  # adding to it raises in the middle
            else:
                raise Stop
        add(writer, chunk)

    add = _Writer.add
    monkeypatch.setattr(_Writer, "add", stops)
    monkeypatch.setattr("tunekit.worker.FLUSH_S", 0.0)
    with pytest.raises(TypeError if part else Stop):
        advance(config, 23, workspace)
    monkeypatch.undo()
    assert 0 < entry_of(config, workspace).iterations() < 15
    assert not any(progress.note for progress in advance(config, 23, workspace))
    assert content(config, workspace) == whole


class Stops:
    """Raises Stop after one write to the disk of many, by its number; `torn`: of which the end is missing."""

    def __init__(self, monkeypatch, place: int, torn: bool = False) -> None:
        self.calls, self.place, self.torn = 0, place, torn
        self.fsync, self.replace = os.fsync, Path.replace
        monkeypatch.setattr(os, "fsync", self._fsync)
        monkeypatch.setattr(Path, "replace", lambda path, target: self._done(self.replace(path, target)))

    def _fsync(self, descriptor: int) -> None:
        self.fsync(descriptor)
        if self.torn and self.calls == self.place:
            os.ftruncate(descriptor, os.fstat(descriptor).st_size - 7)
        self._done()

    def _done(self, _: object = None) -> None:
        self.calls += 1
        if self.calls == self.place + 1:
            raise Stop


def trained(config, workspace):
    """A writer with 23 iterations and four validations that are not saved yet."""
    from tunekit.training.loop import Session

    with Store(Path(workspace.trainings)).lease(config) as entry:
        session = Session(config, Worker()._workbench(workspace))
        writer = _Writer(entry, session)
        for chunk in session.run(23):
            writer.add(chunk)
        return writer


def files(writer) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in writer.entry.path.iterdir()}


WRITES = 4 + 1 + 2 * 2  # sample losses, rows, and two files that are replaced


def test_a_flush_makes_as_many_writes_as_are_stopped_below(config, workspace, monkeypatch):
    writer, counted = trained(config, workspace), Stops(monkeypatch, -1)
    writer.flush()
    assert counted.calls == WRITES


@pytest.mark.parametrize("torn", [False, True])
@pytest.mark.parametrize("place", range(WRITES))
def test_a_flush_that_is_stopped_anywhere_leaves_the_same_files_when_it_is_made_again(
    config, workspace, tmp_path, monkeypatch, place, torn
):
    other = replace(workspace, trainings=str(tmp_path / "undisturbed/trainings"))
    undisturbed = trained(config, other)
    undisturbed.flush()
    writer = trained(config, workspace)
    with monkeypatch.context() as patch:
        Stops(patch, place, torn)
        with pytest.raises(Stop):
            writer.flush()
    writer.flush()
    assert files(writer) == files(undisturbed)
    for where in (workspace, other):
        assert not any(progress.note for progress in advance(config, 31, where))
    assert files(writer) == files(undisturbed)


def damaged_checkpoint(path):
    data = bytearray((path / "checkpoint.pt").read_bytes())
    data[len(data) // 2] ^= 0xFF
    (path / "checkpoint.pt").write_bytes(bytes(data))


def damaged_row(path):
    lines = (path / "metrics.csv").read_bytes().split(b"\n")
    lines[4] = b"nonsense"
    (path / "metrics.csv").write_bytes(b"\n".join(lines))


def rows_after_the_checkpoint(path):
    with (path / "metrics.csv").open("ab") as file:
        file.write(b"13,2.6,0.01,9.9,0.1,,\n14,2.8")


@pytest.mark.parametrize(
    "harm",
    [
        damaged_checkpoint,
        damaged_row,
        rows_after_the_checkpoint,
        lambda path: (path / "checkpoint.pt").unlink(),
        lambda path: (path / "metrics.csv").unlink(),
        lambda path: (path / "validations.bin").unlink(),
        lambda path: (path / "metrics.csv").write_bytes(b""),
    ],
    ids=["checkpoint", "row", "rows", "no checkpoint", "no metrics", "no losses", "empty metrics"],
)
def test_after_damage_the_numbers_are_those_of_a_training_that_never_stopped(config, workspace, whole, harm):
    advance(config, 12, workspace)
    harm(entry_of(config, workspace).path)
    advance(config, 23, workspace)
    assert content(config, workspace) == whole


def test_a_loss_that_is_not_finite_is_stored_and_final(make_config, workspace):
    config = make_config(lr=1e30)
    advance(config, 200, workspace)
    entry = entry_of(config, workspace)
    losses = entry.rows()["train_loss"]
    assert not math.isfinite(losses[-1])
    assert all(math.isfinite(loss) for loss in losses[:-1])
    assert entry.checkpoint() is None
    before = (entry.path / "metrics.csv").read_bytes()
    advance(config, 400, workspace)
    assert (entry.path / "metrics.csv").read_bytes() == before


def test_the_best_weights_before_a_loss_that_is_not_finite_are_kept(config, workspace, monkeypatch):
    from tunekit.training import loop

    def fetch(session, pending, closes):
        chunk = fetched(session, pending, closes)
        if session.iteration > 10:
            session.dead = True
            chunk.rows[-1] = chunk.rows[-1]._replace(train_loss=math.nan, val_loss=None, val_metric=None)
            return loop.Chunk(chunk.rows)
        return chunk

    fetched = loop.Session._fetch
    monkeypatch.setattr(loop.Session, "_fetch", fetch)
    advance(config, 23, workspace)
    entry = entry_of(config, workspace)
    assert entry.rows()["val_accuracy"].count(None) < entry.iterations()
    assert entry.weights.exists()
    assert not entry.lacks_weights()
    assert entry.checkpoint() is None


def test_the_rule_of_a_step_ends_a_training_that_another_step_can_continue(make_config, workspace):
    config = make_config(data={"subset": {"per_class": 2}}, batch_size=20, lr=0.5)
    advance(config, 2000, workspace, solved_loss=0.05, solved_metric=1.0)
    entry = entry_of(config, workspace)
    ended = entry.iterations()
    assert 3 <= ended < 2000
    assert entry.rows()["train_accuracy"][-1] == 1.0
    advance(config, ended + 30, workspace)
    assert entry.iterations() == ended + 30


def test_the_best_weights_are_those_of_the_best_validation(config, workspace):
    import io

    import torch

    advance(config, 40, workspace)
    entry = entry_of(config, workspace)
    rows = entry.rows()
    best = max(
        (score, -k) for k, score in zip(rows["iteration"], rows["val_accuracy"], strict=True) if score is not None
    )
    saved = torch.load(io.BytesIO((entry.path / "best.pt").read_bytes()), weights_only=True)
    assert saved["iteration"] == -best[1]


def test_an_iterable_is_trained_anew_from_its_beginning(make_config, workspace):
    (Path(workspace.folder) / "stream_w.py").write_text(
        "import torch\nfrom torch.utils.data import *\n"
        "def make():\n"
        "    x = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))\n"
        "    data = TensorDataset(x, torch.arange(40) % 2)\n"
        "    return DataLoader(data, batch_size=10, sampler=list(range(40))), data\n"
    )
    config = make_config(data={"target": "stream_w:make"})
    advance(config, 6, workspace)
    first = content(config, workspace)
    advance(config, 10, workspace)
    entry = entry_of(config, workspace)
    assert entry.iterations() == 10
    assert (entry.path / "metrics.csv").read_bytes().startswith(first[0])


def test_input_at_fault_is_a_user_error_and_the_lease_is_free_again(make_config, workspace):
    for _ in range(2):
        with pytest.raises(UserError, match="no model 'nope'"):
            advance(make_config(model={"target": "nope", "args": {}}), 5, workspace)


def test_between_two_news_the_working_directory_is_the_callers(config, workspace, monkeypatch):
    monkeypatch.setattr("tunekit.worker.PROGRESS_S", 0.0)
    here = Path.cwd()
    running = Worker().work(Training(config, 23, {}, purpose="test"), workspace)
    try:
        next(running)
        assert Path.cwd() == here
    finally:
        running.close()


def test_large_data_are_mapped_from_one_file_and_give_the_same_numbers(tmp_path, monkeypatch, make_config):
    def rows_of(folder: Path) -> bytes:
        (folder / "trainings").mkdir(parents=True, exist_ok=True)
        workspace = Workspace(str(folder / "trainings"), str(tmp_path), "cpu")
        config = make_config()
        list(Worker().work(Training(config, 30, {}, purpose="test"), workspace))
        return (Store(folder / "trainings").entry(config).path / "metrics.csv").read_bytes()

    alone = rows_of(tmp_path / "alone")
    assert not (tmp_path / "alone" / ".data").exists()
    monkeypatch.setattr("tunekit.worker.SHARED_BYTES", 1)
    assert rows_of(tmp_path / "mapped") == alone
    [kept] = (tmp_path / "mapped" / ".data").iterdir()
    before = kept.stat().st_mtime_ns
    shutil.rmtree(tmp_path / "mapped" / "trainings")
    assert rows_of(tmp_path / "mapped") == alone
    assert kept.stat().st_mtime_ns == before  # read by the second, written by the first


def test_a_person_has_their_own_number_of_threads_and_folder_after_each_piece_of_news(config, workspace, monkeypatch):
    import torch

    monkeypatch.setattr("tunekit.worker.PROGRESS_S", 0.0)
    worker, mine = Worker(), (torch.get_num_threads(), Path.cwd())
    for request in (
        Training(replace(config, threads=mine[0] + 1), 23, {}, purpose="test"),
        Measurement("data", replace(config, threads=mine[0] + 1), {}, purpose="test"),
    ):
        for _ in worker.work(request, workspace):
            assert (torch.get_num_threads(), Path.cwd()) == mine
    assert (torch.get_num_threads(), Path.cwd()) == mine


def test_a_worker_reads_data_once_a_run(make_config, workspace, tmp_path, monkeypatch):
    from tunekit.training import sources

    read, read_splits = [], sources.read_splits
    monkeypatch.setattr(sources, "read_splits", lambda data, folder: read.append(folder) or read_splits(data, folder))
    worker = Worker()
    for lr in (0.1, 0.2):
        list(worker.work(Training(make_config(lr=lr), 3, {}, purpose="test"), workspace))
    assert len(read) == 1
    other = Workspace(str(tmp_path / "other" / "trainings"), workspace.folder, "cpu")
    list(worker.work(Training(make_config(), 3, {}, purpose="test"), other))
    assert len(read) == 2


def _unreadable() -> bytes:
    return b"no archive of any version of torch\x00\x00"


def _of_another_model() -> bytes:
    return archive({"iteration": 10, "model": {"other": torch.zeros(1)}, "optimizer": {}, "averaged": None})


def _of_another_shape() -> bytes:
    return archive([1, 2, 3])


def archive(content) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("make", [_unreadable, _of_another_model, _of_another_shape])
def test_a_whole_checkpoint_that_cannot_be_loaded_is_said_and_trained_anew(config, workspace, whole, make):
    advance(config, 10, workspace)
    entry = entry_of(config, workspace)
    entry.save("checkpoint.pt", make())
    assert entry.checkpoint() is not None  # its checksum is right
    notes = [progress.note for progress in advance(config, 23, workspace) if progress.note]
    assert len(notes) == 1
    assert notes[0].startswith(f"{entry.path.name}: its checkpoint: ")
    assert notes[0].endswith("; it is trained anew")
    assert content(config, workspace) == whole


@pytest.mark.parametrize("make", [None, _unreadable])
def test_what_is_measured_on_a_trained_model_is_the_same_without_its_checkpoint(make_config, workspace, make):
    config = make_config(data={"subset": {"per_class": 2}}, batch_size=20, regularize=False)
    measured = []
    for place in (workspace, replace(workspace, trainings=str(Path(workspace.trainings).parent.with_name("b") / "t"))):
        advance(config, 10, place)
        entry = entry_of(config, place)
        if measured and make is None:
            entry.drop_checkpoint()
        elif measured:
            entry.save("checkpoint.pt", make())
        request = Measurement("tiny-trained", config, {}, at=10, purpose="test")
        list(Worker().work(request, place))
        measured.append(entry.measurement(request.goal))
    assert measured[0] == measured[1]
    assert measured[0] is not None


@pytest.mark.parametrize("content", [b"", b"[", b"[]", b"\xff", b"[" * 50_000])
def test_what_is_no_answer_is_measured_again(config, workspace, content):
    with Store(Path(workspace.trainings)).lease(config) as entry:
        (entry.path / "a.json").write_bytes(content)
        assert entry.measurement("a") is None


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"[" * 50_000, b'{"data": 3}'])
def test_a_training_whose_configuration_is_damaged_is_told(config, workspace, content):
    store = Store(Path(workspace.trainings))
    with store.lease(config) as entry:
        assert store.by_name(entry.path.name).path == entry.path
    (entry.path / "config.json").write_bytes(content)
    with pytest.raises(UserError, match="is gone or damaged"):
        store.by_name(entry.path.name)


@pytest.mark.parametrize("place", ["..", "../elsewhere", "lr1/../../elsewhere", ""])
def test_a_name_that_leads_elsewhere_is_no_trainings(config, workspace, place):
    store = Store(Path(workspace.trainings))
    advance(config, 3, workspace)
    entry = entry_of(config, workspace)
    shutil.copytree(entry.path, store.root.parent / "elsewhere")
    for name in ("config.json", "metrics.csv"):
        for folder in (store.root, store.root.parent):
            shutil.copy(entry.path / name, folder)
    (store.root / "lr1").mkdir()
    assert store.holds(entry.path.name)
    for name in (place, str(entry.path)):
        assert not store.holds(name)
        with pytest.raises(UserError, match="is gone or damaged"):
            store.by_name(name)


def test_a_configuration_of_another_training_leads_nowhere_else(config, workspace):
    store = Store(Path(workspace.trainings))
    with store.lease(config) as entry:
        text = (entry.path / "config.json").read_text()
    (entry.path / "config.json").write_text(text.replace('"seed": 0', '"seed": "../../x"'))
    with pytest.raises(UserError, match="is gone or damaged"):
        store.by_name(entry.path.name)


class TestPatience:
    """Of rows that are there by chance the rule takes those that are its own: 5 iterations are an epoch."""

    def ends(self, config, workspace, **stop):
        request = Training(config, 60, {}, StopRule(**stop), purpose="test")
        list(Worker().work(request, workspace))
        return stopped_early_at(request, entry_of(config, workspace).rows(60))

    # A metric that can get no better by so much: patience counts from the first validation on.
    rule: typing.ClassVar = {"maximize": True, "min_delta": 2.0}

    def test_it_ends_where_it_runs_out_and_more_of_it_goes_on_with_the_same_training(self, config, workspace, tmp_path):
        assert self.ends(config, workspace, patience=2, **self.rule) == 15
        assert entry_of(config, workspace).iterations() == 15
        assert self.ends(config, workspace, patience=4, **self.rule) == 25
        (tmp_path / "other").mkdir()
        whole = Workspace(str(tmp_path / "other" / "trainings"), str(tmp_path / "other"), "cpu")
        advance(config, 25, whole)
        assert content(config, workspace) == content(config, whole)

    def test_less_of_it_finds_its_own_end_in_a_longer_training(self, config, workspace, monkeypatch):
        advance(config, 60, workspace)
        monkeypatch.setattr("tunekit.training.loop.Session.__init__", lambda *args: pytest.fail("trained again"))
        assert self.ends(config, workspace, patience=3, **self.rule) == 20

    def test_a_training_that_was_interrupted_waits_on_from_what_it_had_seen(self, config, workspace):
        advance(config, 12, workspace)
        assert self.ends(config, workspace, patience=2, **self.rule) == 15
        assert entry_of(config, workspace).iterations() == 15


def test_averaged_weights_stand_beside_the_raw_ones_and_are_those_that_are_kept(config, workspace, tmp_path):
    """The raw columns are those of the training without an average; cut and resumed they are the same."""
    averaged = replace(config, ema=0.9)
    for until in (7, 23):
        advance(averaged, until, workspace)
    (tmp_path / "other").mkdir()
    whole = Workspace(str(tmp_path / "other" / "trainings"), str(tmp_path / "other"), "cpu")
    advance(averaged, 23, whole)
    assert content(averaged, workspace) == content(averaged, whole)
    advance(config, 23, workspace)
    plain, both = (entry_of(one, workspace).rows() for one in (config, averaged))
    assert both["raw_val_loss"] == plain["val_loss"]
    assert both["raw_val_accuracy"] == plain["val_accuracy"]
    assert both["val_loss"] != plain["val_loss"]
    scores = [value for value in both["val_accuracy"] if value is not None]
    from tunekit.training.loop import Session

    session = Session(averaged, Worker()._workbench(workspace))
    kept = torch.load(entry_of(averaged, workspace).weights, weights_only=True)["model"]
    session.averaged.module.load_state_dict(kept)
    assert session.evaluate().score == max(scores)


def test_a_diagnosis_of_such_a_training_reads_what_is_judged(config, workspace):
    from tunekit.logs.readers import tunekit as reader

    averaged = replace(config, ema=0.9)
    advance(averaged, 60, workspace)
    log = reader.read(entry_of(averaged, workspace).path / "metrics.csv")[0]
    rows = entry_of(averaged, workspace).rows()
    assert list(log.val.y) == [value for value in rows["val_loss"] if value is not None]
    [accuracy] = [list(one.val.y) for one in log.metrics if one.val and one.name == "accuracy"]
    assert accuracy == [value for value in rows["val_accuracy"] if value is not None]
