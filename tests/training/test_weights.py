"""Weights from a file, heads of torchvision's families, and a body that is frozen for some epochs."""

import copy

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from tunekit.configuration import ModelSpec
from tunekit.training.data import Batch
from tunekit.training.loop import Session
from tunekit.training.models import build_model, load_weights, weights_digests
from tunekit.training.models.heads import output_layers, replace_head
from tunekit.training.workbench import Workbench
from tunekit.vocabulary import UserError

CPU = torch.device("cpu")


def net(outputs=3, seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, outputs))


class Wrapped(nn.Module):
    def __init__(self, outputs=3, seed=0):
        super().__init__()
        self.backbone = net(outputs, seed)

    def forward(self, x):
        return self.backbone(x)


def prefixed(state, prefix):
    return {prefix + name: value for name, value in state.items()}


STATE = net(seed=1).state_dict()
FORMS = {
    "a state dict": STATE,
    "under state_dict": {"epoch": 3, "state_dict": STATE},
    "under model": {"model": STATE, "optimizer": {"state": {}}},
    "of Lightning": {"state_dict": {**prefixed(STATE, "model."), "loss.weight": torch.ones(3)}, "epoch": 1},
    "of DataParallel": prefixed(STATE, "module."),
    "compiled and in parallel": prefixed(STATE, "module._orig_mod."),
    "of ours": {"iteration": 7, "model": STATE},
}


