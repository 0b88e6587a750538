"""Every code has a page in docs/diagnostics, and an example that is a whole file really gives its diagnostic."""

from __future__ import annotations

import pytest

from netc.errors import Code
from netc.report.explain import all_codes
from tools.diagnostics import FOLDER, found_in, is_command, outdated, pages

CODES = all_codes()
CHECKED = ("SYN", "SCH", "GRA", "LAY", "PLN", "SOL")
"""What `netc check` looks for: their examples are whole files, but for those below."""
PARTS = {
    "LAY100": "a label of the data",
    "LAY101": "a value of the data",
    "LAY104": "read when the net runs",
    "LAY106": "needs --allow-python",
    "LAY113": "written when the net runs",
    "LAY115": "written when the net runs",
    "LAY116": "values of a net that has run",
    "LAY330": "a file beside the net",
    "PLN012": "asked for in Python",
    "SCH025": "depends on the command",
    "SOL013": "happens in training",
    "SOL014": "needs the outputs of a test net",
    "SOL015": "happens in training",
    "SOL016": "happens in training",
    "SOL053": "depends on what is installed",
}


def test_pages_are_up_to_date() -> None:
    assert outdated(pages()) == [], "run `python -m tools.diagnostics`"


def test_the_index_names_every_code() -> None:
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert all(f"[{id}]({id}.md) | {code.title} |" in text for id, code in CODES.items())


FILES = [
    c
    for c in CODES.values()
    if c.id.startswith(CHECKED) and c.example and c.id not in PARTS and not is_command(c.example)
]


@pytest.mark.parametrize("code", FILES, ids=str)
def test_examples_give_their_diagnostic(code: Code) -> None:
    found = found_in(code)
    assert found is not None, f"the example of {code.id} is no file that gives it"
    assert found[1].span is not None
