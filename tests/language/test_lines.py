"""`read("words.txt")` gives a file's lines to a net, and only files that belong to it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from netc.errors import NetError
from netc.language import expand, parse, read, write


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project's root with words, and a file beside it that nothing in it may read."""
    (tmp_path / "secret.txt").write_text("secret\n")
    made = tmp_path / "project"
    (made / "nets").mkdir(parents=True)
    (made / "pyproject.toml").write_text("")
    (made / "words.txt").write_text("the\t12\nof\t7.5\n\ncat \t1", encoding="utf-8")
    (made / "dos.txt").write_bytes(b"\xef\xbb\xbfone\r\ntwo\r\n")
    (made / "empty.txt").write_text("")
    return made


def expanded(project: Path, text: str, name: str = "a.net") -> str:
    path = project / name
    path.write_text(text)
    return write(expand(read(path)).block)


def refusal(project: Path, text: str) -> tuple[str, str]:
    """The code of the first diagnostic, and the text that it points at."""
    with pytest.raises(NetError) as raised:
        expanded(project, text)
    found = raised.value.diagnostics[0]
    assert found.span is not None
    return found.code.id, found.span.source.text[found.span.start : found.span.end]


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ('read("words.txt")', '["the\\t12", "of\\t7.5", "", "cat \\t1"]'),
        ('len(read("words.txt"))', "4"),
        ('read("dos.txt")', '["one", "two"]'),
        ('len(read("empty.txt"))', "0"),
        ('read("dos.txt")[1]', '"two"'),
        ('read("dos.txt", 0)', '["one", "two"]'),
        ('number(["12", " 7 ", "1e-2"])', "[12, 7, 0.01]"),
    ],
)
def test_lines_of_a_file(project: Path, expression: str, value: str) -> None:
    assert expanded(project, f"a: {expression}") == f"a: {value}\n"


def test_columns(project: Path) -> None:
    (project / "counts.txt").write_text("the\t12\nof\t7.5\n")
    assert expanded(project, 'a: read("counts.txt", 0) b: number(read("counts.txt", 1))') == (
        'a: ["the", "of"]\nb: [12, 7.5]\n'
    )


def test_the_path_is_that_of_the_file_in_which_it_stands(project: Path) -> None:
    (project / "nets" / "here.txt").write_text("x\ny\n")
    (project / "nets" / "inner.net").write_text('def f(x) -> y { y = Scale(x) { axis: len(read("here.txt")) } }')
    assert "axis: 2" in expanded(project, 'import "nets/inner.net"\nb = f(a)')
    assert expanded(project / "nets", 'a: read("../dos.txt")') == 'a: ["one", "two"]\n'


@pytest.mark.parametrize(
    ("expression", "code", "at"),
    [
        ('read("../secret.txt")', "SYN039", '"../secret.txt"'),
        ('read("/etc/passwd")', "SYN039", '"/etc/passwd"'),
        ('read("link.txt")', "SYN039", '"link.txt"'),
        ('read("missing.txt")', "SYN020", '"missing.txt"'),
        ('read("nets")', "SYN020", '"nets"'),
        ('read("pipe")', "SYN020", '"pipe"'),
        ('read("words.txt", 1)', "SYN034", "1"),
        ('read("words.txt", -1)', "SYN033", 'read("words.txt", -1)'),
        ('read("words.txt", "x")', "SYN033", 'read("words.txt", "x")'),
        ("read(3)", "SYN033", "read(3)"),
        ('number("twelve")', "SYN033", 'number("twelve")'),
        ('number("inf")', "SYN034", 'number("inf")'),
        ("number(3)", "SYN033", "number(3)"),
    ],
)
def test_what_is_refused(project: Path, expression: str, code: str, at: str) -> None:
    os.symlink("../secret.txt", project / "link.txt")
    os.mkfifo(project / "pipe")
    assert refusal(project, f"a: {expression}") == (code, at)


def test_long_files_count(project: Path) -> None:
    (project / "long.txt").write_text("w\n" * 60_000)
    assert expanded(project, 'let words = read("long.txt")\na: len(words) b: words[59999]') == 'a: 60000\nb: "w"\n'
    code, _ = refusal(project, 'for i in 1..9 { x { a: len(read("long.txt")) } }')
    assert code == "SYN042"


def test_plain_text_format_reads_nothing() -> None:
    with pytest.raises(NetError):
        expand(parse('a: read("words.txt")', "a.prototxt"))
