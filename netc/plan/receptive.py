"""The receptive field of every value: what one position sees of the net's spatial inputs, composed layer by layer.

A window of F cells, d apart, moved by S from -P, over a value with size R, jump J and offset O sees
R' = R + (d (F - 1)) J, J' = J S, O' = O - P J (so that R_k = 1 + sum_j (F_j - 1) prod_{i<j} S_i). A transposed window
(Deconvolution) of the same numbers: each output position is reached by at most ceil((d (F - 1) + 1) / S) input
positions. Branches see the union of what their parts see. See Araujo et al., Computing Receptive Fields of
Convolutional Neural Networks, Distill 2019.
"""

from __future__ import annotations

from fractions import Fraction

from netc.graph import Node
from netc.layer import Shape, Window
from netc.plan.draft import Draft
from netc.plan.model import Field

ONE = Fraction(1)


def receptive(draft: Draft) -> None:
    """Fill in `fields`: for each value its Field, or None if it has no spatial input or its positions have no order."""
    graph = draft.graph
    draft.fields = [None] * len(graph.values)
    for node in graph.nodes:
        for value in node.tops:
            draft.fields[value] = _field(draft, node, draft.shape(value))


def _field(draft: Draft, node: Node, shape: Shape) -> Field | None:
    if not node.bottoms:
        axes = len(shape) - 2
        return Field((1,) * axes, (ONE,) * axes, (Fraction(0),) * axes) if axes > 0 else None
    below = None
    for index, value in enumerate(node.bottoms):
        found = draft.fields[value]
        if found is None or not (index == 0 or node.type.gives_gradient(index)):
            continue
        below = found if below is None else _union(below, found)
        if below is None:
            return None
    if below is None or below.whole:
        return below
    window = draft.setup(node.index).window
    bottom = draft.shape(node.bottoms[0])
    if window is None:
        return _pointwise(below, bottom, shape)
    if window.whole:
        return _everything(below)
    return _windowed(below, window)


def _pointwise(below: Field, bottom: Shape, shape: Shape) -> Field | None:
    """A layer without a window: positions stay, or are gone (then each value may see everything)."""
    if shape[2:] == bottom[2:] and len(shape) == len(bottom):
        return below
    return _everything(below) if len(shape) <= 2 else None


def _everything(below: Field) -> Field:
    return Field(below.size, below.jump, below.offset, whole=True)


def _windowed(below: Field, window: Window) -> Field | None:
    axes = len(below.size)
    kernel, stride = _each(window.kernel, axes, 1), _each(window.stride, axes, 1)
    pad, dilation = _each(window.pad, axes, 0), _each(window.dilation, axes, 1)
    if kernel is None or stride is None or pad is None or dilation is None:
        return None
    size, jump, offset = [], [], []
    for a in range(axes):
        cells = dilation[a] * (kernel[a] - 1) + 1
        j, low = below.jump[a], below.offset[a]
        if window.transposed:
            size.append(below.size[a] + int((-(-cells // stride[a]) - 1) * j))
            jump.append(j / stride[a])
            offset.append(low + -((cells - 1 - pad[a]) // stride[a]) * j)
        else:
            size.append(below.size[a] + int((cells - 1) * j))
            jump.append(j * stride[a])
            offset.append(low - pad[a] * j)
    return Field(tuple(size), tuple(jump), tuple(offset))


def _each(given: tuple[int, ...], axes: int, default: int) -> tuple[int, ...] | None:
    if not given:
        return (default,) * axes
    return given if len(given) == axes else None


def _union(one: Field, other: Field) -> Field | None:
    """From the first cell that either sees to the last; None if their positions are not the same distance apart."""
    if len(one.size) != len(other.size):
        return None
    if one.whole or other.whole:
        return one if one.whole else other
    if one.jump != other.jump:
        return None
    low = tuple(map(min, one.offset, other.offset))
    ends = (max(a + r, b + s) for a, r, b, s in zip(one.offset, one.size, other.offset, other.size, strict=True))
    size = tuple(int(-((start - end) // 1)) for start, end in zip(low, ends, strict=True))
    return Field(size, one.jump, low)
