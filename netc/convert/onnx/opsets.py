"""Operations in the form of another version of ONNX's operators.

Writers write the form of version 17. Where another version wants axes as inputs instead of attributes (or the reverse),
or lacks an operator, operations are rewritten here, one rule an operator. https://onnx.ai/onnx/operators/
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from netc.convert.codes import BAD_OPSET, NO_COUNTERPART_FIELD
from netc.convert.onnx.package import package
from netc.convert.onnx.writer import Operation
from netc.errors import Diagnostic, NetError
from netc.layer import Array

OPSET = 17
"""The version that is written unless another is asked for: the first with LayerNormalization."""
IR_VERSIONS = {11: 6, 12: 7, 13: 7, 14: 7, 15: 8, 16: 8, 17: 8, 18: 8, 19: 9, 20: 9, 21: 10}
"""The version of the file format that goes with each version of the operators."""
_REDUCING = ("ReduceMean", "ReduceMax", "ReduceL1", "ReduceL2", "ReduceSumSquare")


def check_opset(opset: int) -> None:
    """Raise NetError (CNV017) for a version that is not written."""
    if opset not in IR_VERSIONS:
        message = f"opset {opset} is not written: {min(IR_VERSIONS)} to {max(IR_VERSIONS)} are"
        raise NetError(Diagnostic(BAD_OPSET, message, help=BAD_OPSET.fix))


def lowered(operations: list[Operation], opset: int, arrays: Mapping[str, Array]) -> list[Operation]:
    """The operations as this version has them. arrays: what the graph holds, to read axes and sizes from."""
    made = _Lowered(opset, arrays)
    for operation in operations:
        rule = next((rule for last, rule in _RULES.get(operation.type, ()) if last(opset)), None)
        if rule is None or operation.domain:
            made.operations.append(operation)
        else:
            rule(made, operation)
    return made.operations


@dataclass
class _Lowered:
    """The operations so far. arrays: constants of the graph."""

    opset: int
    arrays: Mapping[str, Array]
    operations: list[Operation] = field(default_factory=list)

    def add(self, type: str, inputs: list[str], outputs: list[str], **attributes: Any) -> str:
        self.operations.append(Operation(type, inputs, outputs, attributes))
        return outputs[0]

    def integers(self, name: str, values: Any) -> str:
        return self.constant(name, np.asarray(values, np.int64))

    def constant(self, name: str, values: Array) -> str:
        """A constant, as an operation."""
        return self.add("Constant", [], [name], value=package().numpy_helper.from_array(values))

    def known(self, operation: Operation, index: int) -> list[int]:
        """The integers that an operation reads; refuses such as are worked out while the file runs."""
        name = operation.inputs[index]
        if name in self.arrays:
            return [int(v) for v in np.reshape(self.arrays[name], -1)]
        message = (
            f'"{operation.outputs[0]}" ({operation.type}) has sizes that are free, which opset {self.opset} cannot'
        )
        raise NetError(Diagnostic(NO_COUNTERPART_FIELD, message, help=BAD_OPSET.fix))


Rule = Callable[[_Lowered, Operation], object]


def _axes_as_input(made: _Lowered, o: Operation) -> None:
    rest = {key: value for key, value in o.attributes.items() if key != "axes"}
    inputs = o.inputs
    if "axes" in o.attributes:
        inputs = [*o.inputs, made.integers(f"{o.outputs[0]}/axes", o.attributes["axes"])]
    made.add(o.type, inputs, o.outputs, **rest)


def _axes_as_attribute(made: _Lowered, o: Operation) -> None:
    made.add(o.type, o.inputs[:1], o.outputs, axes=made.known(o, 1), **o.attributes)


def _split_count(made: _Lowered, o: Operation) -> None:
    more = {"num_outputs": len(o.outputs)} if len(o.inputs) == 1 else {}
    made.add(o.type, o.inputs, o.outputs, **o.attributes, **more)


def _split_sizes(made: _Lowered, o: Operation) -> None:
    sizes = {"split": made.known(o, 1)} if len(o.inputs) > 1 else {}
    made.add(o.type, o.inputs[:1], o.outputs, **o.attributes, **sizes)


def _shape(made: _Lowered, o: Operation) -> None:
    """Shape of a part of the axes."""
    if not o.attributes:
        made.operations.append(o)
        return
    name = o.outputs[0]
    whole = made.add("Shape", o.inputs, [f"{name}/whole"])
    start, end = (made.integers(f"{name}/{which}", [o.attributes[which]]) for which in ("start", "end"))
    made.add("Slice", [whole, start, end], o.outputs)


def _softmax(made: _Lowered, o: Operation) -> None:
    """Before version 13 the axes from `axis` on count as one."""
    name, axes = o.outputs[0], [o.attributes["axis"]]
    most = made.add("ReduceMax", o.inputs, [f"{name}/max"], axes=axes)
    powers = made.add("Exp", [made.add("Sub", [*o.inputs, most], [f"{name}/sub"])], [f"{name}/exp"])
    total = made.add("ReduceSum", [powers], [f"{name}/sum"], axes=axes)
    made.add("Div", [powers, total], o.outputs)


def _layer_norm(made: _Lowered, o: Operation) -> None:
    """(x - mean) / sqrt(variance + epsilon), times a gain, plus a bias if there is one; over the gain's axes."""
    name, gain = o.outputs[0], o.inputs[1]
    axes = list(range(-made.arrays[gain].ndim, 0))
    mean = made.add("ReduceMean", o.inputs[:1], [f"{name}/mean"], axes=axes)
    centred = made.add("Sub", [o.inputs[0], mean], [f"{name}/centred"])
    squares = made.add("Mul", [centred, centred], [f"{name}/squares"])
    variance = made.add("ReduceMean", [squares], [f"{name}/variance"], axes=axes)
    epsilon = made.constant(f"{name}/epsilon", np.array(o.attributes["epsilon"], np.float32))
    root = made.add("Sqrt", [made.add("Add", [variance, epsilon], [f"{name}/shifted"])], [f"{name}/deviation"])
    scaled = made.add("Div", [centred, root], [f"{name}/divided"])
    last = o.outputs if len(o.inputs) == 2 else [f"{name}/scaled"]
    scaled = made.add("Mul", [scaled, gain], last)
    if len(o.inputs) > 2:
        made.add("Add", [scaled, o.inputs[2]], o.outputs)


