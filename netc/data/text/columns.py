"""PAIRS, TAGS and LABELS: lines of two columns, the second of which is learned from the first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from netc.data.codes import BAD_TEXT
from netc.data.reading import problem
from netc.data.text.corpus import BadLineError, Corpus, Ids, column, padded
from netc.data.text.cut import END, PAD, START
from netc.data.text.form import Numbers, as_bytes
from netc.data.text.vocabulary import Coder
from netc.errors import NetError
from netc.layer import Array


class _Rows:
    """Records as rows of numbers, one array a top. upright: the tops hold steps x records, not records x steps."""

    def __init__(
        self, corpus: Corpus, made: Iterator[tuple[Ids, ...]], tops: int, upright: bool, labelled: bool = False
    ) -> None:
        rows = list(made)
        self._tops = [np.array([row[top] for row in rows]) for top in range(tops)]
        self._upright = upright
        self.labels = self._tops[-1] if labelled else None
        self.count = len(rows)

    def fill(self, records: Numbers, out: Sequence[Array]) -> None:
        for top, rows in zip(out, self._tops, strict=False):
            values = rows[records]
            top[...] = values.T if self._upright else values

    def content(self) -> Iterator[bytes]:
        return as_bytes(*self._tops)


def pairs(corpus: Corpus) -> _Rows:
    """The first column behind filling, its mask; the second one as a decoder reads it and should give it, its cont."""
    source, target, p = corpus.coder, corpus.target_coder, corpus.p
    corpus.need(source, PAD)
    corpus.need(target, PAD, START, END)
    sizes = int(p.source_steps or p.steps), int(p.steps)
    start, end = target.number(START), target.number(END)
    cont = np.ones(sizes[1], np.int32)
    cont[:1] = 0

    def made(line: str) -> tuple[Ids, ...]:
        given, wanted = source.encode(column(line, 0)), target.encode(column(line, 1))
        _fits("source_steps" if p.has("source_steps") else "steps", given, sizes[0], 1, "one is the filling in front")
        _fits("steps", wanted, sizes[1], 1, "one is the end")
        pad = target.number(PAD)
        shown, learned = (padded(row, sizes[1], pad, front=False) for row in ([start, *wanted], [*wanted, end]))
        return (*_in_front(source, given, sizes[0]), shown, learned, cont)

    return _Rows(corpus, corpus.each(made), 5, upright=True)


def tags(corpus: Corpus) -> _Rows:
    """Words behind filling, their mask, and a tag for each word."""
    words, marks, steps = corpus.coder, corpus.target_coder, int(corpus.p.steps)
    corpus.need(words, PAD)
    corpus.need(marks, PAD)

    def made(line: str) -> tuple[Ids, ...]:
        given, wanted = words.encode(column(line, 0)), marks.encode(column(line, 1))
        if len(given) != len(wanted):
            raise BadLineError(f"it has {len(given)} words, but {len(wanted)} tags")
        _fits("steps", given, steps, 1, "one is the filling in front")
        return (*_in_front(words, given, steps), padded(wanted, steps, marks.number(PAD), front=True))

    return _Rows(corpus, corpus.each(made), 3, upright=True)


def labels(corpus: Corpus) -> _Rows:
    """Tokens, and the class that the second column names."""
    tokens, steps = corpus.coder, int(corpus.p.steps)
    corpus.need(tokens, PAD)
    known = _Classes(corpus)

    def made(line: str) -> tuple[Ids, ...]:
        given = tokens.encode(column(line, 0))
        _fits("steps", given, steps)
        return padded(given, steps, tokens.number(PAD), front=False), np.array(known.number(column(line, 1)), np.int32)

    return _Rows(corpus, corpus.each(made), 2, upright=False, labelled=True)


class _Classes:
    """Numbers of classes: lines of `target_vocabulary`; or the numbers that the file has, or its names in order."""

    def __init__(self, corpus: Corpus) -> None:
        listed = corpus.classes
        cells = {cell.strip() for line in corpus.lines.all() for cell in line.split("\t")[1:2]} if not listed else ()
        names = listed.tokens if listed else () if all(map(_is_class, cells)) else tuple(sorted(cells))
        self._names = {name: number for number, name in enumerate(names)}

    def number(self, cell: str) -> int:
        """Raises BadLineError for what is no class."""
        cell = cell.strip()
        if cell in self._names:
            return self._names[cell]
        if self._names or not _is_class(cell):
            raise BadLineError(f'"{cell}" is no class that target_vocabulary lists')
        return int(cell)


def _is_class(cell: str) -> bool:
    return cell.isascii() and cell.isdigit() and len(cell) < 8


def _fits(field: str, tokens: Sequence[int], steps: int, taken: int = 0, by: str = "") -> None:
    """Raise BadLineError for more tokens than there is room for; `taken` places are for something else."""
    if len(tokens) > steps - taken:
        why = f" for {steps - taken} ({by})" if by else ""
        raise BadLineError(f"it has {len(tokens)} tokens; {field}: {steps} has {'room' if by else 'no more room'}{why}")


def _in_front(coder: Coder, numbers: Sequence[int], steps: int) -> tuple[Ids, Ids]:
    """Numbers behind filling, and where they are."""
    mask = padded([1] * len(numbers), steps, 0, front=True)
    return padded(numbers, steps, coder.number(PAD), front=True), mask


def check_some(corpus: Corpus, count: int) -> None:
    """Refuse a text without records (DAT022)."""
    if not count:
        message = f"{corpus.lines.source.path} has no line that can be used"
        raise NetError(problem(corpus.record, BAD_TEXT, message, BAD_TEXT.fix))
