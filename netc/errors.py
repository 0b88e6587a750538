"""What netc says when it says no: spans, codes, diagnostics and the one exception that carries them.

Every stage collects its diagnostics and raises `NetError` once, so that a person sees all that is wrong in one go.
A diagnostic's code is declared once, as a `Code` beside the stage that gives it; `netc explain CODE` prints its page.
"""

from __future__ import annotations

import re
import warnings
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property, lru_cache
from itertools import accumulate
from typing import Any


@dataclass(frozen=True, eq=False)
class Source:
    """A text and the name it is shown under (a path, or `<string>`)."""

    path: str
    text: str

    @cached_property
    def line_starts(self) -> array[int]:
        starts = array("q", (0,))
        starts.extend(accumulate(len(line) + 1 for line in self.text.split("\n")))
        starts.pop()
        return starts

    def position(self, offset: int) -> tuple[int, int]:
        """1-based line and column of a character offset."""
        line = bisect_right(self.line_starts, offset)
        return line, offset - self.line_starts[line - 1] + 1

    def line(self, number: int, first: int = 0, last: int | None = None) -> str:
        """The text of a 1-based line, or of a part of it, without its end-of-line characters."""
        start = self.line_starts[number - 1]
        end = start + self.length(number)
        return self.text[start + first : end if last is None else min(end, start + last)]

    def length(self, number: int) -> int:
        """How many characters a 1-based line has, without those that end it."""
        start, starts = self.line_starts[number - 1], self.line_starts
        end = starts[number] - 1 if number < len(starts) else len(self.text)
        while end > start and self.text[end - 1] == "\r":
            end -= 1
        return end - start


@dataclass(frozen=True, slots=True, eq=False)
class Span:
    """Characters `start:end` of a source; `call` is where the composite that holds this text was called, if one was.

    callee: the composite's name, of a span that is such a call.
    """

    source: Source
    start: int
    end: int
    call: Span | None = None
    callee: str = ""

    @property
    def line(self) -> int:
        return self.source.position(self.start)[0]

    @property
    def column(self) -> int:
        return self.source.position(self.start)[1]

    def __str__(self) -> str:
        return f"{self.source.path}:{self.line}:{self.column}"

    def to(self, other: Span) -> Span:
        """From the start of this span to the end of another in the same source."""
        return Span(self.source, self.start, other.end, self.call)


@dataclass(frozen=True, slots=True)
class Code:
    """One kind of diagnostic and its page in `netc explain`: what happened, why it matters, an example, the fix.

    `example` is a file (or a part of one) that gives this diagnostic; `fix` is what to write instead.
    """

    id: str
    title: str
    why: str
    example: str = ""
    fix: str = ""

    def __post_init__(self) -> None:
        if CODES.setdefault(self.id, self) is not self:
            raise ValueError(f"two codes are called {self.id}")

    def __str__(self) -> str:
        return self.id


CODES: dict[str, Code] = {}


@dataclass(frozen=True, slots=True)
class Note:
    """A further line of a diagnostic, with its own place if it has one (one step of a shape's trail, say)."""

    message: str
    span: Span | None = None


def visible(text: str, keep: str = "") -> str:
    """A text with everything that a terminal would act on written as an escape: `\\x1b`, `\\u202e`.

    These are control characters (but those in `keep`), the marks that turn the direction of writing, and bytes that
    were no UTF-8. Letters of every script stay.
    """
    if text.isascii() and text.isprintable():
        return text
    return _HIDDEN.sub(lambda found: found[0] if found[0] in keep else _escaped(found[0]), text)


_HIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def _escaped(c: str) -> str:
    code = ord(c) - 0xDC00 if 0xDC80 <= ord(c) <= 0xDCFF else ord(c)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


@dataclass(frozen=True, slots=True)
class Subject:
    """What a diagnostic is about: a layer, one of its fields if it is about one, and what is said of it."""

    layer: str
    said: str
    field: str = ""


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One thing that is wrong (`error`) or suspicious (`warning`): where, what, and what to do about it."""

    code: Code
    message: str
    span: Span | None = None
    notes: tuple[Note, ...] = ()
    help: str | None = None
    severity: str = "error"
    subject: Subject | None = None

    @classmethod
    def of_layer(
        cls,
        layer: Any,
        code: Code,
        said: str,
        span: Span | None = None,
        notes: tuple[Note, ...] = (),
        help: str | None = None,
        severity: str = "error",
        field: str = "",
    ) -> Diagnostic:
        """A diagnostic that names a layer and says something of it, or of one of its fields.

        layer: its record, or what else has its `name`, `type` and `span`; the diagnostic stands there without a `span`.
        """
        message = f'layer "{layer.name}" ({layer.type}): {said}'
        return cls(code, message, span or layer.span, notes, help, severity, Subject(layer.name, said, field))

    def render(self) -> str:
        """Plain text: `file:line:column: error[CODE]: message`, the source line, a caret, notes and help."""
        head = f"{self.severity}[{self.code}]: {self.message}"
        lines = [head if self.span is None else f"{self.span}: {head}"]
        if self.span is not None:
            lines += _excerpt(self.span)
            call = self.span.call
            while call is not None:
                lines.append(f"  in the call at {call}")
                lines += _excerpt(call)
                call = call.call
        for note in self.notes:
            lines.append(f"  note: {note.message}" + (f" ({note.span})" if note.span else ""))
        if self.help:
            lines.append(f"  help: {self.help}")
        return visible("\n".join(lines), keep="\n")


def _excerpt(span: Span, width: int = 160) -> list[str]:
    """The first source line of a span with carets below it; a very long line is cut around the span."""
    if not span.source.text:
        return []
    number, column = span.source.position(span.start)
    length = span.source.length(number)
    first = max(0, column - 1 - width // 2) if length > width else 0
    text = span.source.line(number, first, first + width).replace("\t", " ")
    carets = max(1, min(span.end - span.start, len(text) - (column - 1 - first)))
    gutter = f"{number:>5} | "
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return [gutter + shown, " " * (len(gutter) - 2) + "| " + " " * (column - 1 - first) + "^" * carets]


class Refusal(Exception):  # noqa: N818 - it is what errors have in common
    """What netc itself raises about bad input; anything else is a library's, or a mistake."""


