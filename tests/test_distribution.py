"""`tunekit --version` names the distribution that owns the files, for another program has the same import name."""

from __future__ import annotations

import base64
import hashlib
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
    return tmp_path


def install(place: Path, name: str, version: str, source: bytes) -> None:
    """What pip notes of a wheel that holds such a file."""
    info = place / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    digest = base64.urlsafe_b64encode(hashlib.sha256(source).digest()).decode().rstrip("=")
    (info / "RECORD").write_text(f"tunekit/__init__.py,sha256={digest},{len(source)}\n")


def owner(place: Path) -> str:
    code = "import tunekit; print(tunekit.distribution())"
    environment = {**os.environ, "PYTHONPATH": str(place)}
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command, env=environment, cwd=place, capture_output=True, text=True, check=True
    ).stdout.strip()


def test_a_wheel_owns_what_it_recorded(place):
    install(place, "tunekit-steps", "0.1.0", SOURCE.read_bytes())
    assert owner(place) == "distribution tunekit-steps 0.1.0"


def test_the_other_program_beside_it_is_said(place):
    install(place, "tunekit-steps", "0.1.0", SOURCE.read_bytes())
    install(place, "tunekit", "0.1.1", b"# fine-tuning")
    words = "distribution tunekit-steps 0.1.0; distribution tunekit 0.1.1 has the same files"
    assert owner(place) == f"{words}; {NEVER_BOTH}"


def test_an_owner_of_another_name_is_said(place):
    install(place, "tunekit", "0.1.0", SOURCE.read_bytes())
    assert owner(place) == "distribution tunekit 0.1.0"


def test_an_editable_install_owns_its_checkout(place):
    elsewhere = place / "elsewhere"
    install(place, "tunekit-steps", "0.1.0", b"")
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