class TestLoading:
    @pytest.mark.parametrize(
        ("name", "value", "others"),
        [
            ("0.weight", float("nan"), ""),
            ("3.bias", float("-inf"), ""),
            ("1.running_mean", float("nan"), ""),
            ("0.bias", float("nan"), r" \(and 1 other tensor\)"),
        ],
    )
    def test_a_tensor_that_is_not_finite_is_named(self, tmp_path, name, value, others):
        state = copy.deepcopy(STATE)
        state[name].view(-1)[0] = value
        if others:
            state["3.weight"][0, 0] = value
        torch.save(prefixed(state, "module."), tmp_path / "w.pt")
        with pytest.raises(UserError, match=rf"^model\.weights: w\.pt: '{name}'{others} holds NaN or infinity: "):
            load_weights(net(), "w.pt", tmp_path)

    def test_a_mask_among_the_buffers_may_be_infinite(self, tmp_path):
        model = net()
        model.register_buffer("mask", torch.full((2, 2), -torch.inf).triu(1))
        torch.save(model.state_dict(), tmp_path / "w.pt")
        assert len(load_weights(model, "w.pt", tmp_path)) == 1

    def test_tensors_of_eight_bits_are_read(self, tmp_path):
        model = net()
        model.register_buffer("scale", torch.ones(2, dtype=torch.float8_e4m3fn))
        torch.save(model.state_dict(), tmp_path / "w.pt")
        assert len(load_weights(model, "w.pt", tmp_path)) == 1

    @pytest.mark.parametrize("form", FORMS)
    @pytest.mark.parametrize("wrapped", [False, True])
    def test_every_form_of_a_checkpoint_is_read(self, tmp_path, form, wrapped):
        torch.save(FORMS[form], tmp_path / "w.pt")
        model = Wrapped() if wrapped else net()
        [told] = load_weights(model, "w.pt", tmp_path)
        loaded = (model.backbone if wrapped else model).state_dict()
        assert all(torch.equal(loaded[name], STATE[name]) for name in STATE)
        assert told.startswith("model.weights: w.pt: 9 of 9 tensors of the model loaded (64 numbers)")
        assert ("put before" in told) == wrapped
        assert ("taken off" in told) == (form in ("of Lightning", "of DataParallel", "compiled and in parallel"))

    def test_safetensors_are_read(self, tmp_path):
        save_file(STATE, tmp_path / "w.safetensors")
        model = net()
        load_weights(model, "w.safetensors", tmp_path)
        assert all(torch.equal(value, STATE[name]) for name, value in model.state_dict().items())

    def test_weights_that_stand_at_two_places_are_in_safetensors_once(self, tmp_path):
        def tied():
            model = nn.Sequential(nn.Embedding(6, 4), nn.Linear(4, 6, bias=False))
            model[1].weight = model[0].weight
            return model

        save_file({"0.weight": torch.ones(6, 4)}, tmp_path / "w.safetensors")
        model = tied()
        [told] = load_weights(model, "w.safetensors", tmp_path)
        assert torch.equal(model[1].weight, torch.ones(6, 4))
        assert "not in the file" not in told

    def test_a_head_of_another_size_starts_anew_and_is_told(self, tmp_path):
        torch.save(net(1000, seed=1).state_dict(), tmp_path / "w.pt")
        model = net(3)
        before = copy.deepcopy(model[3])
        [told] = load_weights(model, "w.pt", tmp_path)
        assert torch.equal(model[0].weight, net(1000, seed=1)[0].weight)
        assert torch.equal(model[3].weight, before.weight)
        assert told == (
            "model.weights: w.pt: 7 of 9 tensors of the model loaded (46 numbers); of another shape, so it starts "
            "anew: 3.weight [3, 5], 3.bias [3] (in the file 3.weight [1000, 5], 3.bias [1000])"
        )

    def test_what_stands_on_one_side_alone_is_told(self, tmp_path):
        state = {name: value for name, value in STATE.items() if name != "3.bias"}
        torch.save({**state, "extra": torch.ones(2)}, tmp_path / "w.pt")
        [told] = load_weights(net(), "w.pt", tmp_path)
        assert "not in the file, so it starts anew: 3.bias [3]" in told
        assert "in the file alone: extra [2]" in told

    @pytest.mark.parametrize(
        ("write", "message"),
        [
            (lambda path: None, r"w\.pt: no such file in the recipe's folder"),
            (lambda path: path.mkdir(), r"w\.pt: cannot be read"),
            (lambda path: path.write_bytes(b""), r"w\.pt: is no file of torch's"),
            (lambda path: path.write_bytes(b"a,b\n1,2\n"), "holds more than tensors|is no file of torch's"),
            (lambda path: torch.save(net(), path), "holds more than tensors, .*state_dict"),
            (lambda path: torch.save([1, 2], path), "holds no weights by name"),
            (lambda path: torch.save({"epoch": 3}, path), "holds no weights by name"),
            (
                lambda path: torch.save({"a.weight": torch.ones(7)}, path),
                r"nothing of it .* a\.weight \[7\], .* 0\.w",
            ),
            (
                lambda path: torch.save({"1.num_batches_tracked": torch.tensor(3)}, path),
                "nothing of it fits",
            ),
        ],
    )
    def test_what_cannot_be_loaded_is_told_in_one_line(self, tmp_path, write, message):
        write(tmp_path / "w.pt")
        with pytest.raises(UserError, match=message) as caught:
            load_weights(net(), "w.pt", tmp_path)
        assert "\n" not in str(caught.value)
        assert str(caught.value).startswith("model.weights: ")

    def test_a_damaged_safetensors_is_told(self, tmp_path):
        (tmp_path / "w.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}      junk")
        with pytest.raises(UserError, match=r"model\.weights: w\.safetensors: "):
            load_weights(net(), "w.safetensors", tmp_path)

    def test_the_content_of_the_file_is_in_the_key(self, tmp_path):
        path = tmp_path / "w.pt"
        path.write_bytes(b"one")
        first = weights_digests(["w.pt", None], tmp_path)
        assert list(first) == ["w.pt"]
        path.touch()
        assert weights_digests(["w.pt"], tmp_path) == first
        path.write_bytes(b"two")
        assert weights_digests(["w.pt"], tmp_path) != first


FAMILIES = {
    "alexnet": (64, "classifier.6"),
    "vgg11_bn": (32, "classifier.6"),
    "resnet18": (32, "fc"),
    "densenet121": (32, "classifier"),
    "squeezenet1_1": (64, "classifier.1"),
    "googlenet": (64, "fc"),
    "inception_v3": (96, "fc"),
    "mobilenet_v2": (32, "classifier.1"),
    "mobilenet_v3_small": (32, "classifier.3"),
    "shufflenet_v2_x0_5": (32, "fc"),
    "mnasnet0_5": (32, "classifier.1"),
    "efficientnet_b0": (32, "classifier.1"),
    "regnet_y_400mf": (32, "fc"),
    "convnext_tiny": (32, "classifier.2"),
    "swin_t": (32, "head"),
    "vit_b_16": (224, "heads.head"),
}
FAST = ("resnet18", "squeezenet1_1", "mobilenet_v3_small", "shufflenet_v2_x0_5", "regnet_y_400mf")


