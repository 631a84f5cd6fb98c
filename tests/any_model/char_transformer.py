"""A character model of the next letter: logits [batch, time, letters], loss on flattened tensors."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn import datasets
from torch.utils.data import Dataset

TIME = 32


def text():
    loaders = (datasets.load_iris, datasets.load_wine, datasets.load_breast_cancer, datasets.load_diabetes)
    return "\n".join(load().DESCR for load in loaders).lower()


LETTERS = sorted(set(text()))


class Windows(Dataset):
    def __init__(self, ids):
        self.ids = ids

    def __len__(self):
        return (len(self.ids) - 1) // TIME

    def __getitem__(self, i):
        part = self.ids[i * TIME : i * TIME + TIME + 1]
        return part[:-1], part[1:]


def data():
    ids = torch.tensor([LETTERS.index(letter) for letter in text()])
    cut = len(ids) * 4 // 5
    return Windows(ids[:cut]), Windows(ids[cut:])


class Model(nn.Module):
    def __init__(self, width=48, heads=4, layers=2, dropout=0.1):
        super().__init__()
        self.token = nn.Embedding(len(LETTERS), width)
        self.place = nn.Embedding(TIME, width)
        block = nn.TransformerEncoderLayer(width, heads, 4 * width, dropout, batch_first=True, norm_first=True)
        self.blocks = nn.TransformerEncoder(block, layers, enable_nested_tensor=False)
        self.head = nn.Linear(width, len(LETTERS))

    def forward(self, x):
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1])
        h = self.token(x) + self.place(torch.arange(x.shape[1]))
        return self.head(self.blocks(h, mask=mask, is_causal=True))


def loss(logits, targets):
    return F.cross_entropy(logits.view(-1, len(LETTERS)), targets.view(-1))
