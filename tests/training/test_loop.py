import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from tunekit.configuration import LossSpec, ModelSpec, OptimizerSpec, ScheduleSpec
from tunekit.recipe.optimizers import OPTIMIZERS
from tunekit.training.loop import Session
from tunekit.training.models import build_model
from tunekit.training.order import epoch_order
from tunekit.training.pending import Pending
from tunekit.training.probes.losses import halves, measure_losses
from tunekit.training.sources import read_splits
from tunekit.training.workbench import Workbench
from tunekit.vocabulary import UserError

CPU = torch.device("cpu")
END = 24


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("recipe")


@pytest.fixture(scope="module")
def bench(folder):
    return Workbench(folder, CPU)


def rows_of(chunks):
    rows, samples = [], []
    for chunk in chunks:
        rows += chunk.rows
        if chunk.evaluation is not None:
            samples.append(chunk.evaluation.sample_losses)
    return rows, samples


@pytest.fixture(scope="module")
def everything(make_config):
    """Dropout, augmentation, batch norm, momentum, moving average, clipping and a schedule, all at once."""
    return make_config(
        model={"target": "cnn", "args": {"channels": [4], "hidden": [8], "dropout": 0.3}},
        data={"augment": ["flip", {"crop": {"padding": 1}}, "noise"]},
        optimizer={"target": "momentum", "args": {}},
        l1=1e-4,
        schedule={"name": "cosine", "args": {"total": END, "warmup": 3}},
        loss={"target": "auto", "args": {"label_smoothing": 0.1}},
        clip_grad_norm=0.5,
        ema=0.9,
        weight_decay=1e-3,
    )


@pytest.fixture(scope="module", params=["fp32", "bf16", "adamw", "plateau", "muon", "prodigy", "schedule-free"])
def uninterrupted(request, everything, bench):
    config = replace(everything, precision="bf16") if request.param == "bf16" else everything
    if request.param in OPTIMIZERS:
        spec = OptimizerSpec(request.param, decay_on="weights")
        norms = ModelSpec("mlp", {"hidden": [8, 8], "dropout": 0.3, "batch_norm": True})
        config = replace(config, optimizer=spec, lr=1.0 if request.param == "prodigy" else 1e-2, model=norms)
        config = replace(config, ema=None, schedule=ScheduleSpec("constant", {"warmup": 3}))
        if request.param == "muon":
            config = replace(config, model=everything.model)
    if request.param == "plateau":
        args = {"factor": 0.5, "patience": 1, "min_delta": 0.5}
        config = replace(config, schedule=ScheduleSpec("plateau", args))
    session = Session(config, bench)
    return config, *rows_of(session.run(END)), session.weights()


class TestResume:
    @settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(cuts=st.lists(st.integers(0, END), max_size=3).map(sorted))
    def test_a_training_cut_anywhere_is_bit_for_bit_the_uninterrupted_one(self, uninterrupted, bench, cuts):
        config, whole, whole_samples, whole_weights = uninterrupted
        rows, samples, state = [], [], None
        for until in (*cuts, END):
            session = Session(config, bench)
            if state is not None:
                session.restore(state)
            torch.rand(7), np.random.rand()  # what else draws between does not matter
            more, losses = rows_of(session.run(until))
            rows, samples, state = rows + more, samples + losses, session.state()
        assert rows == whole
        assert len(samples) == len(whole_samples)
        assert all(np.array_equal(a, b) for a, b in zip(samples, whole_samples, strict=True))
        assert session.weights() == whole_weights

    def test_the_budget_changes_no_number(self, uninterrupted, bench):
        config, whole, _, _ = uninterrupted
        assert rows_of(Session(config, bench).run(7))[0] == whole[:7]

    def test_a_state_of_another_model_is_told(self, make_config, bench):
        from tunekit.vocabulary import UserError

        state = Session(make_config(), bench).state()
        other = Session(make_config(model={"target": "mlp", "args": {"hidden": [9]}}), bench)
        with pytest.raises(UserError, match="does not fit the model") as caught:
            other.restore(state)
        assert "\n" not in str(caught.value)


