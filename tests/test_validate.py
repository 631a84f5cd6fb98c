"""A recipe that `validate` calls sound has gone through data, model, loss, metric and optimizer once."""

import numpy as np
import pytest
import torch

from tests.commands import recipe
from tunekit.inspection import dry_run, validate
from tunekit.measured import DescribeArgs
from tunekit.pipeline import Options, read_recipe, run_steps
from tunekit.runs import find_run
from tunekit.steps import step_names
from tunekit.training.probes.describe import describe
from tunekit.training.probes.subject import Subject
from tunekit.training.sources import read_splits
from tunekit.training.workbench import Workbench
from tunekit.vocabulary import UNKNOWN, Noted, StepStarted, UserError

PIECES = """
import torch, torch.nn.functional as F
from torch import nn
from torch.utils.data import TensorDataset

def data(bad=False):
    x = torch.randn(120, 6, generator=torch.Generator().manual_seed(0))
    y = (x[:, 0] > 0).long()
    if bad:
        x[17, 2] = float("nan")
    return TensorDataset(x[:90], y[:90]), TensorDataset(x[90:], y[90:])

def net(): return nn.Linear(6, 2)
def of_number(o, t): return 1.0
def of_samples(o, t): return F.cross_entropy(o, t, reduction="none")
def sound(o, t): return F.cross_entropy(o, t)
def late(o, t):
    if not torch.is_grad_enabled() and len(o) == 30: raise ValueError("validation is another thing")
    return F.cross_entropy(o, t)
def one_answer():
    x = torch.randn(120, 6, generator=torch.Generator().manual_seed(0))
    y = (x[:, 0] > 0).float()
    return TensorDataset(x[:90], y[:90]), TensorDataset(x[90:], torch.zeros(30))
def nothing(o, t): return float("nan")
def other_classes(first=1, kind="class"):
    x = torch.randn(120, 6, generator=torch.Generator().manual_seed(0))
    y = (x[:, 0] > 0).long() + first if kind == "class" else x.sum(1, keepdim=kind == "column")
    return TensorDataset(x[:90], y[:90]), TensorDataset(x[90:], y[90:])
class Decided(nn.Module):
    def __init__(self, whole):
        super().__init__()
        self.layer, self.whole = nn.Linear(6, 2), whole
    def forward(self, x):
        return self.layer(x).argmax(1) if self.whole else self.layer(x).amax(1)
class OfTwo(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(6, 2)
    def forward(self, x, lengths):
        return self.layer(x)
"""


@pytest.fixture
def written(tmp_path):
    (tmp_path / "pieces_v.py").write_text(PIECES)

    def write(**replaced):
        own = {"data": '{target: "pieces_v:data"}', "model": '{target: "pieces_v:net"}'}
        return read_recipe(recipe(tmp_path, **{**own, **replaced}))

    return write


def test_a_sound_recipe_is_sound(written):
    assert validate(written()).metric == "accuracy"


