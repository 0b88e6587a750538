"""One mistake at a time, put into the text of a net where it is known what a good diagnostic says of it.

Every kind is a function `(net, rng) -> Mutant | None`: what to write instead, which characters of the new text are
wrong, and, for typos, the name that was meant. Places are found by the tokens of the text, and for shapes by the plan
of the net before it is damaged.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TypeVar

from netc.errors import Span
from netc.graph import Node
from netc.lsp.analysis import Analysis
from netc.plan.model import Plan

TOKEN = re.compile(r"""#[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|[A-Za-z_]\w*|-?[\d.](?:[eE][+-]|[\w.])*|\S""")
NEIGHBOURS = dict(zip("abcdefghijklmnopqrstuvwxyz", "svxsdghjkjkloknwwetdycrqxtsx", strict=False))
SINGLE = (
    "name",
    "num_output",
    "pool",
    "type",
    "dropout_ratio",
    "local_size",
    "alpha",
    "batch_size",
    "bias_term",
    "std",
)
KEEPERS = ("BatchNorm", "Scale", "ReLU", "Dropout", "PReLU", "ELU", "LRN", "Bias")
"""Layers whose top has the shape of their bottom."""
SWAPS = {"string": ("{ a: 1 }",), "number": ('"ten"', "many", "{ value: 1 }"), "bool": ("2", '"yes"', "maybe")}


@dataclass(frozen=True)
class Token:
    """Characters `start:end` of a net's text: a name, a number, a string with its quotes, or one other character."""

    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Mutant:
    """A damaged text: the characters `start:end` of it are where the diagnostic belongs; `meant` is what was mistyped.

    `what` says in words what was done.
    """

    text: str
    start: int
    end: int
    what: str
    meant: str | None = None


class Net:
    """The text of a net in which nothing is wrong, and what its sound parse and plan know of it."""

    def __init__(self, path: str, analysis: Analysis) -> None:
        self.path = path
        self.analysis = analysis
        self.text = analysis.source.text

    @cached_property
    def tokens(self) -> list[Token]:
        found = (Token(m[0], m.start(), m.end()) for m in TOKEN.finditer(self.text))
        return [token for token in found if token.text[0] != "#"]

    @cached_property
    def pairs(self) -> list[tuple[int, int]]:
        """The opening and the closing brace of every block, as indices of tokens."""
        found, open_at = [], []
        for at, token in enumerate(self.tokens):
            if token.text == "{":
                open_at.append(at)
            elif token.text == "}" and open_at:
                found.append((open_at.pop(), at))
        return found

    def fields(self) -> Iterator[tuple[Token, Token, Token]]:
        """Name, colon and first token of the value of every field that is written with a colon."""
        for name, colon, value in zip(self.tokens, self.tokens[1:], self.tokens[2:], strict=False):
            if colon.text == ":" and name.text[0].isalpha() and value.text not in "{[<":
                yield name, colon, value

    def replaced(self, start: int, end: int, by: str) -> str:
        return self.text[:start] + by + self.text[end:]


Kind = Callable[[Net, random.Random], Mutant | None]
T = TypeVar("T")


def typo(word: str, rng: random.Random, letters_only: bool = False) -> str:
    """A slip of the fingers: two letters swapped, one left out, doubled, or hit beside."""
    places = [i for i, c in enumerate(word) if c.isalpha() or (c == "_" and not letters_only)]
    if not places:
        return word
    at = rng.choice(places)
    kind = rng.choice(("swap", "drop", "double", "beside"))
    if kind == "swap" and at + 1 < len(word) and (word[at + 1].isalpha() or not letters_only):
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    if kind == "drop":
        return word[:at] + word[at + 1 :]
    if kind == "double":
        return word[: at + 1] + word[at:]
    near = NEIGHBOURS.get(word[at].lower(), "x")
    return word[:at] + (near.upper() if word[at].isupper() else near) + word[at + 1 :]


def _mistyped(net: Net, token: Token, rng: random.Random, known: set[str], what: str, quoted: bool) -> Mutant | None:
    word = token.text[1:-1] if quoted else token.text
    wrong = typo(word, rng, letters_only=quoted)
    if wrong in known or wrong == word or not wrong:
        return None
    written = token.text[0] + wrong + token.text[-1] if quoted else wrong
    text = net.replaced(token.start, token.end, written)
    return Mutant(text, token.start, token.start + len(written), f"{what} {word} written {wrong}", word)


