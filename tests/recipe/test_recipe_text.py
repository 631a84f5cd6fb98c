import contextlib
import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunekit.recipe.text import apply_overrides, as_yaml, parse_yaml, read_override, set_path
from tunekit.vocabulary import UserError


def data_of(text):
    return parse_yaml(text, "r.yaml")[0]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E5", 100000.0),
        ("1.e-3", 0.001),
        ("1e3", 1000.0),
        (".5e3", 500.0),
        ("-1e-3", -0.001),
        ("+1e+3", 1000.0),
        ("1.0e-3", 0.001),
        ("1.5", 1.5),
        ("1_000e1", 10000.0),
        (".inf", math.inf),
    ],
)
def test_floats_are_those_of_yaml_1_2(text, value):
    found = data_of(f"x: {text}")["x"]
    assert isinstance(found, float)
    assert found == value


@pytest.mark.parametrize("text", ["1e", "e3", "1e-", "abc1e3", "1e3x", "v1e-3", "'1e-3'", '"1E5"'])
def test_what_only_looks_like_a_float_stays_text(text):
    assert data_of(f"x: {text}")["x"] == text.strip("'\"")


def test_whole_numbers_stay_whole_and_dates_stay_text():
    assert data_of("a: 3\nb: 2024-01-31\nc: 2024-13-99") == {"a": 3, "b": "2024-01-31", "c": "2024-13-99"}
    assert isinstance(data_of("a: 3")["a"], int)


@given(st.floats(allow_nan=False))
def test_every_float_survives_its_yaml(value):
    assert data_of(as_yaml({"x": value})) == {"x": value}


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.text(st.characters(codec="utf-8")), PLAIN, max_size=5))
def test_any_plain_data_survives_its_yaml(data):
    assert data_of(as_yaml(data)) == data


def test_words_are_words_and_true_and_false_alone_are_truth_values():
    data, _ = parse_yaml("[no, off, yes, On, n, true, False]", "r")
    assert data == ["no", "off", "yes", "On", "n", True, False]


@pytest.mark.parametrize("word", ["yes", "no", "On", "OFF"])
@pytest.mark.parametrize(
    "place",
    [
        "model: {target: own:Net, args: {bias: %s}}",
        "model: {target: own:Net, args: {body: [{bias: %s}]}}",
        "optimizer: {args: {nesterov: %s}}",
        "search: {model.args.bias: [true, %s]}",
        "data: {augment: [{own:shift: {wrap: %s}}]}",
    ],
)
def test_a_word_that_may_be_a_truth_value_goes_to_no_code_unquoted(place, word):
    meant = "true" if word.lower() in ("yes", "on") else "false"
    with pytest.raises(UserError, match=rf"r, line 2: .*{word} may be {meant} or a word: write {meant}, or quote it"):
        parse_yaml(f"name: r\n{place % word}\n", "r")
    for quoted in (f"'{word}'", f'"{word}"'):
        assert repr(word) in repr(data_of(place % quoted))


@pytest.mark.parametrize("path", ["model.args.bias", "dropout", "search.model.args.bias", "optimizer.args", "augment"])
def test_nor_by_the_command_line(path):
    with pytest.raises(UserError, match="no may be false or a word: write false, or quote it"):
        read_override(f"{path}=[no]")
    assert read_override(f"{path}=['no']")[1] == ["no"]


@pytest.mark.parametrize("text", ["1e-3", "1E5", "null", "true", "3", "2024-01-31", "~", "", " a", "a: b", "yes"])
def test_text_that_looks_like_another_type_is_quoted(text):
    assert data_of(as_yaml({"x": text})) == {"x": text}


def test_lines_are_known_by_path():
    _, lines = parse_yaml("a: 1\nb:\n  c: 2\n  d:\n    - 3\n    - e: 4\n", "r.yaml")
    assert lines[("a",)] == 1
    assert lines[("b", "c")] == 3
    assert lines[("b", "d", "0")] == 5
    assert lines[("b", "d", "1", "e")] == 6


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", "r.yaml, line 3: the key 'a' stands twice (first on line 1)"),
        ("m:\n  x: 1\n\n  x: 2\n", "r.yaml, line 4: the key 'x' stands twice (first on line 2)"),
        ("1: a\n2: b\n1: c\n", "r.yaml, line 3: the key '1' stands twice (first on line 1)"),
        ("1: a\n'1': c\n", "r.yaml, line 2: the key '1' stands twice (first on line 1)"),
        ("m: {x: 1, x: 2}\n", "r.yaml, line 1: the key 'x' stands twice (first on line 1)"),
    ],
)
def test_a_key_that_stands_twice_is_refused_with_both_lines(text, message):
    with pytest.raises(UserError) as caught:
        data_of(text)
    assert str(caught.value) == message


def test_anchors_aliases_and_merge_keys_mean_what_yaml_says():
    text = """
base: &base {lr: 1e-3, args: {a: 1}}
more: &more {lr: 5, extra: 6}
own: {<<: *base, lr: 2}
both: {<<: [*base, *more]}
again: *base
twice: {<<: *base, lr: 3}
"""
    data = data_of(text)
    assert data["own"] == {"lr": 2, "args": {"a": 1}}
    assert data["both"] == {"lr": 1e-3, "args": {"a": 1}, "extra": 6}
    assert data["again"] == data["base"] == {"lr": 1e-3, "args": {"a": 1}}
    assert data["twice"]["lr"] == 3


