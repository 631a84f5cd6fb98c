"""What of a sequence's tokens gets into the model: real ones before padding, each as another than the rest, in their
order, and weighed by attention."""

from __future__ import annotations

from tunekit.measured import Hidden, Merged, OrderUse, UsageMeasured, Weighing
from tunekit.shares import percent
from tunekit.steps.check_init_loss.settings import SEEN, fault
from tunekit.vocabulary import Finding

HIDDEN = 1e-6  # gradient to real steps over that to padding: a mask leaves exactly none
LOST = (
    0.2  # of the tokens' entropy: half of a vocabulary of 12 laid over the other half loses 0.28, a tenth of the words
)
# made one unknown word about 0.1
OFF_ONE = 0.01  # a softmax in half precision is off by less

MASK_INVERTED = fault(
    "mask_inverted",
    "fail",
    "The model looks at padding and not at the sequence.",
    "Gradients in eval mode of what is made of padded sequences: as a whole, or at the step in their middle. Those to "
    f"their real steps (but for a step's own) are zero (at most {HIDDEN:g} of those to padding), and those to any "
    "padding are not.",
    "A padding mask that is the wrong way round: `key_padding_mask` is true where nothing is, masks of other libraries "
    "are true where words are.",
    ("turn the padding mask round (`key_padding_mask=tokens == padding`: true is left out), and a mean's weights too",),
    "torch.nn.MultiheadAttention (key_padding_mask)",
)
TOKENS_MERGED = fault(
    "tokens_merged",
    "warn",
    "The model cannot tell tokens apart that occur often.",
    "Tokens that look up the same rows of every embedding, and whose exchange leaves all outputs equal to the last "
    f"bit: where that loses more than {100 * LOST:g} % of the tokens' entropy. Padding does not count.",
    "clamp, a remainder or a cast on the way to the embedding, which hides that its table is too small.",
    (
        "look up the tokens as they are, in an embedding as large as their vocabulary: look for clamp, % and // before "
        "it",
    ),
    "torch.nn.Embedding (num_embeddings)",
)
ATTENTION_AXIS = fault(
    "attention_axis",
    "warn",
    "The weights of self-attention do not sum to one over what they are summed over.",
    "In eval mode, softmax of scores [..., L, L] that a product gave, multiplied from the left with values: its axis "
    f"is not the last one, and rows' sums are off by more than {100 * OFF_ONE:g} %. Weights that are divided by their "
    "sums are left out.",
    "A softmax over queries or over heads instead of keys.",
    ("take the softmax over the last axis of the scores (queries @ keys.transpose(-2, -1)): `softmax(-1)`",),
    "Vaswani et al., 2017, 'Attention is all you need', section 3.2.1",
)
ORDER_IGNORED = fault(
    "order_ignored",
    "note",
    "To a model with attention the order of the tokens does not matter.",
    "In eval mode the tokens of each sequence change places: outputs stay (or go with their tokens, where there is one "
    f"a token), to {SEEN:g} of what other tokens change. Not asked of models without attention, or where other inputs "
    "may say where tokens stand.",
    "Attention without an encoding of positions.",
    (
        "add an encoding of positions to the embeddings, where their order says something: attention by itself sees a "
        "set",
    ),
    "Vaswani et al., 2017, 'Attention is all you need', section 3.5",
)
CODES = (MASK_INVERTED, TOKENS_MERGED, ATTENTION_AXIS, ORDER_IGNORED)


def judge(usage: UsageMeasured) -> list[Finding]:
    return [*hidden(usage.hidden), *_merged(usage.merged), *_weighing(usage.weighing), *_order(usage.order)]


def hidden(measured: Hidden | None) -> list[Finding]:
    if measured is None or not measured.padding > 0 or not measured.real <= HIDDEN * measured.padding:
        return []
    message = (
        f"of {measured.input} the padding acts on the rest of a sequence and its real steps do not "
        f"(gradients {measured.padding:.2g} and {measured.real:.2g}, in {measured.rows} sequences)"
    )
    return [MASK_INVERTED.finding(message, measured.to_json())]


def _merged(merged: Merged | None) -> list[Finding]:
    if merged is None or merged.lost <= LOST:
        return []
    named = ", ".join(map(str, merged.example)) + (" and more" if merged.merged > len(merged.example) else "")
    message = (
        f"{merged.merged} of the {merged.tokens} tokens that occur in {merged.input} are the same to the model as "
        f"another ({named} are one): {percent(merged.lost)} of what tokens tell is lost"
    )
    return [TOKENS_MERGED.finding(message, merged.to_json())]


def _weighing(weighing: Weighing | None) -> list[Finding]:
    if weighing is None or weighing.axis in (0, weighing.axes - 1):
        return []  # what is mixed over samples is told as that
    if not max(weighing.highest - 1, 1 - weighing.lowest) > OFF_ONE:
        return []
    over = "queries" if weighing.axis == weighing.axes - 2 else f"axis {weighing.axis} of {weighing.axes}"
    message = (
        f"attention takes its softmax over {over} and is summed over keys, where its weights sum to "
        f"{weighing.lowest:.2g} to {weighing.highest:.2g} instead of one"
    )
    if weighing.place:
        message += f" ({weighing.place})"
    return [ATTENTION_AXIS.finding(message, weighing.to_json())]


def _order(order: OrderUse | None) -> list[Finding]:
    if order is None or not order.tokens > 0 or not order.order <= SEEN * order.tokens:
        return []
    message = (
        f"the order of the tokens does not matter to this model (other places change its outputs by {order.order:.1g}, "
        f"other tokens by {order.tokens:.2g})"
    )
    return [ORDER_IGNORED.finding(message, order.to_json())]
