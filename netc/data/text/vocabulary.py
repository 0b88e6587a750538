"""Vocabularies: the tokens of a text by number, one a line of a file, and how lines become numbers and text again."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from netc.data.codes import BAD_VOCABULARY
from netc.data.lists import read_text
from netc.data.text.cut import PAD, SPECIAL, UNKNOWN, Cut
from netc.errors import Diagnostic, NetError

_ESCAPES = {"\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", " ": "\\s"}
_WRITTEN = {written[1]: char for char, written in _ESCAPES.items()}
_ESCAPED = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|(.?))", re.DOTALL)
_MOST_WORDS = 100_000  # whose pieces are remembered


@dataclass(frozen=True)
class Vocabulary:
    """Tokens by number. counts: how often each occurs in the text that it was made of; empty if that is not known."""

    tokens: tuple[str, ...]
    counts: tuple[int, ...] = ()

    @cached_property
    def numbers(self) -> dict[str, int]:
        """Each token's number."""
        return {token: number for number, token in enumerate(self.tokens)}

    def __len__(self) -> int:
        return len(self.tokens)

    def number(self, token: str) -> int:
        """A token's number: that of `<unk>` for one that is none. Raises KeyError where there is no `<unk>`."""
        found = self.numbers.get(token)
        return self.numbers[UNKNOWN] if found is None else found

    def as_text(self) -> str:
        """The file's text: a token a line and, where they are known, its count after a tab."""
        counts = [f"\t{count}" for count in self.counts] or [""] * len(self)
        return "".join(f"{escaped(token)}{count}\n" for token, count in zip(self.tokens, counts, strict=True))


def counted(counts: Counter[str], most: int | None = None, least: int = 1) -> Vocabulary:
    """The special tokens, then those that occur at least `least` times, the most frequent first, `most` in all.

    Tokens that are as frequent stand in the order of their characters. What is left out counts as `<unk>`.
    """
    known = sorted((-count, token) for token, count in counts.items() if token not in SPECIAL)
    known = [(count, token) for count, token in known if -count >= least][: max(0, (most or len(known) + 4) - 4)]
    found = {token: counts.get(token, 0) for token in SPECIAL} | {token: -count for count, token in known}
    found[UNKNOWN] += counts.total() - sum(found.values())
    return Vocabulary(tuple(found), tuple(found.values()))


def read_vocabulary(path: Path) -> Vocabulary:
    """A vocabulary from its file. Raises NetError: DAT012 if it is no text, DAT021 if it is no vocabulary."""
    tokens, counts = list[str](), list[int]()
    for number, line in enumerate(read_text(path).text.split("\n"), 1):
        token, tab, count = line.removesuffix("\r").partition("\t")
        if not (token or tab):
            continue
        try:
            tokens.append(unescaped(token))
            counts += [int(count)] if tab else []
        except ValueError as error:
            raise _bad(path, f"line {number}: {error}") from None
    if not tokens:
        raise _bad(path, "it has no tokens")
    if counts and len(counts) != len(tokens):
        raise _bad(path, f"{len(tokens) - len(counts):,} of its {len(tokens):,} lines have no count")
    twice = next((token for token, count in Counter(tokens).items() if count > 1), None)
    if twice is not None:
        raise _bad(path, f'the token "{escaped(twice)}" stands there twice')
    return Vocabulary(tuple(tokens), tuple(counts))


def escaped(token: str) -> str:
    """A token as it stands in a file: blanks, ends of lines and `\\` as C writes them, a blank as `\\s`."""
    return "".join(_ESCAPES.get(c, c) for c in token)


def unescaped(written: str) -> str:
    """The token that a file writes so. Raises ValueError."""

    def char(found: re.Match[str]) -> str:
        code, name = found[1] or found[2], found[3]
        if code is None and name not in _WRITTEN:
            raise ValueError(f"there is no escape \\{name}; a plain backslash is written \\\\")
        return _WRITTEN[name] if code is None else chr(int(code, 16))

    return _ESCAPED.sub(char, written)


def _bad(path: Path, reason: str) -> NetError:
    return NetError(Diagnostic(BAD_VOCABULARY, f"{path} is no vocabulary: {reason}", help=BAD_VOCABULARY.fix))


class UnknownTokenError(ValueError):
    """A token that the vocabulary has not, and no `<unk>` to stand for it."""


@dataclass
class Coder:
    """Lines to the numbers of their tokens, and back. The pieces of words that BPE has cut are remembered."""

    cut: Cut
    vocabulary: Vocabulary
    _words: dict[str, list[str]] = field(default_factory=dict)

    def tokens(self, line: str) -> list[str]:
        """The tokens of a line, without its end."""
        pieces = self.cut.pieces(line)
        return [token for piece in pieces for token in self._merged(piece)] if self.cut.unit == "BPE" else pieces

    def encode(self, line: str) -> list[int]:
        """The numbers of a line's tokens. Raises UnknownTokenError."""
        return [self.number(token) for token in self.tokens(line)]

    def number(self, token: str) -> int:
        """The number of a token. Raises UnknownTokenError."""
        try:
            return self.vocabulary.number(token)
        except KeyError:
            message = f'"{escaped(token)}" is not in the vocabulary, which has no {UNKNOWN} to stand for it'
            raise UnknownTokenError(message) from None

    def decode(self, numbers: Iterable[int]) -> str:
        """The text of tokens; filling is left out."""
        tokens = (self.vocabulary.tokens[number] for number in numbers)
        return self.cut.text(token for token in tokens if token != PAD)

    def _merged(self, piece: str) -> list[str]:
        found = self._words.get(piece)
        if found is None:
            found = merged(piece, self.vocabulary.numbers)
            if len(self._words) < _MOST_WORDS:
                self._words[piece] = found
        return found


def merged(piece: str, ranks: dict[str, int]) -> list[str]:
    """BPE (Sennrich et al. 2016): characters, of which the neighbours that are the earliest token are joined first."""
    parts: list[str] = list(piece)
    while len(parts) > 1:
        joined: Sequence[tuple[int, int]] = [
            (ranks[pair], at) for at in range(len(parts) - 1) if (pair := parts[at] + parts[at + 1]) in ranks
        ]
        if not joined:
            break
        _, at = min(joined)
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
    return parts
