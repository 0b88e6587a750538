"""The ONNX graph under construction, and what a layer's writer is given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import Any, NoReturn

import numpy as np

from netc.convert.codes import NOT_FREE
from netc.convert.counterparts import refuse_field
from netc.convert.onnx.runtime import Dim, Runtime
from netc.convert.onnx.sizes import Kinds
from netc.errors import Diagnostic, NetError
from netc.graph import Node
from netc.layer import Array, Setup, Shape


@dataclass(slots=True)
class Operation:
    """One node of the ONNX graph. domain: "" for ONNX's own operators."""

    type: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any]
    domain: str = ""


@dataclass(frozen=True, slots=True)
class State:
    """A value that a layer would keep from run to run: an input that is zero unless it is given, and an output."""

    before: str
    after: str
    shape: Shape


@dataclass
class Writer:
    """Operations in order, and the arrays that they read besides the inputs.

    domain: whose own nodes may be used where ONNX has no operator: "", "opencv" or "openvino". may_find_nothing: the
    net has a layer whose tops may have no rows.
    """

    names: set[str] = field(default_factory=set)
    domain: str = ""
    may_find_nothing: bool = False
    operations: list[Operation] = field(default_factory=list)
    arrays: dict[str, Array] = field(default_factory=dict)
    states: list[State] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    constants: dict[tuple[str, Shape, bytes], str] = field(default_factory=dict)
    halved: dict[tuple[str, Shape], str] = field(default_factory=dict)

    def unique(self, name: str) -> str:
        """A name that is free, this one if it is, else this one with a number; from now on it is taken."""
        made, count = name, 2
        while made in self.names:
            made, count = f"{name}_{count}", count + 1
        self.names.add(made)
        return made

    def array(self, values: Array, name: str) -> str:
        """An array that the graph holds; equal small ones are one."""
        values = np.ascontiguousarray(values) if values.ndim else np.array(values)
        key = (str(values.dtype), values.shape, values.tobytes()) if values.nbytes <= 256 else None
        if key in self.constants:
            return self.constants[key]
        made = self.unique(name)
        self.arrays[made] = values
        if key is not None:
            self.constants[key] = made
        return made

    def rename(self, old: str, new: str, since: int) -> None:
        """Give a value made by one of the operations since a moment another name."""
        for operation in self.operations[since:]:
            operation.inputs = [new if name == old else name for name in operation.inputs]
            operation.outputs = [new if name == old else name for name in operation.outputs]

    def made_since(self, since: int) -> set[str]:
        return {name for operation in self.operations[since:] for name in operation.outputs}


