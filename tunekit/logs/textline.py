"""What one printed line says: where in the run it stands, and its named numbers. Lines in their order: textlog.py."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import islice

from tunekit.logs.forms import Line, Span, Template
from tunekit.logs.names import ADVERSARIAL, EMPTY_WORDS, ERRORS, LOSS, SCORES, STEP_LEVEL, TEST, TRAIN, VAL, part, split
from tunekit.logs.objectives import SURELY_REWARD, names_return

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
    r"\s*+['\"]?+\]?+\)?+\s*+(?:[:=]|\bis\b|->|(?<=-)>|(?P<count>\d++):?+(?=\s++[-+]?+\d++\.\d))?+\s*+"
    rf"(?:{_WRAPPED})?+[\[(]?+\s*+['\"]?+"
    rf"(?:\d++(?: / |/)\d++ ?+\((?P<share>{_NUMBER})%|(?P<number>{_NUMBER}))"
    rf"(?:\s*+%)?(?![\w/])(?!\s*+{_SECONDS})(?:\s*+\(\s*+(?P<mean>(?![-+]){_NUMBER})\s*+\))?+"
    r"|[A-Za-z0-9@_/.\-]++"  # a word that no number follows, at once: none does from its middle on either
)
_BOTH_SPLITS = re.compile(
    r"(?i)(?<![a-z])(?P<train>train(?:ing)?)\s?+/\s?+(?P<val>val|valid|validation|test)[ _]++(?P<words>[a-z][a-z0-9_]*+)"
    rf"\s*+[:=]?+\s*+(?P<first>{_NUMBER})\s*+[/|,]\s*+(?P<second>{_NUMBER})(?![\w/])"
)
_LIST_GOES_ON = re.compile(r"[\s,;/|%]*+$")
_OF_SO_MANY = re.compile(r"\s*+(?:/|of)\s*+\d")
_NO_MEASURES = re.compile(r"(?i)(?:weights?|split|ratios?|sizes?|fractions?|samples|times?)\W*+$")
_IN_BRACKETS = re.compile(r"\s*+\($")
_MEASURE_OF_A_LIST = re.compile(r"([A-Za-z][\w@]*+)\s*+[:=(]\s*+$")
_EVALUATION = re.compile(rf"(?i)\bevaluation over \d++ episodes: \[?+(?P<number>{_NUMBER})")
_OF_AN_OPPONENT = re.compile(
    r"(?:[GD]_(?!lr|acc|grad|norm|step|iter|time|x$)[A-Za-z0-9_]++|(?:err|net)[GD]\w*+|(?:cycle|idt)_[AB])$"
)
_NETWORK = re.compile(
    r"(?i)\baccuracy of the (?:network|model) on (?:the )?+(?:\d++ )?+"
    rf"(?P<words>[a-z]++)[a-z ]*+: ?+(?P<number>{_NUMBER})"
)

_LOOP = r"(?:\((?:train|val|test)\))?+"
_EPOCH = re.compile(
    r"(?<![a-z0-9])(?:current_|cur_)?+epoch(?:s(?=[\s:=#\[(-]*+\d++\s*+/)|_idx|_num|_id|_number)?+"
    rf"{_LOOP}['\"]?+[\s:=#\[(_-]*+(\d++(?:\.\d++)?+)(?!\.?\d*+%)(?:\]?+\s*+:\s*+(\d++) / \d)?+",
    re.IGNORECASE,
)
_EPISODE = re.compile(
    r"(?i)(?<![a-z])(?:i_)?+(?:episode|ep)s?+(?:[ _](?:num(?:ber)?|no|idx))?+['\"]?+[\s:=#\[(]*+(\d++)(?![\w.%])"
)
_EPOCH_BEHIND = re.compile(r"(?i)(?<![\w.])(\d++)epoch\b(?:\S*?-(\d++)batch)?+")
_LEADING_EPOCH = re.compile(r"(?<![\w/.])train(?:ing)?+:?+ *+\[?+(\d++)(?:/\d++)?+\]? ?+(?=\[ *+\d++/)", re.IGNORECASE)
_NO_CLOCK = re.compile(r"(?i)(?:best|max|maximum|total|num|per|every|each|from|until|warmup|saved?|load(?:ed)?)\W*+$")
_STEP = re.compile(
    r"(?<![a-z0-9_/-])(?:global[_ ]|train(?:ing)?[_ ]|num[_ ])?+(?:step|iteration|iter|itr|update)(s?+)"
    rf"{_LOOP}(?![a-z_/])['\"]?+[\s:=#\[(]*+(\d++)(?!\.?\d*+%)(?:\s*+/\s*+(\d++))?+",
    re.IGNORECASE,
)
_GLOBAL_STEP = re.compile(
    _STEP.pattern.replace("global[_ ]|train(?:ing)?[_ ]|num[_ ])?+", "global[_ ])"), re.IGNORECASE
)
_BATCH = re.compile(
    r"(?<![a-z0-9_/])(?:mini-?)?+batch(?:_id|_idx|_i)?+[\s:=#\[(]++(\d++)(?:\s*+/\s*+(\d++))?+"
    r"|(?<!\d)(\d++)/ *+(\d++) batches",
    re.IGNORECASE,
)
_BRACKET = re.compile(r"\[\s*+(\d++)\s*+/\s*+(\d++)\s*+(?:\]|\()")
_PAIR_OF_COUNTS = re.compile(r"[^\w\[]*+\[(\d++), *+(\d++)\]")
_NAMED_BEFORE = re.compile(r"[A-Za-z]{2}[\s:=]++\d")
_LINE_NUMBER = re.compile(r"\s*+\[(\d++)\][\s:]")
_BAR = re.compile(r"\d%\|[^|]*+\|\s*+\d++/\d|\[=*+>?+\.*+\]|(?<!\d)\d++/\d++ \[|(?<!\d)\d++/\d++ ━")
_COUNTER = re.compile(r"(?<![\d/])(\d++)/(\d++)(?= *+(?:\[[\d=>.<?]|━))")
_CLOCK_PHRASE = re.compile(
    r"(?i) (?:at|after|for|in|on|of)(?: the)?+(?: end of)?+ (?:epoch|step|iteration|iter|(?:mini-?)?batch(?:es)?|update)\b"
    r"[\s:#]*+\d++(?: is(?= ))?+"
)

_DARKNET = re.compile(rf" *+(\d++): ({_NUMBER}), ({_NUMBER}) avg")

_SIDES = {**dict.fromkeys(TRAIN, "train"), **dict.fromkeys(VAL | {"validate", "validating", "evaluating"}, "val")}
_SIDES.update(dict.fromkeys(TEST, "test"))
SIDE_WORDS = [word for word in _SIDES if not any(other in word for other in _SIDES if other != word)]
"""In one of these every word that names a split is found."""

_TELLING = LOSS | ERRORS | SCORES | SURELY_REWARD | {"lr"}
_FILLER = frozenset(
    [
        "avg",
        "average",
        "mean",
        "value",
        "of",
        "is",
        "for",
        "at",
        "the",
        "on",
        "over",
        "per",
        "epoch",
        "batch",
        "total",
        "set",
        "percent",
        "now",
        "macro",
        "micro",
        "weighted",
    ]
)
_BEHIND = _FILLER | frozenset(_SIDES)
_OF_RETURNS = frozenset(
    [
        "avg",
        "average",
        "mean",
        "last",
        "total",
        "episode",
        "episodic",
        "eval",
        "test",
        "evaluation",
        "cumulative",
        "running",
    ]
)
_KINDS_OF_AVERAGE = frozenset(("macro", "micro", "weighted", "balanced"))
_DATA_SET = re.compile(r"(?i)(?:valid|validation|eval)_\d++")
_ONE_MINUS = re.compile(r"(?:^|[(=,|:] *+)1 - $")
_POSSESSOR = re.compile(r"\w++'$")
_SEPARATOR = re.compile(r"[0|,;]")
_NO_DIGITS = str.maketrans("123456789", "0" * 9)
_NOT_CURVES = re.compile(
    r"(?i)\b(best|max|(?<!\d )min|lowest|highest|maximum|minimum|improved|patience|target|previous|threshold|delta)\b"
)
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
    clock, inner = _clock(text, lowered, bar, heading)
    if (clock or inner) and says(lowered, " at ", " after ", " for ", " in ", " on ", " of "):
        text = _CLOCK_PHRASE.sub(_blanks, text.replace("Score at", " loss at"))
    values, running = _values(text, heading)
    if "step" in values:
        clock.setdefault("step", values.pop("step"))
    if "episode" in lowered or any(map(_of_an_episode, values)):
        values = {_told_of_episodes(name): number for name, number in values.items()}
        episode = _EPISODE.search(text)
        if episode is not None and "epoch" not in clock and not ("step" in clock and says(lowered, "global", "total")):
            clock["step"] = episode.span(1)
    if not values and "accuracy of the" in lowered and (match := _NETWORK.search(text)):
        values = {f"{side_of([match['words'].lower()])}_accuracy".strip("_"): match.span("number")}
    if not values and not clock and inner is None:
        return None
    sides = frozenset(part(name).side for name in values if name != "lr")
    return Template(clock, values, inner, bar is not None, running, sides)


def _of_an_episode(name: str) -> bool:
    return names_return([name])


def _told_of_episodes(name: str) -> str:
    """A score is a return where episodes are counted."""
    return "episode_score" if name == "score" else name


def _blanks(match: re.Match[str]) -> str:
    return " " * len(match[0])


def _values(text: str, heading: str) -> tuple[dict[str, Span], bool]:
    if _OF_A_RECORD.match(text):
        return {}, False
    if " avg" in text and (darknet := _DARKNET.match(text)):
        return {"step": darknet.span(1), "loss_step": darknet.span(2), "loss": darknet.span(3)}, True
    if text.startswith("INFO:tensorflow:Saving dict"):
        heading = "val"
    if "/" in text and (both := _BOTH_SPLITS.search(text)) and (name := _name(both["words"], "", "")):
        return {
            f"train_{name}": both.span("first"),
            f"{side_of([both['val'].lower()])}_{name}": both.span("second"),
        }, False
    if "episodes: " in text and (evaluated := _EVALUATION.search(text)):
        return {"eval_return": evaluated.span("number")}, False
    values: dict[str, Span] = {}
    bare: dict[str, Span] = {}
    exact: set[str] = set()
    running = settings = False
    last = (
        "",
        0,
        False,
    )  # the measure that was named last, where its number ends, and whether its split stood behind it
    beyond = 0  # where a split's own number ends, which names no loss behind it: `train=0.1 val=0.3 loss: 2.3`
    for match in _PAIR.finditer(text):
        words = match["words"]
        if words is None or not _may_tell(words):
            continue
        if match["of"]:
            words += f" {match['of']}"
        start = match.start()
        if match["lead"] == "1-" or (
            text.endswith("1 - ", 0, start) and _ONE_MINUS.search(text[max(0, start - 5) : start])
        ):
            continue  # one minus a metric
        if words.startswith("s ") and (owner := _POSSESSOR.search(text[max(0, start - NEAR) : start])):
            words = owner[0][:-1] + words[1:]  # valid_0's auc
        elif words.startswith(("min ", "s ", "sec ", "h ")) and text[:start].rstrip()[-1:].isdigit():
            words = words.partition(" ")[2]
        if "." not in (match["number"] or ".") and _OF_SO_MANY.match(text, match.end()):
            continue
        number = match.span(next(group for group in ("mean", "share", "number") if match[group]))
        stated = ":" in match[0] or "=" in match[0]
        name = _name(words[-NEAR:], text[max(beyond, start - NEAR) : start].translate(_NO_DIGITS), heading, stated)
        if name and beyond and part(name).kind == "score":
            name = _name(words[-NEAR:], text[max(0, start - NEAR) : start].translate(_NO_DIGITS), heading)
        side = _SIDES.get(words.lower(), "")
        if side and not name and (measure := _carried(text, start, last)):
            name = f"{side}_{measure}"
            last = (measure, match.end(), True)
        elif name:
            last = (_without_side(name), match.end(), words.split(" ")[-1].lower() in _SIDES)
        if name and match["count"]:  # `Train loss 100 2.31`
            values.setdefault("step", match.span("count"))
        if name:
            if words.lower() in LOSS and name not in exact:  # `loss` itself, whatever average stands beside it
                values[name] = number
                exact.add(name)
            values.setdefault(name, number)
            running = running or match["mean"] is not None
        elif side and "." in (match["number"] or "") and not settings:
            settings = not bare and _NO_MEASURES.search(text[max(0, start - NEAR) : start]) is not None
            if not settings:
                bare.setdefault(side, number)
                beyond = match.end()
    losses = [name for name in values if part(name).kind == "loss"]
    if not losses:
        suffix = "_loss" if any(part(name).kind == "score" for name in values) else ""
        values |= {f"{side}{suffix}": number for side, number in bare.items()}
    elif len(bare) > 1 and not any(part(name).side for name in losses):  # scores, as their course will show
        values |= bare
    return values, running


def _carried(text: str, start: int, last: tuple[str, int, bool]) -> str:
    """The measure of a split's number: `loss train 2.3, val 2.4`, `loss 2.3 (val 2.4)`, `loss: train 2.3 val 2.4`."""
    measure, end, behind = last
    before = text[end:start][-NEAR:]
    if measure and ((behind and _LIST_GOES_ON.match(before)) or _IN_BRACKETS.match(before)):
        return measure
    named = _MEASURE_OF_A_LIST.search(before)
    return _name(named[1], "", "") if named else ""


