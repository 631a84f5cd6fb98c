"""A verdict on a real log does not turn when the log is noisier, shorter, sparser or in other units."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from changes import CHANGES

from tunekit.diagnosis import judge
from tunekit.logs import read
from tunekit.vocabulary import UserError

SHARE = 0.97
FEW = 12
"""Points of a loss below which half of them are another log."""


@pytest.mark.long
def test_labelled_logs_keep_their_verdicts(shared: Path) -> None:
    labels = [item for file in sorted((shared / "logs").glob("labels*.json")) for item in json.loads(file.read_text())]
    tried = within = 0
    left: dict[str, list[str]] = {}
    forbidden = []
    for item in labels:
        if item.get("judge") is False:
            continue
        try:
            log = read(shared / "logs" / item["id"])[0]
        except UserError:
            continue  # that each is read is another test's business
        right = {*item["labels"], *item["acceptable_labels"]}
        if judge(log).code not in right:
            continue
        points = max((len(side.x) for side in (log.train, log.val) if side is not None), default=0)
        for name, change in CHANGES.items():
            if points < FEW and name in ("every_second", "validation_half_as_often"):
                continue
            code = judge(change(log)).code
            tried += 1
            within += code in right
            if code not in right:
                left.setdefault(name, []).append(f"{item['id']}: {code}")
            if code in (item.get("forbidden_labels") or ()):
                forbidden.append(f"{item['id']} {name}: {code}")
    print(f"\n{within} of {tried} within their labels ({within / max(tried, 1):.1%}), {len(forbidden)} forbidden")
    for name, items in left.items():
        print(f"{name}: {len(items)}: {', '.join(items)}")
    assert tried > 300
    assert forbidden == []
    assert within >= SHARE * tried