@pytest.mark.parametrize(
    ("replaced", "told"),
    [
        ({"optimizer": "{target: Adamm, lr: 1e-3}"}, "optimizer.target: no optimizer 'Adamm'"),
        ({"optimizer": "{target: adam, lr: 1e-3, args: {betas: 3}}"}, "optimizer.args: adam: "),
        (
            {"data": '{target: "pieces_v:data", args: {bad: true}}'},
            r"data: 1 training sample holds NaN .*\(sample 17\)",
        ),
        ({"loss": '"pieces_v:of_number"'}, "loss: must return a scalar tensor, and a real one, not a float"),
        ({"loss": '"pieces_v:of_samples"'}, r"must return a scalar tensor, and a real one, not one of shape \[\d+\]"),
        (
            {"loss": '"pieces_v:late"'},
            r"pieces_v:late raised ValueError: validation is another thing \(pieces_v.py, line",
        ),
        (
            {"data": '{target: "pieces_v:other_classes"}'},
            r"data: the loss does not take labels from 1 to 2 with outputs of shape \[\d+, 2\]; number the",
        ),
        (
            {"data": '{target: "pieces_v:other_classes", args: {kind: column}}', "model": "{target: mlp}"},
            "one score a sample, for targets that are numbers; say `task: regression`",
        ),
        (
            {"data": '{target: "pieces_v:other_classes", args: {kind: number}}'},
            "data: 90 targets are no whole numbers, and a classification has classes; say `task: regression`",
        ),
        (
            {"model": '{target: "pieces_v:Decided", args: {whole: true}}'},
            r"gives outputs of shape .*: leave argmax out of forward\(\)",
        ),
        (
            {"model": '{target: "pieces_v:Decided", args: {whole: false}}'},
            r"gives outputs of shape .* \[N, C\]: leave",
        ),
        (
            {"model": '{target: "pieces_v:OfTwo"}'},
            r"missing .* 'lengths', while calling the model with what the data give: input 1 \[\d+, 6\]$",
        ),
        (
            {"model": '{target: "torch.nn:Linear", args: {in_features: 5, out_features: 2}}'},
            r"shapes cannot be multiplied .*, while calling the model with what the data give: input 1 \[\d+, 6\]$",
        ),
        (
            {"model": "{target: mlp}", "search": "{model.args.activation: [relu, rellu]}"},
            r"search.model.args.activation: 'rellu': .*no activation 'rellu'",
        ),
    ],
)
def test_what_would_end_a_run_is_told_in_one_line(written, replaced, told):
    with pytest.raises(UserError, match=told) as raised:
        validate(written(**replaced))
    assert "\n" not in str(raised.value)


APART = {"model": "{target: mlp, args: {hidden: [4]}}", "search": "{hidden: [[4], []], optimizer: [adam, muon]}"}
TOGETHER = r"^search.model.args.hidden: \[\] with search.optimizer.target: 'muon': .* no hidden matrix, [^\n]*$"


def test_values_that_fail_in_combination_alone_are_told(written):
    with pytest.raises(UserError, match=TOGETHER):
        validate(written(**APART))


def test_a_run_says_so_before_its_first_step(written, tmp_path):
    run = find_run(written(**APART), tmp_path / "runs")
    with pytest.raises(UserError, match=TOGETHER):
        run_steps(run, step_names(), Options(jobs=1), lambda _: None, "run")
    assert not run.trainings.is_dir() or not list(run.trainings.iterdir())
    assert run.result("check-init-loss") is None


def test_a_run_that_keeps_going_says_it_once_and_goes_on(written, tmp_path):
    run, told = find_run(written(**APART), tmp_path / "runs"), []
    for _ in range(2):
        with pytest.raises(Stopped):
            run_steps(run, ["coarse-grid"], Options(jobs=1, keep_going=True), _until_a_step(told), "run")
    [fault] = [text for text in told if text.startswith("search.")]
    assert "no hidden matrix" in fault


class Stopped(Exception):
    pass


def _until_a_step(told):
    def emit(event):
        if isinstance(event, Noted):
            told.append(event.text)
        if isinstance(event, StepStarted):
            raise Stopped

    return emit


@pytest.mark.parametrize(
    ("model", "search", "pair"),
    [
        ("{target: mlp, args: {hidden: [4, 4]}}", "{dropout: [0, [0, 0], [0, 0.5, 0.5]]}", "dropout: 0 and [0, 0]"),
        ("{target: mlp}", "{batch_size: [90, 900, 30]}", "batch_size: 90 and 900"),
        ("{target: mlp}", "{optimizer.args.betas: [[0.9, 0.999], [0.9, 0.99]]}", ""),
        ("{target: mlp}", "{loss.args.label_smoothing: [0, 0.1]}", ""),
    ],
)
def test_values_of_which_the_same_is_built_are_told(written, model, search, pair):
    read = written(model=model, search=search)
    same = [note for note in validate(read).notes if "no difference" in note]
    assert len(same) == bool(pair)
    assert not pair or f"{pair} look alike: one step on one batch shows no difference" in same[0]