def _without_side(name: str) -> str:
    return "_".join(word for word in name.split("_") if word not in _SIDES)


def _clock(
    text: str, lowered: str, bar: re.Match[str] | None, heading: str
) -> tuple[dict[str, Span], tuple[Span, Span | None] | None]:
    clock: dict[str, Span] = {}
    inner: tuple[Span, Span | None] | None = None
    epoch = _EPOCH.search(text) if "epoch" in lowered else None
    if epoch is not None and not _NO_CLOCK.search(text[max(0, epoch.start() - 12) : epoch.start()]):
        clock["epoch"] = epoch.span(1)
        if epoch[2]:
            inner = epoch.span(2), None
    elif epoch is None and "epoch" in lowered and (behind := _EPOCH_BEHIND.search(text)):
        clock["epoch"] = behind.span(1)
        inner = (behind.span(2), None) if behind[2] else None
    elif epoch is None and "train" in lowered and "[" in text and (leading := _LEADING_EPOCH.search(text)):
        clock["epoch"] = leading.span(1)
    if bar is not None:
        return clock, (bar.span(1), bar.span(2))
    if says(lowered, "step", "iter", "update", "itr"):
        step = (_GLOBAL_STEP.search(text) if "global" in lowered else None) or _STEP.search(text)
        if step is not None and not _NO_CLOCK.search(text[max(0, step.start() - 12) : step.start()]):
            clock["step"] = step.span(2)
            if step[3] and ("epoch" in clock or side_of(split(text[: step.start()]))):
                inner = step.span(2), step.span(3)
    if "batch" in lowered and (batch := _BATCH.search(text)):
        first, total = (1, 2) if batch[1] else (3, 4)
        inner = batch.span(first), batch.span(total) if batch[total] else None
    elif "[" in text and inner is None:
        inner = _brackets(text, clock, heading)
    return clock, inner


