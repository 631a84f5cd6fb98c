"""What a column's name says: its split, its kind, its level. Names only; the numbers are in table.py."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from tunekit.logs.foreign import english


def word_set(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


TRAIN = word_set("train training trn tr trainset fit learn insample")
EVALUATED = word_set("eval evals evaluation evaluate")
VAL = EVALUATED | word_set(
    "val vals valid validation validate dev devel heldout holdout vali vl vld va valset devset cv oof"
)
TEST = word_set("test testing tst te testset")
LOSS = word_set("loss losses nll mlogloss cost objective xent crossentropy logloss bce ce criterion")
ERRORS = word_set(
    "mae mse rmse rmsle msle mape smape rmspe err error err1 err5 merror wer cer ppl bpc bpb bpd fid eer ade fde"
)
BOUNDED = word_set(
    "acc accuracy acc1 acc5 top1 top5 hits1 hits3 hits10 f1 fscore auc auroc map ap ar iou miou dice jaccard "
    "precision recall mcc kappa sensitivity specificity pck ndcg mrr em rouge rouge1 rouge2 rougel rougelsum r2 "
    "ssim aupr prauc wa uar war map50 map75 map95 ap50 ap75 ap95 map5095 ap5095 aps apm apl hmean"
)
SHARES = BOUNDED - word_set("mcc kappa r2 ssim mrr")  # the others are no share of anything
SCORES = BOUNDED | word_set("loglik bleu sacrebleu psnr score spearman pearson correlation spearmanr meteor cider")
MEASURES = LOSS | ERRORS | SCORES
RATE = word_set("lr learningrate lr0 lr1 lr2 pg0 pg1 pg2")
STEP_NAMES = _words(
    "step global_step trainer_global_step iteration iterations iter iters total_iter total_steps steps "
    "num_updates update updates niter ni it batch batch_idx batch_num batch_id i"
)
EPISODE_NAMES = _words("episode episodes episode_num episode_number episode_id episode_idx n_episode i_episode")
EPOCH_NAMES = _words("epoch epochs ep epoch_num epoch_number current_epoch epoch_idx n_epoch")
EPOCH_LEVEL = frozenset({"epoch"})
STEP_LEVEL = frozenset({"step", "batch", "minibatch", "iter", "iteration"})
EMPTY_WORDS = (
    EPOCH_LEVEL
    | STEP_LEVEL
    | word_set(
        "avg mean average total overall all running metrics metric stats performance history dataloader idx of the "
        "set combined aggregated summed scalars per sum final model main end value on b logs log scalar smoothed "
        "avr running current s agg"
    )
)
"""Words that do not tell one loss from another: `train/loss_epoch` and `loss` are the same loss."""

TOTALS = word_set("total overall sum summed all combined aggregated")

RECORDS = word_set(
    "best min max minimum maximum lowest highest prev previous patience delta diff std var time memory gap ratio "
    "weight lambda threshold eta packet skipped"
)
"""Words of columns that are no curve of the run: a best so far, a spread, a duration."""

SETTINGS = word_set(
    "scale scaler scaling factor weights weighting coef coeff coefficient gain fn func function type name thresh "
    "thr tolerance tol smoothing interval every freq frequency count counts num size samples plateau target "
    "goal label labels stdev stddev variance ci sec secs seconds duration speed fps mem improvement change "
    "improved multiplier mult div steps iters nan nans reduction id ids usd eur"
)
"""Words that make a setting or a measurement of a loss when they stand behind it: `loss_scale`."""

PAID = word_set(
    "batch data step iter iteration reader load loading compute forward backward gpu api cloud token tokens"
)
"""What costs seconds or money: `batch_cost` is nothing that is learned."""

CHANGES = word_set("improvement improved change count counts")
"""Words that make no measure of any measure that they stand behind: `accuracy_improvement`."""

COUNTED = word_set("num number count http io")
"""Words that make errors something that is counted."""

ADVERSARIAL = word_set("g d gen disc generator discriminator adv gan critic adversarial")

OPPONENTS = word_set("d disc discriminator critic value")

SQUARES = _words("mse rmse rmsle msle rmspe mae mape smape")
"""Errors that a regression is trained with, the likeliest first."""

PREFERENCE = _words(
    "accuracy top1 acc1 map5095 map95 f1 auc auroc map ap dice iou miou ap5095 map50 ap50 r2 rougel rouge bleu"
)
"""Which metric a person looks at first where a log has many."""

_LEARNING_RATE = re.compile(r"learning.?rate", re.IGNORECASE)
_AT_RANK = re.compile(r"(?<![a-z])(?:(acc|accuracy|prec|precision|err|error|hits?)@|(top)[ _-])(?=(?:1|3|5|10)\b)")
_RANKED = {"accuracy": "acc", "prec": "acc", "precision": "acc", "error": "err", "hit": "hits"}
_ONE_WORD = {"acc": "accuracy", "perplexity": "ppl", "accuracy1": "acc1", "accuracy5": "acc5"}
_ONE_WORD |= {"map05": "map50", "ap05": "ap50", "map075": "map75", "ap075": "ap75"}
_ONE_WORD |= {
    f"{word}s": _ONE_WORD.get(word, word)
    for word in _words("acc f1 auc iou miou dice mae mse rmse ppl lr err error nll cost precision recall bleu")
}
_SAMPLE = re.compile(r"\b(?:(in)|out[ _-]of)[ _-]sample")
_OF_A_SET = re.compile(r"'s (?=l[12]$)")
CROSS_ENTROPY = re.compile(r"cross.?entropy", re.IGNORECASE)
_LIKELIHOOD = re.compile(r"(neg(?:ative)?[ _-]?)?log[ _-]?(?:likelihood|lik)", re.IGNORECASE)
_BETWEEN_DIGITS = re.compile(r"(?<=[0-9])[-_:.](?=[0-9])|(?<=0\.5):0\.")
_AVERAGE_PRECISION = re.compile(r"(map|ap|AP)[_@-]?(?=[0-9])")
_CAMEL = re.compile(r"([a-z0-9])([A-Z])")
OF_ADVERSARIES = frozenset(
    [(who, what) for who in "gd" for what in ("a", "b", "gan", "real", "fake", "l1", "vgg")]
    + [(what, where) for what in ("cycle", "idt") for where in "ab"]
)
"""What pix2pix and CycleGAN call their losses: `G_GAN`, `D_real`, `cycle_A`."""

_NO_LETTER = re.compile(r"[^A-Za-z0-9]+")
_LOSS_OF = re.compile(r"(?<![A-Za-z0-9])L[_-](?=[A-Za-z])")
_OF_A_LOSS = TOTALS | word_set(
    "vae elbo kl kld kldiv rec recon reconstruction ce bce nll mse mae l1 l2 cls reg box obj adv gan g d gen disc "
    "cyc cycle idt perceptual perc style content tv contrastive align aux sup unsup consistency distill kd pde bc "
    "ic physics dice focal triplet mmd"
)
"""Words behind the L of a loss, `L_total`; that of `L_hand` is a side."""

_GLUED = re.compile(
    r"^(train|training|trn|tr|validation|valid|val|eval|dev|test|tst|avg|avr|total)"
    r"(loss|losses|nll|acc|accuracy|acc1|acc5|err|error|f1|auc|iou|miou|dice|mae|mse|rmse|ppl|lr)$"
)


@dataclass(frozen=True)
class Part:
    """A column's part, as far as its name tells; "" where it does not."""

    side: str  # train | val | test
    kind: str  # loss | error | score | rate | grad_norm | step | epoch
    core: tuple[str, ...]  # the words that tell it from its kin: ("box",), ("accuracy",)
    level: str = ""  # epoch | step | ""
    total: bool = False


