"""The pages cannot rot: examples run, sessions are what is printed, keys and commands exist, links lead somewhere."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from tests.commands import spawn
from tests.pages import DOCS, PAGES, README, ROOT, all_pages, page
from tests.sessions import Command, parts, shape
from tunekit.logs.readers import readers
from tunekit.pipeline import schema
from tunekit.recipe.schema import Recipe, check
from tunekit.recipe.text import parse_yaml


def block(name: str) -> str:
    """The fenced block under the line that names a file."""
    found = re.search(rf"^`{re.escape(name)}`:\n\n```\w+\n(.*?)```", page("own-model"), re.S | re.M)
    assert found, name
    return found.group(1)


def test_the_example_of_an_own_model_and_data_runs(tmp_path, tunekit):
    for name in ("spirals.py", "spirals.yaml"):
        (tmp_path / name).write_text(block(name))
    done = tunekit("run", "spirals.yaml", "--jobs", 1)
    assert done.code == 0, done.out + done.err
    best = yaml.safe_load((tmp_path / "runs/spirals-001/best.yaml").read_text())
    assert best["model"]["args"]["width"] in (32, 64)


def test_the_example_of_loading_the_final_model_runs(tmp_path, tunekit, fast):
    import torch

    assert tunekit("train", fast, "--name", "mnist-mlp-001", "--epochs", "1").code == 0
    code = re.search(r"```python\n(from tunekit\.deployed import .*?)```", page("final-model"), re.S).group(1)
    names = {"x": torch.zeros(3, 1, 8, 8, dtype=torch.uint8)}
    exec(code, names)
    assert names["scores"].shape == (3, 10)


def test_the_example_of_loading_a_model_of_ones_own_runs(tmp_path, tunekit, monkeypatch):
    import torch

    from tunekit.deployed import load_model

    for name in ("spirals.py", "spirals.yaml"):
        (tmp_path / name).write_text(block(name))
    assert tunekit("train", "spirals.yaml", "--name", "mine-001", "--epochs", "1").code == 0
    code = re.search(r"`(load_model\(\"runs/mine-001\".*?\))`", page("final-model")).group(1)
    monkeypatch.chdir(tmp_path)
    assert eval(code, {"load_model": load_model})(torch.zeros(3, 2)).shape[0] == 3


@pytest.mark.long
def test_the_example_of_sequences_runs(tmp_path):
    for name in ("tagger.py", "tagger.yaml"):
        (tmp_path / name).write_text(block(name))
    done = spawn("run", "tagger.yaml", "--jobs", "2", cwd=tmp_path)
    assert done.returncode == 0, done.stderr + done.stdout
    results = [json.loads(path.read_text()) for path in (tmp_path / "runs/tagger-001").glob("*/result.json")]
    assert len(results) == 6
    assert not [f["code"] for r in results[:5] for f in r["findings"] if f["severity"] == "fail"]


def test_the_recipe_shown_key_by_key_is_sound_and_whole():
    text = re.search(r"## The recipe, key by key\n\n```yaml\n(.*?)```", page("recipe"), re.S).group(1)
    data, lines = parse_yaml(text, "recipe.md")
    assert set(data) == set(Recipe.model_fields)
    shown = check(schema(), data, lines, "recipe.md")
    # What is shown as defaults are defaults.
    plainest = schema()(name="digits", data={"target": "digits"}, model={"target": "mlp", "args": shown.model.args})
    assert shown == plainest


def test_what_is_missing_is_installed_from_the_checkout():
    """The package index knows another program by the name of the command."""
    texts = {path: path.read_text() for path in [*PAGES, *(ROOT / "tunekit").rglob("*.py")]}
    assert len(texts) > 50
    assert [path for path, text in texts.items() if "tunekit[" in text or "install tunekit" in text] == []


def shown(text: str) -> list[list[str]]:
    """What a page shows of each command, without what it leaves out."""
    commands = [part for part in parts(text) if isinstance(part, Command)]
    return [[line for line in one.shown if line.strip() not in ("", "...")] for one in commands]


def test_what_readme_shows_is_part_of_what_pages_show():
    """And a test holds those to what is printed."""
    run, log, said = shown(README.read_text())
    whole = {shape(line) for one in shown(page("procedure")) for line in one}
    assert len(run) > 15
    assert [line for line in run if shape(line) not in whole] == []
    assert all(set(part) < set(lines) for part, lines in zip((log, said), shown(page("diagnose")), strict=True))


def test_every_form_that_is_read_is_named():
    section = page("diagnose").partition("\n## ")[0]
    assert [name for name in readers() if f"`{name}`" not in section] == []


def test_every_command_and_every_step_is_named():
    from tunekit import cli

    text = all_pages()
    for command in cli.app.registered_commands:
        name = command.name or command.callback.__name__
        assert f"`{name}`" in text or f"tunekit {name}" in text, name


def test_every_option_of_a_run_is_told():
    import typer

    from tunekit import cli

    run = typer.main.get_command(cli.app).commands["run"]
    options = {name for option in run.params for name in option.opts if name.startswith("--")}
    assert len(options) > 10
    text = page("procedure").partition("## Options that all steps share")[2]
    assert sorted(name for name in options if f"`{name}" not in text) == []


def anchors(text: str) -> set[str]:
    """What GitHub calls a page's headings in links."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```", "", text, flags=re.S | re.M), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(path: Path) -> list[str]:
    """The targets of a page's links and pictures that lead to no other site."""
    found = re.findall(r"\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"", path.read_text())
    return [link for link in map("".join, found) if "://" not in link]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_link_leads_somewhere(path):
    for link in links(path):
        file, _, anchor = link.partition("#")
        place = (path.parent / file).resolve() if file else path
        assert place.is_file(), link
        assert not anchor or anchor in anchors(place.read_text()), link
        # The pages are shipped: what one of them leads to is so too.
        assert path == README or place.is_relative_to(DOCS), link


def test_readme_leads_to_every_page():
    linked = {(ROOT / link.partition("#")[0]).resolve() for link in links(README)}
    assert len(PAGES) > 10
    assert [path.name for path in PAGES[1:] if path not in linked] == []
