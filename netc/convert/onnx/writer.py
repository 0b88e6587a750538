"""The ONNX graph under construction, and what a layer's writer is given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np

from netc.convert.counterparts import refuse_field
from netc.graph import Node
from netc.layer import Array, Setup, Shape

OPSET = 17
"""The version of ONNX's operators that is written: the first with LayerNormalization."""


@dataclass(slots=True)
class Operation:
    """One node of the ONNX graph."""

    type: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any]


@dataclass
class Writer:
    """Operations in order, and the arrays that they read besides the inputs."""

    operations: list[Operation] = field(default_factory=list)
    arrays: dict[str, Array] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    constants: dict[tuple[str, Shape, bytes], str] = field(default_factory=dict)

    def unique(self, name: str) -> str:
        """This name, or with a number if it is taken; from now on it is."""
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
    otherwise. `p` is the record of the type's own message.
    """

    writer: Writer
    node: Node
    setup: Setup
    bottoms: tuple[str, ...]
    bottom_shapes: tuple[Shape, ...]
    top_shapes: tuple[Shape, ...]
    params: tuple[Array, ...]
    param_names: tuple[str, ...]

    @property
    def p(self) -> Any:
        record = self.node.record
        return getattr(record, self.node.type.param) if self.node.type.param else record

    @property
    def x(self) -> str:
        return self.bottoms[0]

    @property
    def shape(self) -> Shape:
        return self.bottom_shapes[0]

    def axis(self, axis: int) -> int:
        """An axis of the first bottom, counted from the front."""
        return axis % len(self.shape) if self.shape else 0

    def op(self, type: str, *inputs: str, **attributes: Any) -> str:
        """Add an operation with one output; gives the output's name."""
        return self.ops(type, inputs, 1, **attributes)[0]

    def ops(self, type: str, inputs: Sequence[str], outputs: int, **attributes: Any) -> list[str]:
        """Add an operation with several outputs; gives their names."""
        names = [self.writer.unique(f"{self.node.name}/{type.lower()}") for _ in range(outputs)]
        self.writer.operations.append(Operation(type, list(inputs), names, attributes))
        return names

    def param(self, index: int, shape: Shape | None = None) -> str:
        """The name of a parameter's array, in another shape if one is given."""
        values, name = self.params[index], self.param_names[index]
        if shape is None or shape == values.shape:
            if name not in self.writer.arrays:
                self.writer.arrays[name] = np.array(values, np.float32)
            return name
        return self.numbers(values.reshape(shape), name)

    def numbers(self, values: Any, name: str = "constant") -> str:
        """A constant of float32."""
        return self.writer.array(np.asarray(values, np.float32), name)

    def integers(self, values: Any) -> str:
        """A constant of int64: shapes, axes, indices."""
        return self.writer.array(np.asarray(values, np.int64), "integers")

    def reshape(self, value: str, shape: Sequence[int]) -> str:
        return self.op("Reshape", value, self.integers(np.array(shape, np.int64)))

    def plus(self, value: str, number: float) -> str:
        return value if number == 0 else self.op("Add", value, self.numbers(number))

    def times(self, value: str, number: float) -> str:
        return value if number == 1 else self.op("Mul", value, self.numbers(number))

    def to_float(self, value: str) -> str:
        return self.op("Cast", value, to=1)

    def to_index(self, value: str) -> str:
        return self.op("Cast", value, to=7)

    def refuse(self, message: str, *fields: str) -> NoReturn:
        """Raise the diagnostic that ONNX has nothing for what the first of `fields` asks for."""
        refuse_field(self.node, message, *fields)


Tops = str | list[str]
Write = Callable[[LayerWriter], Tops]