class TestHeads:
    @pytest.mark.parametrize(
        "name", [name if name in FAST else pytest.param(name, marks=pytest.mark.long) for name in FAMILIES]
    )
    def test_the_head_of_a_family_is_found_and_replaced(self, name):
        import torchvision.models as known

        size, head = FAMILIES[name]
        usual = {"aux_logits": False, "init_weights": False} if name in ("googlenet", "inception_v3") else {}
        model = known.get_model(name, weights=None, **usual)
        x = torch.zeros(2, 3, size, size)
        assert output_layers(model.eval(), lambda m: m(x)) == [head]
        replace_head(model, Batch((x,), {}, torch.zeros(2)), 7)
        assert model.eval()(x).shape == (2, 7)

    @pytest.mark.long
    def test_side_classifiers_are_replaced_too(self):
        import torchvision.models as known

        model = known.get_model("googlenet", weights=None, aux_logits=True, init_weights=False)
        x = torch.zeros(2, 3, 64, 64)
        replace_head(model, Batch((x,), {}, torch.zeros(2)), 7)
        assert [part.shape for part in model.train()(x)] == [(2, 7)] * 3

    def test_a_network_that_does_not_take_the_samples_has_its_last_layer_replaced(self):
        import torchvision.models as known

        model = known.squeezenet1_1(weights=None)
        replace_head(model, Batch((torch.zeros(2, 3, 4, 4),), {}, torch.zeros(2)), 7)
        assert model.eval()(torch.zeros(1, 3, 64, 64)).shape == (1, 7)

    def test_the_last_layer_that_is_called_counts_and_not_the_last_in_the_list(self):
        class Model(nn.Module):
            def __init__(self):
                super().__init__()
                self.head, self.body = nn.Linear(5, 3), nn.Linear(4, 5)

            def forward(self, x):
                return self.head(self.body(x))

        assert output_layers(Model(), lambda m: m(torch.zeros(2, 4))) == ["head"]

    def test_each_of_several_outputs_has_its_own(self):
        class Model(nn.Module):
            def __init__(self):
                super().__init__()
                self.mean, self.body, self.spread = nn.Linear(5, 1), nn.Linear(4, 5), nn.Linear(5, 2)

            def forward(self, x):
                x = self.body(x)
                return self.mean(x).squeeze(1), self.spread(x)

        assert sorted(output_layers(Model(), lambda m: m(torch.zeros(3, 4)))) == ["mean", "spread"]

    @pytest.mark.parametrize("name", ["inception_v3", "googlenet"])
    @pytest.mark.long
    def test_torchvisions_side_classifiers_are_off_unless_asked_for(self, name):
        sample = Batch((torch.zeros(2, 3, 96, 96),), {}, torch.zeros(2))
        model = build_model(ModelSpec(f"torchvision:{name}"), None, sample, 7, 0)
        assert model.train()(torch.rand(2, 3, 96, 96)).shape == (2, 7)


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    return Workbench(tmp_path_factory.mktemp("recipe"), CPU)


def frozen_config(make_config, freeze, optimizer="momentum", **changes):
    model = {"target": "cnn", "args": {"channels": [4], "hidden": [8], "dropout": 0.3}, "freeze": freeze}
    return make_config(model=model, optimizer={"target": optimizer}, lr=0.05, weight_decay=1e-2, **changes)


def state_of(session):
    return {name: value.clone() for name, value in session.model.state_dict().items()}


def advance(session, until):
    return [row for chunk in session.run(until) for row in chunk.rows]


