"""Validation holds no more at once than a training batch does, however many samples there are."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

PIECES = """
import torch
from torch import nn
from torch.utils.data import TensorDataset

def data(words, val):
    draw = torch.Generator().manual_seed(0)
    train, held = (torch.randint(0, words, (n, 65), generator=draw) for n in (256, val))
    return TensorDataset(train[:, :-1], train[:, 1:]), TensorDataset(held[:, :-1], held[:, 1:])

class Model(nn.Module):
    def __init__(self, words):
        super().__init__()
        self.words, self.head = nn.Embedding(words, 16), nn.Linear(16, words)

    def forward(self, x):
        return self.head(self.words(x)).transpose(1, 2)
"""
MEASURE = """
import json, resource, sys
from pathlib import Path
import torch
from tunekit.pipeline import schema
from tunekit.training.loop import Session
from tunekit.training.workbench import Workbench
from tunekit.vocabulary import UNKNOWN

words, val = map(int, sys.argv[1:])
recipe = schema().model_validate({
    "name": "words", "batch_size": 4, "threads": 1,
    "data": {"target": "pieces:data", "args": {"words": words, "val": val}},
    "model": {"target": "pieces:Model", "args": {"words": words}},
})
session = Session(recipe.training_config(UNKNOWN), Workbench(Path.cwd(), torch.device("cpu")))
for _ in session.run(40):  # no whole pass: nothing is validated
    pass
peaks = [resource.getrusage(resource.RUSAGE_SELF).ru_maxrss]
found = session.evaluate()
peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
print(json.dumps({"peaks": peaks, "samples": len(found.sample_losses)}))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="resident memory is counted in other units elsewhere")
@pytest.mark.parametrize(
    ("words", "val"), [(10_000, 120), pytest.param(50_000, 4000, marks=pytest.mark.long)], ids=["small", "large"]
)
def test_the_peak_of_validation_is_that_of_training(tmp_path: Path, words, val):
    (tmp_path / "pieces.py").write_text(PIECES)
    command = [sys.executable, "-c", MEASURE, str(words), str(val)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    measured = json.loads(done.stdout)
    trained, validated = measured["peaks"]
    assert measured["samples"] == val
    kept, libraries = val * 16 / 1024, 64 * 1024  # KiB; all outputs of the small case would be 300,000
    assert validated <= 1.05 * trained + kept + libraries
