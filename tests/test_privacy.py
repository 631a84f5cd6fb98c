"""Nothing leaves the machine: with every connection refused but to the machine itself, all commands do their work."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import FAST, spawn

ROOT = Path(__file__).resolve().parent.parent

REFUSING = """
import ipaddress, os, socket

def local(address):
    if not isinstance(address, tuple):
        return True  # a socket of the file system
    try:
        return ipaddress.ip_address(address[0].partition("%")[0]).is_loopback
    except ValueError:
        return address[0] in ("", "localhost")

def guarded(method, where):
    def call(*args, **kwargs):
        address = where(args)
        if not local(address):
            with open(os.environ["ASKED"], "a") as file:
                file.write(f"{method.__name__} {address}\\n")
            raise OSError(f"refused: {address}")
        return method(*args, **kwargs)
    return call

for name in ("connect", "connect_ex"):
    setattr(socket.socket, name, guarded(getattr(socket.socket, name), lambda args: args[1]))
socket.socket.sendto = guarded(socket.socket.sendto, lambda args: args[-1])
for name in ("getaddrinfo", "gethostbyname"):
    setattr(socket, name, guarded(getattr(socket, name), lambda args: (args[0] or "",)))
with open(os.environ["ASKED"] + ".guarded", "a") as file:
    file.write(f"{os.getpid()}\\n")
"""

IN_TURN = """
import json, sys
from tunekit import cli

if __name__ == "__main__":
    for words in json.loads(sys.argv[1]):
        sys.argv = ["tunekit", *words]
        try:
            cli.main()
        except SystemExit as ended:
            print(f"ended: {ended.code or 0}", flush=True)
"""


def refusing(tmp_path: Path) -> dict[str, str]:
    """An environment in which every Python process refuses, and notes, what would leave the machine."""
    (tmp_path / "guard").mkdir()
    (tmp_path / "guard" / "sitecustomize.py").write_text(REFUSING)
    paths = os.pathsep.join([str(tmp_path / "guard"), str(ROOT)])
    return {**os.environ, "PYTHONPATH": paths, "ASKED": str(tmp_path / "asked")}


def test_with_connections_refused_every_command_works_and_none_is_asked_for(tmp_path):
    environment = refusing(tmp_path)
    (tmp_path / "fast.yaml").write_text(FAST)
    lines = [f"epoch {n}: train loss {2 / n}, val loss {2 / n}\n" for n in range(1, 20)]
    (tmp_path / "train.log").write_text("".join(lines))
    run = "runs/fast-001"
    commands = [
        ["init", "digits"],
        ["validate", "fast.yaml"],
        ["inspect", "fast.yaml"],
        ["run", "fast.yaml", "--jobs", "2"],
        ["train", run, "--epochs", "3"],
        ["predict", run, "--split", "val"],
        ["diagnose", run],
        ["diagnose", "train.log"],
        ["report", run],
        ["run", "fast.yaml", "--name", "other", "--jobs", "1"],
        ["compare", run, "runs/other"],
        ["status"],
        ["dashboard", "--help"],
    ]
    line = [sys.executable, "-c", IN_TURN, json.dumps(commands)]
    done = subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    codes = [int(code) for code in re.findall(r"^ended: (\d+)$", done.stdout, re.M)]
    assert len(codes) == len(commands), done.stderr
    assert set(codes) <= {0, 1}, (codes, done.stdout, done.stderr)  # 1: a verdict, of so short a run
    assert not (tmp_path / "asked").exists(), (tmp_path / "asked").read_text()
    processes = (tmp_path / "asked.guarded").read_text().split()
    assert len(set(processes)) >= 3, "the workers refuse too"


def test_files_of_ones_own_are_read_by_datasets_without_a_word_to_its_hub(tmp_path):
    pytest.importorskip("datasets")
    environment = refusing(tmp_path) | {"TUNEKIT_CACHE": str(tmp_path / "cache")}
    (tmp_path / "own.csv").write_text("a,b,y\n" + "".join(f"{n % 7},{n % 5},{'pq'[n % 2]}\n" for n in range(100)))
    (tmp_path / "own.yaml").write_text(
        "{name: own, data: {target: 'datasets:csv', args: {path: own.csv, target: y, input: [a, b]}}, model: mlp}"
    )
    done = spawn("validate", "own.yaml", cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "asked").exists(), (tmp_path / "asked").read_text()


def test_the_guard_refuses_and_notes_what_would_leave(tmp_path):
    """Else the test above would pass on a guard that is not there."""
    code = "import urllib.request as r; r.urlopen('http://192.0.2.1/', timeout=5)"
    ended = subprocess.run(
        [sys.executable, "-c", code], env=refusing(tmp_path), capture_output=True, text=True, check=False
    )
    assert "refused" in ended.stderr
    assert "192.0.2.1" in (tmp_path / "asked").read_text()