@pytest.mark.parametrize(
    ("replaced", "told"),
    [
        ({"optimizer": "{target: adam, args: {betas: [0.9, 1.5]}}"}, "^optimizer.args: adam: Invalid beta"),
        ({"search": "{model.args.droput: [0]}"}, r"^search.model.args.droput: 0: .*\(did you mean 'dropout'\?\)$"),
        ({"loss": "{target: focal, args: {gamma: -1}}"}, "^loss.args: focal: gamma: from 0, not -1$"),
        ({"model": "{target: mlp, pretrained: true}"}, "^model.pretrained: mlp comes with no trained weights"),
        ({"model": "{target: mlp, args: {hidden: [4], dropout: [0, 0, 0]}}"}, r"for 1 hidden layer: .* all of them\)$"),
        ({"model": "{target: mlp, args: {hidden: [100000000000]}}"}, "so large a model does not fit into memory$"),
    ],
)
def test_a_dry_run_looks_as_closely(written, replaced, told):
    read = written(**{"model": "{target: mlp}", **replaced})
    for look in (validate, dry_run):
        with pytest.raises(UserError, match=told):
            look(read)


def test_a_metric_that_is_no_number_is_worth_a_word(written):
    assert "nothing is nan on the first batch of validation" in validate(written(metric="max pieces_v:nothing")).notes


def test_a_metric_that_a_validation_split_has_no_answer_for_is_told_once(written):
    read = written(data='{target: "pieces_v:one_answer"}', model="{target: mlp}", task="binary", metric="auroc")
    [note] = [note for note in validate(read).notes if "auroc" in note]
    assert note.startswith("auroc is no number on this validation split: all its targets are 0; take another metric")


def test_what_outlasts_its_trainings_is_told_by_validate_and_once_by_a_run(written, tmp_path):
    read = written(model="{target: mlp}", ema="0.9999")
    assert [note for note in validate(read).notes if note.startswith("ema: 0.9999 leaves ")]
    run, told = find_run(read, tmp_path / "runs"), []
    for _ in range(2):
        with pytest.raises(Stopped):
            run_steps(run, ["check-init-loss"], Options(jobs=1), _until_a_step(told), "run")
    assert len([text for text in told if text.startswith("ema")]) == 1


def test_weights_that_were_counted_are_told(written):
    notes = validate(written(loss="{target: auto, args: {weight: balanced}}")).notes
    assert any(note.startswith("loss.args.weight: balanced is [") for note in notes)


def test_a_table_gives_its_targets_unit_scale_where_that_is_asked(written, tmp_path):
    """By the training rows alone: 75 numbers of which validation holds a part."""
    rows = "\n".join(f"{n % 7},{n % 5},{1000 + 30 * n}" for n in range(75))
    (tmp_path / "prices.csv").write_text(f"a,b,price\n{rows}\n")
    args = "path: prices.csv, target: price, standardize_target: true"
    read = written(data=f"{{target: table, args: {{{args}}}}}", model="{target: mlp}", task="regression")
    splits = read_splits(read.recipe.training_config(UNKNOWN).data, tmp_path)
    train = splits.train.targets()
    assert float(train.mean()) == pytest.approx(0, abs=1e-5)
    assert float(train.std(correction=0)) == pytest.approx(1, rel=1e-5)
    assert float(splits.val.targets().mean()) != pytest.approx(0, abs=1e-5)
    assert "one unit of the targets" in " ".join(validate(read).notes)


