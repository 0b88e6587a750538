"""Making vocabularies: of all characters or words of a text, or of pieces that BPE learns from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netc.data.extras import package
from netc.data.lists import read_text
from netc.data.text.corpus import Lines
from netc.data.text.cut import PIECES, SPECIAL, Cut
from netc.data.text.vocabulary import Coder, Vocabulary, counted
from netc.errors import NetError


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a vocabulary should have. column: of lines with tabs, the one to read; None: whole lines, with their ends.

    most: tokens in all, the special ones among them. least: how often a token occurs at least.
    """

    cut: Cut
    column: int | None = None
    most: int | None = None
    least: int = 1


def vocabulary_of(path: Path, wanted: Wanted) -> Vocabulary:
    """The vocabulary of a text file.

    Raises NetError: DAT004 if BPE's package is not installed, DAT012 if it is no text, DAT022 without that column.
    """
    source = read_text(path)
    texts = list(_texts(Lines(source, 0, source.text.count("\n") + 1), wanted.column))
    ends = len(texts) if wanted.column is None else 0
    if wanted.cut.unit == "BPE":
        return _learned(texts, wanted, ends)
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(wanted.cut.pieces(text))
    counts[wanted.cut.line_end] += ends
    return counted(+counts, wanted.most, wanted.least)


def _texts(lines: Lines, column: int | None) -> Iterator[str]:
    for number, line in lines.numbered():
        cells = line.split("\t")
        if column is None:
            yield line
        elif column < len(cells):
            yield cells[column]
        elif line.strip():
            message = f"it has {len(cells)} columns, none of the number {column}; they end at tabs and count from 0"
            raise NetError(lines.problem(number, message))


def _learned(texts: list[str], wanted: Wanted, ends: int) -> Vocabulary:
    """The special tokens, the characters, then what is joined, the earliest first (Sennrich et al. 2016)."""
    library: Any = package("tokenizers", "tokenizers", "vocabularies of BPE", "text")
    model = library.Tokenizer(library.models.BPE())
    model.pre_tokenizer = library.pre_tokenizers.Split(library.Regex(PIECES), "isolated")
    trainer = library.trainers.BpeTrainer(
        vocab_size=wanted.most or 30_000, min_frequency=wanted.least, special_tokens=list(SPECIAL), show_progress=False
    )
    learned_from = [text.lower() for text in texts] if wanted.cut.lower else texts
    model.train_from_iterator(learned_from, trainer)
    found = sorted(model.get_vocab().items(), key=lambda item: item[1])
    return with_counts(Vocabulary(tuple(token for token, _ in found)), wanted.cut, texts, ends)


def with_counts(vocabulary: Vocabulary, cut: Cut, texts: Iterable[str], ends: int) -> Vocabulary:
    """The vocabulary with how often each token occurs in texts, of which so many end a line."""
    coder, counts = Coder(cut, vocabulary), Counter[int]()
    for text in texts:
        counts.update(coder.encode(text))
    counts[vocabulary.number(cut.line_end)] += ends
    return Vocabulary(vocabulary.tokens, tuple(counts[number] for number in range(len(vocabulary))))
