"""A table-driven LALR parser without recursion, which repairs what it can and reports all it finds."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from netc.errors import Report, Source, Span
from netc.language import codes
from netc.language.builder import MAX_DEPTH, Builder, TooDeepError
from netc.language.lexer import NAMES, NUMBERS, scanner
from netc.language.tables import load_tables

MAX_STACK = 2000
"""Bounds what blocks do not: `- - - 1`, `(((1)))`."""

Scan = Iterator[re.Match[str]]
_BEGINNINGS = ("NAME", "LET", "DEF", "FOR", "IF", "IMPORT")


class TooManyError(Exception):
    """A report has taken so many mistakes that the parse ends."""


class Parser:
    """One parse: the stacks, and what to do when the tables have no action."""

    def __init__(self, source: Source, report: Report, start: str, first: int = 0, end: int | None = None) -> None:
        self.tables = tables = load_tables()
        self.source = source
        self.report = report
        self.builder = Builder(source, report, None if start == "plain" else self._expression)
        self.start = start
        self.first = first
        self.end = len(source.text) if end is None else end
        self.states = [tables.starts[start]]
        self.values: list[Any] = []
        self.rules: list[tuple[str, int, Callable[[list[Any]], Any]]] = [
            (left, -length, getattr(self.builder, method)) for left, length, method in tables.rules
        ]

    def run(self) -> Any:
        """The tree (a document or an expression), or None if it could not be made."""
        try:
            return self._run()
        except (TooDeepError, TooManyError):
            return None

    def _run(self) -> Any:
        states, values, actions, rules = self.states, self.values, self.tables.states, self.rules
        accept = self.tables.ends[self.start]
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
                        value = self._open(method)
                    states.append(actions[states[-1]][left])
                    values.append(value)
        return None

    def _open(self, method: Callable[[list[Any]], Any]) -> Any:
        try:
            return method([])
        except TooDeepError:
            self._too_deep(self.values[-1][0], f"more than {MAX_DEPTH} blocks are open here")

    def _too_deep(self, at: int, message: str) -> NoReturn:
        self.report.error(codes.TOO_DEEP, message, Span(self.source, at, at + 1))
        raise TooDeepError

    def _expression(self, start: int, end: int) -> Any:
        """What stands between two offsets, in a string; None if it is no expression."""
        return Parser(self.source, self.report, "expression", start, end).run()

    # Mistakes

    def _recover(self, match: re.Match[str], kind: int, scan: Scan) -> tuple[re.Match[str], int] | None:
        """Report the mistake and repair the stacks.

        Returns the terminal to go on with (kind 0: with the next one), or None to give up.
        """
        from netc.language.mistakes import Mistake, explain, explain_end  # noqa: PLC0415  (a right text needs none)

        self._settle()
        tables, report = self.tables, self.report
        symbols = [tables.symbols[state] for state in self.states]
        wanted = tuple(NAMES[each] for each in tables.states[self.states[-1]] if isinstance(each, int))
        mistake = Mistake(self.source, symbols, self.values, match, kind, wanted)
        if kind == NUMBERS["END"]:
            explain_end(mistake, report)
            return None
        action, terminal = explain(mistake, report)
        if not report.failed:  # a repair must not make a net of what is none
            report.error(codes.UNEXPECTED, f"`{mistake.written}` cannot stand here", mistake.span)
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
        if action == "line":
            return self._next_line(match, kind, scan)
        return self._skip(match, kind, scan)

    def _reduce(self, act: int) -> None:
        left, size, method = self.rules[~act]
        first = len(self.values) + size
        made = method(self.values[first:])
        del self.states[first + 1 :], self.values[first:]
        self._push(self.tables.states[self.states[-1]][left], made)

    def _push(self, state: int, value: Any) -> None:
        self.states.append(state)
        self.values.append(value)

    def _settle(self) -> None:
        """Reduce what has been read to its closing bracket: it is whole, whatever is wrong behind it."""
        while self.tables.symbols[self.states[-1]] in ("RBRACE", "RANGLE"):
            reductions = {act for act in self.tables.states[self.states[-1]].values() if act < 0}
            if len(reductions) != 1:
                return
            self._reduce(reductions.pop())

    def _shift(self, terminal: str, start: int, end: int | None = None) -> bool:
        """Feed a terminal, if the tables accept it here."""
        number = NUMBERS[terminal]
        while (act := self.tables.states[self.states[-1]].get(number)) is None or act < 0:
            if act is None:
                return False
            self._reduce(act)
        self._push(act, (start, start + 1 if end is None else end))
        return True

    def _split(self) -> None:
        """The name read last is no value: it begins the next entry."""
        name = self.values[-1]
        self._pop()
        self._unwind()
        self._shift("NAME", *name)

    def _pop(self) -> None:
        self.states.pop()
        self.values.pop()

    def _unwind(self) -> None:
        """Take the entry that is being read off the stacks."""
        while self.tables.symbols[self.states[-1]] != "fields":
            row = self.tables.states[self.states[-1]]
            begun = next((row[name] for name in row if isinstance(name, str) and name.startswith("fields{")), None)
            if begun is not None:
                self._push(begun, [])
                self.builder.depth += 1
                return
            self._pop()

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

    def _next_line(self, match: re.Match[str], kind: int, scan: Scan) -> tuple[re.Match[str], int]:
        """The first terminal that stands on a later line."""
        end = self.source.text.find("\n", match.start(kind))
        while NAMES[kind] != "END" and (end < 0 or match.start(kind) < end):
            match = next(scan)
            kind = match.lastindex or 0
        return match, kind

    def _begins_line(self, at: int) -> bool:
        text = self.source.text
        while at > 0 and text[at - 1] in " \t":
            at -= 1
        return at == 0 or text[at - 1] in "\r\n"
