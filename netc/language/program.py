"""The tree of a file with statements: what docs/language.md calls items, bodies and expressions."""

from __future__ import annotations

from dataclasses import dataclass

from netc.errors import Span
from netc.language.tree import Scalar


@dataclass(frozen=True, slots=True)
class Text:
    """A string with `${...}` in it: its pieces in order."""

    pieces: tuple[str | Expression, ...]
    span: Span
    depth: int = 1


@dataclass(frozen=True, slots=True)
class Operation:
    """An operator (`-`, `not`, `+`, `?`, `[]`, ...) or a function, and its operands."""

    operator: str
    operands: tuple[Expression, ...]
    span: Span
    depth: int


@dataclass(frozen=True, slots=True)
class Sequence:
    """`[a, b]`; blocks may be among the items."""

    items: tuple[Expression | Body, ...]
    span: Span
    depth: int


Expression = Scalar | Text | Operation | Sequence


@dataclass(frozen=True, slots=True)
class Entry:
    """A field whose value may be computed."""

    name: str
    name_span: Span
    value: Expression | Body
    span: Span


@dataclass(frozen=True, slots=True)
class Name:
    """An identifier where it was written."""

    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class Let:
    name: Name
    value: Expression | Body
    span: Span


@dataclass(frozen=True, slots=True)
class Target:
    """A name to assign to, and the label of its blob."""

    name: Name
    label: Expression | None


@dataclass(frozen=True, slots=True)
class Call:
    """`targets = callee(inputs) as label { body }`; an input is an identifier or a string."""

    targets: tuple[Target, ...]
    callee: Name
    inputs: tuple[Expression, ...]
    label: Expression | None
    body: Body | None
    span: Span


@dataclass(frozen=True, slots=True)
class Alias:
    """`target = name`."""

    target: Target
    name: Name
    span: Span


@dataclass(frozen=True, slots=True)
class Parameter:
    name: Name
    default: Expression | Body | None


@dataclass(frozen=True, slots=True)
class Define:
    """A composite."""

    name: Name
    inputs: tuple[Name, ...]
    parameters: tuple[Parameter, ...]
    outputs: tuple[Name, ...]
    body: Body
    span: Span


@dataclass(frozen=True, slots=True)
class For:
    """`for names in first..last` or, without a last, `for names in list`."""

    names: tuple[Name, ...]
    first: Expression
    last: Expression | None
    body: Body
    span: Span


@dataclass(frozen=True, slots=True)
class If:
    branches: tuple[tuple[Expression, Body], ...]
    otherwise: Body | None
    span: Span


@dataclass(frozen=True, slots=True)
class Import:
    path: Expression
    span: Span


@dataclass(frozen=True, slots=True)
class Phases:
    """`train { ... }`, `train, test { ... }`."""

    names: tuple[Name, ...]
    body: Body
    span: Span


Item = Entry | Let | Call | Alias | Define | For | If | Import | Phases


@dataclass(frozen=True, slots=True)
class Body:
    """The items between two braces, or of a whole file."""

    items: tuple[Item, ...]
    span: Span
