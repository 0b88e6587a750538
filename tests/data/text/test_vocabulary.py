"""Vocabularies in files, and tokens to text and back."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netc.data.text.cut import Cut
from netc.data.text.making import Wanted, vocabulary_of
from netc.data.text.vocabulary import Coder, Vocabulary, counted, escaped, merged, read_vocabulary, unescaped
from tests.data.text.common import written

TEXT = "the cat's hat\nthe  cat.\n\nA cat\n"


@given(st.text())
def test_any_token_can_be_written(token: str) -> None:
    assert unescaped(escaped(token)) == token
    assert not set(escaped(token)) & set(" \t\n\r")


def test_files_read_back(tmp_path: Path) -> None:
    for counts in ((), (3, 2, 1, 0)):
        made = Vocabulary((" ", "\n", "a\\b", "\u2028é"), counts)
        assert read_vocabulary(written(tmp_path, made.as_text(), "v.txt")) == made


def test_written_by_hand(tmp_path: Path) -> None:
    found = read_vocabulary(written(tmp_path, "a\n\n \n\\x41\\u00e9\r\nb c\n", "v.txt"))
    assert found.tokens == ("a", " ", "Aé", "b c")


@pytest.mark.parametrize(
    ("cut", "pieces"),
    [
        (Cut("CHAR"), list("A cat's.")),
        (Cut("WORD"), ["A", "cat's."]),
        (Cut("WORD", marks=True), ["A", "cat's", "."]),
        (Cut("WORD", lower=True), ["a", "cat's."]),
        (Cut("BPE"), ["A", " cat", "'", "s", "."]),
    ],
)
def test_pieces(cut: Cut, pieces: list[str]) -> None:
    assert cut.pieces("A cat's.") == pieces
    if cut.unit != "WORD":
        assert cut.text(pieces) == "A cat's."


@given(st.text(st.characters(exclude_characters="\n")))
def test_no_character_is_lost(line: str) -> None:
    for unit in ("CHAR", "BPE"):
        assert "".join(Cut(unit).pieces(line)) == line


def test_counted() -> None:
    found = counted(Counter({"b": 3, "a": 3, "c": 1, "<s>": 2}), most=6, least=1)
    assert found.tokens == ("<pad>", "<unk>", "<s>", "</s>", "a", "b")
    assert found.counts == (0, 1, 2, 0, 3, 3)
    assert counted(Counter({"b": 3, "c": 1}), least=2).tokens[4:] == ("b",)
    assert counted(Counter({"b": 3}), most=4).tokens == ("<pad>", "<unk>", "<s>", "</s>")


def test_of_a_file(tmp_path: Path) -> None:
    path = written(tmp_path, TEXT)
    chars = vocabulary_of(path, Wanted(Cut("CHAR")))
    assert sum(chars.counts) == len(TEXT)
    assert dict(zip(chars.tokens, chars.counts, strict=True))["\n"] == 4
    words = vocabulary_of(path, Wanted(Cut("WORD", lower=True, marks=True), least=2))
    assert dict(zip(words.tokens, words.counts, strict=True)) == {
        "<pad>": 0, "<unk>": 4, "<s>": 0, "</s>": 4, "cat": 2, "the": 2,
    }  # fmt: skip
    pairs = written(tmp_path, "1 2\ta b\n\n3\tc\n", "pairs.txt")
    assert vocabulary_of(pairs, Wanted(Cut("WORD"), column=1)).tokens[4:] == ("a", "b", "c")


def test_numbers_and_text(tmp_path: Path) -> None:
    coder = Coder(Cut("WORD"), counted(Counter(["a", "b", "c", "b"])))
    assert coder.encode("b  x a") == [4, 1, 5]
    assert coder.decode([0, 4, 1, 5]) == "b <unk> a"


RANKS = {token: rank for rank, token in enumerate(["l", "o", "w", "e", "r", "er", "lo", "low", "lower"])}


@pytest.mark.parametrize(
    ("word", "parts"),
    [("lower", ["lower"]), ("wer", ["w", "er"]), ("lowlo", ["low", "lo"]), ("xlo", ["x", "lo"]), ("", [])],
)
def test_what_is_joined_first(word: str, parts: list[str]) -> None:
    assert merged(word, RANKS) == parts