def _pick(rng: random.Random, found: list[T]) -> T | None:
    return rng.choice(found) if found else None


# ---------------------------------------------------------------- names


def field_typo(net: Net, rng: random.Random) -> Mutant | None:
    schema = net.analysis.schema
    known = {name for message in schema.messages for name in schema.message(message).fields}
    tokens = net.tokens
    names = [a for a, b in pairwise(tokens) if b.text in (":", "{") and len(a.text) > 3]
    token = _pick(rng, [name for name in names if name.text in known])
    return None if token is None else _mistyped(net, token, rng, known, "field", False)


def type_typo(net: Net, rng: random.Random) -> Mutant | None:
    known = net.analysis.types.types
    found = [value for name, _, value in net.fields() if name.text == "type" and value.text[1:-1] in known]
    token = _pick(rng, [value for value in found if len(value.text) > 5])
    return None if token is None else _mistyped(net, token, rng, set(known), "type", True)


def blob_typo(net: Net, rng: random.Random) -> Mutant | None:
    found = [value for name, _, value in net.fields() if name.text == "bottom" and len(value.text) > 4]
    tops = {value.text[1:-1] for name, _, value in net.fields() if name.text in ("top", "input")}
    token = _pick(rng, found)
    return None if token is None else _mistyped(net, token, rng, tops, "bottom", True)


def enum_typo(net: Net, rng: random.Random) -> Mutant | None:
    found = [v for name, _, v in net.fields() if v.text.isupper() and len(v.text) > 2 and v.text.isidentifier()]
    token = _pick(rng, found)
    known = {v.text for _, _, v in net.fields()} | {"SUM", "MAX", "PROD", "AVE", "LMDB", "LEVELDB", "TRAIN", "TEST"}
    return None if token is None else _mistyped(net, token, rng, known, "enum value", False)


def wrong_enum(net: Net, rng: random.Random) -> Mutant | None:
    found = [v for _, _, v in net.fields() if v.text.isupper() and len(v.text) > 2 and v.text.isidentifier()]
    if (token := _pick(rng, found)) is None:
        return None
    wrong = rng.choice(("FROBNICATE", "NO_SUCH_VALUE", "77", '"SOMETHING"'))
    text = net.replaced(token.start, token.end, wrong)
    return Mutant(text, token.start, token.start + len(wrong), f"enum value {token.text} replaced by {wrong}")


# ---------------------------------------------------------------- punctuation


def brace_not_closed(net: Net, rng: random.Random) -> Mutant | None:
    if (pair := _pick(rng, net.pairs)) is None:
        return None
    blocks = {closing: opening for opening, closing in net.pairs}
    last = pair[1]
    while last + 1 in blocks and _like_the_next(net, last):
        last += 1
    opening, closing = net.tokens[blocks[last]], net.tokens[last]
    line = net.text.count("\n", 0, opening.start) + 1
    text = net.replaced(closing.start, closing.end, "")
    return Mutant(text, opening.start, opening.end, f"closing brace of line {line} left out")


def _like_the_next(net: Net, brace: int) -> bool:
    """Whether it makes no difference which of two braces is left out: they are in one line or, alone, in one column."""
    between = net.text[net.tokens[brace].end : net.tokens[brace + 1].start]
    before = [net.text[: token.start].rpartition("\n")[2] for token in net.tokens[brace : brace + 2]]
    return "\n" not in between or (before[0] == before[1] and not before[0].strip())


def brace_not_opened(net: Net, rng: random.Random) -> Mutant | None:
    pair = _pick(rng, [p for p in net.pairs if net.tokens[p[0] - 1].text[0].isalpha() and p[1] > p[0] + 1])
    if pair is None:
        return None
    opening, name = net.tokens[pair[0]], net.tokens[pair[0] - 1]
    text = net.replaced(opening.start, opening.end, "")
    return Mutant(text, name.start, name.end, f"opening brace after {name.text} left out")


def quote_not_closed(net: Net, rng: random.Random) -> Mutant | None:
    token = _pick(rng, [value for _, _, value in net.fields() if value.text[0] in "\"'" and len(value.text) > 2])
    if token is None:
        return None
    text = net.replaced(token.end - 1, token.end, "")
    return Mutant(text, token.start, token.end - 1, f"closing quote of {token.text} left out")


