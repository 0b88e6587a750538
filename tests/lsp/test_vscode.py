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


def scopes(line: str) -> dict[str, str]:
    """What the grammar calls each piece of a line: of the patterns that match first, the one that is listed first."""
    flat: list[dict[str, Any]] = [{"name": "comment", "match": "#.*$"}, {"name": "string", "match": '"[^"]*"'}]
    for include in GRAMMAR["patterns"][2:]:
        rule = GRAMMAR["repository"][include["include"][1:]]
        flat += rule.get("patterns", [rule])
    found: dict[str, str] = {}
    at = 0
    compiled = [re.compile(rule["match"]) for rule in flat]
    while matches := [(m.start(), i, m) for i, pattern in enumerate(compiled) if (m := pattern.search(line, at))]:
        _, index, match = min(matches, key=lambda each: each[:2])
        captured = {int(group): each["name"] for group, each in flat[index].get("captures", {}).items()}
        found |= {match[group]: name for group, name in captured.items()} or {match[0]: flat[index]["name"]}
        at = max(match.end(), at + 1)
    return {text: name.removesuffix(".netc") for text, name in found.items()}


COLOURS = {
    "let width = 64  # wide": "let keyword.other, width variable.other.constant, 64 constant.numeric",
    "def f(x; p = 1) -> y {": "f entity.name.function, p variable.other.readwrite, y variable.other.readwrite",
    "a, b = Slice(h) { axis: 1 }": "a variable.other.readwrite, b variable.other.readwrite, Slice support.class",
    'h as "x" = f(h) as two': 'h variable.other.readwrite, "x" string, f entity.name.function, two entity.name.tag',
    "for i in 1..3 {": "for keyword.control, in keyword.control, 1 constant.numeric, 3 constant.numeric",
    "a[1..2]": ".. keyword.operator",
    "for n in widths {": "widths variable.other",
    "if n >= max(2, w) and not a {": "and keyword.control, >= keyword.operator, max support.function",
    "train, test {": "train storage.modifier, test storage.modifier",
    "param [{ lr_mult: 1e-3f }]": "param variable.parameter, 1e-3f constant.numeric",
    "pool: MAX bias_term: false": "pool variable.parameter, MAX constant.other.enum, false constant.language",
    'import "blocks/resnet.net"': 'import keyword.control, "blocks/resnet.net" string',
    "inner < a: .5 >": "a variable.parameter, .5 constant.numeric",
}


@pytest.mark.parametrize("line", COLOURS)
def test_every_construct_has_its_colour(line: str) -> None:
    found = scopes(line)
    for each in COLOURS[line].split(", "):
        text, name = each.rsplit(" ", 1)
        assert found.get(text) == name


@pytest.mark.parametrize("text", ["12", "-1.5e-3f", "1.", ".5", "0x1F", "017"])
def test_numbers(text: str) -> None:
    found = re.match(GRAMMAR["repository"]["number"]["match"], text)
    assert found
    assert found.group() == text
