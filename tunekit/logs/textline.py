"""What one printed line says: where in the run it stands, and its named numbers. Lines in their order: textlog.py."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tunekit.logs.forms import Line, Span, Template
from tunekit.logs.names import LOSS, part, split
from tunekit.logs.objectives import names_return
from tunekit.logs.textclock import place_of, says
from tunekit.logs.textname import SIDES, may_tell, name_of, side_of

NEAR = 200
"""Characters before a number's words in which its split may be named."""

# Lines are anybody's: no quantifier gives back what another could take, or a line could cost the square of its length.
_WORD = "nan|NaN|NAN|inf|Inf|INF|infinity"
_NUMBER = rf"[-+]?+(?:(?:\d++(?:\.\d*+)?+|\.\d++)(?:[eE][-+]?\d++)?+|{_WORD})"
_WRAPPED = r"(?:np\.|numpy\.|torch\.)?+(?:tensor|array|float\d*+|int\d*+)\("
_SECONDS = r"(?:ms|s|secs?|seconds?|mins|minutes|hours?)(?![\w/:=])"
_PAIR = re.compile(
    r"(?P<lead>[0-9@_/.\-]*+)"
    rf"(?P<words>[A-Za-z][A-Za-z0-9@_/.\-]*+(?: (?!(?:{_WORD})(?![\w/])|{_WRAPPED})[A-Za-z][A-Za-z0-9@_/\-]*+){{0,3}}+)"
    r"(?:\s?+\((?P<of>[A-Za-z][A-Za-z_ ]*+)\)(?=\s*+[:=]|\s++[-+.\d]))?+"
    r"\s*+['\"]?+\]?+\)?+\s*+(?:[:=]|\bis\b|->|(?<=-)>|--(?=\s)|(?P<count>\d++):?+(?=\s++[-+]?+\d++\.\d))?+\s*+"
    rf"(?:{_WRAPPED})?+[\[(]?+\s*+['\"]?+"
    rf"(?:\d++(?: / |/)\d++ ?+\((?P<share>{_NUMBER})%|(?<!\d)(?P<number>{_NUMBER}))"
    rf"(?:\s*+(?:%|dB))?(?![\w/])(?!\s*+{_SECONDS})(?:\s*+\(\s*+(?P<mean>(?![-+]){_NUMBER})\s*+\))?+"
    r"|[A-Za-z0-9@_/.\-]++"  # a word that no number follows, at once: none does from its middle on either
)
_BOTH_SPLITS = re.compile(
    r"(?i)(?<![a-z])train(?:ing)?\s?+/\s?+(?P<val>val|valid|validation|test)[ _]++(?P<words>[a-z][a-z0-9_]*+)"
    rf"\s*+[:=]?+\s*+(?P<first>{_NUMBER})\s*+[/|,]\s*+(?P<second>{_NUMBER})(?![\w/])"
)
_LIST_GOES_ON = re.compile(r"[\s,;/|%]*+$")
_NO_WHOLE = re.compile(r"\s*+(?:/|of)\s*+\d|,\d")
_NO_MEASURES = re.compile(r"(?i)(?:weights?|split|ratios?|sizes?|fractions?|samples|times?)\W*+$")
_IN_BRACKETS = re.compile(r"\s*+\($")
_MEASURE_OF_A_LIST = re.compile(r"([A-Za-z][\w@]*+)\s*+[:=(]\s*+$")
_OF_EPISODES = re.compile(rf"(?i)\b(?:evaluation over \d++ episodes: \[?+|mean/median reward:? )(?P<number>{_NUMBER})")
_NETWORK = re.compile(
    r"(?i)\baccuracy of the (?:network|model) on (?:the )?+(?:\d++ )?+"
    rf"(?P<words>[a-z]++)[a-z ]*+: ?+(?P<number>{_NUMBER})"
)

_BAR = re.compile(r"\d%\|[^|]*+\|\s*+\d++/\d|\[=*+>?+\.*+\]|(?<!\d)\d++/\d++ \[|(?<!\d)\d++/\d++ ━")
_COUNTER = re.compile(r"(?<![\d/])(\d++)/(\d++)(?= *+(?:\[[\d=>.<?]|━))")
_EPISODE = re.compile(
    r"(?i)(?<![a-z])(?:i_)?+(?:episode|ep)s?+(?:[ _](?:num(?:ber)?|no|idx))?+['\"]?+[\s:=#\[(]*+(\d++)(?![\w.%])"
)
_CLOCK_PHRASE = re.compile(
    r"(?i) (?:at|after|for|in|on|of)(?: the)?+(?: end of)?+ "
    r"(?:epoch|step|iteration|iter|(?:mini-?)?batch(?:es)?|update)\b[\s:#]*+\d++(?: is(?= ))?+"
)

