"""Files with statements: what they expand to, and what is said of those that are wrong, one fixture each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from netc.errors import NetError
from netc.language import expand, parse, read_text, write
from tests.language.vocabulary import TestedLayers

FIXTURES = Path(__file__).parent / "fixtures"
PROGRAMS = sorted((FIXTURES / "programs").glob("*.net"))
STATEMENTS = sorted((FIXTURES / "statements").glob("*.net"))


@pytest.fixture(autouse=True)
def beside_fixtures(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Paths in diagnostics are relative to the fixtures."""
    if hasattr(request.node, "callspec"):
        monkeypatch.chdir(request.node.callspec.params["path"].parent)


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_expands(path: Path, expected: Callable[[Path, str], None]) -> None:
    document = expand(parse(read_text(path), path.name), TestedLayers(), root=path.parent)
    written = write(document.block)
    expected(path.with_suffix(".prototxt"), written)
    assert write(parse(written, "a.prototxt").block) == written


@pytest.mark.parametrize("path", STATEMENTS, ids=lambda path: path.stem)
def test_says_what_is_wrong(path: Path, expected: Callable[[Path, str], None]) -> None:
    with pytest.raises(NetError) as raised:
        expand(parse(read_text(path), path.name), TestedLayers(), root=path.parent)
    expected(path.with_suffix(".txt"), f"{raised.value}\n")
