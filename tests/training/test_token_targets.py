"""Targets that are the next letter, and classes that only look alike."""

from collections import Counter
from pydoc_data.topics import topics

import torch

from tunekit.training.data import Batch
from tunekit.training.probes.token_targets import are_tokens


def letters():
    text = topics["assignment"].lower()
    numbers = {letter: number for number, letter in enumerate(sorted(set(text)))}
    return torch.tensor([numbers[letter] for letter in text])


def asked(inputs, targets):
    return are_tokens(Counter(targets.flatten().tolist()), [Batch((inputs,), {}, targets)])


def test_the_next_letter_of_a_context_and_at_each_position():
    windows = letters().unfold(0, 9, 1)
    assert asked(windows[:, :8], windows[:, 8])
    assert asked(windows[:, :8], windows[:, 1:])


def test_letters_after_padded_contexts():
    names = ["emma", "olivia", "isabella", "sophia", "charlotte", "mia", "amelia", "harper", "evelyn", "abigail"] * 3
    contexts, following = [], []
    for name in names:
        context = [0, 0, 0]
        for number in [*(ord(letter) - 96 for letter in name), 0]:
            contexts.append(context)
            following.append(number)
            context = [*context[1:], number]
    assert asked(torch.tensor(contexts), torch.tensor(following))


def test_rare_classes_of_texts_are_no_letters():
    draw = torch.Generator().manual_seed(0)
    rare = torch.multinomial(0.5 ** torch.arange(12.0), 3000, replacement=True, generator=draw)
    assert not asked(letters().unfold(0, 8, 1)[:3000], rare[: len(letters()) - 7])
    assert not asked(torch.randint(12, (3000, 6), generator=draw), rare)
    assert not asked(torch.randn(3000, 6, generator=draw), rare)


def test_tags_of_words_are_no_letters():
    draw = torch.Generator().manual_seed(1)
    tags = torch.multinomial(torch.tensor([0.9] + [0.01] * 11), 3000, replacement=True, generator=draw).view(300, 10)
    assert not asked(torch.randint(200, (300, 10), generator=draw), tags)


def test_classes_of_sparse_counts_are_no_letters():
    draw = torch.Generator().manual_seed(2)
    sparse = torch.poisson(0.2 * torch.ones(2000, 10), generator=draw).long()
    rare = torch.multinomial(torch.tensor([0.8] + [0.02] * 10), 2000, replacement=True, generator=draw)
    assert not asked(sparse, rare)
