"""Six draws of a network that comes trained, and 100 noisy samples to tune it on."""

import shutil
from pathlib import Path

import planted_tuning
import pytest
import torch
import yaml

from tunekit.pipeline import Options, find, run_steps

HERE = Path(__file__).parent
STEPS = ["check-init-loss", "lr-sweep", "coarse-grid", "fine-run"]
SAMPLES = 5000
ERROR = 2 * (0.25 / SAMPLES) ** 0.5


def tuned(folder: Path, seed: int, shift: float) -> tuple[float, float]:
    """Accuracy on new samples of the model as it came, and of what is handed on."""
    shutil.copy(HERE / "planted_tuning.py", folder)
    recipe = {
        "name": "tune",
        "data": {"target": "planted_tuning:few", "args": {"seed": seed, "shift": shift}},
        "model": {"target": "planted_tuning:trained", "args": {"seed": seed}, "pretrained": True},
        "optimizer": {"target": "adamw"},
    }
    (folder / "tune.yaml").write_text(yaml.safe_dump(recipe))
    run = find(folder / "tune.yaml", [], folder / "runs")
    options = Options(jobs=1, executor="inline", keep_going=True)
    *_, fine = run_steps(run, STEPS, options, lambda event: None, "runs/tune")
    net = planted_tuning.trained(seed)
    before = planted_tuning.accuracy_on_new_samples(net, seed, shift)
    net.load_state_dict(torch.load(run.trainings / fine.handoff["training"] / "best.pt")["model"])
    return before, planted_tuning.accuracy_on_new_samples(net, seed, shift)


@pytest.mark.long
def test_what_is_handed_on_is_above_the_untouched_model_in_five_of_six_draws_and_in_none_below(tmp_path):
    gains = []
    for seed in range(6):
        (tmp_path / str(seed)).mkdir()
        before, after = tuned(tmp_path / str(seed), seed, shift=0.3)
        gains.append(after - before)
    assert sum(gain > 0 for gain in gains) >= 5, gains
    assert min(gains) > -ERROR, gains