def test_plain_gradient_descent_written_out_gives_the_same_numbers(make_config, bench):
    config = make_config(model={"target": "mlp", "args": {"hidden": []}}, lr=0.05, weight_decay=0.01, batch_size=100)
    session = Session(config, bench)
    weight, bias = (p.detach().clone().double() for p in session.model.parameters())
    x = session.splits.train.batch(torch.arange(len(session.splits.train))).args[0].flatten(1).double()
    y = session.splits.train.targets()
    per_epoch = len(y) // 100
    expected = []
    for k in range(30):
        order = epoch_order(len(y), 0, k // per_epoch)
        picks = order[100 * (k % per_epoch) : 100 * (k % per_epoch + 1)]
        shares = torch.softmax(x[picks] @ weight.T + bias, 1)
        wanted = F.one_hot(y[picks], 10).double()
        expected.append(-(shares.log() * wanted).sum(1).mean().item())
        slope = (shares - wanted) / 100
        weight -= 0.05 * (slope.T @ x[picks] + 0.01 * weight)
        bias -= 0.05 * (slope.sum(0) + 0.01 * bias)
    rows, _ = rows_of(session.run(30))
    assert [row.train_loss for row in rows] == pytest.approx(expected, rel=1e-4)
    assert expected[-1] < expected[0]


def test_rows_count_iterations_epochs_and_rates(everything, bench, make_config):
    config = make_config(batch_size=256, lr=0.2, schedule={"name": "linear", "args": {"total": 10}})
    session = Session(config, bench)
    rows, _ = rows_of(session.run(12))
    per_epoch = len(session.splits.train) // 256
    assert per_epoch == 5
    assert [row.iteration for row in rows] == list(range(1, 13))
    assert [row.epoch for row in rows] == [k / 5 for k in range(1, 13)]
    assert [row.lr for row in rows] == pytest.approx([0.2 * max(0, 1 - k / 10) for k in range(12)])


def test_validation_stands_at_the_ends_of_epochs_alone(make_config, bench):
    session = Session(make_config(), bench)
    rows, samples = rows_of(session.run(23))
    assert [row.iteration for row in rows if row.val_loss is not None] == [5, 10, 15, 20]
    assert [row.iteration for row in rows if row.val_metric is not None] == [5, 10, 15, 20]
    assert [len(losses) for losses in samples] == [len(session.splits.val)] * 4
    for losses, row in zip(samples, [row for row in rows if row.val_loss is not None], strict=True):
        assert losses.dtype == np.float32
        assert losses.mean() == pytest.approx(row.val_loss, rel=1e-5)


def test_the_last_validation_is_the_loss_and_accuracy_of_the_model_in_eval_mode(make_config, bench):
    config = make_config(model={"target": "mlp", "args": {"hidden": [8], "batch_norm": True, "dropout": 0.5}})
    session = Session(config, bench)
    rows, _ = rows_of(session.run(5))
    batch = session.splits.val.batch(torch.arange(len(session.splits.val)))
    model = session.model.eval()
    with torch.no_grad():
        outputs = model(*batch.args)
    assert rows[-1].val_loss == pytest.approx(F.cross_entropy(outputs, batch.targets).item(), rel=1e-5)
    assert rows[-1].val_metric == pytest.approx((outputs.argmax(1) == batch.targets).float().mean().item())


def test_the_loss_as_metric_is_judged_by_the_validation_loss(make_config, bench):
    rows, _ = rows_of(Session(make_config(metric="loss"), bench).run(5))
    assert rows[-1].val_loss == rows[-1].val_metric
    assert [row.train_loss for row in rows] == [row.train_metric for row in rows]


@settings(max_examples=10)
@given(order=st.permutations(range(12)))
def test_the_batch_of_an_iteration_does_not_depend_on_which_were_asked_before(make_config, bench, order):
    config = make_config(batch_size=400)
    straight = [Session(config, bench).batch(k) for k in range(12)]
    session = Session(config, bench)
    for k in order:
        batch = session.batch(k)
        assert torch.equal(batch.args[0], straight[k].args[0])
        assert torch.equal(batch.targets, straight[k].targets)


def test_how_many_batches_are_read_and_scored_at_once_changes_no_number(make_config, bench, monkeypatch):
    config = make_config(batch_size=32)
    together = Session(config, bench)
    found = rows_of(together.run(60))[0]
    monkeypatch.setattr("tunekit.training.loop.FETCH", 1)
    alone = Session(config, bench)
    assert rows_of(alone.run(60))[0] == found
    assert alone.weights() == together.weights()


def test_an_epoch_shows_every_sample_once_but_for_an_incomplete_batch(make_config, bench):
    session = Session(make_config(data={"subset": {"per_class": 10}}, batch_size=30), bench)
    shown = torch.cat([session.batch(k).args[0].flatten(1) for k in range(session.iterations_per_epoch)])
    assert session.iterations_per_epoch == 3
    assert len(torch.unique(shown, dim=0)) == 90


def test_rates_of_several_groups_keep_their_ratio_under_a_schedule(make_config, folder, bench):
    (folder / "groups_l.py").write_text(
        "import torch\n"
        "def make(model, lr, weight_decay):\n"
        "    first, *rest = model.parameters()\n"
        "    groups = [{'params': [first], 'lr': lr}, {'params': rest, 'lr': lr / 10}]\n"
        "    return torch.optim.SGD(groups, lr=lr, weight_decay=weight_decay)\n"
    )
    config = make_config(
        optimizer={"target": "groups_l:make", "args": {}}, schedule={"name": "linear", "args": {"total": 20}}, lr=0.1
    )
    session = Session(config, bench)
    rows, _ = rows_of(session.run(11))
    assert [group["lr"] for group in session.optimizer.param_groups] == pytest.approx([0.05, 0.005])
    assert rows[-1].lr == pytest.approx(0.05)
    again = Session(config, bench)
    again.restore(session.state())
    rows, _ = rows_of(again.run(13))
    assert [group["lr"] for group in again.optimizer.param_groups] == pytest.approx([0.04, 0.004])
    assert rows[-1].lr == pytest.approx(0.04)


@pytest.mark.parametrize("batch_size", [4, 7])
def test_a_loss_that_is_not_finite_ends_it_at_that_very_iteration(make_config, folder, bench, batch_size):
    (folder / "bad_sample_l.py").write_text(
        "import torch\nfrom torch.utils.data import TensorDataset\n"
        "def make():\n"
        "    x = torch.linspace(-1, 1, 200)[:, None].repeat(1, 3)\n"
        "    y = torch.arange(200) % 2\n"
        "    bad = x.clone()\n"
        "    bad[150] = float('nan')\n"
        "    return TensorDataset(bad, y), TensorDataset(x, y)\n"
    )
    config = make_config(data={"target": "bad_sample_l:make"}, batch_size=batch_size)
    place = epoch_order(200, 0, 0).tolist().index(150)
    expected = place // batch_size + 1
    session = Session(config, bench)
    rows, samples = rows_of(session.run(100))
    assert [row.iteration for row in rows] == list(range(1, expected + 1))
    assert math.isnan(rows[-1].train_loss)
    assert all(math.isfinite(row.train_loss) for row in rows[:-1])
    assert session.dead
    assert samples == []
    assert list(session.run(200)) == []


def test_bf16_trains_close_to_fp32_but_not_equal(make_config, bench):
    config = make_config(model={"target": "cnn", "args": {"channels": [4]}})
    full, half = (rows_of(Session(replace(config, precision=p), bench).run(20))[0] for p in ("fp32", "bf16"))
    assert [row.train_loss for row in half] == pytest.approx([row.train_loss for row in full], rel=0.05)
    assert [row.train_loss for row in half] != [row.train_loss for row in full]
    assert full[-1].train_loss < full[0].train_loss * 0.8


def test_the_moving_average_is_what_its_formula_says_and_what_validation_sees(make_config, bench):
    config = make_config(ema=0.8, lr=0.5)
    plain = Session(replace(config, ema=None), bench)
    session = Session(config, bench)
    average = None
    for k in range(1, 6):
        list(plain.run(k))
        now = [p.detach().clone() for p in plain.model.parameters()]
        average = now if average is None else [0.8 * a + 0.2 * p for a, p in zip(average, now, strict=True)]
    rows, _ = rows_of(session.run(5))
    for found, wanted in zip(session.averaged.module.parameters(), average, strict=True):
        torch.testing.assert_close(found, wanted)
    batch = session.splits.val.batch(torch.arange(len(session.splits.val)))
    with torch.no_grad():
        loss = F.cross_entropy(session.averaged.module(*batch.args), batch.targets).item()
    assert rows[-1].val_loss == pytest.approx(loss, rel=1e-5)


def test_the_moving_average_is_seen_also_where_regularizers_are_off(make_config, bench):
    config = make_config(ema=0.8, lr=0.5)
    on = rows_of(Session(config, bench).run(10))[0]
    off = rows_of(Session(replace(config, regularize=False), bench).run(10))[0]
    assert on == off  # this configuration has nothing to switch off


def test_clipping_bounds_the_step(make_config, bench):
    config = make_config(clip_grad_norm=1e-3, lr=1.0)
    session = Session(config, bench)
    before = nn.utils.parameters_to_vector(session.model.parameters()).clone()
    list(session.run(1))
    after = nn.utils.parameters_to_vector(session.model.parameters())
    assert (after - before).norm().item() == pytest.approx(1e-3, rel=1e-3)


def test_clipping_counts_the_gradients_of_what_is_stepped_alone(make_config, folder, bench):
    """Those of a body that the optimizer does not hold are never cleared, and grow."""
    (folder / "headed.py").write_text(
        "import torch\n"
        "def sgd(model, lr, weight_decay):\n"
        "    return torch.optim.SGD(list(model.parameters())[-2:], lr)\n"
    )
    config = make_config(optimizer={"target": "headed:sgd"}, lr=1.0, clip_grad_norm=1e-3)
    session = Session(config, bench)
    list(session.run(6))
    before = [p.detach().clone() for p in session.model.parameters()]
    list(session.run(7))
    moved = [float((p.detach() - q).norm()) for p, q in zip(session.model.parameters(), before, strict=True)]
    assert sum(moved[:-2]) == 0
    assert math.hypot(*moved[-2:]) == pytest.approx(1e-3, rel=1e-2)  # rate 1 times the clipped norm


def test_regularizers_off_means_no_dropout_augmentation_decay_or_smoothing(make_config, bench):
    off = make_config(regularize=False, model={"target": "mlp", "args": {"hidden": [8], "dropout": 0.5}})
    off = replace(off, data=replace(off.data, augment=["noise"]), loss=LossSpec(args={"label_smoothing": 0.3}))
    off = replace(off, weight_decay=0.5)
    plain = make_config(model={"target": "mlp", "args": {"hidden": [8]}})
    found, wanted = (rows_of(Session(config, bench).run(10))[0] for config in (off, plain))
    assert found == wanted


def test_the_seed_changes_the_numbers_and_equal_configurations_do_not(make_config, bench):
    first, again, other = (rows_of(Session(make_config(seed=seed), bench).run(5))[0] for seed in (0, 0, 1))
    assert first == again != other


def test_weights_are_those_of_a_fresh_model_of_the_same_configuration(make_config, folder, bench):
    import io

    config = make_config()
    session = Session(config, bench)
    list(session.run(5))
    saved = torch.load(io.BytesIO(session.weights()), weights_only=True)
    model = build_model(config.model, folder, session.batch(0), 10, 99)
    model.load_state_dict(saved["model"])
    batch = session.batch(0)
    torch.testing.assert_close(model(*batch.args), session.model(*batch.args))
    assert saved["iteration"] == 5


def test_the_few_samples_of_step_2_come_from_data_that_were_read_already(make_config, folder):
    read = []

    def load(data, key, place):
        read.append(key)
        return read_splits(data, place)

    bench = Workbench(folder, CPU, load=load)
    few = {"per_class": 2}
    asked = ({}, {"subset": few}, {"subset": few, "blank": True}, {"augment": ["noise"]}, {})
    sizes = [len(bench.splits(make_config(data=data)).train) for data in asked]
    assert len(read) == 1
    assert sizes[0] > sizes[1] == sizes[2] == 20


def test_what_was_not_asked_for_of_late_is_read_anew(make_config, folder):
    read = []

    def load(data, key, place):
        read.append(data.seed)
        return read_splits(data, place)

    bench = Workbench(folder, CPU, load=load)
    for seed in (0, 1, 0, 2, 3, 4, 5, 0):
        bench.splits(make_config(data={"seed": seed}))
    assert read == [0, 1, 2, 3, 4, 5, 0]


def test_a_process_has_its_own_number_of_threads_again(make_config, bench):
    before = torch.get_num_threads()
    session = Session(make_config(threads=before + 1), bench)
    assert torch.get_num_threads() == before
    for _ in session.run(20):
        assert torch.get_num_threads() == before


def test_scores_of_batches_that_waited_are_each_batchs_own_accuracy(make_config, bench):
    session = Session(make_config(), bench)
    pending = Pending(session.task, shown=True, together=session._scores_wait)
    assert pending.together
    draw = torch.Generator().manual_seed(0)
    answers = [(torch.randn(32, 10, generator=draw), torch.randint(0, 10, (32,), generator=draw)) for _ in range(5)]
    answers[2][1][:7] = -100  # not counted
    for outputs, targets in answers:
        pending.add(torch.zeros(()), outputs, targets, 0.1)
    assert not pending.scores
    alone = [float(session.task.score(outputs, targets)) for outputs, targets in answers]
    by_hand = [float((o.argmax(1) == t)[t >= 0].float().mean()) for o, t in answers]
    assert pending.fetched_scores() == alone == pytest.approx(by_hand)


WRITTEN = """
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import TensorDataset


def samples(train=32, val=17):
    x = torch.randn(train + val, 6, generator=torch.Generator().manual_seed(0))
    y = (x[:, 0] > 0).float()
    return TensorDataset(x[:train], y[:train]), TensorDataset(x[train:], y[train:])


class Squeezed(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(6, 1)

    def forward(self, x):
        return self.layer(x).squeeze()


class Parts(Squeezed):
    def forward(self, x):
        return {"scores": torch.cat([-self.layer(x), self.layer(x)], 1), "inputs": x}


class Force(nn.Module):
    # What it gives is the slope of an energy, by autograd inside forward().
    def __init__(self):
        super().__init__()
        self.energy = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 1))

    def forward(self, x):
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            slope, = torch.autograd.grad(self.energy(x).sum(), x, create_graph=True)
        return slope[:, :1]


class Complex(Squeezed):
    def forward(self, x):
        return torch.complex(torch.zeros(len(x)), self.layer(x)[:, 0])


def scripted():
    return torch.jit.script(nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 1)))


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.into = nn.Linear(6, 16)
        self.block = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
        self.out = nn.Linear(16, 1)

    def forward(self, x):
        return self.out(self.block(self.into(x)[:, None].repeat(1, 3, 1)).mean(1))


def of_parts(outputs, targets):
    return F.cross_entropy(outputs["scores"], targets.long())


def compared(outputs, targets):
    near = F.normalize(outputs["inputs"]) @ F.normalize(outputs["inputs"]).T
    return F.cross_entropy(near / 0.1 + 0 * outputs["scores"].sum(), torch.arange(len(near)))


def like_the_built_in(outputs, targets):
    return F.binary_cross_entropy_with_logits(outputs, targets)


def apart(outputs, targets):
    return (targets * outputs.square() + (1 - targets) * torch.clamp(2 - outputs, min=0).square()).mean()


def cut_off(outputs, targets):
    return F.binary_cross_entropy_with_logits(outputs.detach(), targets)


def of_imaginary(outputs, targets):
    return F.binary_cross_entropy_with_logits(outputs.imag, targets)
"""


def written(make_config, tmp_path, model, **changes):
    tmp_path.joinpath("as_written.py").write_text(WRITTEN)
    fields = {"task": "binary", "batch_size": 8, **changes}
    config = make_config(
        model={"target": f"as_written:{model}", "args": {}}, data={"target": "as_written:samples", "args": {}}, **fields
    )
    return Session(config, Workbench(tmp_path, CPU))


@pytest.mark.parametrize(("val", "batch_size"), [(17, 8), (9, 8), (5, 4), (1, 8), (4, 1)])
def test_a_model_that_squeezes_its_outputs_is_validated_on_every_sample(make_config, tmp_path, val, batch_size):
    data = {"target": "as_written:samples", "args": {"val": val}}
    tmp_path.joinpath("as_written.py").write_text(WRITTEN)
    config = make_config(
        model={"target": "as_written:Squeezed", "args": {}}, data=data, task="binary", batch_size=batch_size
    )
    session = Session(config, Workbench(tmp_path, CPU))
    found, batch = session.evaluate(), session.splits.val.batch(torch.arange(val))
    outputs = session.model(batch.args[0]).detach().reshape(-1)
    assert found.score == pytest.approx(float(((outputs > 0) == (batch.targets > 0.5)).float().mean()))
    assert found.loss == pytest.approx(float(F.binary_cross_entropy_with_logits(outputs, batch.targets)), rel=1e-5)
    assert len(found.sample_losses) == val


def test_scores_of_outputs_in_several_parts_are_those_of_their_main_tensor(make_config, tmp_path):
    loss = {"target": "as_written:of_parts", "args": {}}
    session = written(make_config, tmp_path, "Parts", task="classification", loss=loss, metric="accuracy")
    before = [p.clone() for p in session.model.parameters()]
    batch = session.batch(0)
    (row,), _ = rows_of(session.run(1))
    weight, bias = before
    right = ((batch.args[0] @ weight.T + bias)[:, 0] > 0) == (batch.targets > 0.5)
    assert row.train_metric == pytest.approx(float(right.float().mean()))


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
def test_a_model_that_torch_has_compiled_is_validated(make_config, tmp_path):
    session = written(make_config, tmp_path, "scripted")
    assert math.isfinite(session.evaluate().loss)


def test_each_validation_of_a_model_is_the_same_whichever_is_its_sessions_first(make_config, tmp_path):
    """torch computes attention otherwise where a hook is on its modules."""
    session = written(make_config, tmp_path, "Attention")
    once, again = session.evaluate(), session.evaluate()
    assert np.array_equal(once.sample_losses, again.sample_losses)


def test_a_model_that_takes_gradients_inside_forward_is_trained_and_validated(make_config, tmp_path):
    session = written(make_config, tmp_path, "Force")
    (row,), _ = rows_of(session.run(1))
    assert math.isfinite(row.train_loss)
    assert math.isfinite(session.evaluate().loss)


def test_complex_outputs_keep_their_imaginary_part(make_config, tmp_path):
    session = written(make_config, tmp_path, "Complex", loss={"target": "as_written:of_imaginary", "args": {}})
    batch = session.batch(0)
    loss = float(session.task.loss(session.answer(session.model, batch), batch.targets).detach())
    assert loss != pytest.approx(math.log(2), abs=1e-6)


def test_a_loss_without_a_gradient_is_told_in_one_line(make_config, tmp_path):
    session = written(make_config, tmp_path, "Squeezed", loss={"target": "as_written:cut_off", "args": {}})
    with pytest.raises(UserError, match=r"^loss: has no gradient"):
        list(session.run(1))


def test_a_loss_that_compares_samples_is_held_against_no_constant_outputs_and_no_halves(make_config, tmp_path):
    """Of outputs that are all the same no sample is told from another; of random ones it is, the more the fewer."""
    loss = {"target": "as_written:compared", "args": {}}
    session = written(make_config, tmp_path, "Parts", loss=loss, task="classification")
    batch = session.batch(0)
    assert session.task.metric.is_loss
    assert halves(session, batch) == 1.0
    assert measure_losses(session, [batch], [session.answer(session.model, batch)])[2] == ()


def test_a_loss_of_distances_is_held_against_no_scores(make_config, tmp_path):
    for target, known in (("apart", set()), ("like_the_built_in", {"zero", "prior"})):
        session = written(make_config, tmp_path, "Squeezed", loss={"target": f"as_written:{target}", "args": {}})
        batch = session.batch(0)
        expected = measure_losses(session, [batch], [session.answer(session.model, batch)])[2]
        assert {one.knowledge for one in expected} == known
