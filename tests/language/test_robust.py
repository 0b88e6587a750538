"""Any text with statements ends in a plain document or in diagnostics, soon."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from netc.errors import NetError
from netc.language import expand, parse, read_text, write
from netc.language.format import format_text
from tests.language.vocabulary import TestedLayers

PROGRAMS = [read_text(path) for path in sorted((Path(__file__).parent / "fixtures" / "programs").glob("*.net"))]
_TEXT = """let def for in if else import as and or not train test deploy { } { } ( ) [ ] : = = , ; -> .. + - * / // %
** == != < > <= >= ? a b f x y a b f x y ReLU Convolution num_output 1 2 0 3.5 true "s" "a${b}" "${1 +}" '${a' layer
# $ \\"""
_WORDS = _TEXT.split()
_statements = st.sampled_from(
    [
        "let a = 2",
        "let b = a * 3",
        "a = ReLU(b)",
        "b = Convolution(a) { num_output: a }",
        "def f(x; n = 1) -> y { y = ReLU(x) { negative_slope: n } }",
        "a = f(b)",
        "a = f(a) { n: 2 }",
        "for i in 1..2 {",
        "if a == 2 {",
        "train {",
        "test {",
        "deploy {",
        "layer { top: b }",
        "c: [a, 1]",
        "a, b = Digits()",
        "}",
        "}",
        "} else {",
        "a = b",
    ]
)


def outcome(text: str) -> str | None:
    """What a text expands to, or None if it is refused."""
    try:
        document = parse(text)
        expanded = write(expand(document, TestedLayers()).block)
    except NetError as error:
        return None if str(error) else ""
    assert write(parse(expanded, "a.prototxt").block) == expanded
    made = format_text(text)
    assert format_text(made) == made
    assert write(expand(parse(made), TestedLayers()).block) == expanded
    return expanded


@given(st.lists(st.sampled_from(_WORDS) | st.just("\n"), max_size=40).map(" ".join))
@settings(max_examples=400, deadline=None)
def test_any_words(text: str) -> None:
    outcome(text)


@given(st.lists(_statements, max_size=14).map("\n".join))
@settings(max_examples=300, deadline=None)
def test_any_statements(text: str) -> None:
    outcome(text)


@given(st.sampled_from(PROGRAMS), st.data())
@settings(max_examples=200, deadline=None)
def test_damaged_programs(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 12)))
    outcome(text[:start] + data.draw(st.sampled_from(["", *_WORDS])) + text[end:])


def test_plain_text_passes_unchanged() -> None:
    document = parse('layer { name: "a" }')
    assert expand(document) is document
