"""Indices that point at nothing are errors on a GPU too, where they would end every later use of it."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tests.conftest import config_of
from tunekit.executors.base import failure
from tunekit.training.building import build_task
from tunekit.training.indices import CheckedIndices
from tunekit.training.modes import goes_backward
from tunekit.training.optimizers import _fuses_on
from tunekit.training.probes.asking import asked
from tunekit.training.probes.losses import feels_targets

OUTPUTS = torch.randn(8, 3, generator=torch.Generator().manual_seed(0))
PLACES = torch.randn(8, 3, 5, generator=torch.Generator().manual_seed(1))
CLASSES = torch.arange(8) % 3
TABLE = torch.randn(3, 4, generator=torch.Generator().manual_seed(2))


class Died(BaseException):
    """No code goes on after it."""


class OnGpu(torch.Tensor):
    """Stands for a tensor on a GPU, which dies of what is an error on the CPU."""

    @property
    def device(self):
        return torch.device("cuda")

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        if func is torch.Tensor.cpu:
            return args[0].as_subclass(torch.Tensor)
        try:
            return super().__torch_function__(func, types, args, kwargs or {})
        except (IndexError, RuntimeError) as error:
            raise Died from error


def on_gpu(tensor):
    return tensor.as_subclass(OnGpu)


def own_focal(outputs, targets):
    return -(outputs.log_softmax(1).gather(1, targets[:, None])).mean()


def picked(outputs, targets):
    return -outputs.log_softmax(1)[torch.arange(len(outputs)), targets].mean()


LOOKS = {
    "cross_entropy": (F.cross_entropy, OUTPUTS, CLASSES),
    "of places": (F.cross_entropy, PLACES, CLASSES[:, None].repeat(1, 5)),
    "module": (nn.CrossEntropyLoss(label_smoothing=0.1), OUTPUTS, CLASSES),
    "nll": (F.nll_loss, OUTPUTS, CLASSES),
    "multi_margin": (F.multi_margin_loss, OUTPUTS, CLASSES),
    "gather": (own_focal, OUTPUTS, CLASSES),
    "index": (picked, OUTPUTS, CLASSES),
    "one_hot": (lambda outputs, t: (F.one_hot(t, outputs.shape[1]) - outputs.softmax(1)).square(), OUTPUTS, CLASSES),
    "scatter": (lambda outputs, t: torch.zeros_like(outputs).scatter(1, t[:, None], 1.0) - outputs, OUTPUTS, CLASSES),
    "embedding": (lambda table, tokens: F.embedding(tokens, table), TABLE, CLASSES),
    "index_select": (lambda table, tokens: table.index_select(0, tokens), TABLE, CLASSES),
}


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("beyond", [1, 1000])
def test_what_a_gpu_dies_of_is_an_error(look, beyond):
    function, values, places = LOOKS[look]
    with pytest.raises(Died):
        function(on_gpu(values), on_gpu(places + beyond))
    with CheckedIndices(), pytest.raises((IndexError, RuntimeError)):
        function(on_gpu(values), on_gpu(places + beyond))


@pytest.mark.parametrize("look", LOOKS)
def test_what_a_gpu_takes_is_what_it_was(look):
    function, values, places = LOOKS[look]
    with CheckedIndices():
        checked = function(on_gpu(values), on_gpu(places))
    assert torch.equal(checked.as_subclass(torch.Tensor), function(values, places))


def test_targets_that_a_loss_leaves_out_are_taken():
    with CheckedIndices():
        loss = F.cross_entropy(on_gpu(OUTPUTS), on_gpu(CLASSES.where(CLASSES > 0, -100)))
    assert loss.isfinite()


def test_gradients_are_those_of_the_gpu():
    outputs = on_gpu(OUTPUTS).requires_grad_()
    with CheckedIndices():
        F.cross_entropy(outputs, on_gpu(CLASSES)).backward()
    expected = (OUTPUTS.softmax(1) - F.one_hot(CLASSES)) / 8
    torch.testing.assert_close(outputs.grad.as_subclass(torch.Tensor), expected)


def test_a_loss_is_asked_of_other_classes_than_there_are(tmp_path):
    task = build_task(config_of(), tmp_path)
    with CheckedIndices():
        assert feels_targets(task, on_gpu(OUTPUTS), on_gpu(CLASSES))


def test_a_question_that_loses_the_gpu_is_not_passed_over():
    """Every later one would fail with it, and be taken for an answer."""

    def question():
        raise torch.AcceleratorError("CUDA error: device-side assert triggered")

    with pytest.raises(torch.AcceleratorError):
        asked(question)


def test_recurrent_layers_in_eval_mode_have_gradients():
    lstm = nn.LSTM(2, 3)
    lstm.eval()
    with goes_backward(lstm):
        assert not torch.backends.cudnn.enabled
    with torch.no_grad(), goes_backward(lstm):
        assert torch.backends.cudnn.enabled
    with goes_backward(lstm.train()):
        assert torch.backends.cudnn.enabled
    with goes_backward(nn.Conv1d(1, 1, 1).eval()):
        assert torch.backends.cudnn.enabled


def test_a_step_is_fused_where_the_optimizer_has_one():
    class NotHere(torch.optim.SGD):
        def step(self, closure=None):
            raise RuntimeError("`fused=True` requires all the params to be of supported devices: ['cpu']")

    cpu = torch.device("cpu")
    assert _fuses_on(torch.optim.SGD, cpu, torch.float32)
    assert not _fuses_on(NotHere, cpu, torch.float32)


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("CUDA error: device-side assert triggered", "a class that there is no output for"),
        ("Expected all tensors to be on the same device, but found cuda:0 and cpu!", "register_buffer"),
    ],
)
def test_torchs_words_for_a_gpu_are_explained(said, hint):
    assert hint in failure(0, RuntimeError(said)).error


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("look", LOOKS)
def test_a_real_gpu_goes_on(look):
    function, values, places = LOOKS[look]
    with CheckedIndices(), pytest.raises((IndexError, RuntimeError)):
        function(values.cuda(), places.cuda() + 1000)
    torch.cuda.synchronize()
    torch.testing.assert_close(function(values.cuda(), places.cuda()).cpu(), function(values, places))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "Adagrad", "RMSprop"])
def test_a_real_gpu_steps_as_the_cpu_does(name, tmp_path):
    from tunekit.training.optimizers import build_optimizer

    steps = []
    for device in ("cpu", "cuda"):
        layer = nn.Linear(2, 1).to(device)
        nn.init.constant_(layer.weight, 1.0)
        nn.init.constant_(layer.bias, 1.0)
        config = config_of(optimizer={"target": f"torch.optim:{name}"}, lr=0.1)
        optimizer = build_optimizer(config, layer, tmp_path)
        for _ in range(3):
            layer(torch.ones(4, 2, device=device)).square().mean().backward()
            optimizer.step()
        steps.append(layer.weight.detach().cpu())
    torch.testing.assert_close(*steps)