def quote_not_opened(net: Net, rng: random.Random) -> Mutant | None:
    strings = (value for _, _, value in net.fields() if value.text[0] in "\"'")
    token = _pick(rng, [value for value in strings if value.text[1:-1].isidentifier()])
    if token is None:
        return None
    text = net.replaced(token.start, token.start + 1, "")
    return Mutant(text, token.start, token.end - 1, f"opening quote of {token.text} left out")


def colon_missing(net: Net, rng: random.Random) -> Mutant | None:
    found = _pick(rng, [f for f in net.fields() if f[1].end < f[2].start])
    if found is None:
        return None
    name, colon, value = found
    text = net.replaced(colon.start, colon.end, "")
    return Mutant(text, value.start - 1, value.end - 1, f"colon after {name.text} left out")


# ---------------------------------------------------------------- values and fields


def wrong_value(net: Net, rng: random.Random) -> Mutant | None:
    if (found := _pick(rng, list(net.fields()))) is None:
        return None
    name, _, value = found
    if value.text in ("true", "false"):
        wrong = rng.choice(SWAPS["bool"])
    elif value.text[0] in "\"'":
        wrong = rng.choice((*SWAPS["string"], "17", value.text[1:-1] if value.text[1:-1].isidentifier() else "17"))
    elif value.text.isidentifier():
        return None
    else:
        wrong = rng.choice(SWAPS["number"])
    text = net.replaced(value.start, value.end, wrong)
    return Mutant(text, value.start, value.start + len(wrong), f"{name.text}: {value.text} replaced by {wrong}")


def field_twice(net: Net, rng: random.Random) -> Mutant | None:
    found = _pick(rng, [field for field in net.fields() if field[0].text in SINGLE])
    if found is None:
        return None
    name, _, value = found
    again = net.text[name.start : value.end]
    text = net.replaced(value.end, value.end, f" {again}")
    return Mutant(text, value.end + 1, value.end + 1 + len(name.text), f"{again} given twice")


# ---------------------------------------------------------------- blobs and shapes


def dangling_bottom(net: Net, rng: random.Random) -> Mutant | None:
    """Take out a layer that makes a blob: the next layer that reads it is wrong."""
    layers = [b for b in net.pairs if net.tokens[b[0] - 1].text in ("layer", "layers") and _depth(net, b[0]) == 0]
    if (found := _pick(rng, layers)) is None:
        return None
    start, end = net.tokens[found[0] - 1].start, net.tokens[found[1]].end
    inside = [f for f in net.fields() if start <= f[0].start < end]
    tops = {value.text for name, _, value in inside if name.text == "top"}
    if len(tops) != 1 or tops & {value.text for name, _, value in inside if name.text == "bottom"}:
        return None
    outside = [f for f in net.fields() if not start <= f[0].start < end]
    if any(value.text in tops for name, _, value in outside if name.text in ("top", "input") and value.start < start):
        return None
    reader = next((value for name, _, value in outside if name.text == "bottom" and value.text in tops), None)
    if reader is None or reader.start < start:
        return None
    text, gone = net.replaced(start, end, ""), end - start
    return Mutant(text, reader.start - gone, reader.end - gone, f"the layer that makes {reader.text} left out")


def _depth(net: Net, at: int) -> int:
    return sum(opening < at < closing for opening, closing in net.pairs)


def sum_of_unlike(net: Net, rng: random.Random) -> Mutant | None:
    """Another num_output in the convolution that an Eltwise reads (through layers that keep shapes)."""
    return _unlike(net, rng, "Eltwise", "num_output")


def concat_of_unlike(net: Net, rng: random.Random) -> Mutant | None:
    """Another pad in the convolution that a Concat reads: the images of its bottoms differ in size."""
    return _unlike(net, rng, "Concat", "pad")


def _unlike(net: Net, rng: random.Random, joiner: str, field: str) -> Mutant | None:
    found = []
    for plan in net.analysis.plans:
        for node in (n for n in plan.graph.nodes if n.type.name == joiner):
            for index in range(1, len(node.bottoms)):
                maker = _convolution(plan, node.bottoms[index])
                reader = node.record.span_of("bottom", index)
                if reader and maker is not None and (place := _written(maker, field)) and _free(maker):
                    found.append((maker.name, place, reader))
    if (pick := _pick(rng, found)) is None:
        return None
    name, place, reader = pick
    value = int(net.text[place.start : place.end])
    return _changed(net, place, str(value + rng.choice((1, 2, 7))), reader, f"{field} of {name}")