def _choice(made: _Lowered, o: Operation) -> None:
    """Max and Min of integers, which version 11 has for floats only; of two operands any type is chosen from."""
    if len(o.inputs) != 2:
        made.operations.append(o)
        return
    first, second = o.inputs if o.type == "Min" else o.inputs[::-1]
    smaller = made.add("Less", [first, second], [f"{o.outputs[0]}/less"])
    made.add("Where", [smaller, *o.inputs], o.outputs)


def _resize(made: _Lowered, o: Operation) -> None:
    """Before version 13 a region has to be there, though nothing reads it."""
    empty = made.constant(f"{o.outputs[0]}/region", np.zeros(0, np.float32))
    made.add(o.type, [o.inputs[0], empty, *o.inputs[2:]], o.outputs, **o.attributes)


def _before(version: int) -> Callable[[int], bool]:
    return lambda opset: opset < version


def _from(version: int) -> Callable[[int], bool]:
    return lambda opset: opset >= version


_RULES: Mapping[str, tuple[tuple[Callable[[int], bool], Rule], ...]] = {
    **{type: ((_from(18), _axes_as_input),) for type in _REDUCING},
    "Split": ((_from(18), _split_count), (_before(13), _split_sizes)),
    "LayerNormalization": ((_before(17), _layer_norm),),
    "Shape": ((_before(15), _shape),),
    **{type: ((_before(13), _axes_as_attribute),) for type in ("ReduceSum", "Squeeze", "Unsqueeze")},
    "Softmax": ((_before(13), _softmax),),
    "Resize": ((_before(13), _resize),),
    **{type: ((_before(12), _choice),) for type in ("Max", "Min")},
}
