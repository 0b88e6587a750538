"""Squareplus (Barron 2021), a smooth ReLU without exponentials: a layer file for `--layers`, with all it may bring.

Computes:
    y = (x + sqrt(x^2 + b)) / 2.

Shapes:
    The top has the bottom's shape.

Gradient:
    dx = dy (1 + x / sqrt(x^2 + b)) / 2.

Caffe notes:
    Caffe has no such layer. https://arxiv.org/abs/2112.11687
"""

from math import sqrt

import numpy as np

from netc.convert.onnx.writer import LayerWriter
from netc.convert.torch.code import call, literal
from netc.convert.torch.writer import LayerWriter as TorchWriter
from netc.convert.torch.writer import Written, X
from netc.fast.machine.layout import Blocked, as_lines
from netc.fast.machine.lines import line_of, lines_of, share, spot
from netc.fast.machine.operands import Read, Write, entry
from netc.fast.program.builder import Builder
from netc.fast.program.family import Family
from netc.fast.program.lowered import Layout
from netc.layer import BAD_FIELD, Call, Example, LayerType, Param, Refused, Setup, Site
from netc.plan.model import Step
from netc.role import Role
from netc.schema.declare import Field, Message, optional

# ---------------------------------------------------------------- its fields

OWN = Param(
    Field("squareplus_param", 9001, "SquareplusParameter", "Fields of Squareplus layers.", origin="netc"),
    (
        Message(
            "SquareplusParameter",
            (optional("b", 1, "float", 4.0, "How far the bend reaches; 0 gives ReLU."),),
            doc="A smooth ReLU.",
            origin="netc",
        ),
    ),
)

# ---------------------------------------------------------------- the layer: all that it has to bring


def setup(site: Site) -> Setup:
    if not site.p.b > 0:
        site.refuse(BAD_FIELD, f"b must be positive, but is {site.p.b:g}", "b")
    return Setup(tops=(site.bottoms[0],), reads=("x",), in_place=True)


def forward(call: Call) -> None:
    x = call.bottoms[0]
    np.multiply(x + np.sqrt(x * x + call.p.b), 0.5, out=call.tops[0])


def backward(call: Call) -> None:
    x, dx = call.bottoms[0], call.bottom_diffs[0]
    if dx is not None:
        np.multiply(call.top_diffs[0], 0.5 * (1 + x / np.sqrt(x * x + call.p.b)), out=dx)


# ---------------------------------------------------------------- compiled steps (CONTRIBUTING.md, "A fast family")


@entry
def _squareplus(tid: int, nth: int, x: Read[Blocked], y: Write[Blocked], b: float) -> None:
    half = np.float32(0.5)
    for item in share(lines_of(y), tid, nth):
        at = spot(y, item)
        source, target = line_of(x, at), line_of(y, at)
        for i in range(target.size):
            target[i] = half * (source[i] + sqrt(source[i] * source[i] + b))


@entry
def _squareplus_gradient(tid: int, nth: int, x: Read[Blocked], dy: Read[Blocked], dx: Write[Blocked], b: float) -> None:
    half, one = np.float32(0.5), np.float32(1)
    for item in share(lines_of(dx), tid, nth):
        at = spot(dx, item)
        values, source, target = line_of(x, at), line_of(dy, at), line_of(dx, at)
        for i in range(target.size):
            target[i] = half * source[i] * (one + values[i] / sqrt(values[i] * values[i] + b))


def _accepts(b: Builder, layer: int) -> Layout | None:
    return b.any_layout(layer)


def _forward(b: Builder, layer: int) -> None:
    read, write = b.by_value(layer)
    x, y = as_lines(read(b.bottom(layer)), write(b.top(layer)))
    b.emit(_squareplus(x=x, y=y, b=_bend(b, layer)), "squareplus")


def _backward(b: Builder, step: Step) -> None:
    target = step.bottom_diffs[0]
    if target is not None:
        read, write = b.by_value(step.layer)
        x, dy = read(b.bottom(step.layer)), read(step.top_diffs[0])
        x, dy, dx = as_lines(x, dy, write(target))
        b.emit(_squareplus_gradient(x=x, dy=dy, dx=dx, b=_bend(b, step.layer)), "squareplus gradient")


def _bend(b: Builder, layer: int) -> float:
    return float(b.plan.graph.nodes[layer].record.squareplus_param.b)


# ---------------------------------------------------------------- ONNX


def _onnx(layer: LayerWriter) -> str:
    square = layer.op("Mul", layer.x, layer.x)
    root = layer.op("Sqrt", layer.plus(square, layer.p.b))
    return layer.times(layer.op("Add", layer.x, root), 0.5)


# ---------------------------------------------------------------- PyTorch

_FUNCTION = '''
def squareplus(x: Tensor, b: float) -> Tensor:
    """A smooth ReLU without exponentials."""
    return (x + torch.sqrt(x * x + b)) / 2
'''


def _torch(layer: TorchWriter) -> Written:
    return Written((call("squareplus", X, literal(layer.p.b)),), brings=(_FUNCTION,))


SQUAREPLUS = LayerType(
    "Squareplus",
    __doc__,
    setup,
    forward,
    backward,
    param="squareplus_param",
    own=OWN,
    role=Role("activation", space="same"),
    fast=Family(("Squareplus",), _accepts, _forward, _backward),
    onnx=_onnx,
    torch=_torch,
    origin="netc",
    examples=(Example(), Example("squareplus_param { b: 0.5 }")),
    refuses=(Refused(BAD_FIELD, "squareplus_param { b: 0 }"),),
)
