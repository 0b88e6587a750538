"""Spans, rendering and suggestions."""

from pathlib import Path

import pytest

from netc.errors import CODES, Code, Diagnostic, NetError, Note, Report, Source, Span, suggest

SAMPLE = Code("TST001", "a sample", why="For this test.")
TEXT = 'name: "net"\r\nlayer {\n\ttype: "Convolutoin"\n}\n'


@pytest.fixture(scope="module", autouse=True)
def _forget_the_sample() -> object:
    yield
    CODES.pop("TST001", None)


def span(word: str) -> Span:
    at = TEXT.index(word)
    return Span(Source("a.net", TEXT), at, at + len(word))


def test_span_gives_line_and_column() -> None:
    s = span('"Convolutoin"')
    assert (s.line, s.column, str(s)) == (3, 8, "a.net:3:8")


def test_render_shows_line_caret_notes_and_help() -> None:
    diagnostic = Diagnostic(SAMPLE, "unknown type", span('"Convolutoin"'), (Note("as here", span("name")),), "write X")
    assert diagnostic.render() == (
        "a.net:3:8: error[TST001]: unknown type\n"
        '    3 |  type: "Convolutoin"\n'
        "      |        ^^^^^^^^^^^^^\n"
        "  note: as here (a.net:1:1)\n"
        "  help: write X"
    )


def test_carriage_returns_are_not_shown() -> None:
    assert '    1 | name: "net"\n' in Diagnostic(SAMPLE, "m", span("net")).render()


def test_control_characters_are_replaced() -> None:
    source = Source("b.net", "a\x1b[31m: 1\n")
    assert "\x1b" not in Diagnostic(SAMPLE, "m", Span(source, 0, 1)).render()


def test_a_very_long_line_is_cut_around_the_span() -> None:
    source = Source("c.net", "x" * 10_000 + "here" + "y" * 10_000)
    lines = Diagnostic(SAMPLE, "m", Span(source, 10_000, 10_004)).render().splitlines()
    assert max(map(len, lines)) < 200
    assert lines[1][lines[2].index("^") :].startswith("here")


def test_calls_are_shown_under_the_definition() -> None:
    inner = Span(Source("d.net", "def f() {}\nf()\n"), 0, 3, call=Span(Source("d.net", "def f() {}\nf()\n"), 11, 14))
    assert "  in the call at d.net:2:1" in Diagnostic(SAMPLE, "m", inner).render()


def test_report_raises_all_at_once_and_only_for_errors() -> None:
    report = Report()
    report.warning(SAMPLE, "only a warning")
    report.finish()
    report.error(SAMPLE, "one")
    report.error(SAMPLE, "two")
    with pytest.raises(NetError) as caught:
        report.finish()
    assert [d.message for d in caught.value.diagnostics] == ["only a warning", "one", "two"]


@pytest.mark.parametrize(
    ("word", "meant"), [("Convolutoin", "Convolution"), ("relu", "ReLU"), ("kernel_sise", "kernel_size"), ("zzz", None)]
)
def test_suggest(word: str, meant: str | None) -> None:
    assert suggest(word, ["Convolution", "ReLU", "kernel_size", "stride"]) == meant


@pytest.mark.parametrize(
    ("word", "meant"), [("eRLU", "ReLU"), ("ReeLU", "ReLU"), ("ReLUU", "ReLU"), ("elu", "ELU"), ("ReLU66", "ReLU6")]
)
def test_suggest_counts_slips(word: str, meant: str) -> None:
    assert suggest(word, ["ELU", "ReLU", "PReLU", "ReLU6", "RReLU"]) == meant


def test_two_codes_cannot_share_a_name() -> None:
    with pytest.raises(ValueError, match="TST001"):
        Code("TST001", "another", why="")


def test_a_diagnostic_about_a_file_without_text() -> None:
    assert Diagnostic(SAMPLE, "m", Span(Source(str(Path("e.net")), ""), 0, 0)).render() == "e.net:1:1: error[TST001]: m"
