"""Texts and vocabularies that cannot be used: which line, which token, and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from netc.data import probe
from netc.errors import Diagnostic, NetError
from tests.data.text.common import batch, layer, source, written


def refusals(path: Path, fields: str, form: str = "LM") -> list[Diagnostic]:
    with pytest.raises(NetError) as raised:
        source(path, fields, form)
    return list(raised.value.diagnostics)


def test_no_file(tmp_path: Path) -> None:
    (found,) = refusals(tmp_path / "missing.txt", "steps: 2 batch_size: 2")
    assert found.code.id == "DAT016"
    assert probe(layer(tmp_path / "missing.txt", "steps: 2 batch_size: 2"), "TRAIN") is None


@pytest.mark.parametrize("text", ["", "ab"])
def test_too_little_text(tmp_path: Path, text: str) -> None:
    (found,) = refusals(written(tmp_path, text), "steps: 2 batch_size: 4")
    assert found.code.id == "DAT022"


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"ab\0c")
    assert [d.code.id for d in refusals(path, "steps: 2 batch_size: 1")] == ["DAT012"]


def test_bytes_of_other_encodings_are_tokens(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"caf\xe9 caf\xe9\n")
    x, _, _ = batch(source(path, "steps: 4 batch_size: 1"))
    assert len(set(x[:, 0].tolist())) == 4


@pytest.mark.parametrize(
    ("form", "lines", "said"),
    [
        ("PAIRS", "a\tb\na b\n", "needs two columns with a tab between them, but has 1"),
        ("PAIRS", "a\tb\na\tb\tc\n", "but has 3"),
        ("PAIRS", "a\tb\na b c\tb\n", "it has 3 tokens; steps: 3 has room for 2"),
        ("PAIRS", "a\tb\na\ta b c\n", "it has 3 tokens; steps: 3 has room for 2"),
        ("TAGS", "a b\tx y\na b\tx\n", "it has 2 words, but 1 tags"),
        ("LABELS", "a\tx\na b c d\tx\n", "it has 4 tokens; steps: 3 has no more room"),
    ],
)
def test_lines(tmp_path: Path, form: str, lines: str, said: str) -> None:
    """Each says which line and why; left out, the others are there."""
    path, fields = written(tmp_path, lines), "unit: WORD steps: 3 batch_size: 1"
    (found,) = refusals(path, fields, form)
    assert found.code.id == "DAT022"
    assert f"line 2 of {path}: " in found.message
    assert said in found.message
    assert (found.span.line, found.span.column) == (2, 1)  # type: ignore[union-attr]
    left = source(path, fields, form, bad="skip")
    assert left.order.count == 1
    assert list(left.bad) == [f"line 2 of {path}"]


def test_many_lines_are_summed_up(tmp_path: Path) -> None:
    found = refusals(written(tmp_path, "a\n" * 50), "unit: WORD steps: 3 batch_size: 1", "PAIRS")
    assert len(found) == 21
    assert found[-1].message.endswith("cannot be used")
    assert "and 30 more lines" in found[-1].message


def test_a_class_that_is_not_listed(tmp_path: Path) -> None:
    path, listed = written(tmp_path, "a\tx\nb\ty\n"), written(tmp_path, "x\n", "classes.txt")
    (found,) = refusals(path, f'unit: WORD steps: 3 batch_size: 1 target_vocabulary: "{listed}"', "LABELS")
    assert (found.code.id, found.span.line) == ("DAT022", 2)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("listed", "said"),
    [
        ("a\na\n", 'the token "a" stands there twice'),
        ("", "it has no tokens"),
        ("a\t3\nb\n", "1 of its 2 lines have no count"),
        ("a\t3\nb\tx\n", "line 2: invalid literal"),
        ("\\q\n", "line 1: there is no escape \\q"),
    ],
)
def test_vocabularies(tmp_path: Path, listed: str, said: str) -> None:
    path, vocabulary = written(tmp_path, "ab\n"), written(tmp_path, listed, "v.txt")
    (found,) = refusals(path, f'steps: 2 batch_size: 1 vocabulary: "{vocabulary}"')
    assert found.code.id == "DAT021"
    assert said in found.message
    assert found.span is not None
    assert found.span.source.text[found.span.start : found.span.end] == f'"{vocabulary}"'


def test_a_missing_vocabulary_says_how_to_make_it(tmp_path: Path) -> None:
    path = written(tmp_path, "ab\n")
    (found,) = refusals(path, 'steps: 2 batch_size: 1 vocabulary: "none.vocab"')
    assert (found.code.id, found.help) == ("DAT021", f"make it: netc data vocab {path} none.vocab")


def test_tokens_that_the_form_needs(tmp_path: Path) -> None:
    path, vocabulary = written(tmp_path, "a\ta\n"), written(tmp_path, "a\n<pad>\n", "v.txt")
    fields = f'unit: WORD steps: 3 batch_size: 1 vocabulary: "{vocabulary}" target_vocabulary: "{vocabulary}"'
    (found,) = refusals(path, fields, "PAIRS")
    assert found.code.id == "DAT021"
    assert "needs the token <s> and </s>" in found.message


def test_a_token_that_is_none(tmp_path: Path) -> None:
    path = written(tmp_path, "ab\nax\n")
    vocabulary = written(tmp_path, "a\nb\n\\n\n", "v.txt")
    fields = f'steps: 2 batch_size: 1 vocabulary: "{vocabulary}"'
    (found,) = refusals(path, fields)
    assert (found.code.id, found.span.line) == ("DAT022", 2)  # type: ignore[union-attr]
    assert '"x" is not in the vocabulary, which has no <unk>' in found.message
    written(tmp_path, "a\nb\n\\n\n<unk>\n", "v.txt")
    x, _, _ = batch(source(path, "steps: 5 batch_size: 1 " + fields.split(" ", 4)[4]))
    assert x[:, 0].tolist() == [0, 1, 2, 0, 3]


def test_pieces_of_words_need_a_vocabulary(tmp_path: Path) -> None:
    (found,) = refusals(written(tmp_path, "ab\n"), "unit: BPE steps: 2 batch_size: 1")
    assert found.code.id == "DAT021"
    assert "--unit BPE" in (found.help or "")
