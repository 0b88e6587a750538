"""Text to canonical text: the same tokens and comments, with the blanks, brackets and separators that netc writes.

One item a line, two blanks a level. A block that is written on one line stays there if it fits; every other block has
one item a line. A list or the inputs of a call are on one line if they fit, otherwise between their brackets as many in
a line as fit; a list that holds blocks is written like a block, and one that holds comments has one item a line. At
most one empty line stands between items. Comments stay before the item, or behind the line, where they are; one in the
middle of an item moves before it.
"""

from __future__ import annotations

from collections.abc import Iterator

from netc.language.format_tokens import Comment, Region, Token, brackets_of, like_statements, regions_of, tokens_of
from netc.language.tree import Document

WIDTH = 120
"""Neither a block on one line nor a list makes a line longer than this."""

INDENT = "  "
_OPERANDS = ("NAME", "NUMBER", "STRING", "RPAREN", "RSQUARE")
_TIGHT_BEFORE = ("COMMA", "SEMICOLON", "RPAREN", "RSQUARE")
_TIGHT_AFTER = ("LPAREN", "LSQUARE")

Piece = tuple[int, str]
"""The number of a token, and how it is written, with the blank before it."""


def format_document(document: Document) -> str:
    """The canonical form of a parsed text."""
    text = document.source.text
    tokens = list(tokens_of(text, "plain" if document.plain else "program"))
    regions = {region.start: region for region in regions_of(document, tokens)}
    lines = Formatter(tokens, regions, text, like_statements(document)).lines()
    return "".join(f"{line}\n" for line in lines)


class Formatter:
    """Lines of a token list, region by region. with_colons: where fields begin that keep their colon, or get one."""

    def __init__(self, tokens: list[Token], regions: dict[int, Region], text: str, with_colons: frozenset[int]) -> None:
        self.tokens = tokens
        self.with_colons = with_colons
        self.regions = regions
        self.text = text
        self.brackets = brackets_of(tokens, regions.values())
        self.closing = {region.end - 1 for region in regions.values() if not region.is_list}
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
        self._broken(first, number + 1, indent, broken)
        self.out[-1] += comma
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
        """An item; these of its regions have a child a line."""
        head = first
        number = first
        while number < end:
            inner = self._region(number)
            if inner is None or inner not in broken:
                number = self._next(number)
                continue
            close = self._close(inner)
            self._wrapped(self._pieces(head, number + 1), indent)
            self._children(number + 1, close, inner, indent + INDENT)
            head, number = close, close + 1
        self._wrapped(self._pieces(head, end), indent)

    def _wrapped(self, pieces: list[Piece], indent: str) -> None:
        """Tokens on one line if they fit; otherwise the longest list or inputs among them on lines of their own."""
        line = indent + "".join(text for _, text in pieces).lstrip()
        brackets = self._brackets(pieces) if len(line) > WIDTH else []
        if not brackets:
            self.out.append(line)
            return
        first, last = max(brackets, key=lambda ends: sum(len(text) for _, text in pieces[ends[0] : ends[1]]))
        self._wrapped(pieces[: first + 1], indent)
        begun = len(self.out)
        for item in self._split(pieces[first + 1 : last]):
            text = "".join(text for _, text in item).strip()
            if len(self.out) > begun and len(self.out[-1]) + 1 + len(text) <= WIDTH:
                self.out[-1] += " " + text
            else:
                self._wrapped(item, indent + INDENT)
        self._wrapped(pieces[last:], indent)

    def _brackets(self, pieces: list[Piece]) -> list[tuple[int, int]]:
        """The outermost brackets, outside of blocks, that hold a comma."""
        found, opened, commas, depth = [], 0, 0, 0
        for at, (number, _) in enumerate(pieces):
            kind = self.tokens[number].kind
            commas += kind == "COMMA" and depth == 1
            if self.brackets[number] > 0:
                opened, commas = (opened, commas) if depth else (at, 0)
                depth += 1
            elif self.brackets[number] < 0 and depth:
                depth -= 1
                if not depth and commas and kind in ("RSQUARE", "RPAREN"):
                    found.append((opened, at))
        return found

    def _split(self, pieces: list[Piece]) -> Iterator[list[Piece]]:
        """The items between brackets, each with its comma."""
        item: list[Piece] = []
        depth = 0
        for piece in pieces:
            item.append(piece)
            depth += self.brackets[piece[0]]
            if self.tokens[piece[0]].kind == "COMMA" and not depth:
                yield item
                item = []
        if item:
            yield item

    # Tokens on one line

    def _joined(self, first: int, end: int) -> str:
        return "".join(text for _, text in self._pieces(first, end))

    def _pieces(self, first: int, end: int) -> list[Piece]:
        """Tokens on one line, each with the blank before it."""
        parts: list[Piece] = []
        choices = 0
        number = first
        while number < end:
            token = self.tokens[number]
            before = self.tokens[number - 1] if number > first else None
            region = self._region(number)
            if region is not None and not region.is_list:
                choices = 0
            colon = before is not None and before.start in self.with_colons
            spare = token.kind == "COLON" and choices == 0 and not colon
            if number in self.separators or (spare and self._opens_block(number + 1)):
                number += 1
                continue
            named = number == first + 1 and self.tokens[first].kind == "NAME"
            bare_list = token.kind == "LSQUARE" and named and token.start in self.regions
            if bare_list or (colon and token.kind != "COLON"):
                parts.append((number - 1, ":"))
                before = Token("COLON", ":", -1)
            tight = before is None or self._tight(before, token, number, choices)
            parts.append((number, ("" if tight else " ") + self._written(token)))
            choices += {"QUESTION": 1, "COLON": -1 if choices else 0}.get(token.kind, 0)
            number += 1
        return parts

    def _opens_block(self, number: int) -> bool:
        region = self._region(number)
        return region is not None and not region.is_list

    def _written(self, token: Token) -> str:
        if token.kind in ("LANGLE", "RANGLE") and (token.start in self.regions or token.start in self.closing):
            return "{" if token.kind == "LANGLE" else "}"
        text = token.text
        if token.kind == "STRING" and text[0] == "'" and '"' not in text and "\\" not in text:
            return f'"{text[1:-1]}"'
        return text

    def _tight(self, before: Token, token: Token, number: int, choices: int) -> bool:
        """Whether no blank stands between two tokens."""
        if before.start in self.regions and self.regions[before.start].end - 1 == token.start:
            return True  # an empty block
        if token.kind == "COLON":
            return choices == 0
        if "DOTDOT" in (token.kind, before.kind):  # `2. .. 4`: the first point is the number's
            return not self.tokens[number - 1 - (before.kind == "DOTDOT")].text.endswith(".")
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
