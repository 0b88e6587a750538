"""`python -m netc.language.generate`: the LALR tables of grammar.lark, computed once by lark and kept in tables.json.

Loading tables takes a millisecond where importing lark and analysing the grammar takes a tenth of a second, so the
running program never imports lark. A test compares the kept tables with fresh ones.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lark import Lark
from lark.lexer import Lexer

from netc.files import write_bytes

HERE = Path(__file__).parent
STARTS = ("plain", "program", "expression")


class NoLexer(Lexer):
    """The terminals are netc's own; lark only computes tables."""

    def __init__(self, lexer_conf: Any) -> None:
        pass

    def lex(self, lexer_state: Any, parser_state: Any) -> Any:
        raise NotImplementedError


def _lark() -> Any:
    return Lark((HERE / "grammar.lark").read_text(), parser="lalr", lexer=NoLexer, start=list(STARTS), strict=True)


def tables() -> dict[str, Any]:
    """Rules as `[left side, length, builder method]`; a state's actions: `shift, go to n` as n, `reduce rule n` as ~n.

    States are numbered in the order in which a walk from the start states over sorted symbols meets them, so the same
    grammar gives the same text.
    """
    lark = _lark()
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
        "starts": {start: order[table.start_states[start]] for start in STARTS},
        "ends": {start: order[table.end_states[start]] for start in STARTS},
        "rules": [[rule.origin.name, len(rule.expansion), rule.alias or rule.origin.name] for rule in rules],
        "states": states,
    }


def text() -> str:
    """The content of tables.json: one rule or state a line."""
    made = tables()
    parts = []
    for key, value in made.items():
        if isinstance(value, dict):
            parts.append(f'"{key}": {json.dumps(value)}')
        else:
            parts.append(f'"{key}": [\n  ' + ",\n  ".join(json.dumps(row) for row in value) + "\n]")
    return "{" + ",\n".join(parts) + "}\n"


if __name__ == "__main__":
    write_bytes(HERE / "tables.json", text().encode())
