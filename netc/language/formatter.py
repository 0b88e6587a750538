"""Text to canonical text: the same tokens and comments, with the blanks, brackets and separators that netc writes.

One item a line, two blanks a level. A block that is written on one line stays there if it fits; every other block has
one item a line. At most one empty line stands between items. Comments stay before the item, or behind the line, where
they are; one in the middle of an item moves before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from netc.language.lexer import NAMES, scanner
from netc.language.program import Body, Call, Define, Entry, For, If, Item, Let, Operation, Phases, Sequence
from netc.language.tree import Block, Document, Field, ListValue

WIDTH = 100
"""A block on one line makes no line longer than this."""

INDENT = "  "
_COMMENT = re.compile(r"#[^\n]*")
_OPERANDS = ("NAME", "NUMBER", "STRING", "RPAREN", "RSQUARE")
_TIGHT_BEFORE = ("COMMA", "SEMICOLON", "RPAREN", "RSQUARE", "DOTDOT")
_TIGHT_AFTER = ("LPAREN", "LSQUARE", "DOTDOT")


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


def format_document(document: Document) -> str:
    """The canonical form of a parsed text."""
    text = document.source.text
    regions = {region.start: region for region in _regions(document)}
    start = "plain" if document.program is None else "program"
    lines = Formatter(list(_tokens(text, start)), regions, text).lines()
    return "".join(f"{line}\n" for line in lines)


def _tokens(text: str, start: str) -> Iterator[Token]:
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


def _regions(document: Document) -> Iterator[Region]:
    """Every block, and every list that holds blocks."""
    whole: Block | Body = document.program if document.program is not None else document.block
    items: tuple[Item | Field, ...] = whole.items if isinstance(whole, Body) else whole.fields
    yield Region(-1, len(document.source.text), frozenset(item.span.start for item in items), False)
    stack: list[object] = list(items)
    while stack:
        node = stack.pop()
        inner: tuple[object, ...] = ()
        if isinstance(node, Block | Body):
            inner = node.items if isinstance(node, Body) else node.fields
            yield _region(node, inner, False)
        elif isinstance(node, ListValue | Sequence):
            inner = node.items
            if any(isinstance(item, Block | Body) for item in inner):
                yield _region(node, inner, True)
        stack += inner or _parts(node)


def _region(node: Block | Body | ListValue | Sequence, inner: tuple[object, ...], is_list: bool) -> Region:
    starts = frozenset(item.span.start for item in inner)  # type: ignore[attr-defined]
    return Region(node.span.start, node.span.end, starts, is_list)


def _parts(node: object) -> tuple[object, ...]:
    match node:
        case Field() | Entry() | Let():
            return (node.value,)
        case Call() | For() | Phases():
            return (node.body,)
        case Define():
            return (*(parameter.default for parameter in node.parameters), node.body)
        case If():
            return (*(body for _, body in node.branches), node.otherwise)
        case Operation():
            return node.operands
    return ()


class Formatter:
    """Lines of a token list, region by region."""

    def __init__(self, tokens: list[Token], regions: dict[int, Region], text: str) -> None:
        self.tokens = tokens
        self.regions = regions
        self.text = text
        self.at = {token.start: number for number, token in enumerate(tokens)}
        self.out: list[str] = []
        self.separators = frozenset(self._separators())

    def _separators(self) -> Iterator[int]:
        """The numbers of commas and semicolons behind fields."""
        for region in self.regions.values():
            ends = [] if region.is_list else [*region.children, region.end - 1 if region.start >= 0 else region.end]
            for offset in ends:
                number = self.at[offset] - 1
                while number >= 0 and self.tokens[number].kind in ("COMMA", "SEMICOLON"):
                    yield number
                    number -= 1

    def lines(self) -> list[str]:
        self._children(0, len(self.tokens) - 1, self.regions[-1], "")
        return self.out

    def _close(self, region: Region) -> int:
        """The number of a region's closing bracket."""
        return self.at[region.end - 1]

    def _region(self, number: int) -> Region | None:
        token = self.tokens[number]
        return self.regions.get(token.start) if token.kind in ("LBRACE", "LANGLE", "LSQUARE") else None

    def _children(self, first: int, last: int, region: Region, indent: str) -> None:
        """The tokens `first` to `last`, a child a line, and the comments before the token at `last`."""
        begun = len(self.out)
        number = first
        while number < last:
            end = self._item_end(number, last, region)
            self._comments(number, indent, begun, self.tokens[number].comments)
            self._item(number, end, indent, region)
            number = end
        self._comments(last, indent, begun, self.tokens[last].comments, closing=True)

    def _item_end(self, number: int, last: int, region: Region) -> int:
        """The number of the token after the child that begins at `number`."""
        number = self._next(number)
        while number < last and self.tokens[number].start not in region.children:
            number = self._next(number)
        return number

    def _next(self, number: int) -> int:
        inner = self._region(number)
        return (self._close(inner) if inner is not None else number) + 1

    def _comments(self, number: int, indent: str, begun: int, comments: list[Comment], closing: bool = False) -> None:
        """Comments before an item, behind the line before or on their own lines, and the empty line before it."""
        for comment in comments:
            if comment.behind and self.out:
                self.out[-1] += "  " + comment.text
                continue
            if comment.spaced and len(self.out) > begun:
                self.out.append("")
            self.out.append(indent + comment.text)
        if self.tokens[number].spaced and len(self.out) > begun and not closing:
            self.out.append("")

    def _item(self, first: int, end: int, indent: str, region: Region) -> None:
        """One child: on one line if it is written so and fits, otherwise its regions a child a line."""
        number = end - 1
        while number > first and self.tokens[number].kind in ("COMMA", "SEMICOLON"):
            number -= 1
        behind: list[Comment] = [c for t in self.tokens[number + 1 : end] for c in t.comments]
        comma = "," if region.is_list and end - 1 > number else ""
        inner, hoisted = self._outline(first, number + 1)
        for comment in hoisted:
            self.out.append(indent + comment.text)
        line = indent + self._joined(first, number + 1) + comma
        broken = [part for part in inner if not self._on_one_line(part)]
        if not broken and len(line) > WIDTH:
            broken = inner[-1:]
        if broken:
            self._broken(first, number + 1, indent, broken)
            self.out[-1] += comma
        else:
            self.out.append(line)
        for comment in behind:
            self.out[-1] += "  " + comment.text

    def _outline(self, first: int, end: int) -> tuple[list[Region], list[Comment]]:
        """An item's own regions, and the comments in the rest of it."""
        regions: list[Region] = []
        comments: list[Comment] = []
        number = first
        while number < end:
            if number > first:
                comments += self.tokens[number].comments
            inner = self._region(number)
            if inner is not None and not self._empty(inner):
                regions.append(inner)
            number = self._next(number)
        return regions, comments

    def _empty(self, region: Region) -> bool:
        close = self._close(region)
        return self.at[region.start] + 1 == close and not self.tokens[close].comments

    def _on_one_line(self, region: Region) -> bool:
        return "\n" not in self.text[region.start : region.end]

    def _broken(self, first: int, end: int, indent: str, broken: list[Region]) -> None:
        """An item some of whose regions have a child a line."""
        head = first
        line = indent
        number = first
        while number < end:
            inner = self._region(number)
            if inner is None or inner not in broken:
                number = self._next(number)
                continue
            close = self._close(inner)
            self.out.append(line + self._joined(head, number + 1, opened=True))
            self._children(number + 1, close, inner, indent + INDENT)
            line, head, number = indent, close, close + 1
        self.out.append(line + self._joined(head, end))

    # Tokens on one line

    def _joined(self, first: int, end: int, opened: bool = False) -> str:
        """Tokens on one line. If `opened`, the last one opens a region that goes on below."""
        parts: list[str] = []
        choices = 0
        number = first
        while number < end:
            token = self.tokens[number]
            before = self.tokens[number - 1] if number > first else None
            region = self._region(number)
            if region is not None and not region.is_list:
                choices = 0
            if number in self.separators or (token.kind == "COLON" and choices == 0 and self._opens_block(number + 1)):
                number += 1
                continue
            if token.kind == "LSQUARE" and number == first + 1 and token.start in self.regions:
                parts.append(":")
                before = Token("COLON", ":", -1)
            tight = before is None or self._tight(before, token, number, choices)
            parts.append(("" if tight else " ") + self._written(token))
            choices += {"QUESTION": 1, "COLON": -1 if choices else 0}.get(token.kind, 0)
            number += 1
        return "".join(parts)

    def _opens_block(self, number: int) -> bool:
        region = self._region(number)
        return region is not None and not region.is_list

    def _written(self, token: Token) -> str:
        if token.kind in ("LANGLE", "RANGLE") and (token.start in self.regions or self._closes(token)):
            return "{" if token.kind == "LANGLE" else "}"
        text = token.text
        if token.kind == "STRING" and text[0] == "'" and '"' not in text and "\\" not in text:
            return f'"{text[1:-1]}"'
        return text

    def _closes(self, token: Token) -> bool:
        return any(region.end - 1 == token.start and not region.is_list for region in self.regions.values())

    def _tight(self, before: Token, token: Token, number: int, choices: int) -> bool:
        """Whether no blank stands between two tokens."""
        if before.start in self.regions and self.regions[before.start].end - 1 == token.start:
            return True  # an empty block
        if token.kind == "COLON":
            return choices == 0
        if token.kind in _TIGHT_BEFORE or before.kind in _TIGHT_AFTER:
            return True
        if token.kind == "LPAREN":
            return before.kind == "NAME"
        if token.kind == "LSQUARE":
            return before.kind in _OPERANDS
        if before.kind == "MINUS":
            earlier = self.tokens[number - 2].kind if number >= 2 else ""
            return earlier not in _OPERANDS
        return False
