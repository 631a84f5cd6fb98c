"""A network whose trainings stop where a test wants it, so that it kills one at work and not on a clock."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LIMIT_S = 240
NETWORK = """
import os
import time
from pathlib import Path
from torch import nn

class Net(nn.Sequential):
    def __init__(self, gate=None, at=20, seconds=0.0):
        super().__init__(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 10))
        self.gate, self.at, self.seconds, self.batches = gate or os.environ.get("GATE"), at, seconds, 0

    def forward(self, x):
        if self.gate and self.training and len(x) > 20:
            time.sleep(self.seconds)
            self.batches += 1
            if self.batches == self.at:
                stop(Path(self.gate))
        return super().forward(x)

def stop(gate):
    for ticket in sorted(gate.glob("ticket*")):
        try:
            ticket.rename(gate / f"held-{os.getpid()}")
        except FileNotFoundError:
            continue  # another process was quicker
        while not (gate / "open").exists():
            time.sleep(0.01)
        return
"""
"""A training of batches of more than 20 samples, which is no tiny set, stops in that numbered `at` if it gets one of
the gate's tickets. Each batch takes `seconds` at least. No number depends on any of it."""


def gated(recipe: str, folder: Path, **args: object) -> str:
    """The recipe with the network above for its model, whose module is written into the folder."""
    (folder / "gated.py").write_text(NETWORK)
    model = f"model: {json.dumps({'target': 'gated:Net', 'args': args})}"
    return "\n".join([*(model if line.startswith("model:") else line for line in recipe.splitlines()), ""])


class Gate:
    """A folder with as many tickets as trainings will stop."""

    def __init__(self, place: Path, tickets: int) -> None:
        self.place, self.tickets = place, tickets
        place.mkdir()
        for number in range(tickets):
            (place / f"ticket{number}").touch()

    def held(self, command: subprocess.Popen[str] | None = None) -> list[int]:
        """Waits until all tickets are taken: the processes whose trainings stand still now."""
        end = time.monotonic() + LIMIT_S
        while len(names := [path.name for path in self.place.glob("held-*")]) < self.tickets:
            assert command is None or command.poll() is None, command.communicate()
            assert time.monotonic() < end, "too few trainings came to the gate"
            time.sleep(0.01)
        return [int(name.removeprefix("held-")) for name in names]

    def open(self) -> None:
        """Lets them go on, and all that come later."""
        (self.place / "open").touch()


@contextmanager
def command(*words: str, cwd: Path, tickets: int) -> Iterator[tuple[subprocess.Popen[str], Gate]]:
    """A tunekit in a session of its own, which is gone at the end whatever the test did, and its gate."""
    gate = Gate(cwd / "gate", tickets)
    process = subprocess.Popen(
        [sys.executable, "-m", "tunekit.cli", *words],
        cwd=cwd,
        env={**os.environ, "GATE": str(gate.place)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process, gate
    finally:
        gate.open()
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