class NetError(Refusal):
    """The only way the package says no; carries every diagnostic of the stage that failed."""

    def __init__(self, diagnostics: Diagnostic | Iterable[Diagnostic]) -> None:
        self.diagnostics: tuple[Diagnostic, ...] = (
            (diagnostics,) if isinstance(diagnostics, Diagnostic) else tuple(diagnostics)
        )
        super().__init__(self.diagnostics)

    def __str__(self) -> str:
        return "\n".join(d.render() for d in self.diagnostics)

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows: the diagnostics, which say where the mistake is; not where netc found it."""
        return str(self).split("\n")


class NetWarning(RuntimeWarning):
    """What netc warns a program of; commands show the diagnostics themselves."""


def warn(diagnostics: Iterable[Diagnostic], stacklevel: int = 1) -> None:
    """Give diagnostics to Python's `warnings`. stacklevel: 1 blames the caller of the function that calls this."""
    for diagnostic in diagnostics:
        help = f" ({diagnostic.help})" if diagnostic.help else ""
        warnings.warn(f"{diagnostic.code.id}: {diagnostic.message}{help}", NetWarning, stacklevel + 2)


@dataclass
class Report:
    """Where a stage collects its diagnostics; `finish` raises if an error is among them."""

    diagnostics: list[Diagnostic] = field(default_factory=list)

    def error(
        self, code: Code, message: str, span: Span | None = None, *, notes: Sequence[Note] = (), help: str | None = None
    ) -> None:
        self.diagnostics.append(Diagnostic(code, message, span, tuple(notes), help))

    def warning(
        self, code: Code, message: str, span: Span | None = None, *, notes: Sequence[Note] = (), help: str | None = None
    ) -> None:
        self.diagnostics.append(Diagnostic(code, message, span, tuple(notes), help, "warning"))

    def add_new(self, diagnostics: Iterable[Diagnostic]) -> None:
        """Add what another look at the same file found, a net's other phase say, but nothing twice of one place."""
        known = {_place(d) for d in self.diagnostics}
        self.diagnostics += [d for d in dict.fromkeys(diagnostics) if _place(d) not in known]

    @property
    def failed(self) -> bool:
        return any(d.severity == "error" for d in self.diagnostics)

    def finish(self) -> None:
        """Raise `NetError` with everything collected if at least one of it is an error."""
        if self.failed:
            raise NetError(self.diagnostics)


def _place(diagnostic: Diagnostic) -> tuple[object, ...]:
    """A diagnostic's code, and its place with the calls that led there; without a place, its message."""
    span, places = diagnostic.span, list[object]()
    while span is not None:
        places.append((span.source.path, span.start, span.end))
        span = span.call
    return (diagnostic.code.id, *(places or [diagnostic.message]))


_MOST_LETTERS = 100
_MOST_KNOWN = 20_000
"""Longer words, and names beyond so many letters, are not compared: the time grows with the square of the letters."""


def suggest(word: str, known: Iterable[str]) -> str | None:
    """The known name that a mistyped word most likely meant, case-insensitively, or None.

    Of the names that look alike the one with the fewest slips; of those, the one that looks most alike.
    """
    return _suggest(word.lower(), tuple(known))


@lru_cache(maxsize=64)  # a loop makes the same mistake in each turn
def _suggest(wrong: str, known: tuple[str, ...]) -> str | None:
    if len(wrong) > _MOST_LETTERS:
        return None
    letters = accumulate(len(name) for name in known)
    few = [name for name, sum in zip(known, letters, strict=True) if sum <= _MOST_KNOWN and len(name) <= _MOST_LETTERS]
    by_lower = {name.lower(): name for name in reversed(few)}
    close = get_close_matches(wrong, by_lower, n=5, cutoff=0.6)
    return by_lower[min(close, key=lambda name: slips(wrong, name))] if close else None


def slips(one: str, other: str) -> float:
    """How many letters were left out, put in or changed (optimal string alignment).

    Of two equally likely words the one with letters doubled (0.5) or swapped (0.9) is meant.
    """
    before, last = list[float](), list[float](range(len(other) + 1))
    for i, a in enumerate(one, 1):
        row: list[float] = [i]
        extra = 0.5 if i > 1 and a == one[i - 2] else 1
        for j, b in enumerate(other, 1):
            cost = min(last[j] + extra, row[-1] + 1, last[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                cost = min(cost, before[j - 2] + 0.9)
            row.append(cost)
        before, last = last, row
    return last[-1]
