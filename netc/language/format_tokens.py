"""What the formatter works on: the tokens of a text with their comments, and the brackets with one child a line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from netc.language.builder import PHASES
from netc.language.lexer import KEYWORDS, NAMES, scanner
from netc.language.tree import Block, Call, Define, Document, Field, For, If, Let, ListValue, Operation, Phases

_BRACKETS = {
    **dict.fromkeys(("LBRACE", "LANGLE", "LSQUARE", "LPAREN"), 1),
    **dict.fromkeys(("RBRACE", "RANGLE", "RSQUARE", "RPAREN"), -1),
}
_COMMENT = re.compile(r"#[^\n]*")


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment: whether it stands behind other text on its line, and whether an empty line precedes it."""

    text: str
    behind: bool
    spaced: bool


@dataclass(slots=True)
class Token:
    """A terminal, the comments before it, and whether an empty line stands just before it."""

    kind: str
    text: str
    start: int
    comments: list[Comment] = field(default_factory=list)
    spaced: bool = False


@dataclass(frozen=True, slots=True)
class Region:
    """Brackets with one child a line: offsets of the opening bracket, behind the closing one, and of the children."""

    start: int
    end: int
    children: frozenset[int]
    is_list: bool


def tokens_of(text: str, start: str) -> Iterator[Token]:
    for match in scanner(start).finditer(text):
        kind = match.lastindex or 0
        token = Token(NAMES[kind], match[kind], match.start(kind))
        at = match.start()
        for comment in _COMMENT.finditer(text, match.start(), token.start):
            gap = text[at : comment.start()]
            behind = "\n" not in gap and at > 0
            token.comments.append(Comment(comment[0].rstrip(), behind, gap.count("\n") > 1))
            at = comment.end()
        token.spaced = text.count("\n", at, token.start) > 1
        yield token
        if token.kind == "END":
            return


def regions_of(document: Document, tokens: list[Token]) -> list[Region]:
    """Every block, and every list that holds blocks or comments."""
    found = [Region(-1, len(document.source.text), _starts(document.block), False)]
    lists: list[ListValue] = []
    for node in _nodes(document):
        if isinstance(node, Block):
            found.append(Region(node.span.start, node.span.end, _starts(node), False))
        elif isinstance(node, ListValue) and node.items:
            lists.append(node)
    return found + list(_lists(lists, tokens, brackets_of(tokens, found)))


def like_statements(document: Document) -> frozenset[int]:
    """Where fields begin that only a colon tells from a statement: `as: { ... }`, `train: { ... }`."""
    blocks = (node for node in _nodes(document) if isinstance(node, Field) and isinstance(node.value, Block))
    return frozenset(field.name_span.start for field in blocks if field.name in (*KEYWORDS, *PHASES))


def _nodes(document: Document) -> Iterator[object]:
    """All nodes of a document's tree, in no order."""
    waiting: list[object] = list(document.block.items)
    while waiting:
        node = waiting.pop()
        yield node
        waiting += _parts(node)


def brackets_of(tokens: list[Token], blocks: Iterable[Region]) -> list[int]:
    """Of each token 1 if it opens a bracket, -1 if it closes one, else 0; `<` and `>` may also compare."""
    angles = {place for block in blocks for place in (block.start, block.end - 1)}
    return [_BRACKETS.get(token.kind, 0) if token.text not in "<>" or token.start in angles else 0 for token in tokens]


def _lists(lists: list[ListValue], tokens: list[Token], brackets: list[int]) -> Iterator[Region]:
    at = {token.start: number for number, token in enumerate(tokens)}
    for node in lists:
        first, last = at[node.span.start], at[node.span.end - 1]
        blocks = any(isinstance(item, Block) for item in node.items)
        if blocks or any(token.comments for token in tokens[first + 1 : last + 1]):
            children = frozenset(_items(tokens, brackets, first, last))
            yield Region(node.span.start, node.span.end, children, True)


def _items(tokens: list[Token], brackets: list[int], first: int, last: int) -> Iterator[int]:
    """Where the items begin of the list with these numbers of brackets."""
    yield tokens[first + 1].start
    depth = 0
    for number in range(first, last):
        depth += brackets[number]
        if depth == 1 and tokens[number].kind == "COMMA" and number + 1 < last:
            yield tokens[number + 1].start


def _starts(block: Block) -> frozenset[int]:
    return frozenset(item.span.start for item in block.items)


def _parts(node: object) -> tuple[object, ...]:
    match node:
        case Block(items=parts) | ListValue(items=parts) | Operation(operands=parts):
            return parts
        case Field() | Let():
            return (node.value,)
        case Call() | For() | Phases():
            return (node.body,)
        case Define():
            return (*(parameter.default for parameter in node.parameters), node.body)
        case If():
            return (*(body for _, body in node.branches), node.otherwise)
    return ()
