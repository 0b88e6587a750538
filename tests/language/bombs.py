"""`python -m tests.language.bombs`: texts that are small for what they ask, or large for what they say.

Each is read and expanded within 512 MB of address space. Prints a line of JSON for each: its name, the code and place
of its first diagnostic (nothing if there is none), and how many calls it took.
"""

from __future__ import annotations

import json
import resource
from collections.abc import Callable
from typing import NamedTuple

from netc.errors import NetError
from netc.language import expand, parse, write
from tests.language.vocabulary import TestedLayers
from tests.work import Calls

MOST_BYTES = 512 << 20
MOST_CALLS = 24_000_000
"""Of functions, for what fills a limit: two for each of 8 million characters, and half as many again."""


class Bomb(NamedTuple):
    """A text, and the code and place of its first diagnostic."""

    text: Callable[[], str]
    code: str | None
    at: str | None
    path: str = "bomb.net"


def _lines(pattern: str, count: int, first: int = 1) -> str:
    """`count - 1` lines in which N is a number and P the one before it."""
    return "".join(pattern.replace("N", str(i)).replace("P", str(i - 1)) + "\n" for i in range(first, count))


def _loop(body: str, turns: int = 99_999) -> str:
    return f"for i in 1..{turns} {{ {body} }}"


LONG = 'let s0 = "' + "x" * 1000 + '"\n' + _lines('let sN = "${sP}${sP}"', 7)
DEF = "def f(x; p = 1) -> y { y = ReLU(x) }\n"
DEPTH = 100_000
TARGETS = ",".join(f"a{i}" for i in range(1000))
MANY = ",".join("1" * 1000)

