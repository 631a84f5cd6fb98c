"""Trainings whose loss is no measure of progress, told by the names of a log's columns, and the curves that are."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from tunekit.logs.names import LOSS, part, split, word_set
from tunekit.vocabulary import Curve

Kind = Literal["reinforcement", "preference", "adversarial", "annealed", "diffusion"]


@dataclass(frozen=True)
class Objective:
    """What a training is after besides a loss, and its curves by their part (RETURN, LENGTH, ...)."""

    kind: Kind
    curves: Mapping[str, Curve]


REWARD = word_set("reward rewards rew return returns ret score scores eprewmean eprew epret episodicreturn")
"""Words of a return; a score is one only beside a policy."""

SURELY_REWARD = REWARD - {"score", "scores", "ret"}
EPISODE = word_set("ep episode episodes episodic eprewmean eprew epret rollout env cumulative iter objective critic")
NO_RETURN = (LOSS - {"objective"}) | word_set(
    "std var variance min max best chosen rejected margin margins accuracies zero frac scale loss rate normalized "
    "baseline intrinsic count num func bonus discount target"
)
POLICY = word_set(
    "policy actor critic pi vf qf qf1 qf2 advantage advantages entropy ent approxkl approx clipfrac clip explained "
    "epsilon exploration td episode episodes episodic surrogate"
)
PREFERRED, REFUSED = word_set("chosen preferred"), word_set("rejected dispreferred")
GENERATOR = word_set("g gen generator netg errg gan")
DISCRIMINATOR = word_set("d disc discriminator netd errd critic")
ADVERSARIAL_ALONE = word_set("errd errg netd netg gan real fake")
"""Words of such a loss that is not called one."""

DIVERGENCE = word_set("kl kld kldiv kll klloss kldivergence")
RECONSTRUCTION = word_set("recon reconstruction rec recons reconstructed recloss reconloss nll")
WEIGHT = word_set("beta anneal annealing klweight kldweight")
DIFFUSION = word_set("diffusion ddpm ddim vlb kohya dreambooth sdxl")
DIFFUSION_LOSS = DIFFUSION | word_set("avr q0 q1 q2 q3")
DIFFUSION_RATE = word_set("unet textencoder text_encoder")
LENGTH = word_set("length len lengths eplenmean eplen")
ANNEALED = 1.5
"""Factor by which the weight of a divergence changes where it is annealed."""

COEFFICIENT = word_set("coef coeff coefficient target beta")
COMPLETION = word_set("completion completions response responses")


def objective_of(curves: Mapping[str, Curve], format: str = "", name: str = "") -> Objective | None:
    """The objective that the columns name, if it is another than a loss that falls with success."""
    words = {key: frozenset(split(key)) for key in curves}
    return (
        _preference(curves, words)
        or _reinforcement(curves, words)
        or _adversarial(curves, words)
        or _annealed(curves, words)
        or _diffusion(words, {*split(format), *split(name)})
    )


def names_return(names: Iterable[str]) -> bool:
    """Whether a column of these names is the return of episodes."""
    return any(_is_return(frozenset(split(name)), SURELY_REWARD) for name in names)


def _is_return(words: frozenset[str], known: Collection[str]) -> bool:
    return bool(words & set(known) or words >= {"ep", "ret"}) and not words & NO_RETURN


Named = Mapping[str, frozenset[str]]


def _first(curves: Mapping[str, Curve], words: Named, wanted: Collection[str], but: Collection[str] = ()) -> str | None:
    """The column with most points that has one of the wanted words and none of the others."""
    keys = [key for key, own in words.items() if own & set(wanted) and not own & set(but)]
    return max(keys, key=lambda key: len(curves[key].x), default=None)


def _chosen(curves: Mapping[str, Curve], **keys: str | None) -> dict[str, Curve]:
    return {part: curves[key] for part, key in keys.items() if key is not None}


def _preference(curves: Mapping[str, Curve], words: Named) -> Objective | None:
    """DPO and its kin: the rewards (or likelihoods) of what was chosen and what was rejected."""
    told = {key: own for key, own in words.items() if own & {"rewards", "reward"}}
    liked, refused = _first(curves, told, PREFERRED), _first(curves, told, REFUSED)
    if liked is None or refused is None:
        return None
    margin = _first(curves, told, {"margin", "margins"})
    right = _first(curves, told, {"accuracies", "accuracy"}, {"eval", "val", "test"})
    held_out = _first(curves, {key: own for key, own in told.items() if own & {"eval", "val"}}, {"accuracies"})
    kept = _chosen(curves, chosen=liked, rejected=refused, margin=margin, accuracy=right, val_accuracy=held_out)
    return Objective("preference", kept)


def _reinforcement(curves: Mapping[str, Curve], words: Named) -> Objective | None:
    """A return beside what a policy logs; or a return without a validation loss beside it."""
    policy = any(own & (POLICY | COMPLETION) for own in words.values())
    validated = any(own & {"val", "valid", "validation", "eval"} and own & LOSS for own in words.values())
    rewards = SURELY_REWARD if validated or not policy else REWARD
    keys = [key for key, own in words.items() if _is_return(own, rewards)]
    if not keys or (validated and not policy):
        return None
    longest = max(len(curves[key].x) for key in keys)
    keys = [key for key in keys if 4 * len(curves[key].x) >= longest]

    def rank(key: str) -> tuple[object, ...]:
        own = words[key]
        per_function = own & {"rewards"} and not own & EPISODE  # one of several functions that a reward sums
        return bool(own & {"history", "step", "steps", "time"}), bool(per_function), not own & SURELY_REWARD, len(own)

    lengths = {key: own for key, own in words.items() if own & LENGTH and not own & word_set("std min max clipped")}
    plain = {key: own - {"losses"} for key, own in words.items() if split(key)[-1] != "loss"}
    completion = _first(curves, lengths, COMPLETION)
    kept = _chosen(
        curves,
        reward=min(keys, key=rank),
        completion=completion,
        length=None if completion else _first(curves, lengths, LENGTH),
        kl=_first(curves, plain, DIVERGENCE | {"approxkl", "meankl"}, COEFFICIENT),
        entropy=_first(curves, plain, {"entropy", "policyentropy"}, COEFFICIENT),
    )
    return Objective("reinforcement", kept)


def _adversarial(curves: Mapping[str, Curve], words: Named) -> Objective | None:
    """The losses of a generator and of a discriminator."""
    losses = {key: own for key, own in words.items() if own & ADVERSARIAL_ALONE or part(key).kind == "loss"}
    made = _first(curves, losses, GENERATOR, {"val", "test", "eval", "lr"})
    told = _first(curves, losses, DISCRIMINATOR, {"val", "test", "eval", "lr", "actor"})
    if made is None or told is None or made == told:
        return None
    return Objective("adversarial", _chosen(curves, generator=made, discriminator=told))


def _annealed(curves: Mapping[str, Curve], words: Named) -> Objective | None:
    """A reconstruction beside a divergence whose weight changes in the run."""
    divergence = _first(curves, words, DIVERGENCE, WEIGHT | {"weight"})
    rebuilt = _first(curves, words, RECONSTRUCTION, {"val", "test", "eval"})
    weights = [key for key, own in words.items() if own & WEIGHT or (own & DIVERGENCE and own & {"weight", "coef"})]
    weight = next((key for key in weights if _changes(curves[key])), None)
    if divergence is None or rebuilt is None or weight is None:
        return None
    return Objective("annealed", _chosen(curves, divergence=divergence, reconstruction=rebuilt, weight=weight))


def _changes(weight: Curve) -> bool:
    """Whether a weight is another at the end of the run than it was: by a factor that the loss shows."""
    sizes = {abs(float(value)) for value in weight.y}
    return len(sizes) > 2 and max(sizes) > ANNEALED * min(sizes)


def _diffusion(words: Named, around: Collection[str]) -> Objective | None:
    named = any(
        (own & DIFFUSION_LOSS and own & LOSS) or (own & DIFFUSION_RATE and "lr" in own) for own in words.values()
    )
    return Objective("diffusion", {}) if named or DIFFUSION & set(around) else None
