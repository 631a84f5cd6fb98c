"""What several folders of tests share: small configurations, and the materials that lie beside the checkout."""

from pathlib import Path

import pytest
from hypothesis import settings

from tunekit.vocabulary import TrainingConfig

settings.register_profile("tunekit", deadline=None, max_examples=50, print_blob=True)
settings.load_profile("tunekit")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder `shared` beside the checkout: real data, logs and faulty models that are no part of the repository."""
    path = Path(__file__).resolve().parents[2] / "shared"
    if not path.is_dir():
        pytest.skip(f"needs {path}: real data and logs that lie beside the checkout, not in it")
    return path


def config_of(**changes) -> TrainingConfig:
    """A small training on the real digits, with single fields changed; `data` and `optimizer` are merged in."""
    data = {"target": "digits", "args": {}, "val_fraction": 0.2, "split": "stratified", "augment": []}
    data |= {"seed": 0, "subset": None, "blank": False, **changes.pop("data", {})}
    fields = {
        "task": "classification",
        "loss": {"target": "auto", "args": {}},
        "metric": "auto",
        "model": {"target": "mlp", "args": {"hidden": [8]}},
        "data": data,
        "optimizer": {"target": "sgd", "args": {}},
        "lr": 0.1,
        "weight_decay": 0.0,
        "batch_size": 256,
        "schedule": {"name": "constant", "args": {}},
        "seed": 0,
    }
    return TrainingConfig(**{**fields, **changes})


@pytest.fixture(scope="session")
def make_config():
    return config_of
