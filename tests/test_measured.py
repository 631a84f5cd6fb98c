"""What probes measure goes through JSON and comes back equal; what is not of its shape is refused with its place."""

import json
import math
import re
from collections.abc import Mapping
from typing import Any, get_type_hints

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tunekit import measured
from tunekit.jsondata import JsonData
from tunekit.measured import (
    ChanceMeasured,
    DataMeasured,
    DataReport,
    DescribeArgs,
    Expectation,
    InitialMeasured,
    Labels,
    ModelReport,
    Package,
    PackageArgs,
    Rehearsed,
    SpeedMeasured,
    SplitArgs,
    SplitScored,
    TinySet,
    TinyTrained,
    UntouchedMeasured,
    UsageMeasured,
)
from tunekit.vocabulary import Facts

JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=3), lambda x: st.lists(x, max_size=2))
WHOLE = [
    Facts,
    DescribeArgs,
    Rehearsed,
    DataMeasured,
    DataReport,
    ModelReport,
    Package,
    PackageArgs,
    SplitArgs,
    SplitScored,
    SpeedMeasured,
    InitialMeasured,
    TinySet,
    TinyTrained,
    ChanceMeasured,
    UntouchedMeasured,
    UsageMeasured,
]


def mappings(kind):
    key, value = kind.__args__
    return st.dictionaries(st.from_type(key), st.integers() if value is Any else st.from_type(value), max_size=3)


st.register_type_strategy(Mapping, mappings)


def through_json(value: JsonData) -> JsonData:
    text = json.dumps(value.to_json(), allow_nan=False)
    return type(value).from_json(json.loads(text))


def test_every_type_of_the_wall_is_a_part_of_those_that_cross_it():
    types = {kind for kind in vars(measured).values() if isinstance(kind, type) and issubclass(kind, JsonData)}
    parts: set[type] = set()
    waiting = list(WHOLE)
    while waiting:
        parts.add(kind := waiting.pop())
        text = " ".join(map(str, get_type_hints(kind).values()))
        named = (part for part in types if re.search(rf"{part.__module__}\.{part.__name__}\b", text))
        waiting += {*named, *(types & set(kind.__mro__))} - parts - {JsonData}
    assert parts - {Facts} == types - {JsonData}
    assert len(parts) > 25


@pytest.mark.parametrize("kind", WHOLE, ids=lambda kind: kind.__name__)
@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(data=st.data())
def test_a_round_trip_gives_an_equal_value(kind, data):
    value = data.draw(st.from_type(kind))
    back = through_json(value)
    assert repr(back) == repr(value)  # by its word NaN equals itself; a list is no tuple, and text no number


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, -0.0, 1e-320])
def test_numbers_that_json_has_no_word_for(number):
    assert repr(through_json(Expectation("zero", number))) == repr(Expectation("zero", number))


def test_whole_numbers_stand_for_floats_and_text_for_whole_keys():
    assert repr(Expectation.from_json({"knowledge": "prior", "loss": 2}).loss) == "2.0"
    labels = Labels.from_json({"lowest": None, "highest": 9, "train": {"3": 4}, "val": None})
    assert (labels.train, labels.val) == ({3: 4}, None)


def test_what_has_a_default_may_be_left_out():
    assert DescribeArgs.from_json({"precision": "auto", "threads": None}).asked == 0.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"loss": "much"}, "Expectation.loss must be a number, not 'much'"),
        ({"loss": True}, "Expectation.loss must be a number, not True"),
        ({"loss": None}, "Expectation.loss must be a number, not None"),
        ({"knowledge": "all"}, "Expectation.knowledge must be one of zero, prior, median, constant, not 'all'"),
        ({"losses": 1.0}, "Expectation knows no losses"),
    ],
)
def test_wrong_data_are_refused_with_their_place(change, message):
    with pytest.raises(ValueError) as told:
        Expectation.from_json({"knowledge": "zero", "loss": 1.0, **change})
    assert str(told.value) == message


def test_what_is_missing_and_what_lies_deep_is_named():
    with pytest.raises(ValueError, match="Expectation lacks loss"):
        Expectation.from_json({"knowledge": "zero"})
    with pytest.raises(ValueError, match=r"DataMeasured\.samples must be a mapping, not \[1\]"):
        DataMeasured.from_json({"samples": [1]})
    with pytest.raises(ValueError, match=r"Labels\.train must be by whole numbers, not 'a'"):
        Labels.from_json({"lowest": 0.0, "highest": 1.0, "train": {"a": 1}, "val": None})


@given(JSON)
def test_whatever_the_data_are_the_error_is_one_kind(data):
    with pytest.raises(ValueError):
        InitialMeasured.from_json(data)