def test_classes_have_no_units(written, tmp_path):
    (tmp_path / "kinds.csv").write_text("a,b,kind\n" + "\n".join(f"{n},{n % 3},1" for n in range(60)))
    args = "path: kinds.csv, target: kind, standardize_target: true"
    with pytest.raises(UserError, match="standardize_target: the targets are no numbers that differ"):
        validate(written(data=f"{{target: table, args: {{{args}}}}}", model="{target: mlp}"))


@pytest.mark.parametrize(
    ("task", "told"),
    [
        ("regression", r"holds classes \(ant, bee, cat\), and the task is regression; task: classification"),
        ("binary", r"holds 3 classes \(ant, bee, cat\), and the task is binary; task: classification"),
    ],
)
def test_names_of_classes_are_for_tasks_of_classes(written, tmp_path, task, told):
    (tmp_path / "kinds.csv").write_text(
        "a,kind\n" + "\n".join(f"{n},{('ant', 'bee', 'cat')[n % 3]}" for n in range(60))
    )
    data = "{target: table, args: {path: kinds.csv, target: kind}}"
    with pytest.raises(UserError, match=told):
        validate(written(data=data, model="{target: mlp}", task=task))
    assert validate(written(data=data, model="{target: mlp}", task="classification")).parameters


@pytest.mark.parametrize(
    ("first", "kind", "said"),
    [(1, "class", "output 0 has no class"), (3, "class", "outputs 0 to 2 have no class"), (0, "class", "")],
)
def test_outputs_below_the_first_class_are_told(written, first, kind, said):
    data = f'{{target: "pieces_v:other_classes", args: {{first: {first}, kind: {kind}}}}}'
    notes = " ".join(validate(written(data=data, model="{target: mlp}")).notes)
    assert (f"labels begin at {first}: the model's {said}; number the classes from 0" in notes) is bool(said)
    assert ("labels begin" in notes) is bool(said)


def test_where_a_model_gives_a_number_a_sample_no_output_is_below_the_first_class(written, tmp_path):
    (tmp_path / "single.py").write_text(
        "from torch import nn\n\ndef net(): return nn.Sequential(nn.Linear(6, 1), nn.Flatten(0))\n"
    )
    read = written(data='{target: "pieces_v:other_classes"}', model='{target: "single:net"}', loss="mse", metric="loss")
    assert "labels begin" not in " ".join(validate(read).notes)


LAZY = """
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset

READ = {"train": 0, "val": 0}

class Lazy(Dataset):
    def __init__(self, name, size): self.name, self.size = name, size
    def __len__(self): return self.size
    def __getitem__(self, i):
        READ[self.name] += 1
        return torch.randn(6), i % 3

class Stream(IterableDataset):
    def __iter__(self): return iter([(torch.zeros(6), i % 3) for i in range(60)])

def mapped(): return Lazy("train", 90), Lazy("val", 30)
def streamed(): return DataLoader(Stream(), batch_size=20), Lazy("val", 30)
"""


def test_of_a_stream_validation_says_how_many_classes_there_are(written, tmp_path):
    (tmp_path / "lazy_stream.py").write_text(LAZY)
    told = validate(written(data='{target: "lazy_stream:streamed"}', model="{target: mlp, args: {hidden: []}}"))
    assert told.parameters == 3 * (6 + 1)


def test_data_that_are_read_when_asked_for_are_gone_through_no_more_than_needed(written, tmp_path):
    """Once for the number of outputs, once for what a command must know of the classes; of validation not once."""
    (tmp_path / "lazy_map.py").write_text(LAZY)
    read = written(data='{target: "lazy_map:mapped"}', model="{target: mlp}")
    config = read.recipe.training_config(UNKNOWN)
    bench = Workbench(tmp_path, torch.device("cpu"))
    bench.splits(config)
    import lazy_map

    lazy_map.READ.update(train=0, val=0)
    describe(Subject(config, bench, args=DescribeArgs("fp32", 1).to_json()))
    assert lazy_map.READ["train"] < 3 * 90
    assert lazy_map.READ["val"] < 30