DEEP = {
    "braces": Bomb(lambda: "a {" * DEPTH, "SYN011", "1:303"),
    "plain braces": Bomb(lambda: "a {" * DEPTH, "SYN011", "1:303", "bomb.prototxt"),
    "angles": Bomb(lambda: "a <" * DEPTH, "SYN011", "1:303"),
    "blocks in lists": Bomb(lambda: "a: [{" * DEPTH, "SYN011", "1:505"),
    "parentheses": Bomb(lambda: "let a = " + "(" * DEPTH + "1" + ")" * DEPTH, "SYN011", "1:2005"),
    "few parentheses": Bomb(lambda: "let a = " + "(" * 60 + "1" + ")" * 60, "SYN011", "1:120"),
    "minus signs": Bomb(lambda: "let a = " + "-" * DEPTH + "1", "SYN011", "1:2005"),
    "minus signs of a field": Bomb(lambda: "a: " + "-" * DEPTH + "1", "SYN011", "1:2001"),
    "not": Bomb(lambda: "let a = " + "not " * DEPTH + "b", "SYN011", "1:7993"),
    "sum": Bomb(lambda: "let a = 1" + "+1" * DEPTH, "SYN011", "1:111"),
    "power": Bomb(lambda: "let a = 1" + "**1" * DEPTH, "SYN011", "1:3003"),
    "choices": Bomb(lambda: "let a = " + "true ? 1 : " * DEPTH + "1", "SYN011", "1:5498"),
    "functions": Bomb(lambda: "let a = " + "min(" * DEPTH, "SYN011", "1:4001"),
    "lists": Bomb(lambda: "let a = " + "[" * DEPTH + "]" * DEPTH, "SYN011", "1:2005"),
    "indices": Bomb(lambda: "let a = b" + "[0]" * DEPTH, "SYN011", "1:162"),
    "loops": Bomb(lambda: "for i in 1..2 { " * DEPTH, "SYN022", "1:1142859"),
    "fewer loops": Bomb(lambda: "for i in 1..2 { " * 70_000, "SYN011", "1:1615"),
    "closed loops": Bomb(lambda: "for i in 1..2 { " * 90 + "}" * 90, "SYN011", "1:975"),
    "conditions": Bomb(lambda: "if true { " * DEPTH, "SYN011", "1:1009"),
    "else if": Bomb(lambda: "if false { } " + "else if false { } " * 30_000 + "else if x { }", "SYN031", "1:540022"),
    "phases": Bomb(lambda: "train { " * DEPTH, "SYN011", "1:807"),
    "blocks made of blocks": Bomb(lambda: "let a0 = 1\n" + _lines("let aN = { a: aP }", 200), "SYN011", "62:16"),
    "calls in calls": Bomb(
        lambda: "def f0(x) -> y { y = ReLU(x) }\n" + _lines("def fN(x) -> y { y = fP(x) }", 100) + "a = f99(b)",
        "SYN011",
        "41:19",
    ),
    "strings in strings": Bomb(lambda: 'let a = "' + '${"' * DEPTH, "SYN022", "1:10"),
}
LARGE = {
    "terminals": Bomb(lambda: "a:1 " * 166_666 + "b: 1", "SYN022", "1:666668"),
    "terminals in lists": Bomb(lambda: "a: [" + "1," * 250_000 + "1]", "SYN022", "1:500002"),
    "strings": Bomb(lambda: "a: " + '"x" ' * 500_001, "SYN022", "1:1999996"),
    "the most terminals": Bomb(lambda: "a:1 " * 166_666 + "b", "SYN012", "1:666665"),
    "the most valid terminals": Bomb(lambda: "a:1 " * 166_666, None, None),
    "statements": Bomb(lambda: "a = f(b)\n" * 90_000, "SYN022", "83334:5"),
    "stray braces": Bomb(lambda: "}" * 500_000, "SYN003", "1:1"),
    "names": Bomb(lambda: "a " * 500_000, "SYN005", "1:3"),
    "characters": Bomb(lambda: " " * (8 << 20) + "a", "SYN022", "1:1"),
    "emoji": Bomb(lambda: 'a: "' + "\U0001f600" * 8_000_000 + '"', None, None),
    "blanks": Bomb(lambda: ("= a" + " " * 200_000) * 40 + "\na: 1", "SYN001", "1:1"),
    "blanks in a string": Bomb(lambda: 'a: "' + " " * 8_000_000 + "x", "SYN004", "1:4"),
    "empty lines": Bomb(lambda: "\n" * 8_000_000 + "}", "SYN003", "8000001:1"),
    "comments": Bomb(lambda: "# a\n" * 2_000_000 + "}", "SYN003", "2000001:1"),
    "a long name": Bomb(lambda: "a" * 8_000_000, "SYN012", "1:1"),
    "a long name with dashes": Bomb(lambda: "a" + "-a" * 240_000 + ": 1", "SYN001", "1:1"),
    "a long number": Bomb(lambda: "a: " + "9" * 8_000_000, None, None),
    "a long wrong number": Bomb(lambda: "a: " + "9" * 8_000_000 + "q", "SYN008", "1:4"),
    "a long string": Bomb(lambda: 'a: "' + "a" * 8_000_000, "SYN004", "1:4"),
    "escapes": Bomb(lambda: 'a: "' + "\\n" * 4_000_000 + '"', "SYN022", "1:5"),
    "wrong escapes": Bomb(lambda: 'a: "' + "\\q" * 50_000 + '"', "SYN009", "1:5"),
    "wrong signs": Bomb(lambda: "a: -x " * 100_000, "SYN015", "1:4", "bomb.prototxt"),
    "expressions in a string": Bomb(lambda: 'let a = "' + "${1}" * 1_000_000 + '"', "SYN022", "1:10"),
    "many expressions in a string": Bomb(lambda: 'let a = "' + "${1}" * 50_000 + '"', None, None),
}
WORK = {
    "layers": Bomb(lambda: _loop("a = ReLU(a)", 1_000_000), "SYN042", "1:23"),
    "plain layers": Bomb(lambda: "let g = { }\n" + _loop("layer: [" + "g, " * 99 + "g]"), "SYN042", "2:21"),
    "nested loops": Bomb(lambda: "for a in 1..99 { for b in 1..999 { for c in 1..999 { x: a } } }", "SYN042", "1:54"),
    "empty loops": Bomb(lambda: "for a in 1..1000 { for b in 1..1000 { for c in 1..1000 { } } }", "SYN042", "1:39"),
    "a long range": Bomb(lambda: "for i in 1..9223372036854775807 { }", "SYN042", "1:1"),
    "lets": Bomb(lambda: _loop("let b = i", 10**9), "SYN042", "1:26"),
    "fields": Bomb(lambda: "x { for a in 1..1000000000 { b: a } }", "SYN042", "1:5"),
    "recursion": Bomb(lambda: "def f(x) -> y { y = f(x) }\na = f(b)", "SYN038", "1:21"),
    "mutual recursion": Bomb(
        lambda: "def f(x) -> y { y = g(x) }\ndef g(x) -> y { y = f(x) }\na = f(b)", "SYN038", "2:21"
    ),
    "doubling calls": Bomb(
        lambda: "def f0(x) -> y { y = ReLU(x) }\n"
        + _lines("def fN(x) -> y { z = fP(x) y = fP(z) }", 30)
        + "a = f29(b)",
        "SYN042",
        "1:18",
    ),
    "doubling blocks": Bomb(lambda: "let a0 = { }\n" + _lines("let aN = { a: aP b: aP }", 50), "SYN042", "15:23"),
    "doubling lists": Bomb(lambda: "let a0 = [1, 1]\n" + _lines("let aN = [aP, aP]", 60) + "b: a59", "SYN046", "61:4"),
    "doubling strings": Bomb(lambda: 'let a0 = "x"\n' + _lines('let aN = "${aP}${aP}"', 60), "SYN042", "18:11"),
    "doubling sums of strings": Bomb(lambda: 'let a0 = "x"\n' + _lines("let aN = aP + aP", 60), "SYN042", "18:11"),
    "inputs": Bomb(lambda: _loop("a = Concat(" + ",".join("b" * 1000) + ")", 9999), "SYN042", "1:20"),
    "targets": Bomb(lambda: _loop(TARGETS + " = Digits()", 9999), "SYN042", "1:20"),
    "targets of failing calls": Bomb(lambda: _loop(TARGETS + " = X()"), "SYN045", "1:4913"),
    "list items": Bomb(lambda: _loop(f"layer {{ x: [{MANY}] }}", 9999), "SYN042", "1:31"),
    "lists in lets": Bomb(lambda: _loop(f"let a = [{MANY}]"), "SYN042", "1:29"),
    "lists by name": Bomb(lambda: f"let m = [{MANY}]\nx {{ " + _loop("b: m") + " }", "SYN042", "2:28"),
    "lists as parameters": Bomb(lambda: f"let m = [{MANY}]\n{DEF}" + _loop("a = f(b) { p: m }"), "SYN042", "3:35"),
    "blocks in lists by name": Bomb(
        lambda: "let g = { " + "a: 1 " * 1000 + "}\nlet m = [g, g]\nx { " + _loop("b: m") + " }", "SYN042", "3:28"
    ),
    "items of literal lists": Bomb(lambda: _loop(f"let a = [{MANY}][0]"), "SYN042", "1:29"),
    "operands": Bomb(lambda: _loop(f"let a = min({MANY})"), "SYN042", "1:29"),
    "functions of lists": Bomb(lambda: f"let m = [{MANY}]\n" + _loop("let a = min(m)"), "SYN042", "2:33"),
    "computed strings": Bomb(lambda: LONG + "x { " + _loop('b: "${s6}${i}"') + " }", "SYN042", "8:28"),
    "dropped strings": Bomb(lambda: LONG + _loop('let b = "${s6}${i}"'), "SYN042", "8:29"),
    "compared strings": Bomb(lambda: LONG + _loop("if s6 == s5 + s5 { }"), "SYN042", "8:30"),
    "strings by name": Bomb(lambda: LONG + "x { " + _loop("b: s6") + " }", "SYN042", "8:28"),
    "blocks of strings by name": Bomb(lambda: LONG + "let g = { a: s6 }\nx { " + _loop("b: g") + "}", "SYN042", "9:28"),
    "long literals": Bomb(lambda: "x { " + _loop('b: "' + "y" * 1_000_000 + '"') + " }", "SYN042", "1:28"),
    "long targets": Bomb(lambda: _loop("y" * 100_000 + " = ReLU(b)"), "SYN042", "1:21"),
    "long runs": Bomb(lambda: DEF + _loop("y" * 100_000 + " = f(b)"), "SYN042", "2:21"),
    "long fields": Bomb(lambda: "x { " + _loop("y" * 100_000 + ": 1") + " }", "SYN042", "1:25"),
    "long numbers": Bomb(lambda: _loop("let a = 0." + "1" * 100_000), "SYN042", "1:29"),
    "powers": Bomb(lambda: "let a = 9 ** 9 ** 9 ** 9", "SYN034", "1:14"),
    "a power": Bomb(lambda: "let a = 9 ** 9 ** 9", "SYN034", "1:9"),
    "products": Bomb(lambda: "let a0 = 9\n" + _lines("let aN = aP * aP", 60), "SYN034", "6:10"),
    "a floating-point power": Bomb(lambda: "let a = 9.0 ** 9 ** 9", "SYN034", "1:9"),
    "a long decimal number": Bomb(lambda: "let a = " + "9" * 5000, "SYN034", "1:9"),
    "a long hexadecimal number": Bomb(lambda: 'let a = 0x' + "f" * 5000 + '\nb: "${a}"', "SYN034", "1:9"),
    "a long octal number": Bomb(lambda: DEF + "a = f(b) { p: 0" + "7" * 5000 + " }", "SYN034", "2:15"),
    "an integer of 65 bits": Bomb(lambda: "let a = 18446744073709551616", "SYN034", "1:9"),
    "many wrong names": Bomb(lambda: _loop("a = f" + "q" * 1000 + "(b)"), "SYN045", "1:25"),
    "names like many others": Bomb(
        lambda: _lines("let wNabcdefgh = 1", 30_000) + _lines("let xN = wNx9gh + 1", 20), "SYN031", "30000:10"
    ),
    "names like a long one": Bomb(
        lambda: f"let {'w' * 100_000} = 1\n" + _lines("let xN = " + "w" * 50_000 + "N + 1", 20), "SYN031", "2:10"
    ),
    "taken names": Bomb(lambda: _loop("a = Pooling(a)", 9999), None, None),
}  # fmt: skip
BOMBS = DEEP | LARGE | WORK
assert len(BOMBS) == len(DEEP) + len(LARGE) + len(WORK)


def main() -> None:
    """Light all of them."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    for name, bomb in BOMBS.items():
        text = bomb.text()
        found: list[str] | None = None
        with Calls() as calls:
            try:
                document = parse(text, bomb.path)
                if not document.plain:
                    parse(write(expand(document, TestedLayers()).block), "expanded.prototxt")
            except NetError as error:
                first = error.diagnostics[0]
                str(error)
                found = [first.code.id, str(first.span)]
        print(json.dumps([name, found, calls.count]), flush=True)


if __name__ == "__main__":
    main()