def _brackets(text: str, clock: dict[str, Span], heading: str) -> tuple[Span, Span | None] | None:
    """`[2/90][10/5005]`, `Epoch: [2][10/5005]`, `Test: [10/196]`, `[2/90] loss 0.3`; an epoch found is added."""
    pair = _PAIR_OF_COUNTS.match(text) if not clock else None
    if pair is not None:
        clock["epoch"] = pair.span(1)
        return pair.span(2), None
    found = list(islice(_BRACKET.finditer(text), 2))
    if not found:
        number = _LINE_NUMBER.match(text)
        if number is not None and not clock:
            clock["step"] = number.span(1)
        return None
    first = found[0]
    of_epoch = "epoch" in clock and re.search(r"(?i)epochs?\W*+$", text[: first.start()]) is not None
    if len(found) == 2 or of_epoch:
        if "epoch" not in clock:
            clock["epoch"] = first.span(1)
        return (found[1].span(1), found[1].span(2)) if len(found) == 2 else None
    told = heading or side_of(split(text[: first.start()]))
    if not (told or "epoch" in clock or "step" in clock or _NAMED_BEFORE.search(text[: first.start()])):
        clock["epoch"] = first.span(1)
        return None
    return (first.span(1), first.span(2)) if "step" not in clock else None


