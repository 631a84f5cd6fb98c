import errno
import io
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tunekit.rundir import write_atomically
from tunekit.store import Store, is_sound, sealed
from tunekit.vocabulary import Row, UserError, columns


def row(k, val=None):
    return Row(k, k / 5, 0.1, 1 / k, 0.5, val, val)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "run" / "trainings")


@pytest.fixture
def entry(store, make_config):
    with store.lease(make_config()) as entry:
        yield entry


def filled(entry, n=10, every=5):
    for k in range(every, n + 1, every):
        entry.append_validation(np.full(3, k, np.float32))
    entry.append("accuracy", [row(k, float(k) if k % every == 0 else None) for k in range(1, n + 1)])


def metrics(entry):
    return entry.path / "metrics.csv"


class TestRows:
    def test_what_was_written_is_read_back_bit_for_bit(self, entry):
        odd = [
            Row(1, 0.2, 1e-3, 0.1 + 0.2, float("nan"), None, None),
            Row(2, 0.4, 1e-300, float("inf"), -0.0, 1.5, 0.25),
        ]
        entry.append("accuracy", odd[:1])
        entry.append("accuracy", odd[1:])
        rows = entry.rows()
        assert tuple(rows) == columns("accuracy")
        assert rows["iteration"] == [1, 2]
        assert rows["train_loss"] == [0.1 + 0.2, float("inf")]
        assert np.isnan(rows["train_accuracy"][0])
        assert rows["val_loss"] == [None, 1.5]

    def test_an_iteration_whose_sample_losses_are_missing_does_not_count(self, entry):
        filled(entry)
        assert entry.iterations() == 10
        losses = entry.path / "validations.bin"
        os.truncate(losses, losses.stat().st_size - 1)
        assert entry.iterations() == 9
        losses.unlink()
        assert entry.iterations() == 4

    @given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=5))
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_every_float_survives(self, entry, values):
        metrics(entry).unlink(missing_ok=True)
        entry.append(
            "accuracy", [Row(k, 0.0, value, np.float64(value), 0.5, None, None) for k, value in enumerate(values, 1)]
        )
        assert entry.rows()["train_loss"] == values
        assert entry.rows()["lr"] == values

    def test_up_to_an_iteration(self, entry):
        filled(entry)
        assert entry.rows(3)["iteration"] == [1, 2, 3]
        assert entry.rows(0)["iteration"] == []
        assert entry.rows(99)["iteration"] == list(range(1, 11))

    def test_nothing_stored_is_no_rows(self, entry):
        assert entry.rows() == {}
        assert entry.iterations() == 0

    def test_a_torn_last_line_is_left_out_wherever_it_tore(self, entry):
        filled(entry)
        whole = metrics(entry).read_bytes()
        start = whole.rindex(b"\n", 0, -1) + 1
        for end in range(start, len(whole)):
            metrics(entry).write_bytes(whole[:end])
            assert entry.rows()["iteration"] == list(range(1, 10))

    @pytest.mark.parametrize(
        "damage",
        [
            b"3,0.6",
            b"",
            b"3,0.6,0.1,0.3.3,0.5,,",
            b"4,0.6,0.1,0.3,0.5,,",
            b"x" * 40,
            b"\x00" * 30,
            b"\xff\xfe,,,,,,",
            b'3,"0.6,0.1,0.3,0.5,,',
            b"3,0.6,0.1,0.3,0.5,,,,",
            b"3,0.6,0.1,,0.5,\r,",
        ],
    )
    def test_after_a_damaged_line_in_the_middle_nothing_counts(self, entry, damage):
        filled(entry)
        lines = metrics(entry).read_bytes().split(b"\n")
        lines[3] = damage
        metrics(entry).write_bytes(b"\n".join(lines))
        assert entry.rows()["iteration"] == [1, 2]

    @given(place=st.integers(0, 10**6), value=st.integers(0, 255))
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_any_wrong_byte_leaves_readable_rows_in_order(self, entry, place, value):
        metrics(entry).unlink(missing_ok=True)
        entry.append("accuracy", [row(k) for k in range(1, 6)])
        data = bytearray(metrics(entry).read_bytes())
        data[place % len(data)] = value
        metrics(entry).write_bytes(bytes(data))
        rows = entry.rows()
        assert len({len(column) for column in rows.values()}) <= 1
        assert rows.get("iteration", []) == list(range(1, len(rows.get("iteration", [])) + 1))


