"""Where in a text a place is: in which blocks, behind which field. Works on text that cannot be parsed yet."""

from __future__ import annotations

import re
from dataclasses import dataclass

from netc.lsp.analysis import Analysis
from netc.schema.record import FieldType, MessageType, Schema

TOKEN = re.compile(
    r"""(?P<comment>\#[^\n]*)
      | (?P<string>"(?:[^"\\\n]|\\.)*+"?|'(?:[^'\\\n]|\\.)*+'?)
      | (?P<word>[A-Za-z_][\w]*)
      | (?P<number>[\d.][\w.]*)
      | (?P<operator>[-+*/%])
      | (?P<mark>[{}<>()\[\]:=,;])
      | (?P<other>[^\s])""",
    re.VERBOSE,
)
STATEMENTS = frozenset({"def", "for", "if", "else", "train", "test", "deploy"})


@dataclass(frozen=True, slots=True)
class Context:
    """The blocks around a place, outermost first (`layer`, `convolution_param`; `Convolution()` for a call's body), the
    field whose value is being written there, if one is, whether that is inside a string, and whether it is between the
    parentheses of a call."""

    blocks: tuple[str, ...]
    field: str | None
    in_string: bool
    in_comment: bool
    in_call: bool = False


def context_at(text: str, offset: int) -> Context:
    """Scan the text up to an offset."""
    blocks: list[str] = []
    heads: list[str] = []  # words since the last brace, or the end of the last value
    field: str | None = None
    call: str | None = None
    depth = 0
    value = behind = 0  # where the last value and the last `)` end
    last: str | None = None
    outer: list[tuple[list[str], str | None, int]] = []  # what each block interrupts: in parentheses, it goes on
    for match in TOKEN.finditer(text, 0, offset):
        kind, token = match.lastgroup, match.group()
        if kind == "comment":
            if match.end() == offset and "\n" not in text[match.start() : offset]:
                return Context(tuple(blocks), None, False, True)
        elif kind == "string":
            closed = len(token) > 1 and token[-1] == token[0] and not token.endswith("\\" + token[0])
            if match.end() == offset and not closed:
                return Context(tuple(blocks), field, True, False, depth > 0)
            field = None
        elif kind in ("word", "number"):
            if call and not depth and "\n" in text[behind : match.start()]:
                heads, call = [], None  # a call's body begins on the line where its inputs end
            if field is not None and match.end() < offset and depth == 0:
                field, last, value = None, field, match.end()
            elif field is None and kind == "word":
                heads.append(token)
        elif kind == "operator":
            if field is None and value and not text[value : match.start()].strip():
                field = last  # the value goes on
        elif token == "(":
            depth += 1
            call = heads[-1] if heads else None
        elif token == ")":
            depth, behind = max(0, depth - 1), match.end()
        elif token == "{":
            first = heads[0] if heads else ""
            name = (
                ""
                if depth
                else f"{call}()"
                if call and first not in STATEMENTS
                else (field or (heads[-1] if heads else ""))
            )
            blocks.append("" if depth else first if first in STATEMENTS else name)
            outer.append((heads, call, depth))
            heads, field, call, depth = [], None, None, 0
        elif token == "}":
            if blocks:
                blocks.pop()
            before = outer.pop() if outer else ([], None, 0)
            heads, call, depth = before if before[2] else ([], None, 0)
            field = None
        elif token == ":" and heads and depth == 0:
            field = heads[-1]
            heads = []
        elif token in ",;" and depth == 0:
            field = None
    return Context(tuple(blocks), field, False, False, depth > 0)


def messages_at(analysis: Analysis, blocks: tuple[str, ...]) -> tuple[MessageType, ...]:
    """The messages whose fields may stand in these blocks: a call's body has the type's own, then the layer's."""
    schema = analysis.schema
    root = schema.message("SolverParameter" if analysis.solver else "NetParameter")
    found: tuple[MessageType, ...] = (root,)
    for block in blocks:
        if block in STATEMENTS:
            continue
        if block.endswith("()"):
            layer = schema.message("LayerParameter")
            layer_type = analysis.types.types.get(block[:-2])
            own = layer.fields[layer_type.param].message if layer_type and layer_type.param else None
            found = (own, layer) if own else (layer,)
            continue
        fields = [m.fields[block] for m in found if block in m.fields]
        inner = fields[0].message if fields else _searched(found, schema)
        if inner is None:
            return ()
        found = (inner,)
    return found


def _searched(found: tuple[MessageType, ...], schema: Schema) -> MessageType | None:
    """The message of a block with a name of its own: in a search block that is what varies."""
    names = {message.name for message in found}
    return schema.message("SearchRange") if names & {"SearchParameter", "SearchRange"} else None


def field_at(analysis: Analysis, context: Context, name: str) -> FieldType | None:
    """The field of this name in the blocks of a context."""
    for message in messages_at(analysis, context.blocks):
        if name in message.fields:
            return message.fields[name]
    return None


def word_at(text: str, offset: int) -> tuple[str, int, int]:
    """The word or string content around an offset, with its start and end; empty if there is none."""
    line_start = text.rfind("\n", 0, offset) + 1
    line_end = text.find("\n", offset)
    line_end = len(text) if line_end < 0 else line_end
    for match in re.finditer(r"\"([^\"\n]*)\"|'([^'\n]*)'|[\w./-]+", text[line_start:line_end]):
        start, end = line_start + match.start(), line_start + match.end()
        if start <= offset <= end:
            quoted = match.group()[0] in "\"'"
            return (match.group()[1:-1], start + 1, end - 1) if quoted else (match.group(), start, end)
    return "", offset, offset
