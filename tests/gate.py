"""A network whose trainings stop where a test wants it, so that it kills one at work and not on a clock."""

from __future__ import annotations

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
    def __init__(self):
        super().__init__(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Dropout(0.1), nn.Linear(32, 10))
        self.batches = 0

    def forward(self, x):
        self.batches += self.training and len(x) == 64
        if self.batches == 20 and "GATE" in os.environ:
            self.batches += 1
            stop(Path(os.environ["GATE"]))
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
"""A training of batches of 64 stops in its 20th, if it gets one of the tickets; others never do. Numbers depend on none
of it, so a run with a gate equals one without."""


def gated(recipe: str, folder: Path) -> str:
    """The recipe with the network above for its model, whose module is written into the folder."""
    (folder / "gated.py").write_text(NETWORK)
    lines = ["model: {target: 'gated:Net'}" if line.startswith("model:") else line for line in recipe.splitlines()]
    return "\n".join([*lines, ""])


class Gate:
    """A command with `tickets` trainings that will stop at the gate, in processes of their own where it has some."""

    def __init__(self, place: Path, tickets: int, process: subprocess.Popen[str]) -> None:
        self.place, self.tickets, self.process = place, tickets, process

    def held(self) -> list[int]:
        """Waits until all tickets are taken: the processes whose trainings stand still now."""
        end = time.monotonic() + LIMIT_S
        while len(names := [path.name for path in self.place.glob("held-*")]) < self.tickets:
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < end, "no training came to the gate"
            time.sleep(0.01)
        return [int(name.removeprefix("held-")) for name in names]

    def open(self) -> None:
        """Lets them go on, and all that come later."""
        (self.place / "open").touch()


@contextmanager
def command(*words: str, cwd: Path, tickets: int) -> Iterator[Gate]:
    """A tunekit of its own session, which is gone at the end whatever the test did."""
    place = cwd / "gate"
    place.mkdir()
    for number in range(tickets):
        (place / f"ticket{number}").touch()
    process = subprocess.Popen(
        [sys.executable, "-m", "tunekit.cli", *words],
        cwd=cwd,
        env={**os.environ, "GATE": str(place)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    gate = Gate(place, tickets, process)
    try:
        yield gate
    finally:
        gate.open()
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
