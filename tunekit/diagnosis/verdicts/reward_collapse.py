"""What is rewarded was learnt and lost: the return falls far below its best and stays there."""

import numpy as np

from tunekit.citations import SCHULMAN
from tunekit.diagnosis.course import Course, course
from tunekit.diagnosis.drawn import Drawn, level
from tunekit.diagnosis.measures import END, Measures
from tunekit.diagnosis.verdict import FOREIGN, Outcome, Verdict, percent, shown, silent, unasked
from tunekit.logs.log import Array, Log
from tunekit.vocabulary import Code

LOST = 0.5  # share of what was gained, and of the best return, that a collapse loses
NOISES = 3.0  # standard deviations of the return's noise that the fall measures
BEFORE = 0.8  # share of the run before which the best lies: what fell since may come back
SHRUNK = 0.1  # share of its length at the start that a collapsed answer keeps
SHORT = 20.0  # tokens that a collapsed answer has at most
KL_GROWTH = 20.0  # times its level over the first tenth ...
KL_FAR = 1.0  # ... and the divergence from the reference, in nats, that an exploded one has


def judge(m: Measures) -> Outcome:
    objective = m.log.objective
    if objective is None or objective.kind != "reinforcement":
        return FOREIGN
    reward = course(objective.curves.get("reward"))
    if reward is None:
        return unasked("too few returns")
    first, best, last = float(reward.means[0]), reward.best, float(reward.means[-1])
    fell, gained = best - last, best - first
    far = fell > LOST * gained and (fell > LOST * abs(best) or last < first)
    stays = float(np.max(reward.halves[-2:])) < best - fell / 2
    evidence = {"reward_first_tenth": first, "reward_best_tenth": best, "reward_last_tenth": last}
    besides = _besides(m)
    if far and stays and fell > NOISES * reward.noise and reward.best_place < BEFORE and len(reward.log.y) >= 10:
        text = f"{reward.name} falls from {shown(best)}, the mean of its best tenth, to {shown(last)}, that of its last"
        return Outcome(True, "; ".join([text, *besides]), evidence)
    if besides and gained <= NOISES * reward.noise:
        text = f"{reward.name} does not rise, {reward.tenths}"
        return Outcome(True, "; ".join([*besides, text]), evidence)
    return silent(f"{reward.name} goes {reward.tenths}")


def _besides(m: Measures) -> list[str]:
    """What goes with it: answers that shrink to nothing, a policy that leaves its reference."""
    kept = _course(m.log, "completion")
    words = []
    if kept is not None and kept.end < min(SHRUNK * kept.start, SHORT):
        words.append(f"{kept.name} shrinks {kept.tenths}")
    kl = _course(m.log, "kl")
    if kl is not None and kl.end > max(KL_GROWTH * abs(kl.start), KL_FAR):
        words.append(f"{kl.name} grows {kl.tenths}")
    return words


def _course(log: Log, part: str) -> Course | None:
    return None if log.objective is None else course(log.objective.curves.get(part))


def _falls(done: Array) -> Array:
    return np.where(done < 0.6, 10 + 90 * done / 0.6, 5.0)


VERDICT = Verdict(
    Code(
        name="reward_collapse",
        severity="fail",
        meaning="What is rewarded was learnt and is lost again: the return fell far below its best and stays there.",
        measured=f"The mean return of the last {percent(END)} lies below that of the best by {percent(LOST)} of "
        f"what was gained and by {percent(LOST)} of the best (or below the start), {NOISES:g} times the "
        f"noise; or answers shrink to {percent(SHRUNK)}, or the divergence grows {KL_GROWTH:g} times, while the return "
        "does not rise.",
        causes="Updates that are too large, a reward that can be cheated, a divergence term that is too weak.",
        advice=(
            "go back to the checkpoint of the best return",
            "a smaller rate, fewer passes over each batch, a tighter clip range or a larger divergence coefficient",
            "read what the policy writes or does after the fall: a cheated reward shows there",
        ),
        source=SCHULMAN,
    ),
    judge,
    changed_by="a return that comes back to half of what it lost",
    explains=frozenset({"no_validation", "other_objective"}),
    near_misses=(
        Drawn("a return that settles", level(0.1), reward=lambda done: 100 * (1 - np.exp(-6 * done))),
        Drawn("a dip that recovers", level(0.1), reward=lambda done: np.where(np.abs(done - 0.5) < 0.1, 20.0, 100.0)),
        Drawn("a return below zero that rises", level(0.1), reward=lambda done: -1200 + 1000 * done),
        Drawn("a loss that falls without a return", _falls),
    ),
)
