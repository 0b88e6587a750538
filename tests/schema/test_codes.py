"""Every code's page shows a file that really gives it."""

from __future__ import annotations

import pytest

from netc.errors import Code, Report
from netc.language.parse import parse
from netc.schema import codes
from netc.schema.load import load_net, load_solver
from netc.schema.registry import base_schema

PAGES = [code for code in vars(codes).values() if isinstance(code, Code)]


@pytest.mark.parametrize("code", [c for c in PAGES if c.example], ids=str)
def test_examples_give_their_code(code: Code) -> None:
    load = load_solver if code is codes.SOLVER_TYPE_TWICE else load_net
    report = Report()
    load(parse(code.example), base_schema(), report)
    assert code.id in {d.code.id for d in report.diagnostics}


@pytest.mark.parametrize("code", PAGES, ids=str)
def test_pages_are_complete(code: Code) -> None:
    assert code.why.endswith(".")
    assert code.fix
    assert bool(code.example) == (code.id.startswith("SCH") and code is not codes.TOO_DEEP)
