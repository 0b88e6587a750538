"""Nets in which the campaign found something, reduced: each runs in every way, as its seed says."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tools.attack.nets import Case, judge

FOUND = sorted((Path(__file__).parent / "found").glob("*.prototxt"))


@pytest.mark.parametrize("path", FOUND, ids=lambda path: path.stem)
def test_what_was_found(path: Path) -> None:
    text = path.read_text()
    seed = int(re.findall(r"# seed (\d+)", text)[0])
    case = replace(Case.of(seed), text=text, given={})  # the seed draws another net once there are more types
    assert judge(case).wrong == []
