"""Regular files alone, and a folder's ways out."""

import os
from pathlib import Path

import pytest

from tunekit.files import open_regular, read_regular, way_out


def test_a_regular_file_is_read(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    with open_regular(tmp_path / "a") as file:
        assert file.read() == b"abc"
    assert read_regular(tmp_path / "a", 3) == b"abc"


@pytest.mark.parametrize("kind", ["pipe", "link to a pipe", "device", "folder"])
def test_what_is_no_regular_file_is_not_waited_for(tmp_path, kind):
    path = tmp_path / "thing"
    if kind == "folder":
        path.mkdir()
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        os.mkfifo(tmp_path / "pipe")
        path = tmp_path / "pipe"
        if kind != "pipe":
            path = tmp_path / "thing"
            path.symlink_to("pipe")
    with pytest.raises(OSError, match="is no regular file"):
        open_regular(path)


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(5_000_000)
    with pytest.raises(OSError, match="is larger than 4 MB"):
        read_regular(tmp_path / "sparse", 4_000_000)


def test_a_missing_file_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "none")


def plain(folder: Path) -> None:
    (folder / "sub").mkdir(parents=True)
    (folder / "sub/file").write_text("")


def test_a_folder_of_files_and_links_within_leads_nowhere(tmp_path):
    plain(tmp_path / "run")
    (tmp_path / "run/link").symlink_to("sub/file")
    (tmp_path / "run/up").symlink_to("sub")
    (tmp_path / "link to the run").symlink_to("run")
    assert way_out(tmp_path / "run") is None
    assert way_out(tmp_path / "link to the run") is None


@pytest.mark.parametrize("target", ["../other", "/etc", "../missing", "../run-2"])
@pytest.mark.parametrize("name", ["file", "sub/deeper"])
def test_a_link_that_leaves_is_a_way_out(tmp_path, name, target):
    plain(tmp_path / "run")
    plain(tmp_path / "run-2")  # its path begins like the run's
    (tmp_path / "other").write_text("")
    link = tmp_path / "run" / name
    link.symlink_to(os.path.relpath(tmp_path / "run" / target, link.parent) if target[0] == "." else target)
    assert way_out(tmp_path / "run") == link


def test_a_pipe_is_a_way_out(tmp_path):
    plain(tmp_path / "run")
    os.mkfifo(tmp_path / "run/sub/pipe")
    assert way_out(tmp_path / "run") == tmp_path / "run/sub/pipe"
