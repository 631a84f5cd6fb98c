"""`python -m tests.reference` writes README's tables of techniques and verdicts anew; a test holds README to them."""

from __future__ import annotations

import re
from pathlib import Path

from tunekit.diagnosis.odds import INTERVENTIONS, measured
from tunekit.shares import wilson
from tunekit.techniques import KINDS, reference

README = Path(__file__).parent.parent / "README.md"

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
            low, high = wilson(odds.helps, odds.of)
            helped = f"{odds.helps} of {odds.of} ({100 * low:.0f} to {100 * high:.0f} %)"
            rows.append(f"{head} {INTERVENTIONS[name].words} | {helped} | {odds.harms} {tail}")
            head, tail = "| | |", "| | |"
        if not worth.first:
            rows.append(f"{head} none of those tried | | {tail}")
    return HEAD.strip() + "\n" + "\n".join(rows)


def with_tables(text: str) -> str:
    """README with each `<!-- KIND -->` block filled with its table."""
    for kind, table in {**{kind: reference(kind) for kind in KINDS}, "verdicts": verdicts()}.items():
        block = re.compile(rf"(<!-- {kind} -->\n).*?(<!-- end -->)", re.S)
        text = block.sub(lambda found, table=table: f"{found[1]}{table}\n{found[2]}", text)
    return text


if __name__ == "__main__":
    README.write_text(with_tables(README.read_text()))