@lru_cache(maxsize=16384)
def part(name: str) -> Part:
    """The part that a name announces.

    >>> part("Train Loss").side, part("val/box_loss").core, part("metrics/mAP50-95(B)").kind
    ('train', ('box',), 'score')
    """
    words = split(name)
    joined = "_".join(words)
    if joined in EPOCH_NAMES or joined in STEP_NAMES or joined in EPISODE_NAMES:
        return Part("", "epoch" if joined in EPOCH_NAMES else "step", ())
    if RATE & set(words) or "learning_rate" in joined:
        return Part(side(words), "rate", ())
    if ({"grad", "gradient", "gradients"} & set(words) and "norm" in words) or "gradnorm" in words:
        return Part(side(words), "grad_norm", ())
    level = "epoch" if EPOCH_LEVEL & set(words) else "step" if STEP_LEVEL & set(words) else ""
    rest = tuple(word for word in words if word not in EMPTY_WORDS | TRAIN | VAL | TEST and not word.isdigit())
    kind = _kind(words)
    if kind == "loss":
        rest = tuple(word for word in rest if word not in LOSS or word in ("bce", "ce"))
    return Part(side(words), kind, rest, level, not TOTALS.isdisjoint(words))


def split(name: str) -> list[str]:
    """Lower-case words: CamelCase, separators and glued pairs such as `trainloss` taken apart."""
    return list(_split(name))


