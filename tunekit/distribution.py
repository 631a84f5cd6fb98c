"""Which installed distribution these files are of, in words: that of another program has the same import name."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path

NAMES = ("tunekit-steps", "tunekit")
"""This program's distribution, and the other's."""


def owner() -> str:
    """The distribution that these files are of, and the other where it is in the same place."""
    package = Path(__file__).parent
    checkout = {"url": package.parent.as_uri(), "dir_info": {"editable": True}}
    owners: dict[str, str] = {}
    for item in metadata.distributions():
        if item.name not in NAMES:
            continue
        if json.loads(item.read_text("direct_url.json") or "{}") == checkout:
            owners[item.name] = f"distribution {item.name} {item.version}, editable"
        elif package / "__init__.py" in [file.locate() for file in item.files or ()]:
            owners[item.name] = f"distribution {item.name} {item.version}"
    if not owners:
        return f"of no installed distribution, in {package}"
    first, *others = (owners[name] for name in NAMES if name in owners)
    if not others:
        return first
    return f"{first}; {others[0]} has the same files; never both in one environment: uninstall both, then install one"
