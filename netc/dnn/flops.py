"""How many operations a layer takes, as OpenCV 4.12 counts them (`getFLOPS` of its layers)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

from netc.graph import Node
from netc.layer import Setup, Shape

Shapes = Sequence[Shape]
Count = Callable[[Any, Setup, Shapes, Shapes], int]
"""Of a layer's record, its setup, and the shapes of its bottoms and tops."""


def flops(node: Node, setup: Setup, bottoms: Shapes, tops: Shapes) -> int:
    """The operations of one layer for a whole batch; 0 for layers that OpenCV does not count."""
    count = COUNTS.get(node.type.name)
    return count(node.record, setup, bottoms, tops) if count and bottoms and tops else 0


def _each(times: int) -> Count:
    """So many operations for each value."""
    return lambda record, setup, bottoms, tops: times * prod(bottoms[0])


def _area(setup: Setup) -> int:
    """How many positions a window sees; 1 of a global one, whose size OpenCV does not know yet."""
    return prod(setup.window.kernel) if setup.window and not setup.window.whole else 1


def _convolution(record: Any, setup: Setup, bottoms: Shapes, tops: Shapes) -> int:
    return prod(tops[0]) * (2 * _area(setup) * bottoms[0][1] + 1)


def _deconvolution(record: Any, setup: Setup, bottoms: Shapes, tops: Shapes) -> int:
    return 2 * bottoms[0][1] * _area(setup) * prod(bottoms[0])


def _pooling(record: Any, setup: Setup, bottoms: Shapes, tops: Shapes) -> int:
    return prod(tops[0]) * (_area(setup) + int(record.pooling_param.pool == "AVE"))


def _inner_product(record: Any, setup: Setup, bottoms: Shapes, tops: Shapes) -> int:
    return 3 * prod(bottoms[0][record.inner_product_param.axis :]) * prod(tops[0])


def _lrn(record: Any, setup: Setup, bottoms: Shapes, tops: Shapes) -> int:
    size, (number, channels), area = int(record.lrn_param.local_size), bottoms[0][:2], prod(bottoms[0][2:])
    if record.lrn_param.norm_region == "WITHIN_CHANNEL":
        return prod(bottoms[0]) * (2 * size * size + 2)
    half = (size - 1) // 2
    moved = size + 2 * (channels - size) if half < channels else 0
    return number * (2 * min(half, channels) + 4 * channels) * area + moved * area


def _mvn(record: Any, setup: Setup, bottoms: Shapes, tops: Shapes) -> int:
    means = bottoms[0][: 2 if record.mvn_param.normalize_variance else 1]
    return 6 * prod(bottoms[0]) + 3 * prod(means)


def _prior_box(record: Any, setup: Setup, bottoms: Shapes, tops: Shapes) -> int:
    cells = prod(bottoms[0][2:])
    boxes = tops[0][2] // (4 * cells)
    return 4 * boxes * sum(prod(shape[2:]) for shape in bottoms)


COUNTS: dict[str, Count] = {
    "AbsVal": _each(1),
    "BNLL": _each(5),
    "BatchNorm": _each(3),
    "Convolution": _convolution,
    "Deconvolution": _deconvolution,
    "ELU": _each(2),
    "Eltwise": lambda record, setup, bottoms, tops: len(bottoms) * prod(bottoms[0]),
    "Exp": _each(3),
    "InnerProduct": _inner_product,
    "LRN": _lrn,
    "MVN": _mvn,
    "PReLU": _each(1),
    "Pooling": _pooling,
    "Power": lambda record, setup, bottoms, tops: (2 if record.power_param.power == 1 else 10) * prod(bottoms[0]),
    "PriorBox": _prior_box,
    "ReLU": _each(1),
    "Scale": _each(2),
    "Sigmoid": _each(3),
    "Softmax": _each(4),
    "TanH": _each(1),
}