def _convolution(plan: Plan, value: int) -> Node | None:
    """The convolution that made a value, if nobody but the layers on the way reads what it made."""
    while True:
        made = plan.graph.values[value]
        if len(made.consumers) != 1:
            return None
        maker = plan.graph.nodes[made.producer]
        if maker.type.name == "Convolution":
            return maker
        if maker.type.name not in KEEPERS or len(maker.bottoms) != 1:
            return None
        value = maker.bottoms[0]


def _free(convolution: Node) -> bool:
    """Whether a convolution may have any number of outputs."""
    return int(convolution.record.convolution_param.group) == 1


def _written(node: Node, field: str) -> Span | None:
    message = getattr(node.record, node.type.param) if node.type.param else node.record
    span = message.span_of(field) if message.has(field) else None
    return span if span and not span.call and span.source.text[span.start : span.end].isdecimal() else None


def _changed(net: Net, place: Span, by: str, wrong: Span, what: str) -> Mutant:
    """The text with a value changed that stands before the place where it shows."""
    text, longer = net.replaced(place.start, place.end, by), len(by) - (place.end - place.start)
    shift = longer if wrong.start > place.start else 0
    old = net.text[place.start : place.end]
    return Mutant(text, wrong.start + shift, wrong.end + shift, f"{what} changed from {old} to {by}")


def kernel_too_large(net: Net, rng: random.Random) -> Mutant | None:
    nodes = {n.name: n for plan in net.analysis.plans for n in plan.graph.nodes}.values()
    windows = [n for n in nodes if n.type.name in ("Convolution", "Pooling") and _written(n, "kernel_size")]
    if (node := _pick(rng, windows)) is None or (place := _written(node, "kernel_size")) is None:
        return None
    by = str(rng.choice((999, 1500, 4001)))
    start = place.start
    where = Span(place.source, start, start + len(by))
    text = net.replaced(place.start, place.end, by)
    return Mutant(text, where.start, where.end, f"kernel_size of {node.name} changed to {by}")


def axis_out_of_range(net: Net, rng: random.Random) -> Mutant | None:
    nodes = {n.name: n for plan in net.analysis.plans for n in plan.graph.nodes}.values()
    found = [n for n in nodes if n.type.name in ("Concat", "Slice", "Softmax", "InnerProduct", "Flatten", "Scale")]
    node = _pick(rng, [n for n in found if _written(n, "axis")])
    if node is None or (place := _written(node, "axis")) is None:
        return None
    by = str(rng.choice((7, 9, -8)))
    text = net.replaced(place.start, place.end, by)
    return Mutant(text, place.start, place.start + len(by), f"axis of {node.name} changed to {by}")


@dataclass(frozen=True)
class Family:
    """A kind of mistakes: how one is made, how many of 300 are of it, and where the diagnostic has to stand."""

    make: Kind
    share: int
    place: str


KINDS: dict[str, Family] = {
    "field name mistyped": Family(field_typo, 40, "the name"),
    "layer type mistyped": Family(type_typo, 25, "the string"),
    "blob name mistyped": Family(blob_typo, 30, "the string after `bottom`"),
    "enum value mistyped": Family(enum_typo, 15, "the value"),
    "closing brace missing": Family(brace_not_closed, 25, "the opening brace of the block"),
    "opening brace missing": Family(brace_not_opened, 15, "the name before it"),
    "closing quote missing": Family(quote_not_closed, 13, "the string, with the quote that is there"),
    "opening quote missing": Family(quote_not_opened, 12, "the string, with the quote that is there"),
    "colon missing": Family(colon_missing, 20, "the value that no colon precedes"),
    "wrong enum value": Family(wrong_enum, 15, "the value"),
    "value of a wrong type": Family(wrong_value, 30, "the value"),
    "single field given twice": Family(field_twice, 20, "the second name"),
    "dangling bottom": Family(dangling_bottom, 15, "the first bottom that reads the blob of a layer taken out"),
    "sum of unlike shapes": Family(sum_of_unlike, 8, "the bottom of the Eltwise whose num_output was changed"),
    "concatenation of unlike images": Family(concat_of_unlike, 5, "the bottom of the Concat whose pad was changed"),
    "kernel too large": Family(kernel_too_large, 8, "the number"),
    "axis out of range": Family(axis_out_of_range, 4, "the number"),
}
