"""Models of torchvision and timm, with weights that their libraries fetch, or that are there already."""

import importlib.util
from urllib.error import URLError

import pytest
import torch
import torchvision
import yaml
from PIL import Image

from tunekit.configuration import ModelSpec
from tunekit.training.data import Batch
from tunekit.training.models import build_model
from tunekit.vocabulary import UserError

FILE = "resnet18-f37072fd.pth"
NO_NAME = URLError(OSError(-2, "Name or service not known"))
needs_timm = pytest.mark.skipif(importlib.util.find_spec("timm") is None, reason="timm is an extra")


def built(target, folder, pretrained=True, **args):
    sample = Batch((torch.zeros(2, 3, 32, 32),), {}, torch.zeros(2).long())
    return build_model(ModelSpec(target, args, pretrained), folder, sample, 3, seed=0)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A cache of torch's hub, and no network."""

    def refuse(*_args, **_more):
        raise NO_NAME

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.download_url_to_file", refuse)
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    return tmp_path / "hub" / "checkpoints"


def test_without_a_network_one_line_names_the_file_and_where_it_may_be(hub, tmp_path):
    with pytest.raises(UserError) as caught:
        built("torchvision:resnet18", tmp_path)
    assert str(caught.value) == (
        "model.pretrained: the weights of torchvision:resnet18 cannot be had: <urlopen error [Errno -2] Name or "
        f"service not known>; or give a file of them: model.weights: FILE, or put {FILE} into {hub}"
    )


def test_weights_that_lie_in_the_cache_are_loaded_and_the_head_is_anew(hub, tmp_path):
    torch.manual_seed(1)
    state = torchvision.models.resnet18().state_dict()
    torch.save(state, hub / FILE)
    model = built("torchvision:resnet18", tmp_path)
    own = model.state_dict()
    assert own["fc.weight"].shape == (3, 512)
    assert all(torch.equal(own[name], value) for name, value in state.items() if not name.startswith("fc."))


def test_a_damaged_file_in_the_cache_is_told(hub, tmp_path):
    (hub / FILE).write_bytes(b"")
    with pytest.raises(
        UserError, match=r"model\.pretrained: the weights of torchvision:resnet18 cannot be had: .*FILE"
    ):
        built("torchvision:resnet18", tmp_path)


@needs_timm
class TestTimm:
    def test_outputs_are_those_of_the_data_and_errors_are_lines(self, tmp_path):
        model = built("timm:resnet10t", tmp_path, pretrained=False)
        assert model(torch.zeros(2, 3, 32, 32)).shape == (2, 3)
        with pytest.raises(UserError, match=r"timm has no model 'resnet10tt' \(did you mean 'resnet10t'\?\)"):
            built("timm:resnet10tt", tmp_path)
        with pytest.raises(UserError, match=r"model\.args: resnet10t: got an unexpected keyword argument 'nope'"):
            built("timm:resnet10t", tmp_path, pretrained=False, nope=1)

    def test_without_a_network_one_line_says_how_to_give_a_file(self, tmp_path, monkeypatch):
        def refuse(*_args, **_more):
            raise FileNotFoundError("cannot find the requested files in the local cache.")

        monkeypatch.setattr("timm.models._builder.load_pretrained", refuse)
        with pytest.raises(
            UserError, match=r"^model\.pretrained: the weights of timm:resnet10t cannot be had: .*FILE$"
        ):
            built("timm:resnet10t", tmp_path)

    @pytest.mark.long
    def test_it_goes_through_the_first_steps(self, tmp_path, tunekit):
        recipe = {
            "name": "timm",
            "data": {"target": "image-folder", "args": {"path": "signs", "size": 32}},
            "model": {"target": "timm:resnet10t"},
            "batch_size": 16,
            "steps": {"lr-sweep": {"iterations": 20}, "overfit-tiny": {"epochs": 60}},
        }
        draw = torch.Generator().manual_seed(0)
        for place, name in enumerate(("dots", "plain")):
            (tmp_path / "signs" / name).mkdir(parents=True)
            for k in range(60):
                image = torch.randint(0, 100, (3, 32, 32), generator=draw, dtype=torch.uint8)
                image[:, ::4, ::4] += 150 * place
                Image.fromarray(image.permute(1, 2, 0).numpy()).save(tmp_path / "signs" / name / f"{k}.png")
        (tmp_path / "timm.yaml").write_text(yaml.safe_dump(recipe))
        for step in ("check-init-loss", "overfit-tiny", "lr-sweep"):
            done = tunekit(step, "timm.yaml" if step == "check-init-loss" else "runs/timm-001")
            assert done.code == 0, done.out + done.err