class TestCut:
    @pytest.mark.parametrize("iteration", range(12))
    def test_rows_and_losses_after_it_are_gone_and_the_next_follow(self, entry, iteration):
        filled(entry)
        kept = min(iteration, 10)
        assert len(entry.cut(iteration).get("iteration", [])) == kept
        assert entry.iterations() == kept
        assert len(entry.val_losses()) == kept // 5
        entry.append_validation(np.full(3, -1, np.float32))
        entry.append("accuracy", [row(kept + 1, 1.0)])
        assert entry.rows()["iteration"] == list(range(1, kept + 2))
        assert entry.val_losses()[-1].tolist() == [-1.0, -1.0, -1.0]

    def test_losses_written_before_their_rows_are_dropped(self, entry):
        # What a kill between the two writes leaves.
        filled(entry)
        entry.append_validation(np.zeros(3, np.float32))
        entry.cut(10)
        assert entry.val_losses().tolist() == [[5.0] * 3, [10.0] * 3]

    def test_a_damaged_header_means_a_new_start(self, entry):
        filled(entry)
        data = metrics(entry).read_bytes()
        metrics(entry).write_bytes(b"iterat" + data[20:])
        assert entry.cut(10) == {}
        entry.append("accuracy", [row(1)])
        assert entry.rows()["iteration"] == [1]

    def test_of_nothing_is_nothing(self, entry):
        assert entry.cut(5) == {}


class TestValidationLosses:
    def test_each_validation_is_a_row(self, entry):
        assert entry.val_losses().shape == (0, 0)
        first, second = np.random.rand(2, 7).astype(np.float32)
        entry.append_validation(first)
        entry.append_validation(second)
        found = entry.val_losses()
        assert found.dtype == np.float32
        assert np.array_equal(found, [first, second])
        assert np.array_equal(entry.val_losses(1), [first])
        assert entry.val_losses(0).shape == (0, 0)
        assert len(entry.val_losses(9)) == 2

    def test_it_is_a_view_of_the_file_and_read_only(self, entry):
        entry.append_validation(np.ones(3, np.float32))
        found = entry.val_losses()
        assert isinstance(found, np.memmap)
        with pytest.raises(ValueError, match="read-only"):
            found[0, 0] = 2

    def test_a_torn_last_one_is_left_out(self, entry):
        entry.append_validation(np.ones(3, np.float32))
        entry.append_validation(np.ones(3, np.float32))
        path = entry.path / "validations.bin"
        whole = path.read_bytes()
        for size in range(len(whole)):
            path.write_bytes(whole[:size])
            assert len(entry.val_losses()) == (1 if size >= 12 + 12 else 0)


@pytest.fixture(scope="module")
def archive():
    import torch

    buffer = io.BytesIO()
    torch.save({"iteration": 3, "model": {"w": torch.arange(6.0)}, "none": None}, buffer)
    return buffer.getvalue()


class TestCheckpoint:
    def test_a_whole_one_is_given_back(self, entry, archive):
        assert entry.checkpoint() is None
        import torch

        entry.save("checkpoint.pt", archive)
        assert is_sound(entry.checkpoint())
        for found in (
            torch.load(io.BytesIO(entry.checkpoint()), weights_only=True),
            torch.load(entry.path / "checkpoint.pt"),
        ):
            assert torch.equal(found["model"]["w"], torch.arange(6.0))
        entry.drop_checkpoint()
        assert entry.checkpoint() is None
        entry.drop_checkpoint()

    def test_a_truncated_one_is_dropped(self, entry, archive):
        whole = sealed(archive)
        for size in range(0, len(whole), 37):
            (entry.path / "checkpoint.pt").write_bytes(whole[:size])
            assert entry.checkpoint() is None
            assert not (entry.path / "checkpoint.pt").exists()

    def test_any_flipped_bit_is_seen(self, archive):
        whole = bytearray(sealed(archive))
        for place in range(len(whole)):
            whole[place] ^= 1 << place % 8
            assert not is_sound(bytes(whole))
            whole[place] ^= 1 << place % 8
        assert is_sound(bytes(whole))

    @pytest.mark.parametrize("data", [b"", b"PK", b"text", b"\x00" * 1000, b"PK\x05\x06" + b"\x00" * 18])
    def test_what_is_no_archive_of_ours_is_not_sound(self, data):
        assert not is_sound(data)