_EVALUATED = re.compile(r"(?i)\W*+current epoch:? \d++,? current [a-z ]{1,40}+:? \d")
"""What MONAI's evaluations print, without the name of a split."""

_REPORT = re.compile(r"\s++accuracy {5,}+(\d\.\d++) {2,}+\d++\s*+$")
"""The accuracy in scikit-learn's report, whose two digits say again what was said."""

_DARKNET = re.compile(rf" *+(\d++): ({_NUMBER}), ({_NUMBER}) avg")

_ONE_MINUS = re.compile(r"(?:^|[(=,|:] *+)1 - $")
_POSSESSOR = re.compile(r"\w++'$")
_NO_DIGITS = str.maketrans("123456789", "0" * 9)
_OF_A_RECORD = re.compile(
    r"(?i)^(?:[^a-z]|info|debug|root|__main__|-+>)*+[^:=|0-9]{0,40}?\b(?:best|better|early.?stopping)\b"
)


def pieces(text: str) -> Sequence[str]:
    """A line, or two where a message was printed behind a progress bar that had no line end."""
    if "it" not in text:
        return (text,)
    rate = max(text.find("it/s"), text.find("s/it"))
    end = text.find("]", rate) + 1 if rate >= 0 else 0
    if not end or "[" in text[rate:end] or not text[end:].lstrip()[:1].isalpha():
        return (text,)
    return text[:end], text[end:]


def parse(text: str, heading: str = "") -> Line | None:
    """What a line says, or None for one without epoch, step or named numbers. `heading`: the split told above it."""
    template = template_of(text, heading)
    return template.filled(text) if template else None


def template_of(text: str, heading: str = "") -> Template | None:
    """Where the numbers of a line stand; None for one without any that says something."""
    lowered = text.lower()
    shown = ("[" in text or "%|" in text or "━" in text) and _BAR.search(text) is not None
    bar = _COUNTER.search(text) if shown else None
    clock, inner = place_of(text, lowered, bar, heading)
    if (clock or inner) and says(lowered, " at ", " after ", " for ", " in ", " on ", " of "):
        text = _CLOCK_PHRASE.sub(_blanks, text.replace("Score at", " loss at"))
    values, running = _values(text, heading or ("val" if _EVALUATED.match(text) else ""))
    if "accuracy   " in text and (report := _REPORT.match(text)):
        values = {"val_report_accuracy": report.span(1)}
    if "step" in values:
        clock.setdefault("step", values.pop("step"))
    if "episode" in lowered or names_return(values):
        if "score" in values:  # a return, where episodes are counted
            values["episode_score"] = values.pop("score")
        episode = _EPISODE.search(text)
        if "epoch" not in lowered:
            clock.pop("epoch", None)  # `ep 3` of episodes
        if episode is not None and "epoch" not in clock and not ("step" in clock and says(lowered, "global", "total")):
            clock["step"] = episode.span(1)
    if not values and "accuracy of the" in lowered and (match := _NETWORK.search(text)):
        values = {f"{side_of([match['words'].lower()])}_accuracy".strip("_"): match.span("number")}
    if not values and not clock and inner is None:
        return None
    sides = frozenset(part(name).side for name in values if name != "lr")
    return Template(clock, values, inner, bar is not None, running, sides)


def _blanks(match: re.Match[str]) -> str:
    return " " * len(match[0])


