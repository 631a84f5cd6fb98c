"""Laws of the free outputs: floors that are known in closed form, losses without one, and which output feels a
target."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tunekit.training.metrics import METRICS
from tunekit.training.probes.alignment import measure_alignment
from tunekit.training.probes.floor import measure_floor
from tunekit.training.tasks import Task

DRAW = torch.Generator().manual_seed(0)
LOGITS = torch.randn(24, 5, generator=DRAW)
CLASSES = torch.randint(5, (24,), generator=DRAW)
NUMBERS = torch.randn(24, 3, generator=DRAW) * torch.tensor([1.0, 5.0, 0.2]) + 4.0
GIVEN = 0.1 * torch.randn(24, 3, generator=DRAW)


def task(loss, kind="classification", metric="loss"):
    made = Task(kind, loss, METRICS[metric])
    made.own_loss = True
    return made


def floor(loss, answer, targets, kind="classification", metric="loss"):
    found = measure_floor(task(loss, kind, metric), answer, targets)
    assert found is not None
    return found.floor


def smoothed(amount):
    return lambda outputs, targets: F.cross_entropy(outputs, targets, label_smoothing=amount)


def gaussian(outputs, targets):
    mean, log_variance = outputs.chunk(2, 1)
    return (0.5 * (log_variance + (targets - mean).square() / log_variance.exp())).mean()


def contrastive(distance, same, margin=1.0):
    return (same * distance.square() + (1 - same) * F.relu(margin - distance).square()).mean()


def elbo(outputs, x):
    made, mean, log_variance = outputs.split([3, 2, 2], 1)
    kl = -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum(1).mean()
    return (made - x).square().sum(1).mean() + kl


class TestFloor:
    def test_of_normalised_embeddings_lies_among_rows_of_length_1(self):
        """Pairs of views at temperature 0.5: 2 n rows, each with one partner. Four rows on a circle at most apart are
        two pairs of opposites: ln(e^(1/T) + 2 e^(-1/T)) - 1/T."""

        def info_nce(rows, _targets):
            products = rows @ rows.T / 0.5
            products = products.masked_fill(torch.eye(4, dtype=torch.bool), -math.inf)
            return F.cross_entropy(products, torch.tensor([1, 0, 3, 2]))

        rows = F.normalize(torch.randn(4, 2, generator=torch.Generator().manual_seed(3)), dim=1)
        least = math.log(math.exp(2) + 2 * math.exp(-2)) - 2
        assert floor(info_nce, rows, torch.zeros(4)).loss == pytest.approx(least, abs=0.01)

    @pytest.mark.parametrize("amount", [0.0, 0.1, 0.3])
    def test_of_cross_entropy_is_the_entropy_of_its_smoothed_targets(self, amount):
        other = amount / 5
        shares = [1 - amount + other, *[other] * 4]
        entropy = sum(-share * math.log(share) for share in shares if share)
        assert floor(smoothed(amount), LOGITS, CLASSES).loss == pytest.approx(entropy, abs=2e-3)

    @pytest.mark.parametrize("loss", [F.mse_loss, F.l1_loss, F.huber_loss])
    def test_of_an_error_is_zero(self, loss):
        found = floor(loss, GIVEN, NUMBERS, "regression")
        assert found.loss == pytest.approx(0.0, abs=1e-6)
        assert not found.endless

    def test_of_squares_with_constant_outputs_is_the_variance_and_a_hundredth_of_it_is_the_level(self):
        found = floor(F.mse_loss, GIVEN, NUMBERS, "regression")
        variance = float(NUMBERS.var(0, unbiased=False).mean())
        assert found.constant == pytest.approx(variance, rel=1e-3)
        assert found.level == pytest.approx(variance / 100, rel=1e-3)

    @pytest.mark.parametrize("outside", [0.0, 0.7, -3.0])
    def test_follows_what_the_loss_adds(self, outside):
        found = floor(lambda o, t: F.mse_loss(o, t) + outside, GIVEN, NUMBERS, "regression")
        assert found.loss == pytest.approx(outside)

    def test_of_a_contrastive_loss_is_zero_though_it_is_not_least_at_the_targets(self):
        distance, same = torch.rand(24, generator=DRAW) + 0.1, (torch.arange(24) % 2).float()
        for kind in ("binary", "regression"):
            found = floor(contrastive, distance, same, kind)
            assert found.loss == pytest.approx(0.0, abs=1e-4)
            assert found.constant == pytest.approx(0.25, abs=1e-3)
            assert not found.endless

    def test_of_outputs_wider_than_the_targets(self):
        found = floor(elbo, 0.1 * torch.randn(24, 7, generator=DRAW), NUMBERS, "regression")
        assert found.loss == pytest.approx(0.0, abs=1e-4)
        assert found.perfect is None
        assert found.constant == pytest.approx(float(NUMBERS.var(0, unbiased=False).sum()), rel=1e-3)

    def test_of_several_parts(self):
        parts = {"made": GIVEN, "codes": (torch.ones(24, 2), torch.tensor([3, 4]))}

        def loss(outputs, x):
            return F.mse_loss(outputs["made"], x) + outputs["codes"][0].square().mean()

        found = measure_floor(task(loss, "regression"), parts, NUMBERS)
        assert found.floor.loss == pytest.approx(0.0, abs=1e-4)
        assert found.floor.constant == pytest.approx(float(NUMBERS.var(0, unbiased=False).mean()), rel=1e-3)
        assert found.outputs["codes"][1].tolist() == [3, 4]

    def test_of_log_probabilities_and_of_probabilities_keeps_to_them(self):
        assert floor(F.nll_loss, LOGITS.log_softmax(1), CLASSES).loss == pytest.approx(0.0, abs=2e-3)
        share = LOGITS.softmax(1)
        assert floor(lambda o, t: F.nll_loss(o.log(), t), share, CLASSES).loss == pytest.approx(0.0, abs=2e-3)
        assert floor(F.nll_loss, share, CLASSES).loss == pytest.approx(-1.0, abs=2e-3)  # a fault, whose floor is -1
        one, yes = torch.sigmoid(LOGITS[:, :1]), (CLASSES > 2).float()[:, None]
        assert floor(nn.BCELoss(), one, yes, "binary").loss == pytest.approx(0.0, abs=2e-3)

    def test_of_probabilities_before_a_loss_of_scores_is_that_of_scores(self):
        """Else a softmax too many would be learned at the floor that it sets."""
        assert floor(F.cross_entropy, LOGITS.softmax(1), CLASSES).loss == pytest.approx(0.0, abs=2e-3)

    def test_of_ctc(self):
        answer = torch.randn(12, 6, 5, generator=DRAW).log_softmax(2)
        targets = torch.randint(1, 5, (6, 4), generator=DRAW)

        def loss(outputs, wanted):
            return F.ctc_loss(outputs, wanted, torch.full((6,), 12), torch.full((6,), 4))

        found = floor(loss, answer, targets)
        assert found.loss < 0.05
        assert not found.endless

    def test_of_tokens_in_either_layout(self):
        answer, targets = torch.randn(6, 9, 5, generator=DRAW), torch.randint(5, (6, 9), generator=DRAW)
        last = floor(lambda o, t: F.cross_entropy(o.reshape(-1, 5), t.reshape(-1)), answer, targets)
        second = floor(F.cross_entropy, answer.transpose(1, 2), targets)
        assert last.loss == pytest.approx(0.0, abs=2e-3)
        assert last.perfect == pytest.approx(second.perfect) == pytest.approx(0.0, abs=1e-6)

    @pytest.mark.parametrize("deviation", [0.1, 1.0, 30.0])
    def test_a_likelihood_has_none_and_is_held_to_a_hundredth_of_the_variance(self, deviation):
        x = deviation * NUMBERS[:, :1]
        found = floor(gaussian, torch.zeros(24, 2), x, "regression")
        variance = float(x.var(unbiased=False))
        assert found.endless
        assert found.level == pytest.approx(0.5 * math.log(variance / 100) + 0.5, abs=0.05)
        assert found.constant == pytest.approx(0.5 * math.log(variance) + 0.5, abs=0.01)

    def test_a_score_of_any_size_has_none(self):
        found = floor(lambda o, t: -o.gather(1, t[:, None]).mean(), LOGITS, CLASSES)
        assert found.endless
        assert found.within == pytest.approx(-10.0, abs=0.5)

    def test_a_loss_that_raises_or_has_no_gradient_costs_the_answer(self):
        def refuses(outputs, targets):
            raise KeyError("no")

        assert measure_floor(task(refuses), LOGITS, CLASSES) is None
        assert measure_floor(task(lambda o, t: (o.argmax(1) == t).float().mean()), LOGITS, CLASSES) is None

    def test_the_score_is_that_where_the_loss_is_least(self):
        assert floor(F.cross_entropy, LOGITS, CLASSES, metric="accuracy").score == 1.0
        exchanged = floor(lambda o, t: F.cross_entropy(o, 4 - t), LOGITS, CLASSES, metric="accuracy")
        assert exchanged.score < 0.5
        assert exchanged.perfect > 5


PIXELS = torch.randn(6, 3, 8, 8, generator=DRAW)
MASKS = torch.randint(3, (6, 8, 8), generator=DRAW)
STEPS = torch.randn(6, 9, 5, generator=DRAW)
TOKENS = torch.randint(5, (6, 9), generator=DRAW)


def flat(outputs, targets):
    return F.cross_entropy(outputs.reshape(-1, outputs.shape[-1]), targets.reshape(-1))


def shifted(outputs, targets):
    return flat(outputs[:, :-1], targets[:, 1:])


def unpermuted(outputs, targets):
    return F.cross_entropy(outputs.reshape(-1, outputs.shape[1]), targets.reshape(-1))


def permuted(outputs, targets):
    return unpermuted(outputs.movedim(1, -1).flatten(0, -2), targets)


def in_batch(outputs, targets):
    """Every sample against all others: a changed label is felt by all of its class."""
    near = F.normalize(outputs, dim=1)
    same = (targets[:, None] == targets[None]) & ~torch.eye(len(targets), dtype=torch.bool)
    scores = (near @ near.T).log_softmax(1)
    return -(scores * same).sum() / same.sum().clamp_min(1)


class TestAlignment:
    @pytest.mark.parametrize(
        ("loss", "answer", "targets"),
        [
            (unpermuted, PIXELS, MASKS),
            (unpermuted, STEPS.transpose(1, 2), TOKENS),
            (flat, STEPS.transpose(0, 1), TOKENS),  # time first, targets batch first
            (lambda o, t: F.cross_entropy(o.transpose(2, 3), t), PIXELS, MASKS),
            (lambda o, t: F.cross_entropy(o.flip(0), t), LOGITS, CLASSES),
            (lambda o, t: F.mse_loss(o.T.reshape(-1), t.reshape(-1)), GIVEN, NUMBERS),
        ],
    )
    def test_targets_felt_elsewhere(self, loss, answer, targets):
        kind = "regression" if targets.is_floating_point() else "classification"
        found = measure_alignment(task(loss, kind), answer, targets)
        assert found.looked >= 6
        assert found.astray > 0.5 * found.looked
        assert not found.shifted

    @pytest.mark.parametrize(
        ("loss", "answer", "targets"),
        [
            (permuted, PIXELS, MASKS),
            (F.cross_entropy, PIXELS, MASKS),
            (flat, STEPS, TOKENS),
            (lambda o, t: flat(o.transpose(0, 1), t), STEPS.transpose(0, 1), TOKENS),
            (lambda o, t: flat(o.transpose(0, 1), t), STEPS[:, :6].transpose(0, 1), TOKENS[:, :6]),  # as long as many
            (lambda o, t: F.cross_entropy(o, t, weight=torch.tensor([1.0, 9, 0.1, 2, 5])), LOGITS, CLASSES),
            (in_batch, LOGITS, CLASSES),
            (F.multi_margin_loss, LOGITS, CLASSES),
            (lambda o, t: 1 - F.cosine_similarity(o, t, 0).mean(), GIVEN, NUMBERS),
            (F.mse_loss, GIVEN, NUMBERS),
            (F.l1_loss, 4 + GIVEN, NUMBERS),
            (elbo, torch.randn(24, 7, generator=DRAW), NUMBERS),
        ],
    )
    def test_targets_felt_in_their_place(self, loss, answer, targets):
        kind = "regression" if targets.is_floating_point() else "classification"
        found = measure_alignment(task(loss, kind), answer, targets)
        assert found.looked >= 4
        assert found.astray == 0

    def test_a_loss_that_shifts_its_targets_by_itself(self):
        found = measure_alignment(task(shifted), STEPS, TOKENS)
        assert found.shifted
        assert found.looked == found.astray >= 6

    def test_padding_is_not_asked(self):
        padded = TOKENS.clone()
        padded[:, 4:] = -100
        found = measure_alignment(task(flat), STEPS, padded)
        assert (found.astray, found.looked >= 6) == (0, True)

    def test_sizes_that_do_not_match_say_nothing(self):
        assert measure_alignment(task(flat), STEPS, CLASSES) is None
        assert measure_alignment(task(flat), {"a": STEPS}, TOKENS) is None
        assert measure_alignment(task(flat), STEPS, {"a": TOKENS}) is None


class TestPartsOfOutputs:
    def test_a_part_without_a_gradient_stays_as_it_was_given(self):
        teacher = torch.softmax(LOGITS, 1)
        entropy = float(-(teacher * teacher.log()).sum(1).mean())
        student = torch.zeros(24, 5, requires_grad=True)

        def distilled(outputs, _targets):
            return F.cross_entropy(outputs[0], outputs[1])

        assert floor(distilled, (student, teacher), CLASSES).loss == pytest.approx(entropy, abs=2e-3)

    def test_a_probability_among_other_parts_stays_one(self):
        x = torch.rand(24, 6, generator=torch.Generator().manual_seed(0)).round()
        answer = {"made": torch.full((24, 6), 0.4), "code": torch.randn(24, 2, generator=DRAW)}

        def loss(outputs, wanted):
            return F.binary_cross_entropy(outputs["made"], wanted) + outputs["code"].square().mean()

        assert floor(loss, answer, x, kind="regression").loss == pytest.approx(0, abs=1e-2)

    def test_another_order_of_positions_is_seen_in_the_main_part(self):
        answer = (torch.randn(6, 4, 5, generator=DRAW), torch.zeros(1, 6, 3))
        targets = torch.randint(5, (6, 4), generator=DRAW)
        own = measure_alignment(task(lambda o, t: F.cross_entropy(o[0].reshape(-1, 5), t.reshape(-1))), answer, targets)
        other = measure_alignment(
            task(lambda o, t: F.cross_entropy(o[0].transpose(0, 1).reshape(-1, 5), t.reshape(-1))), answer, targets
        )
        assert own is not None
        assert other is not None
        assert own.astray == 0
        assert other.astray > other.looked / 2


def test_targets_less_known_are_worth_no_more():
    """Of a survival time with its event, which is 0 or 1: an event of -0.05 would be worth more without end."""
    draw = torch.Generator().manual_seed(0)
    y = torch.stack([torch.rand(32, generator=draw), (torch.rand(32, generator=draw) < 0.6).float()], 1)

    def cox(risk, targets):
        order = targets[:, 0].argsort(descending=True)
        risk, event = risk[order, 0], targets[order, 1]
        return -((risk - risk.logcumsumexp(0)) * event).sum() / event.sum()

    assert floor(cox, 0.1 * torch.randn(32, 1, generator=draw), y, kind="regression").loss == pytest.approx(0, abs=0.1)
