"""Where classes lie, and which targets positions stand for: told by shapes, or else by the loss."""

import pytest
import torch
import torch.nn.functional as F

from tunekit.training.axes import Reading, any_label_will_do, find_reading, left_out

B, T, V = 8, 12, 20
DRAW = torch.Generator().manual_seed(0)
TOKENS = torch.randint(0, V, (B, T), generator=DRAW)


def outputs(*shape):
    return torch.randn(*shape, generator=DRAW)


def flattened(logits, targets):
    return F.cross_entropy(logits.reshape(-1, V), targets.reshape(-1))


def shifted(logits, tokens):
    return F.cross_entropy(logits[:, :-1].reshape(-1, V), tokens[:, 1:].reshape(-1))


def of_first(logits, tokens):
    return F.cross_entropy(logits[:, :-1].reshape(-1, V), tokens.reshape(-1))


def of_last(logits, tokens):
    return F.cross_entropy(logits[:, 1:].reshape(-1, V), tokens.reshape(-1))


def by_columns(logits, targets):
    return F.cross_entropy(logits.transpose(1, 2), targets)


def ctc(logits, letters):
    log = logits.permute(2, 0, 1).log_softmax(2)
    frames, lengths = torch.full((len(letters),), len(log)), torch.full((len(letters),), letters.shape[1])
    return F.ctc_loss(log, letters, frames, lengths)


SQUARE = torch.randint(0, T, (B, T), generator=DRAW)
PIXELS = torch.randint(0, 3, (B, 6, 5), generator=DRAW)


@pytest.mark.parametrize(
    ("loss", "shape", "targets", "reading"),
    [
        (F.cross_entropy, (B, V), TOKENS[:, 0], Reading()),
        (F.cross_entropy, (B, 3, 6, 5), PIXELS, Reading()),
        (lambda o, t: F.cross_entropy(o.movedim(-1, 1), t), (B, 6, 5, 3), PIXELS, Reading(3)),
        (flattened, (B, T, V), TOKENS, Reading(2)),
        (flattened, (B, T, V), TOKENS.where(TOKENS > 3, -100), Reading(2)),
        (by_columns, (B, T, T), SQUARE, Reading(2)),
        (F.cross_entropy, (B, T, T), SQUARE, Reading(1)),
        (shifted, (B, T, V), TOKENS, Reading(2, 1)),
        (of_first, (B, T + 1, V), TOKENS, Reading(2, 0)),
        (of_last, (B, T + 1, V), TOKENS, Reading(2, -1)),
        (ctc, (B, 6, 10), torch.randint(1, 6, (B, 5), generator=DRAW), None),
        (F.mse_loss, (B, 7), TOKENS, None),
        (F.mse_loss, (B, 2, 2, 2), TOKENS, None),
    ],
)
def test_the_reading_of_outputs(loss, shape, targets, reading):
    assert find_reading(loss, outputs(*shape), targets) == reading


def test_aligned_outputs_and_targets_have_equal_positions():
    logits = outputs(B, T + 1, V)
    first, targets = Reading(2, 0).aligned(logits, TOKENS)
    assert (first.shape, targets.shape) == ((B, V, T), (B, T))
    assert torch.equal(first, logits.transpose(1, 2)[:, :, :T])
    later, targets = Reading(2, 1).aligned(logits[:, :T], TOKENS)
    assert torch.equal(later, logits[:, : T - 1].transpose(1, 2))
    assert torch.equal(targets, TOKENS[:, 1:])


def test_classes_that_a_loss_leaves_out():
    padded = TOKENS.clone()
    padded[:, 8:] = 0

    def blind(logits, targets):
        return F.cross_entropy(logits.reshape(-1, V), targets.reshape(-1), ignore_index=0)

    assert left_out(blind, Reading(2), outputs(B, T, V), padded) == (0,)
    assert left_out(flattened, Reading(2), outputs(B, T, V), padded) == ()
    assert left_out(shifted, Reading(2, 1), outputs(B, T, V), padded) == ()
    assert left_out(lambda o, _t: o.square().mean(), Reading(2), outputs(B, T, V), padded) == ()


def test_a_loss_of_embeddings_does_not_mind_which_class_is_meant():
    classes = torch.arange(B) % 3

    def alike(embeddings, labels):
        near = F.normalize(embeddings) @ F.normalize(embeddings).T
        same = labels[:, None] == labels[None]
        return (1 - near)[same].mean() + near[~same].mean()

    assert any_label_will_do(alike, Reading(), outputs(B, 5), classes)
    assert not any_label_will_do(F.cross_entropy, Reading(), outputs(B, 5), classes)
