"""`tunekit --version` names the distribution that owns the files, for another program has the same import name."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import tunekit
from tunekit import __version__

SOURCE = Path(tunekit.__file__)
NEVER_BOTH = "never both in one environment: uninstall both, then install one"


@pytest.fixture
def place(tmp_path):
    """A folder of installed packages."""
    (tmp_path / "tunekit").mkdir()
    shutil.copy(SOURCE, tmp_path / "tunekit")
    shutil.copy(SOURCE.with_name("distribution.py"), tmp_path / "tunekit")
    return tmp_path


def install(place: Path, name: str, version: str) -> None:
    """What pip notes of a wheel that holds such a file."""
    info = place / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "RECORD").write_text("tunekit/__init__.py,,\n")


def owner(place: Path) -> str:
    code = "from tunekit.distribution import owner; print(owner())"
    environment = {**os.environ, "PYTHONPATH": str(place)}
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command, env=environment, cwd=place, capture_output=True, text=True, check=True
    ).stdout.strip()


def test_a_wheel_owns_the_files_that_it_recorded(place):
    install(place, "tunekit-steps", "0.1.0")
    assert owner(place) == "distribution tunekit-steps 0.1.0"


def test_the_other_program_beside_it_is_said(place):
    install(place, "tunekit-steps", "0.1.0")
    install(place, "tunekit", "0.1.1")
    words = "distribution tunekit-steps 0.1.0; distribution tunekit 0.1.1 has the same files"
    assert owner(place) == f"{words}; {NEVER_BOTH}"


def test_an_owner_of_another_name_is_said(place):
    install(place, "tunekit", "0.1.0")
    assert owner(place) == "distribution tunekit 0.1.0"


def test_an_editable_install_owns_its_checkout(place):
    elsewhere = place / "elsewhere"
    install(place, "tunekit-steps", "0.1.0")
    [info] = place.glob("*.dist-info")
    (info / "RECORD").write_text("_tunekit.pth,,\n")
    for folder, words in ((place, "distribution tunekit-steps 0.1.0, editable"), (elsewhere, "of no installed")):
        origin = {"url": folder.as_uri(), "dir_info": {"editable": True}}
        (info / "direct_url.json").write_text(json.dumps(origin))
        assert owner(place).startswith(words)


def test_files_of_no_distribution_are_said_with_their_place(place):
    assert owner(place) == f"of no installed distribution, in {place / 'tunekit'}"


def test_the_command_says_it(tunekit):
    assert tunekit("--version").out.startswith(f"tunekit {__version__} (")
