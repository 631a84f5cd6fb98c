"""Folders on their way between machines: what is sent, what is left out, what has changed, how it arrives."""

import os
from pathlib import Path

import pytest

from tunekit.executors import parcel
from tunekit.executors.parcel import File, changes, is_here, listing, pack_code, unpack
from tunekit.vocabulary import StorageError, UserError


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_py", ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def tree(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


class TestCode:
    def test_modules_and_small_files_go_and_runs_data_and_hidden_ones_stay(self, tmp_path):
        write(tmp_path, net_py="a", pkg__inner_py="b", labels="c", runs__r__metrics="d", data__x="e", pkg__data__y="f")
        write(tmp_path, **{".git__config": "g", ".env": "h", "venv__pyvenv.cfg": "i", "venv__lib": "j"})
        code = pack_code(tmp_path)
        assert set(code.files) == {"net.py", "pkg/inner.py", "labels"}
        assert code.left_out == ("data/", "pkg/data/")

    def test_a_large_file_stays_and_is_named(self, tmp_path, monkeypatch):
        monkeypatch.setattr(parcel, "FILE_BYTES", 10)
        write(tmp_path, net_py="0123456789", table="01234567890")
        code = pack_code(tmp_path)
        assert set(code.files) == {"net.py"}
        assert code.left_out == ("table",)

    @pytest.mark.parametrize(("name", "limit"), [("TOTAL_BYTES", 3), ("TOTAL_FILES", 1)])
    def test_a_folder_that_is_too_large_is_told(self, tmp_path, monkeypatch, name, limit):
        write(tmp_path, a_py="12", b_py="34")
        assert len(pack_code(tmp_path).files) == 2
        monkeypatch.setattr(parcel, name, limit)
        with pytest.raises(UserError, match="a folder of their own"):
            pack_code(tmp_path)

    def test_what_arrives_is_what_was_sent_with_its_times(self, tmp_path):
        write(tmp_path / "there", net_py="a", pkg__inner_py="b")
        os.utime(tmp_path / "there/net.py", ns=(10**18, 10**18 + 1))
        code = pack_code(tmp_path / "there")
        unpack(tmp_path / "here", code.files)
        assert tree(tmp_path / "here") == {"net.py": "a", "pkg/inner.py": "b"}
        assert (tmp_path / "here/net.py").stat().st_mtime_ns == 10**18 + 1

    def test_a_folder_is_here_with_the_same_files_of_the_same_times_alone(self, tmp_path):
        write(tmp_path, net_py="a")
        code = pack_code(tmp_path)
        assert is_here(code)
        (tmp_path / "more.py").write_text("")  # also where there is more of it
        assert is_here(code)
        os.utime(tmp_path / "net.py", ns=(1, 1))
        assert not is_here(code)
        (tmp_path / "net.py").unlink()
        assert not is_here(code)
        assert not is_here(parcel.Code(str(tmp_path / "nowhere"), {}))


class TestChanges:
    def test_only_what_changed_is_sent_and_what_is_gone_is_said(self, tmp_path):
        write(tmp_path, a="1", b="2", c="3", **{".c.1.part": "torn"})
        (tmp_path / "folder").mkdir()
        before = listing(tmp_path)
        assert set(before) == {"a", "b", "c"}
        write(tmp_path, b="22", d="4")
        (tmp_path / "c").unlink()
        files, now = changes(tmp_path, before)
        assert {name: file and file.data for name, file in files.items()} == {"b": b"22", "c": None, "d": b"4"}
        assert changes(tmp_path, now) == ({}, now)

    def test_a_folder_that_is_not_there_has_nothing(self, tmp_path):
        assert changes(tmp_path / "nowhere", {}) == ({}, {})

    def test_what_is_gone_goes(self, tmp_path):
        write(tmp_path, a="1", b="2")
        unpack(tmp_path, {"a": None, "c": None, "b": File(b"3", 5)})
        assert tree(tmp_path) == {"b": "3"}

    def test_files_are_replaced_in_the_order_in_which_they_were_written(self, tmp_path, monkeypatch):
        written = []
        monkeypatch.setattr(parcel, "write_atomically", lambda path, data: (written.append(path.name), path.touch()))
        unpack(tmp_path, {"checkpoint": File(b"", 3), "metrics": File(b"", 1), "best": File(b"", 2)})
        assert written == ["metrics", "best", "checkpoint"]

    def test_a_place_that_cannot_be_written_is_a_matter_of_storage(self, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(StorageError):
            unpack(tmp_path / "file" / "folder", {})