class TestWriting:
    def test_a_file_is_replaced_whole(self, tmp_path):
        path = tmp_path / "a.json"
        write_atomically(path, b"old")
        write_atomically(path, b"new")
        assert path.read_bytes() == b"new"
        assert list(tmp_path.iterdir()) == [path]

    @pytest.mark.parametrize("call", ["fsync", "replace", "write"])
    def test_a_full_disk_leaves_the_old_file_and_no_rest(self, tmp_path, monkeypatch, call):
        path = tmp_path / "a.json"
        write_atomically(path, b"old")

        def full(*args, **kwargs):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        class Full(io.BytesIO):
            write = full

        if call == "fsync":
            monkeypatch.setattr(os, "fsync", full)
        elif call == "replace":
            monkeypatch.setattr(Path, "replace", full)
        else:
            monkeypatch.setattr(Path, "open", lambda *args, **kwargs: Full())
        with pytest.raises(UserError, match="No space left on device; free space or choose another place") as caught:
            write_atomically(path, b"new")
        assert str(path) in str(caught.value)
        monkeypatch.undo()
        assert path.read_bytes() == b"old"
        assert list(tmp_path.iterdir()) == [path]

    def test_a_full_disk_while_appending_is_told(self, entry, monkeypatch):
        def full(*args):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(UserError, match="No space left"):
            entry.append("accuracy", [row(1)])
        with pytest.raises(UserError, match="No space left"):
            entry.append_validation(np.ones(1, np.float32))

    def test_sweep_removes_what_was_left_half_written_and_nothing_else(self, store, entry):
        filled(entry)
        part = entry.path / ".checkpoint.pt.123.part"
        other = store.root.parent / ".manifest.json.9.part"
        part.write_bytes(b"half")
        other.write_bytes(b"half")
        store.sweep()
        assert not part.exists()
        assert not other.exists()
        assert sorted(path.name for path in entry.path.iterdir()) == ["config.json", "metrics.csv", "validations.bin"]


class TestLease:
    def test_the_folder_is_named_and_described_by_the_configuration(self, store, make_config):
        import json

        config = make_config(lr=3e-3, seed=7)
        with store.lease(config) as entry:
            assert entry.path.name == f"lr3e-3_wd0_s7-{config.key}"
        assert json.loads((entry.path / "config.json").read_text()) == config.as_dict()
        assert store.entry(config).path == entry.path

    def test_a_second_holder_waits_and_is_then_refused(self, store, make_config):
        config = make_config()
        refused = pytest.raises(UserError, match="another process is training this")
        with store.lease(config), refused, store.lease(config, wait_s=0.05):
            pass
        with store.lease(config, wait_s=0.05):
            pass

    def test_other_trainings_are_free(self, store, make_config):
        with store.lease(make_config()) as first, store.lease(make_config(seed=1), wait_s=0.05) as second:
            assert first.path != second.path

    def test_a_second_process_is_kept_out_until_the_first_dies(self, store, make_config):
        config = make_config()
        with store.lease(config):
            pass
        lock = store.root.parent / ".locks" / f"{config.key}.lock"
        program = textwrap.dedent(f"""
            import sys
            from filelock import FileLock
            lock = FileLock({str(lock)!r})
            lock.acquire()
            print("held", flush=True)
            sys.stdin.read()  # until it is killed
        """)
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        other = subprocess.Popen([sys.executable, "-c", program], text=True, **pipes)
        try:
            assert other.stdout.readline() == "held\n"
            with pytest.raises(UserError, match="another process"), store.lease(config, wait_s=0.05):
                pass
        finally:
            other.kill()
            other.communicate()
        with store.lease(config, wait_s=5):
            pass

    def test_what_the_holder_raises_is_its_own_and_frees_the_lease(self, store, make_config):
        config = make_config()
        for error in (FileNotFoundError("images/1.png"), UserError("mine"), TimeoutError("mine")):
            with pytest.raises(type(error)) as caught, store.lease(config):
                raise error
            assert caught.value is error
        with FileLock(store.root.parent / ".locks" / f"{config.key}.lock", timeout=0.05):
            pass

    def test_a_place_that_cannot_be_written_is_told(self, tmp_path, make_config):
        (tmp_path / "file").write_text("")
        with pytest.raises(UserError, match="cannot be written"), Store(tmp_path / "file" / "t").lease(make_config()):
            pass


class TestMeasurements:
    def test_are_kept_by_identity(self, entry):
        assert entry.measurement("a") is None
        entry.save_measurement("a", {"x": [1, 2.5]})
        assert entry.measurement("a") == {"x": [1, 2.5]}
        assert entry.measurement("b") is None

    @pytest.mark.parametrize("content", [b"", b"{", b"\xff"])
    def test_a_damaged_one_is_measured_again(self, entry, content):
        (entry.path / "a.json").write_bytes(content)
        assert entry.measurement("a") is None
