"""Sizes that are known only when the file runs, and arithmetic with them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Protocol


class Operations(Protocol):
    """Where operations are added: a layer's writer."""

    def op(self, type: str, *inputs: str) -> str: ...

    def integers(self, values: list[int]) -> str: ...


class Runtime:
    """A size that is free: an int64 array of one element in the ONNX graph, whose operations are added when it is used.

    Sums, products and quotients of sizes are sizes. Quotients are cut (the operands are never negative where it
    matters), as ONNX does.
    """

    def __init__(self, layer: Operations, make: Callable[[], str], of: tuple[str, int] | None = None) -> None:
        """of: the value and the axis whose size it is, if it is one's."""
        self._layer, self._make, self.of = layer, make, of

    @cached_property
    def name(self) -> str:
        """What the array is called in the graph."""
        return self._make()

    def _with(self, type: str, other: Dim, swap: bool = False) -> Runtime:
        def make() -> str:
            value = other.name if isinstance(other, Runtime) else self._layer.integers([other])
            pair = (value, self.name) if swap else (self.name, value)
            return self._layer.op(type, *pair)

        return Runtime(self._layer, make)

    def __add__(self, other: Dim) -> Dim:
        return self if other == 0 else self._with("Add", other)

    def __radd__(self, other: int) -> Dim:
        return self + other

    def __sub__(self, other: Dim) -> Dim:
        return self if other == 0 else self._with("Sub", other)

    def __rsub__(self, other: int) -> Dim:
        return self._with("Sub", other, swap=True)

    def __mul__(self, other: Dim) -> Dim:
        return self if other == 1 else self._with("Mul", other)

    def __rmul__(self, other: int) -> Dim:
        return self * other

    def __floordiv__(self, other: Dim) -> Dim:
        return self if other == 1 else self._with("Div", other)

    def __rfloordiv__(self, other: int) -> Dim:
        return self._with("Div", other, swap=True)

    def most(self, other: Dim) -> Runtime:
        """The larger of both."""
        return self._with("Max", other)

    def least(self, other: Dim) -> Runtime:
        """The smaller of both."""
        return self._with("Min", other)


Dim = int | Runtime


def largest(a: Dim, b: Dim) -> Dim:
    """The larger of two sizes."""
    if isinstance(a, Runtime):
        return a.most(b)
    return b.most(a) if isinstance(b, Runtime) else max(a, b)


def smallest(a: Dim, b: Dim) -> Dim:
    """The smaller of two sizes."""
    if isinstance(a, Runtime):
        return a.least(b)
    return b.least(a) if isinstance(b, Runtime) else min(a, b)


def rounded_up(dim: Dim, by: int) -> Dim:
    """A quotient of a size that is not negative, rounded up."""
    return (dim + (by - 1)) // by
