"""A run folder as a stranger might send it: whole, and with one trap in it that must not spring when it is read."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

RECIPE = """
name: sent
data: {target: evil:data}
model: {target: evil:net}
loss: evil:loss
optimizer: {target: evil:Optimizer, lr: 1e-2}
steps:
  check-init-loss: {initializations: 1}
  overfit-tiny: {rates: [1e-1], per_class: 2, epochs: 20}
  lr-sweep: {low: 1e-2, high: 1e-1, iterations: 10}
  coarse-grid: {lr_factors: [1], weight_decays: [0], epochs: 1, extend: 0}
  fine-run: {top: 1, epochs: 5, lr_factors: [], seeds: 1}
"""

Trap = Callable[[Path, Path], None]
"""Sets itself in a run's folder, aiming at the victim's: a folder with `secret` and `data/metrics.csv` in it."""


def _manifest(run: Path, **values: object) -> None:
    path = run / "environment.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def _link(name: str, target: str) -> Trap:
    def set_trap(run: Path, victim: Path) -> None:
        path = run / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        path.symlink_to(victim / target)

    return set_trap


def _storage(url: str) -> Trap:
    return lambda run, victim: _manifest(run, studies={"storage": url.format(victim=victim), "prefix": ""})


def _code(run: Path, victim: Path) -> None:
    """The recipe names code that lies in the run itself."""
    _manifest(run, recipe_folder=str(run), recipe_beside=".")


def _shadows(run: Path, victim: Path) -> None:
    """Modules of the names of what reading imports, in the run and where the command is given."""
    code = (run / "evil.py").read_text()
    for folder in (run, run.parent):
        for name in ("jinja2", "optuna", "matplotlib", "yaml", "rich", "sitecustomize", "evil", "numpy", "json"):
            (folder / f"{name}.py").write_text(code)


def _bare(run: Path, victim: Path) -> None:
    """Only what a run needs to be one: nothing is known, and the winner is not there."""
    result = {"step": "fine-run", "verdict": "pass", "summary": "", "findings": [], "handoff": {}}
    for path in run.iterdir():
        if path.name not in ("recipe.yaml", "evil.py"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    (run / "environment.json").write_text("{}")
    (run / "fine-run").mkdir()
    (run / "fine-run/result.json").write_text(json.dumps(result))


def _no_trainings(run: Path, victim: Path) -> None:
    """All is said to be done, and nothing is there: it would have to be trained."""
    shutil.rmtree(run / "trainings")
    (run / "trainings").mkdir()
    shutil.rmtree(run / "diagnose")


def _names_that_leave(run: Path, victim: Path) -> None:
    (victim / "step").mkdir(exist_ok=True)
    shutil.copy(run / "fine-run/result.json", victim / "step/result.json")
    up = os.path.relpath(victim / "step", run)
    _manifest(run, steps=[up, str(victim / "step"), "fine-run"])
    path = run / "fine-run/result.json"
    result = json.loads(path.read_text())
    result["handoff"]["training"] = os.path.relpath(victim / "data", run / "trainings")
    path.write_text(json.dumps(result))


def _result_of_another_step(run: Path, victim: Path) -> None:
    """A figure is looked for beside a result, by the step's name."""
    path = run / "fine-run/result.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "step": str(victim / "pic")}))


def _conclusion_of_another_step(run: Path, victim: Path) -> None:
    """A result is written where its step has its folder."""
    path = run / "studies.journal"
    path.write_text(path.read_text().replace('"step":"diagnose"', f'"step":"{victim}/made"'))
    (run / "diagnose/result.json").unlink()


def _settings_of_figures(run: Path, victim: Path) -> None:
    """What matplotlib takes from the current folder, and LaTeX started by it."""
    (run.parent / "matplotlibrc").write_text("text.usetex: True\n")
    shutil.rmtree(run / "diagnose")


def _nested_deeply(run: Path, victim: Path) -> None:
    deep = "[" * 700 + "]" * 700
    path = run / "fine-run/result.json"
    path.write_text(path.read_text().replace('"details": {', f'"details": {{"x": {deep},', 1))


