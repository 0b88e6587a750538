"""Text to tree: a table-driven LALR parser without recursion, which repairs what it can and reports all it finds."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from netc.errors import NetError, Report, Source, Span
from netc.language import codes
from netc.language.builder import MAX_DEPTH, PHASES, Builder, TooDeepError
from netc.language.lexer import NAMES, NUMBERS, scanner
from netc.language.mistakes import Mistake, explain, explain_end
from netc.language.tree import Document

MAX_STACK = 2000
"""Bounds what blocks do not: `- - - 1`, `(((1)))`."""
MAX_MISTAKES = 20
"""A file with more mistakes than this is not a net; the rest would not help."""

Scan = Iterator[re.Match[str]]
_BEGINNINGS = ("NAME", "LET", "DEF", "FOR", "IF", "IMPORT")
PLAIN_SUFFIXES = (".prototxt", ".pt", ".pbtxt")
"""Files of these names hold plain text format: no statements."""


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
    strict = path.endswith(PLAIN_SUFFIXES)
    document, report = _attempt(source, "plain")
    if document is not None and (strict or not _computed(document)):
        return document
    program, mistakes = _attempt(source, "program")
    if program is not None and not strict:
        return program
    if program is not None and _states(program):
        report.error(
            codes.STATEMENT,
            f"{path} holds statements, which plain text format does not have",
            report.diagnostics[0].span,
            help="name the file .net, or write it out with `netc expand`",
        )
        del report.diagnostics[:-1]
    raise NetError((report if strict else mistakes).diagnostics)


def _attempt(source: Source, start: str) -> tuple[Document | None, Report]:
    report = Report()
    document: Document | None = Parser(source, report, start).run()
    report.diagnostics.sort(key=lambda d: d.span.start if d.span else 0)
    return (None if report.failed else document), report


def _states(document: Document) -> bool:
    """Whether a text holds what can be nothing but a statement (`a = b` may be a field with `=` for `:`)."""
    from netc.language.program import Alias, Entry  # noqa: PLC0415  (plain text does not pay for it)

    items = document.program.items if document.program else ()
    return any(not isinstance(item, (Entry, Alias)) for item in items)


def _computed(document: Document) -> bool:
    """Whether a text that plain text format accepts means something else among statements."""
    return "${" in document.source.text or any(field.name in PHASES for field in document.block.fields)


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
        except TooDeepError:
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
                    states.append(act)
                    values.append(match.span(kind))
                    break
                else:
                    if len(states) > MAX_STACK:
                        self._too_deep(match.start(kind), "too much is open here")
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
        if kind == NUMBERS["END"]:
            explain_end(Mistake(self.source, self._symbols(), self.values, match, kind, ()), self.report)
            return None
        row = self.tables.states[self.states[-1]]
        wanted = tuple(NAMES[number] for number in row if isinstance(number, int))
        mistake = Mistake(self.source, self._symbols(), self.values, match, kind, wanted)
        action, terminal = explain(mistake, self.report)
        if self.start == "expression":
            return None
        if len(self.report.diagnostics) >= MAX_MISTAKES:
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
        return not text[text.rfind("\n", 0, at) + 1 : at].strip()
