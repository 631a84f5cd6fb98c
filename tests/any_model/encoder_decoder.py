"""Reverse a sequence of letters: encoder and decoder with padding, batches padded to their own width."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Dataset

PAD, BEGIN, END, LETTERS = 0, 1, 2, 12


class Pairs(Dataset):
    def __init__(self, n, seed):
        g = torch.Generator().manual_seed(seed)
        lengths = torch.randint(6, 10, (n,), generator=g).tolist()
        self.words = [torch.randint(3, LETTERS, (k,), generator=g) for k in lengths]

    def __len__(self):
        return len(self.words)

    def __getitem__(self, i):
        word = self.words[i]
        back = word.flip(0)
        return word, torch.cat([torch.tensor([BEGIN]), back]), torch.cat([back, torch.tensor([END])])


def collate(samples):
    source, given, wanted = (
        pad_sequence(part, batch_first=True, padding_value=PAD) for part in zip(*samples, strict=True)
    )
    return {"source": source, "source_padding": source == PAD, "given": given, "labels": wanted}


def data():
    train, val = Pairs(1200, 0), Pairs(300, 1)
    return DataLoader(train, 32, shuffle=True, collate_fn=collate), DataLoader(val, 32, collate_fn=collate)


class Model(nn.Module):
    def __init__(self, width=64):
        super().__init__()
        self.letters = nn.Embedding(LETTERS, width, padding_idx=PAD)
        self.places = nn.Embedding(16, width)
        self.body = nn.Transformer(width, 4, 2, 2, 128, dropout=0.1, batch_first=True)
        self.head = nn.Linear(width, LETTERS)

    def embed(self, ids):
        return self.letters(ids) + self.places(torch.arange(ids.shape[1]))

    def forward(self, source, source_padding, given):
        causal = torch.ones(given.shape[1], given.shape[1], dtype=torch.bool).triu(1)
        out = self.body(
            self.embed(source),
            self.embed(given),
            tgt_mask=causal,
            src_key_padding_mask=source_padding,
            memory_key_padding_mask=source_padding,
            tgt_key_padding_mask=given == PAD,
        )
        return self.head(out)


def loss(logits, wanted):
    return F.cross_entropy(logits.reshape(-1, LETTERS), wanted.reshape(-1), ignore_index=PAD)
