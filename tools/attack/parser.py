"""Texts that are no nets, or nearly: each ends in a document or in diagnostics, and what is made of it reads the same.

A text is random bytes, random words, random statements, or a piece of a sound net (netc's own, plain or with
statements) with characters and tokens damaged, spliced or doubled; it is read as plain text or as statements. It is
parsed, formatted twice, expanded, written and parsed again: three to six executions of the parser, within 5 seconds of
the processor and 512 MB of memory. tests/fuzz/language.py asks the same of texts that coverage guides to.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random

from netc.api.definition import schema_of
from netc.api.vocabulary import LayerVocabulary
from netc.catalogue import catalogue
from netc.errors import NetError
from netc.language import Vocabulary, expand, parse, write
from netc.language.codes import TOO_LARGE
from netc.language.format import format_text
from tools.attack import Tally
from tools.attack._apart import Attempt, judge_apart
from tools.mutation_kinds import TOKEN

SECONDS = 5  # of the processor, for one text
LONGEST = 600  # characters
_TEXT = """let def for in if else import as and or not train test deploy read { } { } { } ( ) ( ) [ ] : = = , ; -> ..
+ - * / // % ** == != < > <= >= ? a b f x y a b f x y ReLU Convolution InnerProduct Concat num_output layer name type
top bottom param include phase TRAIN kernel_size 1 2 0 -1 3.5 1e30 0xff 017 nan inf 4294967296 99999999999999999999 true
false "s" 's' "a${b}" "${1 +}" '${a' "\\377" "\\x" # $ \\ \x00 \x1b \xff \ufeff \u2028"""
_WORDS = [word for line in _TEXT.split("\n") for word in line.split(" ")]
_STATEMENTS = """let a = 2
let b = a * 3
a = ReLU(b)
b = Convolution(a) { num_output: a }
def f(x; n = 1) -> y { y = ReLU(x) { negative_slope: n } }
a = f(b)
a = f(a) { n: 2 }
for i in 1..2 {
for i in [1, "b"] { a = ReLU(a)
if a == 2 {
train {
test {
deploy {
layer { top: b }
layer { name: "x" type: "Pooling" pooling_param { pool: MAX kernel_size: 2 } }
c: [a, 1]
a, b = Digits()
import "blocks.net" as blocks
solver { base_lr: 1e-3 }
}
}
} else {
a = b
x = f(f(x), f(y; 2))""".splitlines()


def known() -> Vocabulary:
    """The layer types of netc."""
    types = catalogue()
    return LayerVocabulary(types, schema_of(types))


def run(count: int, seed: int) -> Tally:
    """Look at `count` texts."""
    tally = Tally()
    judge_apart(tally, range(count), partial(_prepared, seed), SECONDS)
    return tally


def _prepared(seed: int) -> Attempt:
    vocabulary = known()
    sound = _sound(vocabulary)

    def attempt(index: int) -> tuple[str, Callable[[], str]]:
        random = Random(f"{seed} {index}")
        how, text = made(sound, random)
        path = random.choice(("a.net", "a.net", "a.prototxt"))
        return f"seed {seed}, {path}, {how}: {text!r}", lambda: f"{how} {look(text, path, vocabulary)}"

    return attempt


def _sound(vocabulary: Vocabulary) -> list[list[str]]:
    """The statements of sound nets: the gallery, as it is and as plain text."""
    paths = sorted((Path(__file__).parents[2] / "nets").rglob("*.net"))
    texts = [path.read_text() for path in paths]
    plain = [write(expand(parse(t, str(p)), vocabulary).block) for p, t in zip(paths, texts, strict=True)]
    return [re.split(r"\n(?=\w)", text) for text in (*texts, *plain) if text]


def made(sound: list[list[str]], random: Random) -> tuple[str, str]:
    """A text, and what kind of text it is."""
    kind = random.choice(KINDS)
    return kind.__name__.strip("_"), kind(sound, random)[:LONGEST]


def _bytes(_: list[list[str]], random: Random) -> str:
    return random.randbytes(random.randint(0, 60)).decode("utf-8", "surrogateescape")


def _words(_: list[list[str]], random: Random) -> str:
    return random.choice((" ", " ", "", "\n")).join(random.choices(_WORDS, k=random.randint(1, 40)))


def _statements(_: list[list[str]], random: Random) -> str:
    text = "\n".join(random.choices(_STATEMENTS, k=random.randint(1, 14)))
    return text + "\n}" * (text.count("{") - text.count("}")) * random.randint(0, 1)


def _damaged(sound: list[list[str]], random: Random) -> str:
    text = _piece(sound, random)
    for _ in range(random.choice((0, 1, 1, 2, 3, 8))):
        start = random.randint(0, len(text))
        end = min(len(text), start + random.choice((0, 0, 1, 2, 12, 60)))
        text = text[:start] + random.choice(("", *_WORDS, chr(random.randrange(0xD7FF)))) + text[end:]
    return text


def _retold(sound: list[list[str]], random: Random) -> str:
    """A piece with tokens taken out, doubled, exchanged, or taken from another piece."""
    tokens, others = TOKEN.findall(_piece(sound, random)), TOKEN.findall(_piece(sound, random))
    for _ in range(random.choice((1, 1, 2, 3, 6))):
        if not tokens or not others:
            break
        at = random.randrange(len(tokens))
        instead: tuple[list[str], ...] = (
            [],
            [tokens[at]] * 2,
            [random.choice(tokens)],
            [random.choice(others)],
            [random.choice(_WORDS)],
        )
        tokens[at : at + 1] = random.choice(instead)
    return random.choice((" ", "\n")).join(tokens)


def _spliced(sound: list[list[str]], random: Random) -> str:
    one, other = _piece(sound, random), _piece(sound, random)
    return one[: random.randint(0, len(one))] + other[random.randint(0, len(other)) :]


KINDS = (_bytes, _words, _statements, _statements, _damaged, _damaged, _retold, _retold, _spliced)


def _piece(sound: list[list[str]], random: Random) -> str:
    """Some of a sound text's statements, one after the other; sometimes without their beginning or end."""
    items = random.choice(sound)
    start = random.randrange(len(items))
    lines = "\n".join(items[start : start + random.randint(1, 4)]).splitlines()
    return "\n".join(lines[random.choice((0, 0, 0, 0, 1)) : random.choice((14, 14, 14, 14, -1))])


def look(text: str, path: str, vocabulary: Vocabulary) -> str:
    """What comes of a text, in a word. Raises AssertionError where netc contradicts itself."""
    try:
        document = parse(text, path)
        tidy = format_text(text, path)
    except NetError as error:
        str(error)
        return "refused"
    assert format_text(tidy, path) == tidy, "formatted twice, it is another text"
    try:
        plain = write(expand(document, vocabulary).block)
    except NetError as error:
        str(error)
        return "not expanded"
    try:
        again = parse(plain, "again.prototxt")
    except NetError as error:  # a small text may make a large one
        if [each.code for each in error.diagnostics] != [TOO_LARGE]:
            raise AssertionError("what was written is refused") from error
        return "too large"
    assert write(again.block) == plain, "what was written reads as something else"
    assert write(expand(parse(tidy, path), vocabulary).block) == plain, "formatted, it means something else"
    return "expanded"
