"""`python -m tests.reference` writes the pages' tables of techniques and verdicts anew; a test holds them to that."""

from __future__ import annotations

import csv
import re

from tests.corpus.score import LEDGER
from tests.pages import PAGES
from tunekit.diagnosis.odds import INTERVENTIONS, measured
from tunekit.shares import told
from tunekit.techniques import KINDS, reference

HEAD = """
| verdict | logs | first advice | helped | harmed | silent where it helps | nothing helped |
| --- | ---: | --- | ---: | ---: | ---: | ---: |
"""


def verdicts() -> str:
    """What verdicts were worth, the most frequent first: a row for each advice that came first."""
    rows = []
    for code, worth in sorted(measured().verdicts.items(), key=lambda one: -one[1].logs):
        silent = "{} of {}".format(*worth.missed) if worth.missed[1] else ""
        head, tail = f"| `{code}` | {worth.logs} |", f"| {silent} | {worth.healthy} |"
        for name, odds in sorted(worth.first.items(), key=lambda one: -one[1].of):
            rows.append(f"{head} {INTERVENTIONS[name].words} | {told(odds.helps, odds.of)} | {odds.harms} {tail}")
            head, tail = "| | |", "| | |"
        if worth.others:
            rows.append(f"{head} none of those tried, {worth.others} | | {tail}")
    logs = sum(worth.logs for worth in measured().verdicts.values())
    lead = f"Of {measured().networks:,} networks; the {logs} logs below are of the half that no rule was set on."
    return f"{lead}\n{HEAD}" + "\n".join(rows)


def looks() -> str:
    """The last line of the ledger of each that judged, without when it was."""
    if not LEDGER.exists():
        return ""
    with LEDGER.open(newline="") as file:
        last = {row["judged by"]: row for row in csv.DictReader(file)}
    names = [name for name in next(iter(last.values())) if name != "when"]
    rows = [names, ["---"] * len(names), *([row[name] for name in names] for row in last.values())]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def with_tables(text: str) -> str:
    """A page with each `<!-- KIND -->` block filled with its table."""
    for kind, table in {**{kind: reference(kind) for kind in KINDS}, "verdicts": verdicts(), "looks": looks()}.items():
        block = re.compile(rf"(<!-- {kind} -->\n).*?(<!-- end -->)", re.S)
        text = block.sub(lambda found, table=table: f"{found[1]}{table}\n{found[2]}", text)
    return text


if __name__ == "__main__":
    for path in PAGES:
        path.write_text(with_tables(path.read_text()))