@lru_cache(maxsize=16384)
def _split(name: str) -> tuple[str, ...]:
    text = name.strip().replace("mAP", "map").replace("mIoU", "miou").replace("IoU", "iou").replace("LR", "lr")
    if not text.isascii():
        text = english(text)
    lowered = text.lower()  # what a name does not hold is not looked for: a log may have very many names
    if "learning" in lowered:
        text = _LEARNING_RATE.sub("lr", text)
    if "cross" in lowered:
        text = CROSS_ENTROPY.sub("xent", text)
    if "lik" in lowered:
        text = _LIKELIHOOD.sub(lambda match: "nll" if match[1] else "loglik", text)
    if "sample" in lowered:
        text = _SAMPLE.sub(lambda match: "train" if match[1] else "test", text.lower())
    if ".95" in text:
        text = text.replace("0.50:0.95", "5095").replace("0.5:0.95", "5095").replace(".5:.95", "5095")
    text = _BETWEEN_DIGITS.sub("", text)
    if "@" in text or "top" in lowered:
        text = _AT_RANK.sub(_at_rank, text.lower())
    if "'s l" in lowered:
        text = _OF_A_SET.sub(" mean_absolute_error_" if lowered.endswith("1") else " mse_", text)
    if "ap" in lowered:
        text = _AVERAGE_PRECISION.sub(r"\1", text)
    if lowered != text:
        text = _CAMEL.sub(r"\1_\2", text).lower()
    words: list[str] = []
    for word in _NO_LETTER.split(text):
        glued = _GLUED.match(word)
        words += glued.groups() if glued else [word] if word else []
    if "l" in words and _LOSS_OF.search(name) and LOSS.isdisjoint(words):
        place = words.index("l")
        if not _OF_A_LOSS.isdisjoint(words[place + 1 :]):
            words[place] = "loss"
    return tuple(_ONE_WORD.get(word, word) for word in words)


def _at_rank(match: re.Match[str]) -> str:
    word = match[1] or match[2]
    return _RANKED.get(word, word)


def side(words: Sequence[str]) -> str:
    """train, val or test, where one of the words names a split; else "".

    `train/val_loss` is validation's, `eval_train_loss` what an evaluation finds on the training set, `eval_test_loss`
    on the test set.
    """
    distinct = set(words)
    if TRAIN & distinct and not (VAL - EVALUATED) & distinct and EVALUATED & distinct:
        return "train" if [word for word in words if word in TRAIN | EVALUATED][-1] in TRAIN else "val"
    if TEST & distinct and EVALUATED & distinct and not (VAL - EVALUATED) & distinct:
        return "test"
    sides = (("val", VAL), ("test", TEST), ("train", TRAIN))
    return next((name for name, known in sides if not known.isdisjoint(distinct)), "")


def _kind(words: list[str]) -> str:
    distinct = set(words)
    if RECORDS & distinct or words[:2] == ["early", "stopping"]:
        return ""
    if words and (words[-1] in CHANGES or words[-2:] == ["top", "k"]):  # how many are looked at
        return ""
    last = max((place for place, word in enumerate(words) if word in LOSS), default=len(words))
    if SETTINGS.intersection(words[last + 1 :]) or ("cost" in distinct and PAID & distinct):
        return ""
    own = [word for word in words if word not in TRAIN | VAL | TEST]
    if own[:1] == ["neg"] and (own[1:] == ["log", "loss"] or (ERRORS & distinct and not LOSS & distinct)):
        return "score"  # of scikit-learn: `neg_mean_squared_error`
    if LOSS & distinct == {"objective"} and not EMPTY_WORDS.issuperset(words[words.index("objective") + 1 :]):
        return ""  # `objective/kl`
    if {"err", "error"} & distinct and COUNTED & distinct:
        return ""
    if LOSS & distinct or tuple(words) in OF_ADVERSARIES:
        return "loss"
    if {"err", "error"} & distinct:  # `top1_err` is no accuracy
        return "error"
    if SCORES & distinct:
        return "score"
    return "error" if ERRORS & distinct else ""


def preference(part_: Part) -> int:
    """Rank of a metric: low is looked at first."""
    ranks = [PREFERENCE.index(word) for word in part_.core if word in PREFERENCE]
    return min(ranks) if ranks else len(PREFERENCE)