def says(lowered: str, *words: str) -> bool:
    """Whether one of the words is in a text: a hundredth of the time that a search by regular expression takes."""
    return any(word in lowered for word in words)


@lru_cache(maxsize=4096)
def _may_tell(words: str) -> bool:
    """Whether words before a number may be a loss's, a metric's, a rate's or a split's."""
    known = {*split(words), *words.lower().split(" ")}
    return not known.isdisjoint(_TELLING | _SIDES.keys()) or _OF_AN_OPPONENT.match(words.split(" ")[-1]) is not None


@lru_cache(maxsize=4096)
def _name(words: str, before: str, heading: str, stated: bool = True) -> str:
    """A column's name from the words before a number: its split and what tells it from its kin, nothing else.

    `before`: what stands before them, its digits all zeros so that lines that differ in numbers alone are one case.
    `stated`: whether a colon or an equals sign stands between them and the number.
    """
    tokens = words.split(" ")
    if _OF_AN_OPPONENT.match(tokens[-1]):
        return f"{tokens[-1].lower()}_loss"
    place = next((place for place in reversed(range(len(tokens))) if _TELLING & set(split(tokens[place]))), None)
    if place is None:
        return "lr" if split(words)[-1:] == ["lr"] else ""
    if len(tokens) - place > 3 or not all(_BEHIND.issuperset(split(token)) for token in tokens[place + 1 :]):
        return ""
    if _NOT_CURVES.search(words) or _NOT_CURVES.search(_SEPARATOR.split(before[-24:])[-1]):
        return ""
    token = split(tokens[place])
    kin = split(tokens[place - 1]) if place else []
    if tokens[place].lower() in ("return", "returns") and not stated:  # a function's, a program's
        return ""
    if names_return([tokens[place]]):
        owner = kin[-1:] if kin and kin[-1] in _OF_RETURNS else []
        return "_".join(dict.fromkeys([*owner, *token]))
    if not part(" ".join(tokens[max(0, place - 1) : place + 1])).kind:
        return ""
    if "lr" in token:
        return "lr" if token[-1] == "lr" else ""
    told = side_of(split(words)) or side_of(split(before)) or heading
    if {"err", "error"} & set(token) and len(token) == 1 and not told:  # any program prints errors
        return ""
    rest = [word for word in token if word not in _SIDES and word not in EMPTY_WORDS and not word.isdigit()]
    if len(rest) > 1 and rest[0] in LOSS and not LOSS.isdisjoint(rest[1:]):  # Loss/box_loss
        rest = rest[1:]
    if token == ["score"] and kin and kin[-1] in SCORES:
        rest, kin = [kin[-1]], []
    if len(rest) == 1 and kin and _tells_apart(kin[-1], rest[0]):
        rest = [kin[-1], *rest]
    elif len(rest) == 1 and rest[0] in LOSS and {"total", "overall"} & {*token, *kin}:
        rest = ["total", *rest]
    if STEP_LEVEL & set(token) and len(token) > 1:
        rest.append("step")
    numbered = _DATA_SET.match(words)
    return "_".join([numbered[0].lower() if numbered else told, *rest]).strip("_")


def _tells_apart(word: str, measure: str) -> bool:
    if measure not in LOSS:
        return word in _KINDS_OF_AVERAGE
    return (
        bool(part(f"{word}_loss").core)
        and word not in _SIDES
        and word not in SCORES
        and (1 < len(word) < 20 or word in ADVERSARIAL)
        and not word.isdigit()
    )


def side_of(words: Sequence[str]) -> str:
    """The split that the last of such words names."""
    return next((_SIDES[word] for word in reversed(words) if word in _SIDES), "")