def _values(text: str, heading: str) -> tuple[dict[str, Span], bool]:
    if _OF_A_RECORD.match(text):
        return {}, False
    if " avg" in text and (darknet := _DARKNET.match(text)):
        return {"step": darknet.span(1), "loss_step": darknet.span(2), "loss": darknet.span(3)}, True
    if text.startswith("INFO:tensorflow:Saving dict"):
        heading = "val"
    if "/" in text and (both := _BOTH_SPLITS.search(text)) and (name := name_of(both["words"], "", "")):
        val = side_of([both["val"].lower()])
        return {f"train_{name}": both.span("first"), f"{val}_{name}": both.span("second")}, False
    if "episodes" in text and (returned := _OF_EPISODES.search(text)):
        return {"episode_return": returned.span("number")}, False
    values: dict[str, Span] = {}
    bare: dict[str, Span] = {}
    exact: set[str] = set()
    running = settings = False
    last = ("", 0, False)  # the last measure, where its number ends, whether its split stood behind it
    beyond = 0  # where a split's own number ends, which names no loss behind it: `train=0.1 val=0.3 loss: 2.3`
    for match in _PAIR.finditer(text):
        words = match["words"]
        if words is None or not may_tell(words):
            continue
        if match["of"]:
            words += f" {match['of']}"
        start = match.start()
        if match["lead"] == "1-" or (
            text.endswith("1 - ", 0, start) and _ONE_MINUS.search(text[max(0, start - 5) : start])
        ):
            continue  # one minus a metric
        words = _own(words, text, start)
        if "." not in (match["number"] or ".") and _NO_WHOLE.match(text, match.end()):
            continue
        if match["of"] and match["mean"] and (pair := _measure_and_its_kin(match, text[max(0, start - NEAR) : start])):
            values |= pair
            continue
        number = match.span(next(group for group in ("mean", "share", "number") if match[group]))
        stated = ":" in match[0] or "=" in match[0]
        name = name_of(words[-NEAR:], text[max(beyond, start - NEAR) : start].translate(_NO_DIGITS), heading, stated)
        if name and beyond and part(name).kind == "score":
            name = name_of(words[-NEAR:], text[max(0, start - NEAR) : start].translate(_NO_DIGITS), heading)
        side = SIDES.get(words.lower(), "")
        if side and not name and (measure := _carried(text, start, last)):
            name = f"{side}_{measure}"
            last = (measure, match.end(), True)
        elif name:
            last = (_without_side(name), match.end(), words.split(" ")[-1].lower() in SIDES)
        if name and match["count"]:  # `Train loss 100 2.31`
            values.setdefault("step", match.span("count"))
        if name:
            itself = words.lower() in LOSS or side_of(split(words))  # no average beside it, no split told before it
            if itself and name not in exact:
                values[name] = number
                exact.add(name)
            values.setdefault(name, number)
            running = running or match["mean"] is not None
        elif side and "." in (match["number"] or "") and not settings:
            settings = not bare and _NO_MEASURES.search(text[max(0, start - NEAR) : start]) is not None
            if not settings:
                bare.setdefault(side, number)
                beyond = match.end()
    return values | _of_bare_splits(bare, values), running


def _own(words: str, text: str, start: int) -> str:
    """The words of a measure that begin at `start`, with the set that owns it and without the unit of a time."""
    if words.startswith("s ") and (owner := _POSSESSOR.search(text[max(0, start - NEAR) : start])):
        return owner[0][:-1] + words[1:]  # valid_0's auc
    if words.startswith(("min ", "s ", "sec ", "h ")) and text[:start].rstrip()[-1:].isdigit():
        return words.partition(" ")[2]
    return words


def _of_bare_splits(bare: dict[str, Span], values: dict[str, Span]) -> dict[str, Span]:
    """What `train 0.3 val 0.4` are beside the named numbers of a line: losses, or scores as their course will show."""
    losses = [name for name in values if part(name).kind == "loss"]
    if not losses:
        suffix = "_loss" if any(part(name).kind == "score" for name in values) else ""
        return {f"{side}{suffix}": number for side, number in bare.items()}
    return bare if len(bare) > 1 and not any(part(name).side for name in losses) else {}


def _measure_and_its_kin(match: re.Match[str], before: str) -> dict[str, Span]:
    """`Discriminator accuracy (loss): 0.5 (1.3)`: two measures of one owner; {} where it is one and its mean."""
    owner = match["words"].rpartition(" ")[0]
    first = name_of(match["words"][-NEAR:], before, "")
    second = name_of(f"{owner} {match['of']}".strip()[-NEAR:], before, "")
    if not first or not second or part(first).kind == part(second).kind:
        return {}
    return {first: match.span("number"), second: match.span("mean")}


def _carried(text: str, start: int, last: tuple[str, int, bool]) -> str:
    """The measure of a split's number: `loss train 2.3, val 2.4`, `loss 2.3 (val 2.4)`, `loss: train 2.3 val 2.4`."""
    measure, end, behind = last
    before = text[end:start][-NEAR:]
    if measure and ((behind and _LIST_GOES_ON.match(before)) or _IN_BRACKETS.match(before)):
        return measure
    named = _MEASURE_OF_A_LIST.search(before)
    return name_of(named[1], "", "") if named else ""


def _without_side(name: str) -> str:
    return "_".join(word for word in name.split("_") if word not in SIDES)
