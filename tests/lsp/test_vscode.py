"""The VS Code folder: its JSON is whole, its grammar colours what the language has."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parent.parent.parent / "tools/vscode"
GRAMMAR: dict[str, Any] = json.loads((FOLDER / "syntaxes/netc.tmLanguage.json").read_text())


def patterns(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node[key] for key in ("match", "begin", "end") if key in node]
        return own + [p for value in node.values() for p in patterns(value)]
    return [p for value in node for p in patterns(value)] if isinstance(node, list) else []


def test_files_that_the_manifest_names_are_there() -> None:
    manifest = json.loads((FOLDER / "package.json").read_text())
    (language,), (grammar,) = manifest["contributes"]["languages"], manifest["contributes"]["grammars"]
    for path in (manifest["main"], language["configuration"], grammar["path"]):
        assert (FOLDER / path).is_file()
    json.loads((FOLDER / "language-configuration.json").read_text())
    assert grammar["scopeName"] == GRAMMAR["scopeName"]


def test_every_pattern_compiles_and_every_include_is_there() -> None:
    for pattern in patterns(GRAMMAR):
        re.compile(pattern)
    for name in re.findall(r'"include": "#(\w+)"', json.dumps(GRAMMAR)):
        assert name in GRAMMAR["repository"]


@pytest.mark.parametrize("word", ["let", "def", "for", "in", "if", "else", "import", "as", "and", "or", "not"])
def test_keywords_are_coloured_unless_they_are_fields(word: str) -> None:
    pattern = GRAMMAR["repository"]["statement"]["patterns"][-1]["match"]
    assert re.match(pattern, f"{word} x")
    assert not re.match(pattern, f"{word}: 1")


@pytest.mark.parametrize("text", ["12", "-1.5e-3f", "1.", ".5", "0x1F", "017"])
def test_numbers(text: str) -> None:
    found = re.match(GRAMMAR["repository"]["number"]["match"], text)
    assert found
    assert found.group() == text
