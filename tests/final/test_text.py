"""The final model over characters: what its data told it is built again, and a class stands at each place."""

import json

import pytest
import torch

from tunekit.deployed import load_model

RECIPE = """
name: letters
data: {target: text, args: {path: letters.txt, length: 8}}
model: {target: transformer, args: {width: 8, depth: 1, heads: 2}}
optimizer: {target: adam, lr: 1e-2}
"""


@pytest.mark.parametrize(("metric", "vocab"), [("accuracy", ""), ("loss", ""), ("accuracy", "vocab: 40, ")])
def test_it_is_built_as_its_data_told_and_read_along_the_last_axis(tunekit, tmp_path, metric, vocab):
    (tmp_path / "letters.txt").write_text("abcdefgh ijkl\n" * 60)
    recipe = RECIPE.replace("width", f"{vocab}width")
    (tmp_path / "letters.yaml").write_text(f"{recipe}metric: {metric}\n")
    done = tunekit("train", "letters.yaml", "--epochs", "1")
    assert done.code == 0, done.err
    model = load_model("runs/letters-001")
    tokens = torch.zeros(3, 8, dtype=torch.long)
    outputs = model(tokens)
    assert outputs.shape[:2] == (3, 8)
    assert torch.equal(model.predict(tokens).predicted, outputs.argmax(-1))
    said = json.loads(tunekit("predict", "runs/letters-001", "--split", "val", "--json").out)
    assert len((said["predictions"] if isinstance(said, dict) else said)[0]["class"]) >= 8
    (tmp_path / "new.csv").write_text("a\n1\n")
    assert "numbers of 8 tokens" in tunekit("predict", "runs/letters-001", "new.csv").err
