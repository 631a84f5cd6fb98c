"""A tag a word in sentences of different lengths: padded by collate_fn, -100 where there is no word."""

import torch
import torch.nn as nn
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Dataset

WORDS, TAGS = 60, 5


class Sentences(Dataset):
    def __init__(self, n, seed):
        g = torch.Generator().manual_seed(seed)
        kinds = torch.randint(TAGS, (WORDS,), generator=torch.Generator().manual_seed(5))
        self.sentences = [
            torch.randint(1, WORDS, (int(k),), generator=g) for k in torch.randint(4, 15, (n,), generator=g)
        ]
        self.tags = []
        for words in self.sentences:
            tags = kinds[words]
            after = torch.cat([torch.tensor([0]), words[:-1]])
            self.tags.append(torch.where(after % 7 == 0, (tags + 1) % TAGS, tags))

    def __len__(self):
        return len(self.sentences)

    def __getitem__(self, i):
        return self.sentences[i], self.tags[i]


def collate(samples):
    words, tags = zip(*samples, strict=True)
    return pad_sequence(words, batch_first=True), pad_sequence(tags, batch_first=True, padding_value=-100)


def data():
    make = lambda n, seed, shuffle: DataLoader(Sentences(n, seed), 32, shuffle=shuffle, collate_fn=collate)  # noqa: E731
    return make(900, 0, True), make(250, 1, False)


class Tagger(nn.Module):
    def __init__(self, width=48):
        super().__init__()
        self.words = nn.Embedding(WORDS, width, padding_idx=0)
        self.rnn = nn.LSTM(width, width, batch_first=True, bidirectional=True)
        self.head = nn.Linear(2 * width, TAGS)

    def forward(self, x):
        states, _ = self.rnn(self.words(x))
        return self.head(states)
