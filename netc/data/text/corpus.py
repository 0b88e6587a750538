"""What a Text layer reads: the lines of its file, its vocabularies, and lines as the numbers of their tokens."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from netc.data.choosing import part
from netc.data.codes import BAD_TEXT, BAD_VOCABULARY
from netc.data.lists import read_text
from netc.data.paths import find
from netc.data.reading import blamed, missing, problem
from netc.data.text.cut import Cut, UnitName
from netc.data.text.vocabulary import Coder, UnknownTokenError, Vocabulary, counted, read_vocabulary
from netc.errors import Diagnostic, NetError, Source, Span
from netc.schema.record import Record

T = TypeVar("T")
Ids = NDArray[np.int32]
_MOST_SHOWN = 20  # lines that cannot be used, in one report


class BadLineError(ValueError):
    """A line that the form of the text cannot use, and why."""


@dataclass(frozen=True)
class Lines:
    """Lines `first` .. `first + count` of a text file, from 0; blank ones are there, too."""

    source: Source
    first: int
    count: int

    @property
    def path(self) -> Path:
        return Path(self.source.path)

    def all(self) -> Iterator[str]:
        """Every line of the file: what its vocabulary is made of."""
        text = self.source.text
        return (line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")) if text else iter(())

    def numbered(self) -> Iterator[tuple[int, str]]:
        """The lines, each with its number in the file, from 1."""
        for number, line in enumerate(self.all(), 1):
            if self.first < number <= self.first + self.count:
                yield number, line

    def problem(self, number: int, reason: str) -> Diagnostic:
        """That a line cannot be used (DAT022)."""
        start = self.source.line_starts[number - 1]
        span = Span(self.source, start, start + self.source.length(number))
        return Diagnostic(BAD_TEXT, f"line {number} of {self.source.path}: {reason}", span)


def column(line: str, index: int) -> str:
    """A column of a line; columns end at tabs. Raises BadLineError if there are not two."""
    cells = line.split("\t")
    if len(cells) != 2:
        raise BadLineError(f"it needs two columns with a tab between them, but has {len(cells)}")
    return cells[index]


class Corpus:
    """The text of a layer, read when it is needed. bad: the lines that were left out (`--on-bad-record skip`), and why.

    What reads it raises NetError: DAT012, DAT016 if a file is not there or no text, DAT021.
    """

    def __init__(self, record: Record, skip: bool = False) -> None:
        self.record, self.p, self.skip = record, record.text_param, skip
        self.bad: dict[str, str] = {}

    @cached_property
    def lines(self) -> Lines:
        """The lines of the file."""
        path = find(self.record, self.p.source)
        if path is None:
            raise missing(self.record, f'there is no "{self.p.source}"', self.p.source)
        with blamed(self.record):
            source = read_text(path)
        whole = Lines(source, 0, source.text.count("\n") + 1)
        chosen = part(self.record, self.p, sum(1 for _ in whole.all()))
        return Lines(source, chosen.start, chosen.stop - chosen.start)

    # ------------------------------------------------------------ vocabularies

    @cached_property
    def coder(self) -> Coder:
        """The tokens of the text, or of its first column."""
        return self._coder("vocabulary", cut_of(self.p), 0)

    @cached_property
    def target_coder(self) -> Coder:
        """The tokens of the second column."""
        return self._coder("target_vocabulary", target_cut_of(self.p), 1)

    @property
    def classes(self) -> Vocabulary | None:
        """The names of the classes that `target_vocabulary` lists, None without it."""
        return self._read("target_vocabulary") if self.p.target_vocabulary else None

    def _coder(self, field: str, cut: Cut, index: int) -> Coder:
        vocabulary = self._read(field) if getattr(self.p, field) else self._made(cut, index)
        return Coder(cut, vocabulary)

    def _read(self, field: str) -> Vocabulary:
        name = getattr(self.p, field)
        path = find(self.record, name)
        if path is None:
            help = f"make it: netc data vocab {self.p.source} {name}"
            message = f'there is no vocabulary "{name}"'
            raise NetError(problem(self.record, BAD_VOCABULARY, message, help, field))
        with blamed(self.record, field):
            return read_vocabulary(path)

    def _made(self, cut: Cut, index: int) -> Vocabulary:
        """The vocabulary of all lines of the file, whichever of them the layer takes."""
        if cut.unit == "BPE":
            message = "unit: BPE needs a vocabulary, which says what is joined first"
            help = f"make it: netc data vocab {self.p.source} OUT --unit BPE"
            raise NetError(problem(self.record, BAD_VOCABULARY, message, help, "unit"))
        counts: Counter[str] = Counter()
        running = self.p.form == "LM"
        for line in self.lines.all():
            cells = [line] if one_column(self.p.form) else line.split("\t")[index : index + 1]
            for cell in cells:
                counts.update(cut.pieces(cell))
        if running:
            counts[cut.line_end] += sum(1 for _ in self.lines.all())
        return counted(counts)

    def need(self, coder: Coder, *tokens: str) -> None:
        """Refuse a vocabulary that has not these tokens (DAT021)."""
        if lacking := [token for token in tokens if token not in coder.vocabulary.numbers]:
            message = f"form: {self.p.form} needs the token {' and '.join(lacking)}, which the vocabulary has not"
            raise NetError(problem(self.record, BAD_VOCABULARY, message, BAD_VOCABULARY.fix, "vocabulary"))

    def content(self) -> Iterator[bytes]:
        """The vocabularies that have been used: other tokens may have the same numbers."""
        for name in ("coder", "target_coder"):
            if name in self.__dict__:  # has been made
                yield getattr(self, name).vocabulary.as_text().encode("utf-8", "surrogateescape")

    # ------------------------------------------------------------ numbers

    def each(self, made: Callable[[str], T]) -> Iterator[T]:
        """What is made of each line that is not blank. Raises NetError(DAT022) with the lines that cannot be used."""
        wrong: list[Diagnostic] = []
        for number, line in self.lines.numbered():
            if not line.strip():
                continue
            try:
                yield made(line)
            except (BadLineError, UnknownTokenError) as error:
                self._refuse(number, str(error), wrong)
        self._report(wrong)

    def running(self) -> Ids:
        """All tokens, one after the other, each line with its end. Raises NetError(DAT021, DAT022)."""
        found, wrong = array("i"), list[Diagnostic]()
        if not self.lines.source.text:
            return np.empty(0, np.int32)
        self.need(self.coder, self.coder.cut.line_end)
        end = self.coder.number(self.coder.cut.line_end)
        for number, line in self.lines.numbered():
            try:
                found.extend(self.coder.encode(line))
                found.append(end)
            except UnknownTokenError as error:
                self._refuse(number, str(error), wrong)
        self._report(wrong)
        return np.array(found, np.int32)

    def sentences(self) -> tuple[Ids, NDArray[np.int64]]:
        """All tokens of all lines, and where each line begins in them; the last place is the end."""
        found, starts = array("i"), array("q", [0])
        for numbers in self.each(self.coder.encode):
            found.extend(numbers)
            starts.append(len(found))
        return np.array(found, np.int32), np.array(starts, np.int64)

    def _refuse(self, number: int, reason: str, wrong: list[Diagnostic]) -> None:
        if self.skip:
            self.bad[f"line {number} of {self.lines.source.path}"] = reason
        else:
            wrong.append(self.lines.problem(number, reason))

    def _report(self, wrong: list[Diagnostic]) -> None:
        if wrong:
            more = len(wrong) - _MOST_SHOWN
            shown = wrong[:_MOST_SHOWN]
            if more > 0:
                rest = f"and {more:,} more lines of {self.lines.source.path} cannot be used"
                shown.append(problem(self.record, BAD_TEXT, rest, BAD_TEXT.fix))
            raise NetError(shown)


def one_column(form: str) -> bool:
    """Whether the lines of a form are text alone."""
    return form not in ("PAIRS", "TAGS", "LABELS")


def cut_of(p: Record) -> Cut:
    """How the text, or its first column, is cut."""
    return Cut(p.unit, p.lower, p.marks)


def target_cut_of(p: Record) -> Cut:
    """How the second column is cut: tags and classes are words."""
    unit: UnitName = "WORD" if p.form in ("TAGS", "LABELS") else p.target_unit if p.has("target_unit") else p.unit
    return Cut(unit, p.lower and p.form == "PAIRS", p.marks and p.form == "PAIRS")


def padded(numbers: Iterable[int], size: int, pad: int, *, front: bool) -> Ids:
    """A row of `size` numbers, filled up in front or behind."""
    row, given = np.full(size, pad, np.int32), np.fromiter(numbers, np.int32)
    if len(given):
        row[-len(given) :] = given if front else row[-len(given) :]
        if not front:
            row[: len(given)] = given
    return row