@dataclass(frozen=True)
class LayerWriter:
    """One layer: the names of its bottoms in the ONNX graph, all shapes, its parameters.

    A type's writer adds operations by `op` and gives the name of each top. Constants are float32 unless they say
    otherwise. `p` is the record of the type's own message. `bottom_shapes` and `top_shapes` are those at the net's own
    sizes; where sizes are free, `shape`, `dims` and `top_dims` have a `Runtime` in the place of a number, with which
    one calculates as with a number.
    """

    writer: Writer
    node: Node
    setup: Setup
    bottoms: tuple[str, ...]
    bottom_shapes: tuple[Shape, ...]
    top_shapes: tuple[Shape, ...]
    params: tuple[Array, ...]
    param_names: tuple[str, ...]
    bottom_kinds: tuple[Kinds, ...]
    top_kinds: tuple[Kinds, ...]

    @property
    def p(self) -> Any:
        record = self.node.record
        return getattr(record, self.node.type.param) if self.node.type.param else record

    @property
    def x(self) -> str:
        return self.bottoms[0]

    # ------------------------------------------------------------ sizes

    @property
    def shape(self) -> tuple[Dim, ...]:
        """The first bottom's."""
        return self.dims(0)

    def dims(self, bottom: int) -> tuple[Dim, ...]:
        return self._dims[bottom]

    @cached_property
    def _dims(self) -> tuple[tuple[Dim, ...], ...]:
        pairs = zip(self.bottoms, self.bottom_kinds, strict=True)
        return tuple(tuple(self._dim(name, axis, kind) for axis, kind in enumerate(kinds)) for name, kinds in pairs)

    def _dim(self, value: str, axis: int, kind: tuple[int, ...]) -> Dim:
        return kind[0] if len(set(kind)) == 1 else Runtime(self, lambda: self.size(value, axis), (value, axis))

    def top_dims(self, top: int = 0) -> tuple[Dim | None, ...]:
        """A top's sizes; a free one is that of a bottom that is the same in every variation, else None."""
        return tuple(self._like(kind) for kind in self.top_kinds[top])

    def _like(self, kind: tuple[int, ...]) -> Dim | None:
        if len(set(kind)) == 1:
            return kind[0]
        for kinds, dims in zip(self.bottom_kinds, self._dims, strict=True):
            if kind in kinds:
                return dims[kinds.index(kind)]
        return None

    def is_free(self, *axes: int, bottom: int = 0) -> bool:
        """Whether one of these axes of a bottom (all of them, if none is named) has a size that is free."""
        kinds = self.bottom_kinds[bottom]
        return any(len(set(kinds[axis])) > 1 for axis in axes or range(len(kinds)))

    def size(self, value: str, axis: int) -> str:
        """The size of a value along an axis, as an int64 array of one element."""
        return self.op("Shape", value, start=axis, end=axis + 1)

    def axis(self, axis: int) -> int:
        """An axis of the first bottom, counted from the front."""
        return axis % len(self.bottom_shapes[0]) if self.bottom_shapes[0] else 0

    # ------------------------------------------------------------ operations

    def op(self, type: str, *inputs: str, **attributes: Any) -> str:
        """Add an operation with one output; gives the output's name."""
        return self.ops(type, inputs, 1, **attributes)[0]

    def ops(self, type: str, inputs: Sequence[str], outputs: int, domain: str = "", **attributes: Any) -> list[str]:
        """Add an operation with several outputs; gives their names."""
        names = [self.writer.unique(f"{self.node.name}/{type.lower()}") for _ in range(outputs)]
        self.writer.operations.append(Operation(type, list(inputs), names, attributes, domain))
        return names

    def param(self, index: int, shape: Shape | None = None) -> str:
        """The name of a parameter's array, in another shape if one is given."""
        values, name = self.params[index], self.param_names[index]
        if values.dtype == np.float16:
            return self._halved(index, shape)
        if shape is None or shape == values.shape:
            if name not in self.writer.arrays:
                self.writer.arrays[name] = np.asarray(values, np.float32)
            return name
        return self.numbers(values.reshape(shape), name)

    def _halved(self, index: int, shape: Shape | None) -> str:
        """A parameter that is stored in FP16, as FP32 again."""
        values, name = self.params[index], self.param_names[index]
        shape = values.shape if shape is None else shape
        key = (name, shape)
        if key not in self.writer.halved:
            stored = self.writer.unique(f"{name}/half")
            self.writer.arrays[stored] = values.reshape(shape)
            self.writer.halved[key] = self.to_float(stored)
        return self.writer.halved[key]

    def numbers(self, values: Any, name: str = "constant") -> str:
        """A constant of float32."""
        return self.writer.array(np.asarray(values, np.float32), name)

    def integers(self, values: Any) -> str:
        """A constant of int64: shapes, axes, indices."""
        return self.writer.array(np.asarray(values, np.int64), "integers")

    def vector(self, dims: Sequence[Dim]) -> str:
        """Sizes as one int64 array: a constant where all are known."""
        if all(isinstance(dim, int) for dim in dims):
            return self.integers(np.array(dims, np.int64))
        parts = [dim.name if isinstance(dim, Runtime) else self.integers([dim]) for dim in dims]
        return parts[0] if len(parts) == 1 else self.op("Concat", *parts, axis=0)

    def reshape(self, value: str, shape: Sequence[Dim | None]) -> str:
        """The value in another shape; one size may be None or -1, which is what is left.

        A size that stays where it is is 0, which copies it. What is left is worked out from how many values there are,
        so nothing is left to it where there may be none.
        """
        dims: list[Dim] = [-1 if dim is None else dim for dim in shape]
        if sum(isinstance(dim, int) and dim < 0 for dim in dims) > 1:
            self.refuse_free("more than one size of its top would have to be worked out while it runs")
        for at, dim in enumerate(dims):
            if isinstance(dim, Runtime) and dim.of == (value, at):
                dims[at] = 0
        free = [at for at, dim in enumerate(dims) if isinstance(dim, Runtime)]
        if free and -1 not in dims and not self.writer.may_find_nothing:
            dims[free[-1]] = -1
        return self.op("Reshape", value, self.vector(dims))

    def plus(self, value: str, number: float) -> str:
        return value if number == 0 else self.op("Add", value, self.numbers(number))

    def times(self, value: str, number: float) -> str:
        return value if number == 1 else self.op("Mul", value, self.numbers(number))

    def to_float(self, value: str) -> str:
        return self.op("Cast", value, to=1)

    def to_index(self, value: str) -> str:
        return self.op("Cast", value, to=7)

    def size_of(self, value: str) -> str:
        """All sizes of a value, as an int64 array."""
        return self.op("Shape", value)

    def zeros(self, dims: Sequence[Dim]) -> str:
        """An array of zeros (float32)."""
        return self.op("ConstantOfShape", self.vector(dims))

    def count(self, dim: Dim) -> str:
        """0, 1, ... up to a size, as int64."""
        if isinstance(dim, int):
            return self.integers(np.arange(dim))
        stop = self.op("Squeeze", dim.name, self.integers([0]))
        return self.op("Range", self.integers(0), stop, self.integers(1))

    # ------------------------------------------------------------ refusals

    def refuse(self, message: str, *fields: str) -> NoReturn:
        """Raise the diagnostic that ONNX has nothing for what the first of `fields` asks for."""
        refuse_field(self.node, message, *fields)

    def refuse_free(self, message: str) -> NoReturn:
        """Raise the diagnostic that a size cannot be free because of this layer."""
        record = self.node.record
        raise NetError(Diagnostic.of_layer(record, NOT_FREE, message, record.span, help=NOT_FREE.fix))

    def known_sizes(self, *axes: int, bottom: int = 0) -> None:
        """Refuse free sizes of these axes of a bottom (all of them, if none is named)."""
        if self.is_free(*axes, bottom=bottom):
            self.refuse_free(f"ONNX has nothing for {self.node.type.name} over a size that is free")


def product(dims: Sequence[Dim]) -> Dim:
    """The number of values; 1 for none."""
    return prod(dims, start=1)


Tops = str | list[str]
Write = Callable[[LayerWriter], Tops]
