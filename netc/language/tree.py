"""The syntax tree: what is written and where, before anything has a type. Nothing here knows a layer or a message.

Protobuf text format has blocks of fields, whose values are scalars, lists and blocks. A file with statements has the
same nodes; its fields may hold expressions, and statements stand among them. `expand` carries the statements out, and
what it makes is text format again.

Nodes are frozen, and equal to nothing but themselves: their spans belong to one text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from netc.errors import Diagnostic, Source, Span

ScalarKind = Literal["number", "string", "identifier"]


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """A parsed file. It is `plain` if it is text format as it stands: no statements, expressions or phase blocks.

    settings: the fields that were set from outside, which are put in when the statements have been carried out.
    """

    block: Block
    source: Source
    plain: bool = True
    settings: tuple[Setting, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Setting:
    """`NAME=VALUE` from outside: the name of a constant or the path of a field, and what is put there.

    value: None if the text is no expression, because of `problems`; then it can be a string only.
    """

    name: str
    value: Value | None
    text: str
    name_span: Span
    span: Span
    problems: tuple[Diagnostic, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """What stands between two braces, or in a whole document."""

    items: tuple[Item, ...]
    span: Span

    @property
    def fields(self) -> tuple[Field, ...]:
        """The fields among the items; in text format there is nothing else."""
        return tuple([item for item in self.items if type(item) is Field])


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """`name: value` or `name { ... }`."""

    name: str
    name_span: Span
    value: Value
    span: Span


# Values. Text format has scalars, blocks and lists of either.


@dataclass(frozen=True, slots=True, eq=False)
class Scalar:
    """A number or identifier as it was written (sign included), or a string's decoded value (adjacent parts joined)."""

    kind: ScalarKind
    text: str
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class ListValue:
    """`[a, b]`: of a field, the same field repeated. `depth`: how many lists and operators are inside one another."""

    items: tuple[Value, ...]
    span: Span
    depth: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class Text:
    """A string with `${...}` in it: its pieces in order."""

    pieces: tuple[str | Expression, ...]
    span: Span
    depth: int


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """An operator (`-`, `not`, `+`, `?`, `[]`, `()`, ...) or a function, and its operands."""

    operator: str
    operands: tuple[Expression, ...]
    span: Span
    depth: int


Expression = Scalar | Text | Operation | ListValue
Value = Expression | Block


# Statements


@dataclass(frozen=True, slots=True, eq=False)
class Name:
    """An identifier where it was written."""

    text: str
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Let:
    """`let name = value`."""

    name: Name
    value: Value
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """A name to assign to, and the label of its blob."""

    name: Name
    label: Expression | None


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """`targets = callee(inputs) as label { body }`; an input is an identifier or a string."""

    targets: tuple[Target, ...]
    callee: Name
    inputs: tuple[Expression, ...]
    label: Expression | None
    body: Block | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Alias:
    """`target = name`."""

    target: Target
    name: Name
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Parameter:
    """A parameter of a composite."""

    name: Name
    default: Value | None


@dataclass(frozen=True, slots=True, eq=False)
class Define:
    """A composite: `def name(inputs; parameters) -> outputs { body }`."""

    name: Name
    inputs: tuple[Name, ...]
    parameters: tuple[Parameter, ...]
    outputs: tuple[Name, ...]
    body: Block
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class For:
    """`for names in first..last` or, without a last, `for names in list`."""

    names: tuple[Name, ...]
    first: Expression
    last: Expression | None
    body: Block
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class If:
    """`if condition { body } else if ... else { otherwise }`."""

    branches: tuple[tuple[Expression, Block], ...]
    otherwise: Block | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Import:
    """`import "path"`."""

    path: Expression
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Phases:
    """`train { ... }`, `train, test { ... }`."""

    names: tuple[Name, ...]
    body: Block
    span: Span


Statement = Let | Call | Alias | Define | For | If | Import | Phases
Item = Field | Statement