def test_an_alias_is_a_value_of_its_own_so_that_an_override_changes_one_place():
    data = data_of("a: &a {x: 1}\nb: *a\n")
    apply_overrides(data, ["b.x=2"], {})
    assert data == {"a": {"x": 1}, "b": {"x": 2}}


LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * 10)}]\n" for n in range(12)
)
MERGED_LAUGHS = "a0: &a0 {x: 1}\n" + "".join(
    f"a{n + 1}: &a{n + 1} {{<<: [{', '.join([f'*a{n}'] * 10)}], y{n}: 1}}\n" for n in range(12)
)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 5000,
        "[" * 5000 + "]" * 5000,
        "{a: " * 3000 + "1" + "}" * 3000,
        "- " * 3000,
        "a:\n\t- b\n",
        "\ta: 1",
        "a: 'open",
        "a: b: c",
        "a: *nowhere",
        "a: &x [*x]",
        "a: &x {<<: *x}",
        "a: {<<: 3}",
        "? [1, 2]\n: x",
        "? {a: 1}\n: x",
        "!!python/object/apply:os.system ['true']",
        "a: !!int abc",
        "a: !!float abc",
        "a: !!bool perhaps",
        "a: !!timestamp soon",
        "a: !!binary '*'",
        "a: !!map text",
        "a: !own 3",
        "a: 0x_",
        "a: " + "9" * 5000,
        'a: "\\ud800"',
        "a: \x00",
        "a: \x07",
        "a: 1\n---\nb: 2\n",
        "%YAML 3.0\n---\na: 1",
        LAUGHS,
    ],
    ids=lambda text: repr(text[:24]),
)
def test_a_text_that_is_no_recipe_is_one_line_with_its_name(text):
    start = time.process_time()
    with pytest.raises(UserError) as caught:
        parse_yaml(text, "r.yaml")
    message = str(caught.value)
    assert message.startswith("r.yaml")
    assert "\n" not in message
    message.encode()
    assert time.process_time() - start < 10


def test_merge_keys_that_multiply_are_read_in_no_time():
    start = time.process_time()
    assert data_of(MERGED_LAUGHS)["a12"]["x"] == 1
    assert time.process_time() - start < 10


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n", "~"])
def test_an_empty_text_is_nothing(text):
    assert data_of(text) is None


@given(st.text(st.sampled_from("ab:-{}[]&*!<>|'\"#%@`?, \n\t0123456789.e~=\\\x00é\U0001f600"), max_size=60))
def test_no_text_ends_in_anything_but_data_or_a_user_error(text):
    with contextlib.suppress(UserError):
        parse_yaml(text, "r.yaml")


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("a.b=1e-3", 0.001),
        ("a.b=1E5", 100000.0),
        ("a.b=3", 3),
        ("a.b=true", True),
        ("a.b=text", "text"),
        ("a.b=", None),
        ("a.b=[1, 2e-1]", [1, 0.2]),
        ("a.b={c: d}", {"c": "d"}),
        ("a.b='3'", "3"),
        (" a.b =x=y", "x=y"),
    ],
)
def test_an_override_has_the_type_that_yaml_gives_it(override, value):
    data = {"a": {"b": 0, "kept": 1}}
    apply_overrides(data, [override], {})
    assert data == {"a": {"b": value, "kept": 1}}
    assert type(data["a"]["b"]) is type(value)


def test_overrides_make_the_mappings_that_are_missing_and_use_the_aliases():
    data = {}
    apply_overrides(data, ["lr=0.1", "weight_decay=1e-4", "model.args.hidden=[3]"], {})
    assert data == {"optimizer": {"lr": 0.1, "weight_decay": 1e-4}, "model": {"args": {"hidden": [3]}}}


def test_an_override_below_a_short_form_makes_it_long():
    data = {"schedule": "cosine", "loss": "focal", "data": None}
    apply_overrides(data, ["schedule.args.total=5", "loss.args.gamma=1", "data.target=digits"], {})
    assert data == {
        "schedule": {"name": "cosine", "args": {"total": 5}},
        "loss": {"target": "focal", "args": {"gamma": 1}},
        "data": {"target": "digits"},
    }


def test_an_override_is_marked_as_such_in_the_lines():
    lines = {}
    apply_overrides({}, ["lr=0.1"], lines)
    assert lines == {("optimizer",): 0, ("optimizer", "lr"): 0}


@pytest.mark.parametrize("text", ["lr", "=3", "  =3", "", "a=[1", "a=\t- x"])
def test_an_override_that_cannot_be_read_is_told_with_its_text(text):
    with pytest.raises(UserError, match=r"^--set "):
        apply_overrides({}, [text], {})


def test_nothing_can_be_set_below_a_number_or_a_list():
    with pytest.raises(UserError, match=r"a is 3: a\.b cannot be set below it"):
        set_path({"a": 3}, "a.b", 1)
    with pytest.raises(UserError, match=r"a is a list: a\.0 cannot be set below it"):
        set_path({"a": [3]}, "a.0", 1)