@pytest.mark.parametrize(
    ("dtype", "model", "told"),
    [
        ("float64", "mlp", "the inputs are float64, and mlp takes float32: make them so, or say `standardize: true`"),
        ("uint8", "cnn", "the inputs are uint8, and cnn takes float32"),
        ("int64", "torchvision:resnet18", "the inputs are int64, and torchvision:resnet18 takes float32"),
        ("complex64", "mlp", "give their real and imaginary parts as values of their own"),
    ],
)
def test_a_type_that_a_model_does_not_take_is_told_in_a_line(written, tmp_path, dtype, model, told):
    (tmp_path / "typed.py").write_text(
        "import torch\nfrom torch.utils.data import TensorDataset\n\n"
        "def data(name):\n    x = torch.ones(60, 3, 8, 8).to(getattr(torch, name))\n"
        "    return TensorDataset(x, torch.arange(60) % 3)\n"
    )
    with pytest.raises(UserError, match=told):
        validate(written(data=f'{{target: "typed:data", args: {{name: {dtype}}}}}', model=f'{{target: "{model}"}}'))


def linear(outputs: int) -> dict[str, str]:
    return {"model": f"{{target: 'torch.nn:Linear', args: {{in_features: 4, out_features: {outputs}}}}}"}


TARGETS = {
    "ten classes": lambda n: n % 10,
    "one and two": lambda n: 1 + n % 2,
    "ten classes from 1": lambda n: 1 + n % 10,
    "numbers": lambda n: np.sin(n).astype(np.float32),
    "decisions, some unknown": lambda n: np.where(n % 7 == 0, -100, n % 2),
}


@pytest.mark.parametrize(
    ("targets", "said", "advice"),
    [
        ("numbers", {"task": "regression", "loss": "cross_entropy"}, "one of mse, l1, huber, smooth_l1$"),
        ("ten classes", {"task": "regression", "loss": "focal"}, "smooth_l1, or say `task: classification`"),
        ("ten classes", {"task": "binary", "loss": "cross_entropy"}, "bce, focal, or say `task: classification`"),
        ("ten classes", {"task": "binary"}, "say `task: classification`: there are 10 classes$"),
        ("ten classes", {"task": "multilabel"}, "say `task: classification` if a sample has one class"),
        ("one and two", {"task": "binary"}, r"make every target 0 \(no\) or 1 \(yes\)$"),
        ("decisions, some unknown", {"task": "binary"}, "from -100 to 1; .* remove or mask samples without a label$"),
        ("decisions, some unknown", {"task": "binary", "loss": "focal"}, "remove or mask samples without a label$"),
        ("decisions, some unknown", {"loss": "multi_margin"}, "labels of a batch reach from -100 to 1"),
        ("numbers", {"task": "binary"}, "say `task: regression`"),
        ("numbers", {"task": "multilabel"}, "say `task: regression`"),
        ("numbers", {"task": "classification"}, "say `task: regression`"),
        (
            "ten classes",
            linear(4),
            "; give the",
        ),
        (
            "ten classes",
            linear(1),
            "; give the model an output for each class, or say `task: regression`",
        ),
        (
            "ten classes from 1",
            linear(10),
            "; number the classes from 0$",
        ),
    ],
)
def test_advice_on_targets_is_not_what_the_recipe_says_already(tmp_path, targets, said, advice):
    n = np.arange(200)
    np.savez(tmp_path / "own.npz", x=np.random.default_rng(0).normal(size=(200, 4)).astype("f4"), y=TARGETS[targets](n))
    own = {"data": "{target: arrays, args: {path: own.npz}}", "model": "{target: mlp}", **said}
    with pytest.raises(UserError, match=advice) as raised:
        validate(read_recipe(recipe(tmp_path, **own)))
    assert f"say `task: {said.get('task', 'classification')}`" not in str(raised.value)
