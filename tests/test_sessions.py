"""Sessions that pages show are what a person gets: their files are written, their commands carried out in order."""

import pytest

from tests.pages import PAGES
from tests.sessions import Command, File, carry_out, difference, parts, prepare, said

SHOWN = {path.stem: parts(path.read_text()) for path in PAGES[1:]}
NOT_RUN = 1
"""Blocks that a test cannot carry out, each with its reason in the page."""


def commands(page: str) -> list[Command]:
    return [part for part in SHOWN[page] if isinstance(part, Command)]


def cases() -> list:
    """Each page with what is quick, and those with long sessions once more, whole."""
    quick = [page for page in SHOWN if any(not one.long and not one.not_run for one in commands(page))]
    long = [page for page in SHOWN if any(one.long for one in commands(page))]
    return [
        *(pytest.param(page, False, id=page) for page in quick),
        *(pytest.param(page, True, id=f"{page}-whole", marks=pytest.mark.long) for page in long),
    ]


@pytest.mark.parametrize(("page", "whole"), cases())
def test_the_sessions_of_a_page_are_what_is_printed(page, whole, tmp_path, tunekit):
    def run(*words: str) -> tuple[int, str]:
        done = tunekit(*words)
        return said(done.code, done.out, done.err)

    prepare(tmp_path)
    for part in SHOWN[page]:
        if isinstance(part, File):
            part.write(tmp_path)
        elif not part.not_run and (whole or not part.long):
            code, printed = carry_out(part, tmp_path, run)
            assert code == 0 or part.shown, f"$ {part.line}: {printed}"
            assert difference(part.shown, printed.splitlines()) == "", f"$ {part.line}"


def test_few_sessions_are_not_run_and_they_say_why():
    assert sum(bool(command.not_run) for page in SHOWN for command in commands(page)) <= NOT_RUN
    assert sum(len(commands(page)) for page in SHOWN) >= 10


PAGE = """
`a.py`:

```python
x = 1
y = 2
```

`a.py`:

```diff
 x = 1
-y = 2
+y = 3
```

<!-- long -->

```console
$ tunekit run r.yaml
one 1.5

...
last
$ tunekit status
```

<!-- not run: needs a GPU -->

    $ tunekit train r
    done

Text with `$ tunekit train` in it.

    tunekit run without a session
"""


def test_a_page_is_read(tmp_path):
    first, second, run, status, train = parts(PAGE)
    first.write(tmp_path)
    second.write(tmp_path)
    assert (tmp_path / "a.py").read_text() == "x = 1\ny = 3\n"
    assert (run.line, run.shown, run.long, run.not_run) == (
        "tunekit run r.yaml",
        ["one 1.5", "", "...", "last"],
        True,
        "",
    )
    assert (status.line, status.shown, status.long) == ("tunekit status", [], True)
    assert (train.shown, train.long, train.not_run) == (["done"], False, "needs a GPU")


@pytest.mark.parametrize(
    ("shown", "printed", "equal"),
    [
        (["a 1", "", "b"], ["a  2.5e-3", "b"], True),
        (["a", "..."], ["a", "b", "c"], True),
        (["a", "...", "c"], ["a", "c"], True),
        (["a", "...", "c"], ["a", "b"], False),
        (["a"], ["a", "b"], False),
        (["a (b)"], ["a b"], False),
        (["curve ▁▂"], ["curve ▂▃▁"], True),
    ],
)
def test_a_page_is_held_against_what_is_printed(shown, printed, equal):
    assert (difference(shown, printed) == "") is equal
