"""What a layer type's PyTorch writer is given, and what it gives: a module to make, and what forward says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from netc.convert.counterparts import refuse_field
from netc.convert.torch.code import Bottom, Call, Expression, Own, call
from netc.graph import Node
from netc.layer import Array, Setup, Shape

REQUIRED = object()
"""The default of an argument that has none."""


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of a module's constructor. One that is its default is not written."""

    name: str
    value: Any
    default: Any = REQUIRED
    positional: bool = False


@dataclass(frozen=True, slots=True)
class Module:
    """A call that makes a module: `nn.Conv2d(3, 64, 7)`."""

    function: str
    arguments: tuple[Argument, ...] = ()


@dataclass(frozen=True, slots=True)
class State:
    """A parameter or buffer of a module: its values, and which blob of the layer it is (None if it is none).

    turned: the blob's two axes are the other way round there.
    """

    values: Array
    blob: int | None = None
    turned: bool = False


@dataclass(frozen=True, slots=True)
class Written:
    """A layer in PyTorch: an expression for each top, or (`together`) one that gives them all as a tuple.

    module: what `Own()` stands for in them. state: its parameters and buffers by the names that PyTorch gives them
    ("" for a module that is a parameter itself). normalizes, affine: a BatchNorm without scale and shift, and a module
    that is nothing but these, of each channel: one after the other they are one module. brings: texts of functions and
    classes that they use and PyTorch does not have; a text names `torch`, `nn` and `Tensor` as they are imported.
    """

    tops: tuple[Expression, ...]
    module: Module | None = None
    state: Mapping[str, State] = field(default_factory=dict)
    together: bool = False
    normalizes: bool = False
    affine: bool = False
    brings: tuple[str, ...] = ()


@dataclass(frozen=True)
class LayerWriter:
    """One layer: all shapes, its parameters. A type's writer gives a `Written`, mostly by `module` or `made`.

    `p` is the record of the type's own message. What differs between training and predicting is written for both, as
    modules do it: by their mode. `may_be_empty`: how many items its first bottom has depends on values; perhaps none.
    """

    node: Node
    setup: Setup
    bottom_shapes: tuple[Shape, ...]
    top_shapes: tuple[Shape, ...]
    params: tuple[Array, ...]
    may_be_empty: bool = False

    @property
    def p(self) -> Any:
        record = self.node.record
        return getattr(record, self.node.type.param) if self.node.type.param else record

    @property
    def shape(self) -> Shape:
        return self.bottom_shapes[0]

    @property
    def bottoms(self) -> tuple[Bottom, ...]:
        return tuple(map(Bottom, range(len(self.bottom_shapes))))

    def axis(self, axis: int) -> int:
        """An axis of the first bottom, counted from the front."""
        return axis % len(self.shape) if self.shape else 0

    def refuse(self, message: str, *fields: str) -> NoReturn:
        """Raise the diagnostic (CNV011) that PyTorch has nothing for what the first of `fields` asks for."""
        refuse_field(self.node, message, *fields)


Write = Callable[[LayerWriter], Written]

X = Bottom(0)
OWN = Own()


def made(*tops: Expression) -> Written:
    """A layer without a module: an expression for each top."""
    return Written(tops)


def module(
    function: str,
    *arguments: Any,
    state: Mapping[str, State] | None = None,
    tops: Sequence[Expression] | None = None,
    options: Sequence[Argument] = (),
) -> Written:
    """A layer that is a module: values that stand in their places, then arguments by name.

    tops: what forward says, if it is not the module called with the first bottom.
    """
    given = tuple(a if isinstance(a, Argument) else Argument(f"arg{i}", a) for i, a in enumerate(arguments))
    placed = tuple(Argument(a.name, a.value, a.default, positional=True) for a in given)
    found = tuple(tops) if tops is not None else (call(OWN, X),)
    return Written(found, Module(function, (*placed, *options)), state or {})


def applied(function: str, **options: Any) -> Write:
    """A type that is one function of its bottom, without fields."""
    expression: Call = call(function, X, **options)
    return lambda layer: Written((expression,))


def same(values: Sequence[int]) -> Any:
    """One number where all are equal, as people write it, else a tuple."""
    return values[0] if len(set(values)) == 1 else tuple(values)