def _words_that_are_no_text(run: Path, victim: Path) -> None:
    path = run / "fine-run/result.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "summary": "\ud800\u202e<script>alert(1)</script>"}))
    shutil.rmtree(run / "diagnose")


def _other_metric(run: Path, victim: Path) -> None:
    """The manifest's facts and the trainings contradict each other."""
    facts = json.loads((run / "environment.json").read_text())["facts"]
    _manifest(run, facts={**facts, "metric": "f1"})
    shutil.rmtree(run / "diagnose")


def _hard_link(run: Path, victim: Path) -> None:
    shutil.copy(run / "studies.journal", victim / "journal")
    (run / "studies.journal").unlink()
    os.link(victim / "journal", run / "studies.journal")
    shutil.rmtree(run / "diagnose")


def _pipe(name: str) -> Trap:
    def set_trap(run: Path, victim: Path) -> None:
        (run / name).unlink(missing_ok=True)
        os.mkfifo(run / name)

    return set_trap


def _yaml_objects(run: Path, victim: Path) -> None:
    text = f"name: !!python/object/apply:os.system ['touch {victim}/touched']\n"
    for name in ("recipe.yaml", "best.yaml"):
        (run / name).write_text(text)


def _pickles(run: Path, victim: Path) -> None:
    bomb = f"cposix\nsystem\n(S'touch {victim}/touched'\ntR.".encode()
    for path in run.glob("trainings/*/*.pt"):
        path.write_bytes(bomb)
    (run / ".data").mkdir()
    (run / ".data/x.pt").write_bytes(bomb)


TRAPS: dict[str, Trap] = {
    "code in the run": _code,
    "modules of well-known names": _shadows,
    "nothing but a result": _bare,
    "no trainings": _no_trainings,
    "names that leave": _names_that_leave,
    "a result that names another step": _result_of_another_step,
    "a conclusion that names another step": _conclusion_of_another_step,
    "settings of figures": _settings_of_figures,
    "nested deeply": _nested_deeply,
    "words that are no text": _words_that_are_no_text,
    "another metric": _other_metric,
    "a hard link": _hard_link,
    "a storage in a file": _storage("{victim}/url"),
    "YAML objects": _yaml_objects,
    "pickles": _pickles,
    "a storage on SQLite": _storage("sqlite:///{victim}/planted.db"),
    "a storage on a server": _storage("postgresql://127.0.0.1:9/db"),
    "a storage that looks like an option": _storage("--port=80"),
    "link: journal": _link("studies.journal", "secret"),
    "link: trainings": _link("trainings", "data"),
    "link: a step": _link("lr-sweep", "data"),
    "link: a result": _link("lr-sweep/result.json", "secret"),
    "link: a figure": _link("lr-sweep/lr-sweep.png", "picture"),
    "link: best.yaml": _link("best.yaml", "secret"),
    "link: the page": _link("report.html", "secret"),
    "link: the lock": _link(".lock", "secret"),
    "link: the recipe": _link("recipe.yaml", "secret"),
    "link: shared data": _link(".data", "data"),
    "link: to nothing": _link("report.html", "made"),
    "pipe: a result": _pipe("fine-run/result.json"),
    "pipe: a figure": _pipe("lr-sweep/lr-sweep.png"),
    "pipe: best.yaml": _pipe("best.yaml"),
    "pipe: journal": _pipe("studies.journal"),
    "pipe: recipe": _pipe("recipe.yaml"),
}


def set_trap(name: str, sent: Path, folder: Path) -> tuple[Path, Path]:
    """A copy of the run that was sent with a trap in it, and the victim's folder beside it."""
    run, victim = folder / "inbox/sent", folder / "victim"
    shutil.copytree(sent, run, symlinks=True)
    (victim / "data").mkdir(parents=True)
    (victim / "secret").write_text("SECRET: 7\n")
    for picture in ("picture", "pic.png"):  # told in base64 where one is embedded
        (victim / picture).write_bytes(b"\x89PNG\r\n\x1a\n.SECRET")
    (victim / "url").write_text("postgresql://SECRET.example/db\n")
    (victim / "planted.db").touch()  # which SQLite takes for a database that is empty
    (victim / "data/metrics.csv").write_text("SECRET\n7\n")
    TRAPS[name](run, victim)
    return run, victim
