"""The parser's tables. lark makes them of grammar.lark; tables.json keeps them: `python -m tools.tables`.

Reading the kept tables takes a millisecond; importing lark and analysing the grammar takes a tenth of a second. So that
is done only if the kept tables were not made of the grammar that is there.
"""

from __future__ import annotations

import json
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from netc.language.lexer import NUMBERS

HERE = Path(__file__).parent
STARTS = ("plain", "program", "expression")


class Tables(NamedTuple):
    """LALR tables with terminals as numbers.

    starts, ends: by start symbol, the state to begin in and the one in which it has been read. rules: left side, length
    and builder method of each. states: per state, the action of a terminal's number (`go to n` as n, `reduce rule n` as
    ~n) and, by the rule's name, where to go after a rule. symbols: the symbol on which each state is entered (a
    template's without its arguments).
    """

    starts: dict[str, int]
    ends: dict[str, int]
    rules: list[tuple[str, int, str]]
    states: list[dict[int | str, int]]
    symbols: list[str]


@cache
def load_tables(folder: Path = HERE) -> Tables:
    """The tables of the grammar in a folder: those kept there, if they are of this grammar, else new ones."""
    grammar = (folder / "grammar.lark").read_text(encoding="utf-8")
    made = _kept(folder, grammar) or make_tables(grammar)
    states = [{NUMBERS.get(name, name): action for name, action in row.items()} for row in made["states"]]
    symbols = ["" for _ in states]
    for row in made["states"]:
        for name, action in row.items():
            if action >= 0:
                symbols[action] = name.partition("{")[0]
    return Tables(made["starts"], made["ends"], [tuple(rule) for rule in made["rules"]], states, symbols)


def _kept(folder: Path, grammar: str) -> dict[str, Any] | None:
    try:
        made: dict[str, Any] = json.loads((folder / "tables.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return made if made.get("grammar") == _digest(grammar) else None


def _digest(grammar: str) -> str:
    return sha256(grammar.encode()).hexdigest()


def make_tables(grammar: str) -> dict[str, Any]:
    """What tables.json holds: `Tables` by name, without the symbols, and the grammar's digest.

    States are numbered in the order in which a walk from the start states over sorted symbols meets them, so the same
    grammar gives the same text.
    """
    from lark import Lark  # noqa: PLC0415  (costly to import, and not needed where the kept tables fit)
    from lark.lexer import Lexer  # noqa: PLC0415

    class NoLexer(Lexer):
        """The terminals are netc's own."""

        def __init__(self, lexer_conf: Any) -> None:
            pass

        def lex(self, lexer_state: Any, parser_state: Any) -> Any:
            raise NotImplementedError

    lark: Any = Lark(grammar, parser="lalr", lexer=NoLexer, start=list(STARTS), strict=True)
    table = lark.parser.parser._parse_table
    rules = sorted(lark.rules, key=lambda rule: (rule.origin.name, rule.order))
    numbers = {rule: number for number, rule in enumerate(rules)}
    names: list[Any] = [table.start_states[start] for start in STARTS]
    order = {name: number for number, name in enumerate(names)}
    states: list[dict[str, int]] = []
    for name in names:  # grows while it is walked
        row: dict[str, int] = {}
        for symbol, (action, target) in sorted(table.states[name].items()):
            if action.name == "Shift":
                if target not in order:
                    order[target] = len(names)
                    names.append(target)
                row[symbol] = order[target]
            else:
                row[symbol] = ~numbers[target]
        states.append({("END" if symbol == "$END" else symbol): act for symbol, act in row.items()})
    return {
        "grammar": _digest(grammar),
        "starts": {start: order[table.start_states[start]] for start in STARTS},
        "ends": {start: order[table.end_states[start]] for start in STARTS},
        "rules": [[rule.origin.name, len(rule.expansion), rule.alias or rule.origin.name] for rule in rules],
        "states": states,
    }
