"""Text to tree: a table-driven LALR parser without recursion, which repairs what it can and reports all it finds."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from netc.errors import Code, Diagnostic, NetError, Note, Report, Source, Span
from netc.language import codes
from netc.language.builder import MAX_DEPTH, PHASES, Builder, TooDeepError
from netc.language.lexer import NAMES, NUMBERS, scanner
from netc.language.mistakes import Mistake, explain, explain_end
from netc.language.tree import Document

MAX_STACK = 2000
"""Bounds what blocks do not: `- - - 1`, `(((1)))`."""
MAX_TERMINALS = 500_000
"""Bounds time and memory; the largest published nets have 60,000 names, numbers and signs.

Whatever an expansion may make (`netc.language.limits`) has fewer."""
MAX_CHARACTERS = 8 << 20
MAX_PLAIN = 1 << 18
"""A text whose first mistake as plain text comes after so many characters is not tried as statements."""
MAX_SIGNS = 50_000
"""How many backslashes and how many `${` a text may hold: a single string may hold any number."""
MAX_MISTAKES = 20
"""A file with more mistakes than this is not a net; the rest would not help."""

Scan = Iterator[re.Match[str]]
_STATEMENT = re.compile(
    r"^[ \t]*(?:(?:let|def|for)[ \t]+\w|if[ \t]+[^ \t:{<\[]|import[ \t]*[\"']|(?:train|test|deploy)\b[ \t]*[{,]"
    r"|\w++(?:[ \t]*+,[ \t]*+\w++)*+[ \t]*+=)",
    re.MULTILINE,
)
"""A line that most likely begins a statement."""
_BEGINNINGS = ("NAME", "LET", "DEF", "FOR", "IF", "IMPORT")
PLAIN_SUFFIXES = (".prototxt", ".pt", ".pbtxt")
"""Files of these names hold plain text format: no statements."""


class TooManyError(Exception):
    """There are `MAX_MISTAKES` mistakes."""


class _Mistakes(Report):
    """Ends the parse when there are too many mistakes."""

    def error(
        self, code: Code, message: str, span: Span | None = None, *, notes: Sequence[Note] = (), help: str | None = None
    ) -> None:
        super().error(code, message, span, notes=notes, help=help)
        if len(self.diagnostics) >= MAX_MISTAKES:
            raise TooManyError


class Tables(NamedTuple):
    """What tables.json holds, with terminals as numbers.

    states: per state, the action of a terminal's number (`go to n` as n, `reduce rule n` as ~n) and, keyed by name,
    where to go after a rule of that name. symbols: the symbol on which each state is entered.
    """

    starts: dict[str, int]
    ends: dict[str, int]
    rules: list[tuple[str, int, str]]
    states: list[dict[int | str, int]]
    symbols: list[str]


@cache
def load_tables() -> Tables:
    made = json.loads(Path(__file__).with_name("tables.json").read_text())
    states = [{NUMBERS.get(name, name): action for name, action in row.items()} for row in made["states"]]
    symbols = ["" for _ in states]
    for row in made["states"]:
        for name, action in row.items():
            if action >= 0:
                symbols[action] = name
    return Tables(made["starts"], made["ends"], [tuple(rule) for rule in made["rules"]], states, symbols)


def parse(text: str, path: str = "<string>") -> Document:
    """The tree of a text; `path` is the name under which diagnostics show it.

    Raises `NetError` with every mistake found (codes SYN0xx).
    """
    source = Source(path, text.removeprefix("\ufeff"))
    _check_size(source)
    return _plain(source) if path.endswith(PLAIN_SUFFIXES) else _program(source)


def _plain(source: Source) -> Document:
    """The tree of a text in which statements are a mistake."""
    document, report = _attempt(source, "plain")
    if document is not None:
        return document
    program = _attempt(source, "program")[0] if _first(report) < MAX_PLAIN else None
    if program is not None and _states(program):
        message = f"{source.path} holds statements, which plain text format does not have"
        hint = "name the file .net, or write it out with `netc expand`"
        raise NetError(Diagnostic(codes.STATEMENT, message, report.diagnostics[0].span, help=hint))
    raise NetError(report.diagnostics)


def _program(source: Source) -> Document:
    """The tree of a text that may hold statements. Plain text is read as such: that is faster."""
    computed = "${" in source.text
    stated = _STATEMENT.search(source.text) is not None
    if not computed and not stated:
        document, report = _attempt(source, "plain")
        if document is not None and not _phases(document):
            return document
        if document is None and _first(report) >= MAX_PLAIN:
            raise NetError(report.diagnostics)
    program, report = _attempt(source, "program")
    if program is None and not computed and stated and len(source.text) < MAX_PLAIN:
        program = _attempt(source, "plain")[0]  # what looked like a statement may have been a value on its own line
    if program is None:
        raise NetError(report.diagnostics)
    return program


def _check_size(source: Source) -> None:
    """Refuse more than can be read in reasonable time, before any of it is."""
    text = source.text
    if len(text) > MAX_CHARACTERS:
        message = f"{source.path} holds more than {MAX_CHARACTERS:,} characters"
        raise NetError(Diagnostic(codes.TOO_LARGE, message, Span(Source(source.path, ""), 0, 0)))
    for sign, what in (("\\", "backslashes"), ("${", "`${`")):
        if text.count(sign) > MAX_SIGNS:
            raise _too_large(source, text.find(sign), len(sign), f"more than {MAX_SIGNS:,} {what} are no net")
    if len(text) > MAX_TERMINALS:
        match = next(islice(scanner("program").finditer(text), MAX_TERMINALS, None), None)
        if match is not None and match.lastindex != NUMBERS["END"]:
            start, end = match.span(match.lastindex or 0)
            message = f"more than {MAX_TERMINALS:,} names, numbers and signs are no net"
            raise _too_large(source, start, end - start, message)


def _too_large(source: Source, start: int, length: int, message: str) -> NetError:
    return NetError(Diagnostic(codes.TOO_LARGE, message, Span(source, start, start + length)))


def _first(report: Report) -> int:
    return min((d.span.start for d in report.diagnostics if d.span), default=0)


def _attempt(source: Source, start: str) -> tuple[Document | None, Report]:
    report = _Mistakes()
    document: Document | None = Parser(source, report, start).run()
    report.diagnostics.sort(key=lambda d: d.span.start if d.span else 0)
    return (None if report.failed else document), report


def _states(document: Document) -> bool:
    """Whether a text holds what can be nothing but a statement (`a = b` may be a field with `=` for `:`)."""
    from netc.language.program import Alias, Entry  # noqa: PLC0415  (plain text does not pay for it)

    items = document.program.items if document.program else ()
    return any(not isinstance(item, (Entry, Alias)) for item in items)


def _phases(document: Document) -> bool:
    """Whether a text holds what plain text format accepts as fields, and is phase blocks among statements."""
    return any(field.name in PHASES for field in document.block.fields)


def _builder(source: Source, report: Report, start: str) -> Builder:
    if start == "plain":
        return Builder(source, report)
    from netc.language.program_builder import ProgramBuilder  # noqa: PLC0415  (plain text does not pay for it)

    return ProgramBuilder(source, report)


class Parser:
    """One parse: the stacks, and what to do when the tables have no action."""

    def __init__(self, source: Source, report: Report, start: str, first: int = 0, end: int | None = None) -> None:
        self.tables = load_tables()
        self.source = source
        self.report = report
        self.builder = _builder(source, report, start)
        self.start = start
        self.first = first
        self.end = len(source.text) if end is None else end
        self.states = [self.tables.starts[start]]
        self.values: list[Any] = []

    def run(self) -> Any:
        """The tree (a document or an expression), or None if it could not be made."""
        try:
            return self._run()
        except (TooDeepError, TooManyError):
            return None

    def _run(self) -> Any:
        states, values, actions = self.states, self.values, self.tables.states
        accept = self.tables.ends[self.start]
        rules: list[tuple[str, int, Callable[[list[Any]], Any]]] = [
            (left, -length, getattr(self.builder, method, list)) for left, length, method in self.tables.rules
        ]
        scan = scanner(self.start).finditer(self.source.text, self.first, self.end)
        for match in scan:
            kind = match.lastindex
            assert kind is not None
            while True:
                row = actions[states[-1]]
                act = row.get(kind)
                if act is None:
                    if states[-1] == accept:
                        return values[-1]
                    found = self._recover(match, kind, scan)
                    if found is None:
                        return None
                    match, kind = found  # noqa: PLW2901
                    if kind == 0:
                        break
                elif act >= 0:
                    if len(states) > MAX_STACK:
                        self._too_deep(match.start(kind), "too much is open here")
                    states.append(act)
                    values.append(match.span(kind))
                    break
                else:
                    left, size, method = rules[~act]
                    if size:
                        value = method(values[size:])
                        del states[size:], values[size:]
                    else:
                        value = self._open(method, match)
                    states.append(actions[states[-1]][left])
                    values.append(value)
        return None

    def _open(self, method: Callable[[list[Any]], Any], match: re.Match[str]) -> Any:
        try:
            return method([])
        except TooDeepError:
            self._too_deep(self.values[-1][0], f"more than {MAX_DEPTH} blocks are open here")

    def _too_deep(self, at: int, message: str) -> NoReturn:
        self.report.error(codes.TOO_DEEP, message, Span(self.source, at, at + 1))
        raise TooDeepError

    def _symbols(self) -> list[str]:
        return [self.tables.symbols[state] for state in self.states]

    def _recover(self, match: re.Match[str], kind: int, scan: Scan) -> tuple[re.Match[str], int] | None:
        """Report the mistake and repair the stacks.

        Returns the terminal to go on with (kind 0: with the next one), or None to give up.
        """
        self._settle()
        if kind == NUMBERS["END"]:
            explain_end(Mistake(self.source, self._symbols(), self.values, match, kind, ()), self.report)
            return None
        row = self.tables.states[self.states[-1]]
        wanted = tuple(NAMES[number] for number in row if isinstance(number, int))
        mistake = Mistake(self.source, self._symbols(), self.values, match, kind, wanted)
        action, terminal = explain(mistake, self.report)
        if not self.report.failed:  # a repair must not make a net of what is none
            self.report.error(codes.UNEXPECTED, f"`{mistake.written}` cannot stand here", mistake.span)
        if self.start == "expression":
            return None
        if action == "as":
            return match, NUMBERS[terminal]
        if action == "insert" and self._shift(terminal, match.start(kind)):
            return match, kind
        if action == "split":
            self._split()
            return match, kind
        if action == "again":
            self._unwind()
            return match, kind
        if action == "drop":
            return match, 0
        return self._skip(match, kind, scan)

    def _settle(self) -> None:
        """Reduce what has been read to its closing bracket: it is whole, whatever is wrong behind it."""
        tables = self.tables
        while tables.symbols[self.states[-1]] in ("RBRACE", "RANGLE"):
            reductions = {act for act in tables.states[self.states[-1]].values() if act < 0}
            if len(reductions) != 1:
                return
            left, size, method = tables.rules[~reductions.pop()]
            values = self.values[-size:]
            del self.states[-size:], self.values[-size:]
            self.states.append(tables.states[self.states[-1]][left])
            self.values.append(getattr(self.builder, method)(values))

    def _split(self) -> None:
        """The name read last is no value: it begins the next entry."""
        name = self.values[-1]
        self.states.pop()
        self.values.pop()
        self._unwind()
        self._shift("NAME", *name)

    def _shift(self, terminal: str, start: int, end: int | None = None) -> bool:
        """Feed a terminal, if the tables accept it here."""
        tables, number = self.tables, NUMBERS[terminal]
        while (act := tables.states[self.states[-1]].get(number)) is None or act < 0:
            if act is None:
                return False
            left, size, method = tables.rules[~act]
            values = self.values[len(self.values) - size :]
            del self.states[len(self.states) - size :], self.values[len(self.values) - size :]
            self.states.append(tables.states[self.states[-1]][left])
            self.values.append(getattr(self.builder, method)(values))
        self.states.append(act)
        self.values.append((start, start + 1 if end is None else end))
        return True

    def _unwind(self) -> None:
        """Take the entry that is being read off the stacks."""
        while not (opened := self._rest()):
            self.states.pop()
            self.values.pop()
        if self.tables.symbols[self.states[-1]] != opened:
            self.states.append(self.tables.states[self.states[-1]][opened])
            self.values.append([])
            self.builder.depth += 1

    def _rest(self) -> str:
        """`fields` or `items` if the stacks end with such or with what it follows, otherwise nothing."""
        symbol, row = self.tables.symbols[self.states[-1]], self.tables.states[self.states[-1]]
        if symbol in ("fields", "items"):
            return symbol
        return "fields" if "fields" in row else "items" if "items" in row else ""

    def _skip(self, match: re.Match[str], kind: int, scan: Scan) -> tuple[re.Match[str], int]:
        """Give up the entry that is being read: go on at the next one that begins a line, or at the block's end."""
        self._unwind()
        inside = len(self.states) > 2
        depth, first = 0, True
        while True:
            name = NAMES[kind]
            if name == "END" or (depth == 0 and inside and name in ("RBRACE", "RANGLE")):
                return match, kind
            if depth == 0 and not first and name in _BEGINNINGS and self._begins_line(match.start(kind)):
                return match, kind
            depth = max(0, depth + (name == "LBRACE") - (name == "RBRACE"))
            first = False
            match = next(scan)
            kind = match.lastindex or 0

    def _begins_line(self, at: int) -> bool:
        text = self.source.text
        while at > 0 and text[at - 1] in " \t":
            at -= 1
        return at == 0 or text[at - 1] in "\r\n"
