"""What the parser says of text that is wrong: one fixture a mistake, its diagnostics beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from netc.errors import NetError
from netc.language import parse

FIXTURES = sorted((Path(__file__).parent / "fixtures" / "mistakes").glob("*.prototxt"))


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_says_what_is_wrong(path: Path, expected: Callable[[Path, str], None]) -> None:
    with pytest.raises(NetError) as raised:
        parse(path.read_text(encoding="utf-8"), path.name)
    expected(path.with_suffix(".txt"), f"{raised.value}\n")
