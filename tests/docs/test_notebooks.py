"""The notebooks of docs/examples: their cells run, in order, and what a cell ends with can be shown."""

from __future__ import annotations

import ast
import json
import shutil
from pathlib import Path

import pytest

from tests.docs.pages import ROOT

NOTEBOOKS = sorted((ROOT / "docs/examples").glob("*.ipynb"))


def run(cells: list[str]) -> list[object]:
    """What each cell ends with, None for one that ends with a statement; all share their names, as in a notebook."""
    names: dict[str, object] = {}
    shown: list[object] = []
    for i, text in enumerate(cells):
        tree = ast.parse(text)
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, f"cell {i}", "exec"), names)
        value = ast.Expression(last.value) if isinstance(last, ast.Expr) else None
        shown.append(eval(compile(value, f"cell {i}", "eval"), names) if value else None)
    return shown


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_cells_run_in_order(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "nets", tmp_path / "nets")
    monkeypatch.chdir(tmp_path)
    found = json.loads(path.read_text(encoding="utf-8"))
    assert (found["nbformat"], found["metadata"]["kernelspec"]["language"]) == (4, "python")
    code = [cell for cell in found["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)  # the reader makes them
    for value in run(["".join(cell["source"]) for cell in code]):
        html = getattr(value, "_repr_html_", None)
        assert html is None or "<" in html()
        assert len(repr(value)) < 300
