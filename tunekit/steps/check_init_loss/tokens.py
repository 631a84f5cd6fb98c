"""What of a sequence's tokens gets into the model: real ones before padding, and each as another than the rest."""

from __future__ import annotations

from tunekit.measured import Hidden, Merged, UsageMeasured
from tunekit.steps.check_init_loss.settings import fault
from tunekit.steps.context import percent
from tunekit.vocabulary import Finding

HIDDEN = 1e-6  # gradient to real steps over that to padding: a mask leaves exactly none
LOST = (
    0.2  # of the tokens' entropy: half of a vocabulary of 12 laid over the other half loses 0.28, a tenth of the words
)
# made one unknown word about 0.1

MASK_INVERTED = fault(
    "mask_inverted",
    "fail",
    "The model looks at padding and not at the sequence.",
    "Gradients in eval mode of what is made of padded sequences: as a whole, or at the step in their middle. Those to "
    f"their real steps (but for a step's own) are zero (at most {HIDDEN:g} of those to padding), and those to padding "
    "are not.",
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
CODES = (MASK_INVERTED, TOKENS_MERGED)


def judge(usage: UsageMeasured) -> list[Finding]:
    return [*hidden(usage.hidden), *_merged(usage.merged)]


def hidden(measured: Hidden | None) -> list[Finding]:
    if measured is None or measured.padding == 0 or measured.real > HIDDEN * measured.padding:
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
