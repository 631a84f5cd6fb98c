"""Names and messages of others reach the terminal as text: neither obeyed by it nor read as markup."""

import ast
from pathlib import Path

import pytest

import tunekit
from tests.commands import FAST

PRINTERS = {"line", "as_table", "json"}
"""What makes a text safe before it is printed, and what holds nothing else."""

NASTY = ["runs[old]", "on:x:off", "a[/b]", "[bold]", ":smile:", "x\x1b[31my", "r\u202eevil", "two\nlines", "tab\tbed"]


def printed(tree: ast.AST):
    """The arguments of every call that prints: `....print(...)`, `typer.echo(...)`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("print", "echo"):
            yield node
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
            yield node


def is_safe(argument: ast.expr) -> bool:
    if isinstance(argument, ast.Constant):
        return True
    name = argument.func if isinstance(argument, ast.Call) else None
    called = name.id if isinstance(name, ast.Name) else getattr(getattr(name, "value", None), "id", "")
    return called in PRINTERS or (isinstance(name, ast.Name) and name.id == "visible")


def test_everything_that_prints_prints_what_was_made_visible():
    calls = [
        (path.name, node.lineno, node)
        for path in Path(tunekit.__file__).parent.rglob("*.py")
        for node in printed(ast.parse(path.read_text()))
    ]
    assert len(calls) > 15
    unsafe = [(name, line) for name, line, node in calls if not all(map(is_safe, node.args))]
    assert unsafe == []


@pytest.mark.parametrize("name", NASTY)
def test_a_folders_name_is_shown_and_the_command_that_is_said_works(tunekit, tmp_path, name):
    (tmp_path / "fast.yaml").write_text(FAST)
    first = tunekit("check-init-loss", "fast.yaml", "--runs-dir", name)
    assert first.code == 0, first.err
    shown = name.encode("unicode_escape").decode() if not name.isprintable() else name
    assert f"run {shown}/fast-001\n" in first.out
    status = tunekit("status", "--runs-dir", name)
    assert f"{shown}/fast-001" in status.out
    for text in (first.out, first.err, status.out):
        assert all(char.isprintable() for line in text.split("\n") for char in line)


def test_names_in_logs_and_errors_are_shown(tunekit, tmp_path):
    rows = "".join(f"{epoch},{1 / epoch},{1 / epoch}\n" for epoch in range(1, 12))
    (tmp_path / "logs").mkdir()
    for name in ("[red]x", "x\x1b[2J"):
        (tmp_path / f"logs/{name}.csv").write_text(f"epoch,loss,val_loss\n{rows}")
    done = tunekit("diagnose", tmp_path / "logs")
    assert done.code == 0, done.err
    assert "[red]x" in done.out
    assert "x\\x1b[2J" in done.out
    assert "\x1b" not in done.out
    done = tunekit("diagnose", "no\x1b[2Jwhere")
    assert (done.code, "\x1b" in done.err) == (2, False)
    done = tunekit("status", "--no\x1b[2Jsuch")
    assert (done.code, "\x1b" in done.err) == (2, False)


def test_what_code_raises_is_shown(tunekit, tmp_path):
    (tmp_path / "net.py").write_text('def net():\n    raise ValueError("\\x1b[2J[bold]:smile:\\u202e")\n')
    (tmp_path / "r.yaml").write_text("name: r\ndata: {target: digits}\nmodel: {target: 'net:net'}\n")
    done = tunekit("validate", "r.yaml")
    assert done.code == 2
    assert "ValueError: \\x1b[2J[bold]:smile:\\u202e" in done.err
