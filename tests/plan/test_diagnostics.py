"""What graph and plan say of wrong nets: each `fixtures/NAME.net` gives `fixtures/NAME.txt` (renew with --update)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from netc.errors import NetError, Report
from tests.plan.helpers import State, build, loads, plan

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("*.net")), ids=lambda p: p.stem)
def test_what_is_wrong_is_said_in_one_go(path: Path, expected: Callable[[Path, str], None]) -> None:
    definition = loads(path.read_text(), path.name)
    report = Report()
    graph = build(definition.record, definition.types, State("TRAIN"), report)
    try:
        plan(graph)
    except NetError as error:
        report.diagnostics += [d for d in error.diagnostics if d not in report.diagnostics]
    assert report.failed
    assert all(d.span is not None for d in report.diagnostics)
    expected(path.with_suffix(".txt"), "\n".join(d.render() for d in report.diagnostics) + "\n")
