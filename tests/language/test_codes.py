"""Every code's page shows an example that gives it, and a fix that does not."""

from __future__ import annotations

import pytest

from netc.errors import CODES, NetError
from netc.language import expand, parse
from tests.language.vocabulary import TestedLayers

OF_FILES = ("SYN020", "SYN021", "SYN022", "SYN023")
OF_SETTINGS = ("SYN050", "SYN051")  # tests/api/test_settings.py
PAGES = sorted(code for code in CODES if code.startswith("SYN") and code not in OF_FILES + OF_SETTINGS)


def given(text: str, path: str) -> set[str]:
    try:
        expand(parse(text, path), TestedLayers())
    except NetError as error:
        return {diagnostic.code.id for diagnostic in error.diagnostics}
    return set()


@pytest.mark.parametrize("code", [code for code in PAGES if code != "SYN040"])  # a file that imports itself
def test_example_and_fix(code: str) -> None:
    page = CODES[code]
    assert page.title[0].islower()
    assert page.why.endswith(".")
    path = {"SYN015": "net.prototxt", "SYN030": "net.prototxt"}.get(code, "<string>")
    assert code in given(page.example, path)
    assert code not in given(page.fix, "<string>")
