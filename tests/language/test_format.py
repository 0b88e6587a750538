"""`format_text`: canonical, comments kept, idempotent, the same meaning."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netc.errors import NetError
from netc.language import expand, formatter, parse, read_text, write
from netc.language.builder import PHASES
from netc.language.format import format_text
from netc.language.lexer import KEYWORDS

FIXTURES = Path(__file__).parent / "fixtures"
FILES = sorted(path for path in (FIXTURES / "format").iterdir() if path.suffix in (".net", ".prototxt"))
PROGRAMS = sorted((FIXTURES / "programs").glob("*.net"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_formats(path: Path, expected: Callable[[Path, str], None]) -> None:
    text = read_text(path)
    made = format_text(text, path.name)
    expected(path.with_name(path.name + ".txt"), made)
    assert format_text(made, path.name) == made
    assert made.count("#") == text.count("#")


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_programs_stay_as_they_are_once_formatted(path: Path) -> None:
    made = format_text(read_text(path), path.name)
    assert format_text(made, path.name) == made


_pieces = st.sampled_from(
    ["a: 1", "b: 'x'", "c {", "d <", "}", ">", "# c\n", "#d\n", "\n", "\n\n", ",", ";", "e: [1,", "2]", "f: [{", "}]"]
)


@given(st.lists(_pieces, max_size=20).map(" ".join))
@settings(max_examples=300, deadline=None)
def test_any_plain_text(text: str) -> None:
    try:
        document = parse(text, "a.prototxt")
    except NetError:
        return
    made = format_text(text, "a.prototxt")
    assert format_text(made, "a.prototxt") == made
    assert made.count("#") == text.count("#")
    assert write(parse(made, "a.prototxt").block) == write(document.block)


_values = st.recursive(
    st.sampled_from(
        ["1", "b + 2", "c < 3", '"text"', "(d)", "max(1, e)", "f ? 1 : 2", "{ x: 1 }", "{ y { z: [1, 2] } }"]
    ),
    lambda inner: st.lists(inner, min_size=1, max_size=6).map(lambda items: f"[{', '.join(items)}]"),
    max_leaves=12,
)


@given(_values, st.integers(8, 40))
@settings(max_examples=150, deadline=None)
def test_long_lists_break_one_way(value: str, width: int) -> None:
    text = f"let a = {value}\nh = f(h, g) {{ p: [{value}] q: 1 }}\n"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(formatter, "WIDTH", width)
        made = format_text(text, "a.net")
        assert format_text(made, "a.net") == made
    assert "".join(made.split()) == "".join(text.split())


@pytest.mark.parametrize("word", [*KEYWORDS, *PHASES])
@pytest.mark.parametrize("colon", [":", " :", "", "\n"])
def test_a_field_called_like_a_statement_has_a_colon(word: str, colon: str) -> None:
    """Only the colon tells it from one, where it begins a line."""
    long = "1" * 119
    for first in ("", "x = ReLU(y)\n"):
        for body in (
            f"{word}{colon} {{ b: 1 }}",
            f"a {{ {word}{colon} {{ b: {long} }} }}",
            f"z = F() {{ {word}{colon} {{ b: {long} }} }}",
        ):
            text = f"{first}{body}\n"
            try:
                meaning = write(expand(parse(text, "a.net")).block)
            except NetError:  # a phase block, where none can stand
                continue
            made = format_text(text, "a.net")
            assert format_text(made, "a.net") == made
            assert write(expand(parse(made, "a.net")).block) == meaning
