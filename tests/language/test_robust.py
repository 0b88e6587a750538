"""Any text with statements ends in a plain document or in diagnostics, soon; expansion bombs do too."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
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


def _chain(count: int) -> str:
    calls = "".join(f"def f{i}(x) -> y {{ y = f{i - 1}(x) }}\n" for i in range(1, count))
    return "def f0(x) -> y { y = ReLU(x) }\n" + calls + f"a = f{count - 1}(b)"


def _doubling(count: int) -> str:
    lets = "".join(f"let a{i} = {{ a: a{i - 1} b: a{i - 1} }}\n" for i in range(1, count))
    return "let a0 = { a: 1 }\n" + lets + f"x: a{count - 1}"


BOMBS = {
    "layers": ("for i in 1..1000000 { a = ReLU(a) }", "SYN042"),
    "nested loops": ("for a in 1..1000 { for b in 1..1000 { for c in 1..1000 { x: a } } }", "SYN042"),
    "empty loops": ("for a in 1..1000 { for b in 1..1000 { for c in 1..1000 { } } }", "SYN042"),
    "lets": ("for a in 1..1000000000 { let b = a }", "SYN042"),
    "fields": ("x { for a in 1..1000000000 { b: a } }", "SYN042"),
    "calls in calls": (_chain(100), "SYN011"),
    "recursion": ("def f(x) -> y { y = f(x) }\na = f(b)", "SYN038"),
    "doubling blocks": (_doubling(50), "SYN042"),
    "deep blocks": ("let a0 = 1\n" + "".join(f"let a{i} = {{ a: a{i - 1} }}\n" for i in range(1, 200)), "SYN011"),
    "doubling calls": (
        "def f0(x) -> y { y = ReLU(x) }\n"
        + "".join(f"def f{i}(x) -> y {{ z = f{i - 1}(x) y = f{i - 1}(z) }}\n" for i in range(1, 30))
        + "a = f29(b)",
        "SYN042",
    ),
    "deep bodies": ("if true { " * 90 + "}" * 90, "SYN011"),
    "deeper bodies": ("if true { " * 100_000, "SYN011"),
    "brackets": ("let a = " + "(" * 100_000 + "1" + ")" * 100_000, "SYN011"),
    "few brackets": ("let a = " + "(" * 60 + "1" + ")" * 60, "SYN011"),
    "signs": ("let a = " + "-" * 100_000 + "1", "SYN011"),
    "sum": ("let a = 1" + "+1" * 100_000, "SYN011"),
    "lists": ("let a = " + "[" * 100_000 + "]" * 100_000, "SYN011"),
    "digits": ("let a = 1 + " + "9" * 100_000, "SYN034"),
    "power": ("let a = 9 ** 9 ** 9 ** 9", "SYN034"),
    "strings": ('let a = "x"\n' + 'let a0 = "${a}"\n' + "".join(
        f'let a{i} = "${{a{i - 1}}}${{a{i - 1}}}"\n' for i in range(1, 60)
    ), "SYN042"),
    "else if": ("if false { } " + "else if false { } " * 30_000 + "else if x { }", "SYN031"),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_bombs(name: str) -> None:
    text, code = BOMBS[name]
    start = time.process_time()
    with pytest.raises(NetError) as raised:
        expand(parse(text), TestedLayers())
    assert code in {diagnostic.code.id for diagnostic in raised.value.diagnostics}
    assert time.process_time() - start < 5


def test_many_imports(tmp_path: Path) -> None:
    for number in range(300):
        (tmp_path / f"{number}.net").write_text(f"let a{number} = 1\n")
    text = "".join(f'import "{number}.net"\n' for number in range(300))
    (tmp_path / "main.net").write_text(text)
    with pytest.raises(NetError) as raised:
        expand(parse(text, str(tmp_path / "main.net")))
    assert raised.value.diagnostics[0].code.id == "SYN042"


def test_import_chain(tmp_path: Path) -> None:
    for number in range(100):
        (tmp_path / f"{number}.net").write_text(f'import "{number + 1}.net"\nlet a = {number}\n')
    (tmp_path / "100.net").write_text("let a = 100")
    with pytest.raises(NetError) as raised:
        expand(parse('import "0.net"', str(tmp_path / "main.net")))
    assert raised.value.diagnostics[0].code.id == "SYN011"


def test_links_do_not_lead_out(tmp_path: Path) -> None:
    (tmp_path / "secret.net").write_text("let a = 1")
    project = tmp_path / "project"
    project.mkdir()
    (project / "link.net").symlink_to(tmp_path / "secret.net")
    with pytest.raises(NetError) as raised:
        expand(parse('import "link.net"', str(project / "main.net")), root=project)
    assert raised.value.diagnostics[0].code.id == "SYN039"


def test_plain_text_passes_unchanged() -> None:
    document = parse('layer { name: "a" }')
    assert expand(document) is document
