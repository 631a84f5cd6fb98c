"""`python -m tests.reference` writes README's tables of techniques anew; a test holds README to them."""

from __future__ import annotations

import re
from pathlib import Path

from tunekit.techniques import KINDS, reference

README = Path(__file__).parent.parent / "README.md"


def with_tables(text: str) -> str:
    """README with each `<!-- KIND -->` block filled with its kind's table."""
    for kind in KINDS:
        block = re.compile(rf"(<!-- {kind} -->\n).*?(<!-- end -->)", re.S)
        text = block.sub(lambda found, kind=kind: f"{found[1]}{reference(kind)}\n{found[2]}", text)
    return text


if __name__ == "__main__":
    README.write_text(with_tables(README.read_text()))
