"""Vocabularies in files, and tokens to text and back."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import netc
from netc.data.text.cut import PIECES, SPECIAL, Cut
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


TEXTS = ["the lower, the slower: newer and lowest", "a  wide wider widest 'slow' low-cost newest", "new new\\nlow"] * 4


@pytest.mark.parametrize(("most", "lower"), [(30, False), (60, True), (200, False)])
def test_bpe_is_what_tokenizers_learns_and_cuts(tmp_path: Path, most: int, lower: bool) -> None:
    """Our vocabulary alone, which lists no pairs, cuts as the library's merges do; and every text comes back."""
    library = pytest.importorskip("tokenizers", reason="tokenizers is not installed (netc[text])")
    cut = Cut("BPE", lower=lower)
    path = tmp_path / "a.txt"
    path.write_text("\n".join([*TEXTS, "The LOWER ones"]) + "\n")
    vocabulary = vocabulary_of(path, Wanted(cut, most=most))
    assert len(vocabulary) <= most
    assert vocabulary.tokens[:4] == SPECIAL
    assert vocabulary == vocabulary_of(path, Wanted(cut, most=most))
    lines = path.read_text().splitlines()
    learned = [line.lower() for line in lines] if lower else lines
    model = library.Tokenizer(library.models.BPE())
    model.pre_tokenizer = library.pre_tokenizers.Split(library.Regex(PIECES), "isolated")
    trainer = library.trainers.BpeTrainer(vocab_size=most, special_tokens=list(SPECIAL), show_progress=False)
    model.train_from_iterator(learned, trainer)
    coder = Coder(cut, vocabulary)
    for line, text in zip(lines, learned, strict=True):
        assert coder.tokens(line) == model.encode(text).tokens
        assert coder.decode(coder.encode(line)) == text
    assert sum(vocabulary.counts) == sum(len(coder.tokens(line)) for line in lines) + len(lines)


def test_a_language_model_of_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """netc data vocab, training, generating, all with unit: BPE."""
    pytest.importorskip("tokenizers", reason="tokenizers is not installed (netc[text])")
    monkeypatch.chdir(tmp_path)
    Path("a.txt").write_text("\n".join(TEXTS) + "\n")
    text = vocabulary_of(Path("a.txt"), Wanted(Cut("BPE"), most=60)).as_text()
    Path("a.vocab").write_text(text)
    assert read_vocabulary(Path("a.vocab")).as_text() == text
    Path("a.net").write_text(
        'let tokens = len(read("a.vocab"))\n'
        "train, test { x, cont, next = Text() {\n"
        'source: "a.txt" unit: BPE vocabulary: "a.vocab" steps: 6 batch_size: 4 } }\n'
        "deploy { x = Input() { shape { dim: [1, 1] } } cont = Input() { shape { dim: [1, 1] } } }\n"
        'e = Embed(x) { input_dim: tokens num_output: 8 weight_filler { type: "gaussian" std: 0.3 } }\n'
        'h = LSTM(e, cont) { num_output: 16 weight_filler { type: "uniform" min: -0.1 max: 0.1 } }\n'
        'score = InnerProduct(h) { axis: 2 num_output: tokens weight_filler { type: "xavier" } }\n'
        "loss = SoftmaxWithLoss(score, next) { softmax_param { axis: 2 } }\n"
        "deploy { prob = Softmax(score) { axis: 2 } generate { from: prob into: x temperature: 0 most: 30 } }\n"
        'solver { type: "Adam" base_lr: 0.03 lr_policy: "fixed" max_iter: 80 random_seed: 1 }\n'
    )
    solver = netc.Solver("a.net")
    solver.solve()
    assert solver.loss < 0.6
    net = netc.Net("a.net", stages=["deploy"], weights="a_iter_80.caffemodel")
    made = net.generate("the lower,")[0]
    assert made.text.strip().startswith("the slower")
