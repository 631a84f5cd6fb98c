"""What mends an error of the system, by its cause alone."""

import errno
import os
import socket
import urllib.error

import pytest

from tunekit import cli
from tunekit.mending import advice
from tunekit.rundir import disk_error


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (errno.ENOSPC, "free space"),
        (errno.EDQUOT, "free space"),
        (errno.EACCES, "mend access"),
        (errno.EPERM, "mend access"),
        (errno.EROFS, "mend access"),
        (errno.EMFILE, "ulimit"),
        (errno.ENAMETOOLONG, "shorter name"),
        (errno.EIO, "the disk"),
        (errno.ECONNREFUSED, "network"),
        (errno.ENETUNREACH, "network"),
        (errno.ETIMEDOUT, "network"),
    ],
)
def test_each_cause_has_its_own_advice(number, told):
    assert told in advice(OSError(number, os.strerror(number)))


@pytest.mark.parametrize("error", [OSError("image file is truncated"), OSError(errno.EINVAL, "Invalid argument")])
def test_an_unknown_cause_has_none(error, tmp_path, monkeypatch, capsys):
    assert advice(error) == advice(error, "with --runs-dir") == ""
    text = str(disk_error(tmp_path, error))
    assert "free space" not in text
    assert "another place" not in text
    assert text.endswith("; give the same command again: nothing that was finished is lost")

    def fail(**_options):
        raise error

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(SystemExit):
        cli.main()
    assert capsys.readouterr().err == f"error: {error.strerror or error}\n"


def test_another_place_is_offered_only_where_the_place_is_the_cause(tmp_path):
    assert "free space or choose another place with --runs-dir, then" in str(disk_error(tmp_path, OSError(28, "x")))
    assert "another place" not in str(disk_error(tmp_path, OSError(errno.EMFILE, "Too many open files")))


@pytest.mark.parametrize(
    "error", [socket.gaierror(-2, "Name or service not known"), TimeoutError("timed out"), ConnectionResetError()]
)
def test_what_urllib_hides_is_found(error):
    assert "network" in advice(urllib.error.URLError(error))
    assert advice(urllib.error.URLError("unknown url type")) == ""
