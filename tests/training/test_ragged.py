"""Batches padded to their own widths have the numbers of the same data padded to one width."""

import pytest
import torch

from tests.conftest import config_of
from tunekit.training.losses import LEFT_OUT, together
from tunekit.training.probes.dataset import measure_data
from tunekit.training.probes.final import measure_split
from tunekit.training.probes.initial import measure_initial
from tunekit.training.probes.subject import Subject
from tunekit.training.structure import joined
from tunekit.training.workbench import Workbench

CODE = """
import torch
from torch import nn
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, IterableDataset

class Sentences(torch.utils.data.Dataset):
    def __init__(self, n, seed):
        draw = torch.Generator().manual_seed(seed)
        lengths = torch.randint(2, 40, (n,), generator=draw).tolist()
        self.words = [torch.randint(1, 40, (length,), generator=draw) for length in lengths]
        self.words[: n // 10] = [torch.full((k + 3,), 7) for k in range(n // 10)]  # which both splits hold
    def __len__(self):
        return len(self.words)
    def __getitem__(self, i):
        return self.words[i], 1 + self.words[i] % 4

class Stream(IterableDataset):
    def __init__(self, *args):
        self.sentences = Sentences(*args)
    def __iter__(self):
        return iter([self.sentences[i] for i in range(len(self.sentences))])

class Pad:
    def __init__(self, marker, width):
        self.marker, self.width = marker, width
    def __call__(self, samples):
        words, tags = (list(column) for column in zip(*samples))
        if self.width:
            words.append(torch.zeros(self.width, dtype=torch.long))
            tags.append(torch.zeros(self.width, dtype=torch.long))
        words, tags = pad_sequence(words, True), pad_sequence(tags, True, self.marker)
        return words[: len(samples)], tags[: len(samples)]

def data(stream=False, marker=-100, width=0):
    kind, pad = Stream if stream else Sentences, Pad(marker, width)
    return DataLoader(Sentences(200, 0), collate_fn=pad), DataLoader(kind(70, 1), batch_size=16, collate_fn=pad)

class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.tags = nn.Embedding(40, 8), nn.Linear(8, 5)
    def forward(self, words):
        return self.tags(self.words(words))
"""


def subject(folder, width, stream=False, marker=-100, metric="auto", **args):
    folder.joinpath("ragged_tagger.py").write_text(CODE)
    config = config_of(
        data={"target": "ragged_tagger:data", "args": {"stream": stream, "marker": marker, "width": width}},
        model={"target": "ragged_tagger:Tagger", "args": {}},
        loss={"target": "cross_entropy", "args": {"ignore_index": marker}},
        metric={"target": metric},
        batch_size=16,
    )
    return Subject(config, Workbench(folder, torch.device("cpu")), args=args)


def close(value, wanted):
    if isinstance(wanted, float):
        assert value == pytest.approx(wanted, rel=1e-5, nan_ok=True)
    elif isinstance(wanted, tuple | list):
        assert len(value) == len(wanted)
        for one, other in zip(value, wanted, strict=True):
            close(one, other)
    else:
        assert value == wanted


@pytest.mark.parametrize(("stream", "marker"), [(True, -100), (False, 0)])
def test_step_1_measures_the_same(tmp_path, stream, marker):
    ragged, wide = (measure_initial(subject(tmp_path, width, stream, marker)) for width in (0, 60))
    assert ragged.loss is not None
    assert ragged.targets == wide.targets
    close((ragged.loss.train_mode, ragged.loss.eval_mode), (wide.loss.train_mode, wide.loss.eval_mode))
    expected = [[(one.knowledge, one.loss) for one in found.loss.expected] for found in (ragged, wide)]
    close(*expected)
    assert "prior" in dict(expected[0])
    ragged, wide = (measure_data(subject(tmp_path, width, stream, marker)).samples for width in (0, 60))
    assert ragged.duplicates.shared == wide.duplicates.shared
    assert ragged.duplicates.shared.count >= 7
    if marker < 0:  # of a padding that is a class like others nothing tells it in targets
        assert ragged.labels.val == wide.labels.val


@pytest.mark.parametrize(
    ("metric", "stream"), [("accuracy", False), ("balanced_accuracy", True), ("auroc", False), ("loss", False)]
)
def test_a_split_is_scored_the_same(tmp_path, metric, stream):
    ragged, wide = (measure_split(subject(tmp_path, width, stream, metric=metric, split="val")) for width in (0, 60))
    close(ragged.value, wide.value)
    close(ragged.interval, wide.interval)
    assert (ragged.how, ragged.errors, ragged.answers) == (wide.how, wide.errors, wide.answers)
    assert ragged.interval is not None


def test_targets_of_several_batches():
    ragged = [torch.ones(2, 3, dtype=torch.uint8), torch.zeros(1, 2, dtype=torch.uint8)]
    assert together(ragged).tolist() == [[1, 1, 1], [1, 1, 1], [0, 0, LEFT_OUT]]
    assert together([torch.zeros(2, 3), torch.zeros(1, 2)]) is None  # of quantities nothing is left out
    assert together([torch.zeros(2), torch.zeros(1, 2)]) is None
    assert together([torch.zeros(2), "text"]) is None
    grown = joined([torch.ones(1, 2, 1), torch.ones(1, 1, 3)], 0.0)
    assert grown.tolist() == [[[1, 0, 0], [1, 0, 0]], [[1, 1, 1], [0, 0, 0]]]
