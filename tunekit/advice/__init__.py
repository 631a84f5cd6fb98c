"""Advice on the architecture from measured numbers: what is proven for such data, and what of a model does not suit
them. Every rule names its source, and data of a kind that none knows get none."""

from tunekit.advice.advice import Advice, Remark, Start, advise
from tunekit.advice.situation import Situation, situation_of

__all__ = ["Advice", "Remark", "Situation", "Start", "advise", "situation_of"]
