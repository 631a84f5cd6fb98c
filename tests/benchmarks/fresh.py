"""A function in a fresh interpreter, where neither imports nor threads of another measurement stand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def environment() -> dict[str, str]:
    """The caller's environment, with the checkout importable."""
    return {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}".rstrip(os.pathsep)}


def call(function: str, **arguments: Any) -> Any:
    """What `module.function(**arguments)` of this folder returns, as JSON data. Errors: RuntimeError."""
    with tempfile.TemporaryDirectory(prefix="tunekit-bench-") as folder:
        answer = Path(folder) / "answer.json"
        command = [sys.executable, "-m", "tests.benchmarks.fresh", function, json.dumps(arguments), str(answer)]
        ended = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False)
        if ended.returncode or not answer.exists():
            raise RuntimeError(f"{function}: {' / '.join(ended.stderr.strip().splitlines()[-3:])}")
        return json.loads(answer.read_text())


def _main(function: str, arguments: str, answer: str) -> None:
    module, _, name = function.partition(".")
    found = getattr(import_module(f"tests.benchmarks.{module}"), name)(**json.loads(arguments))
    Path(answer).write_text(json.dumps(found))


if __name__ == "__main__":
    _main(*sys.argv[1:])
