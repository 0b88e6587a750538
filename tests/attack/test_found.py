"""Nets in which the campaign found something, reduced: each runs in every way that the campaign knows.

A file's first line says how the campaign ran it (as `Case` prints itself), since a seed draws another net once there
are more layer types.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools.attack.nets import Case, judge

FOUND = sorted((Path(__file__).parent / "found").glob("*.prototxt"))
HOW = re.compile(r"# seed (\d+): (TRAIN|TEST), (forward|forward and backward), (exact|fast), (\d) threads")


@pytest.mark.parametrize("path", FOUND, ids=lambda path: path.stem)
def test_what_was_found(path: Path) -> None:
    text = path.read_text()
    how = HOW.match(text)
    assert how is not None
    seed, phase, way, precision, threads = how.groups()
    case = Case(int(seed), text, phase, way != "forward", precision, int(threads), given={})  # type: ignore[arg-type]
    assert str(case).startswith(how[0][2:])
    assert judge(case).wrong == []
