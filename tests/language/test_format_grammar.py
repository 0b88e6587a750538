"""The formatter on every rule of the grammar: what it writes is the same tree, and stays as it is."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from itertools import chain
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lark import Lark
from lark.lexer import Lexer

from netc.errors import NetError, Span
from netc.language import formatter, parse
from netc.language.format import format_text
from netc.language.tables import HERE
from netc.language.tree import Document

WORDS = {
    "NAME": ("a", "b2", "train", "test", "Max"),
    "NUMBER": ("1", "0x1F", "2.", ".5", "1.5e-3f", "017"),
    "STRING": ('"s"', "'t'", "'a\"b'", '"${a + 1} b"'),
    "END": ("",),
    **{"MINUS": ("-",), "COLON": (":",), "LBRACE": ("{",), "RBRACE": ("}",), "LANGLE": ("<",), "RANGLE": (">",)},
    **{"LSQUARE": ("[",), "RSQUARE": ("]",), "COMMA": (",",), "SEMICOLON": (";",), "EQUALS": ("=",), "LPAREN": ("(",)},
    **{"RPAREN": (")",), "PLUS": ("+",), "STAR": ("*",), "FLOOR": ("//",), "SLASH": ("/",), "PERCENT": ("%",)},
    **{"POWER": ("**",), "EQ": ("==",), "NE": ("!=",), "LE": ("<=",), "GE": (">=",), "QUESTION": ("?",)},
    **{"ARROW": ("->",), "DOTDOT": ("..",)},
    **{word.upper(): (word,) for word in ("let", "def", "for", "in", "if", "else", "import", "as", "and", "or", "not")},
}
"""What a terminal may look like."""
ONLY_WITH = {
    ("scalar", ("MINUS", "NAME")): "a : - inf",
    ("statement", ("targets", "body")): "train , test { a = F ( ) }",
}
"""Rules that only some names may stand in, and texts with such names."""
Rule = tuple[str, ...]


class NoLexer(Lexer):
    """The terminals are netc's own."""

    def __init__(self, lexer_conf: Any) -> None:
        pass

    def lex(self, lexer_state: Any, parser_state: Any) -> Any:
        raise NotImplementedError


class Grammar:
    """The grammar's rules, as lark has them, and how deep the shortest text of each is."""

    def __init__(self) -> None:
        text = (HERE / "grammar.lark").read_text(encoding="utf-8")
        lark: Any = Lark(text, parser="lalr", lexer=NoLexer, start=STARTS)
        self.rules: dict[str, list[Rule]] = {}
        for rule in lark.rules:
            self.rules.setdefault(rule.origin.name, []).append(tuple(symbol.name for symbol in rule.expansion))
        self.depths: dict[str, int] = {"NOTHING": 10**6} | dict.fromkeys(WORDS, 0)
        changed = True
        while changed:
            changed = False
            for name, bodies in self.rules.items():
                least = min(self.depth(body) for body in bodies)
                if least < self.depths.get(name, 10**6):
                    self.depths[name], changed = least, True

    def depth(self, body: Rule) -> int:
        return 1 + max((self.depths.get(symbol, 10**6) for symbol in body), default=0)

    def shortest(self, name: str) -> Rule:
        return min(self.rules[name], key=self.depth)

    def words(self, name: str, choose: random.Random, room: int) -> Iterator[str]:
        """The words of some text of a symbol: any rule while there is room, then the shortest ones."""
        if name in WORDS:
            yield choose.choice(WORDS[name])
            return
        possible = [body for body in self.rules[name] if self.depth(body) < 10**6]
        for symbol in choose.choice(possible) if room > 0 else self.shortest(name):
            yield from self.words(symbol, choose, room - 1)

    def holding(self, start: str) -> dict[tuple[str, Rule], list[str]]:
        """For each rule that a start symbol leads to, words of a short text that it is used in."""
        plain = random.Random(0)
        paths: dict[str, tuple[list[str], list[str]]] = {start: ([], [])}
        waiting, found = [start], dict[tuple[str, Rule], list[str]]()
        while waiting:
            name = waiting.pop(0)
            before, after = paths[name]
            for body in self.rules[name]:
                if self.depth(body) >= 10**6:
                    continue
                parts = [list(self.words(symbol, plain, 0)) for symbol in body]
                found[name, body] = [*before, *(word for part in parts for word in part), *after]
                for i, symbol in enumerate(body):
                    if symbol in self.rules and symbol not in paths:
                        paths[symbol] = [*before, *chain(*parts[:i])], [*chain(*parts[i + 1 :]), *after]
                        waiting.append(symbol)
        return found


STARTS = ["plain", "program"]
FILES = {"plain": "a.prototxt", "program": "a.net"}
HEADS = {"plain": "", "program": "let q = 1\n"}
"""What makes sure that a text is read by the rules that it was made of."""


@cache
def grammar() -> Grammar:
    return Grammar()


def parsed(text: str, path: str) -> Document | None:
    """None of a text that follows the grammar and is refused all the same: `a, b { }` that are no phases."""
    try:
        return parse(text, path)
    except NetError:
        return None


def meaning(node: object) -> object:
    """A tree without its spans: what must stay as it is."""
    if is_dataclass(node):
        inner = ((each.name, getattr(node, each.name)) for each in fields(node) if each.name not in ("source", "depth"))
        return type(node).__name__, [(name, meaning(value)) for name, value in inner if not isinstance(value, Span)]
    return [meaning(each) for each in node] if isinstance(node, tuple | list) else node


def stays(text: str, path: str) -> bool:
    """Whether a text could be read; if so, it means the same once formatted, and is the same once formatted again."""
    document = parsed(text, path)
    if document is None:
        return False
    made = format_text(text, path)
    assert meaning(parse(made, path).block) == meaning(document.block), (text, made)
    assert format_text(made, path) == made, (text, made)
    assert made.count("#") == text.count("#")
    return True


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("between", [" ", "\n", "\n\n", " # c\n"])
def test_every_rule(start: str, between: str) -> None:
    texts = grammar().holding(start) | {
        rule: text.split() for rule, text in ONLY_WITH.items() if rule in grammar().holding(start)
    }
    refused = [words for words in texts.values() if not stays(HEADS[start] + between.join(words), FILES[start])]
    assert refused == []
    assert len(texts) > {"plain": 25, "program": 100}[start]


@given(st.integers(0, 2**32), st.sampled_from(STARTS), st.integers(4, 14), st.integers(10, 120))
@settings(max_examples=200, deadline=None)
def test_any_text(seed: int, start: str, room: int, width: int) -> None:
    choose = random.Random(seed)
    words: Sequence[str] = [w for w in grammar().words(start, choose, room) if w][:400]
    text = "".join(word + choose.choice((" ", " ", " ", "\n", "\n\n", "  # c\n")) for word in words)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(formatter, "WIDTH", width)
        stays(HEADS[start] + text, FILES[start])
