"""What OpenCV says of a net without running it: shapes, operations, memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from netc.api.sized import SizedNet
from netc.dnn import detections
from netc.dnn.errors import BAD_SHAPE, refuse
from netc.dnn.flops import flops
from netc.dnn.naming import input_names, named
from netc.graph import Node
from netc.layer import Array, Shape
from netc.plan.model import Plan

VALUE = 4
"""Bytes of a float32."""


@dataclass(frozen=True)
class Row:
    """A layer: its node (None for what holds the inputs), and the shapes of what it reads and makes."""

    node: Node | None
    bottoms: tuple[Shape, ...]
    tops: tuple[Shape, ...]


class Figures:
    """A net for inputs of given shapes: one shape, or one for each input. Raises NetError (RUN089, PLN..., LAY...)."""

    def __init__(self, net: SizedNet, given: Any) -> None:
        inputs = input_names(net.graph)
        shapes = _shapes(given)
        if len(shapes) != len(inputs):
            said = f"the net has {len(inputs)} inputs ({', '.join(inputs)}), and was asked about {len(shapes)} shapes"
            raise refuse(BAD_SHAPE, said)
        self.plan: Plan = net.planned(**dict(zip(inputs, shapes, strict=True)))
        self.rows = (Row(None, tuple(shapes), tuple(shapes)), *self._layers())

    def _layers(self) -> Iterator[Row]:
        shapes = self.plan.shapes
        for node in named(self.plan.graph).values():
            bottoms, tops = (tuple(shapes[v] for v in values) for values in (node.bottoms, node.tops))
            if node.type.name == detections.TYPE:
                tops = (detections.shape(node, bottoms[0][0], tops[0][-2]),)
            yield Row(node, bottoms, tops or bottoms)

    def layers_shapes(self) -> tuple[Array, tuple[Any, ...], tuple[Any, ...]]:
        """The numbers of the layers, and the shapes of what each reads and makes."""
        return (
            np.arange(len(self.rows), dtype=np.int32),
            tuple(_arrays(row.bottoms) for row in self.rows),
            tuple(_arrays(row.tops) for row in self.rows),
        )

    def flops(self, layer: int) -> int:
        """The operations of a layer."""
        row = self.rows[layer]
        return flops(row.node, self.plan.layers[row.node.index].setup, row.bottoms, row.tops) if row.node else 0

    def memory(self, layer: int) -> tuple[int, int]:
        """The bytes of a layer's parameters, and of what it makes."""
        row = self.rows[layer]
        params = self.plan.layers[row.node.index].params if row.node else ()
        weights = sum(prod(self.plan.params[p].shape) for p in params)
        return VALUE * weights, VALUE * sum(map(prod, row.tops))


def _arrays(shapes: Sequence[Shape]) -> tuple[Array, ...]:
    return tuple(np.array(shape, np.int32) for shape in shapes)


def _shapes(given: Any) -> list[Shape]:
    """One shape, or several."""
    try:
        several = list(given)
        nested = several and all(np.ndim(each) == 1 for each in several)
        shapes = [tuple(int(size) for size in shape) for shape in (several if nested else [several])]
    except (TypeError, ValueError):
        raise refuse(BAD_SHAPE, f"{given!r} is no shape") from None
    if any(size < 1 for shape in shapes for size in shape) or not all(shapes):
        raise refuse(BAD_SHAPE, f"{given!r} is no shape: sizes are at least 1")
    return shapes