class TestFreezing:
    """256 of 1,437 samples a batch: five iterations an epoch."""

    @pytest.mark.parametrize("optimizer", ["momentum", "adam", "adamw"])
    def test_the_body_and_its_statistics_stay_for_so_many_epochs(self, make_config, bench, optimizer):
        session = Session(frozen_config(make_config, 2, optimizer), bench)
        assert session.iterations_per_epoch == 5
        start = state_of(session)
        advance(session, 10)
        after = state_of(session)
        head = [name for name in start if not torch.equal(start[name], after[name])]
        assert len(head) == 2
        assert all(start[name].shape[0] == 10 for name in head)
        advance(session, 11)
        assert [name for name, value in state_of(session).items() if torch.equal(value, after[name])] == []

    def test_always_is_for_all(self, make_config, bench):
        session = Session(frozen_config(make_config, "always"), bench)
        start = state_of(session)
        advance(session, 12)
        assert sum(not torch.equal(value, start[name]) for name, value in state_of(session).items()) == 2
        assert sum(p.numel() for group in session.optimizer.param_groups for p in group["params"]) == 8 * 10 + 10

    def test_none_is_as_without(self, make_config, bench):
        plain = Session(frozen_config(make_config, 0), bench)
        assert advance(plain, 6) == advance(Session(frozen_config(make_config, 0), bench), 6)
        assert not plain.freezing.frozen

    @pytest.mark.parametrize("freeze", [1, "always"])
    @pytest.mark.parametrize("optimizer", ["momentum", "adam"])
    @pytest.mark.parametrize("ema", [None, 0.9])
    def test_cut_anywhere_it_is_bit_for_bit_the_uninterrupted_one(self, make_config, bench, freeze, optimizer, ema):
        config = frozen_config(make_config, freeze, optimizer, ema=ema)
        whole = Session(config, bench)
        rows = advance(whole, 12)
        for cut in (3, 5, 8):
            first = Session(config, bench)
            begun = advance(first, cut)
            second = Session(config, bench)
            second.restore(first.state())
            assert begun + advance(second, 12) == rows
            assert second.weights() == whole.weights()

    def test_validation_does_not_move_the_statistics_of_a_frozen_body(self, make_config, bench):
        session = Session(frozen_config(make_config, 1), bench)
        advance(session, 3)
        norms = [m for m in session.model.modules() if isinstance(m, nn.BatchNorm2d | nn.BatchNorm1d)]
        session.evaluate()
        assert not any(norm.training for norm in norms)
        assert session.model.training
        advance(session, 6)
        assert all(norm.training for norm in norms)

    def test_a_model_without_a_head_is_told(self, make_config, tmp_path):
        (tmp_path / "headless.py").write_text(
            "import torch\nfrom torch import nn\n"
            "class Net(nn.Module):\n"
            "    def __init__(self):\n"
            "        super().__init__()\n"
            "        self.w = nn.Parameter(torch.zeros(64, 10))\n"
            "    def forward(self, x):\n"
            "        return x.flatten(1) @ self.w\n"
        )
        config = make_config(model={"target": "headless:Net", "freeze": 1})
        with pytest.raises(UserError, match=r"model\.freeze: no layer of the model gives its outputs"):
            Session(config, Workbench(tmp_path, CPU))

    def test_what_of_a_trained_network_is_frozen_stays_its_own(self, make_config, bench):
        """A parameter that the person froze is not let go with the body."""
        session = Session(frozen_config(make_config, 1), bench)
        first = next(iter(session.model.parameters()))
        first.requires_grad_(False)
        other = type(session.freezing)(session.model, (), 1)
        other.at(0)
        other.at(1)
        assert not first.requires_grad

    def test_weights_of_a_file_are_a_trainings_start(self, make_config, tmp_path):
        first = Session(make_config(seed=5), Workbench(tmp_path, CPU))
        advance(first, 10)
        (tmp_path / "w.pt").write_bytes(first.weights())
        config = make_config(model={"target": "mlp", "args": {"hidden": [8]}, "weights": "w.pt"})
        second = Session(config, Workbench(tmp_path, CPU))
        assert second.weights() != Session(make_config(), Workbench(tmp_path, CPU)).weights()
        assert all(torch.equal(a, b) for a, b in zip(first.model.parameters(), second.model.parameters(), strict=True))
        assert second.notes == ("model.weights: w.pt: 4 of 4 tensors of the model loaded (610 numbers)",)
