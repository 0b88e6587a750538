"""What the tokens of a text are: its characters, the words between its blanks, or pieces of words (BPE)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

UnitName = Literal["CHAR", "WORD", "BPE"]

_MARKED = re.compile(r"\w+(?:['\N{RIGHT SINGLE QUOTATION MARK}]\w+)*|[^\w\s]")
_PIECES = re.compile(r" ?\w+| ?[^\w\s]+|\s")
PIECES = _PIECES.pattern
"""What BPE never joins: a word or marks, each with the blank before it, or one blank alone."""


@dataclass(frozen=True, slots=True)
class Cut:
    """How lines of text are cut into pieces. lower: in small letters. marks: of WORD, a mark is a word of its own.

    The pieces of CHAR and WORD are tokens; those of BPE are cut further, by a vocabulary.
    """

    unit: UnitName = "CHAR"
    lower: bool = False
    marks: bool = False

    def pieces(self, line: str) -> list[str]:
        """The pieces of a line, without its end."""
        line = line.lower() if self.lower else line
        if self.unit == "CHAR":
            return list(line)
        if self.unit == "BPE":
            return _PIECES.findall(line)
        return _MARKED.findall(line) if self.marks else line.split()

    def text(self, tokens: Iterable[str]) -> str:
        """Tokens as a text again: words with blanks between them, others one after the other."""
        return (" " if self.unit == "WORD" else "").join(tokens)

    @property
    def line_end(self) -> str:
        """The token that ends a line of running text."""
        return "\n" if self.unit == "CHAR" else END


PAD, UNKNOWN, START, END = "<pad>", "<unk>", "<s>", "</s>"
SPECIAL = (PAD, UNKNOWN, START, END)
"""The first tokens of each vocabulary that netc makes: filling, any token that is none, begin and end of a text."""
