"""Words of three to five letters read from strips by CTC; lengths stand beside the letters."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import Dataset

CLASSES, WIDE = 6, 24


class Strips(Dataset):
    def __init__(self, n, seed):
        shapes = torch.randn(CLASSES, 4, 8, generator=torch.Generator().manual_seed(9))
        shapes[0] = 0
        g = torch.Generator().manual_seed(seed)
        self.lengths = torch.randint(3, 6, (n,), generator=g)
        self.words = torch.randint(1, CLASSES, (n, 5), generator=g)
        self.words[torch.arange(5)[None] >= self.lengths[:, None]] = 0
        strips = shapes[self.words].reshape(n, 20, 8).transpose(1, 2)
        self.strips = F.pad(strips, (0, WIDE - 20)) + 0.2 * torch.randn(n, 8, WIDE, generator=g)

    def __len__(self):
        return len(self.words)

    def __getitem__(self, i):
        return self.strips[i], {"letters": self.words[i], "length": self.lengths[i]}


def data():
    return Strips(320, 0), Strips(100, 1)


class Reader(nn.Module):
    def __init__(self, width=48):
        super().__init__()
        self.conv = nn.Sequential(nn.Conv1d(8, width, 3, padding=1), nn.ReLU(), nn.MaxPool1d(2))
        self.rnn = nn.GRU(width, width, batch_first=True, bidirectional=True)
        self.head = nn.Linear(2 * width, CLASSES)

    def forward(self, x):
        states, _ = self.rnn(self.conv(x).transpose(1, 2))
        return self.head(states)


def ctc(logits, y):
    log = logits.log_softmax(2).transpose(0, 1)
    frames = torch.full((logits.shape[0],), logits.shape[1], dtype=torch.long)
    return F.ctc_loss(log, y["letters"], frames, y["length"])
