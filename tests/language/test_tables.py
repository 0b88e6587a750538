"""The parser's tables are those of the grammar that is there."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from netc.language.tables import HERE, load_tables
from tools.tables import text


def test_the_kept_tables_are_fresh() -> None:
    assert (HERE / "tables.json").read_text(encoding="utf-8") == text(), "run python -m tools.tables"


def test_reading_needs_no_lark_where_the_tables_fit() -> None:
    script = "import sys; from netc.language import parse; parse('a: 1'); print('lark' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize("kept", ["other", "none", "broken"])
def test_tables_that_do_not_fit_are_made_anew(kept: str, tmp_path: Path) -> None:
    """An edited grammar is the one that is read, whatever stands beside it."""
    grammar = (HERE / "grammar.lark").read_text(encoding="utf-8")
    (tmp_path / "grammar.lark").write_text(grammar.replace("| MINUS NUMBER  ", "| PLUS NUMBER  "), encoding="utf-8")
    if kept == "other":
        shutil.copy(HERE / "tables.json", tmp_path)
    elif kept == "broken":
        (tmp_path / "tables.json").write_text('{"starts": [', encoding="utf-8")
    ours, edited = load_tables(), load_tables(tmp_path)
    assert ours.rules == edited.rules
    assert [set(row) for row in ours.states] != [set(row) for row in edited.states]
    shutil.copy(HERE / "grammar.lark", tmp_path)
    load_tables.cache_clear()
    assert load_tables(tmp_path) == load_tables()
