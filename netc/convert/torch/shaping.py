"""Layers that only move values: join, cut, reorder, repeat; and those whose tops depend on shapes alone."""

from __future__ import annotations

import numpy as np

from netc.convert.torch.code import Expression, Items, call, literal, raw
from netc.convert.torch.writer import OWN, Argument, LayerWriter, State, Write, Written, X, made, module
from netc.kernels.geometry import Along, PermuteGeometry
from netc.layer import Array, Call, LayerType, Shape
from netc.layers.batch_reindex import BATCH_REINDEX
from netc.layers.concat import CONCAT
from netc.layers.crop import CROP
from netc.layers.crop_center import CROP_CENTER
from netc.layers.dummy_data import DUMMY_DATA, DummyDataGeometry
from netc.layers.filter import FILTER
from netc.layers.flatten import FLATTEN
from netc.layers.one_hot import ONE_HOT
from netc.layers.parameter import PARAMETER
from netc.layers.permute import PERMUTE
from netc.layers.prior_box import PRIOR_BOX, PRIOR_BOX_CLUSTERED
from netc.layers.reshape import RESHAPE
from netc.layers.reverse import REVERSE
from netc.layers.reverse_gradient import REVERSE_GRADIENT
from netc.layers.shuffle_channel import SHUFFLE_CHANNEL
from netc.layers.silence import SILENCE
from netc.layers.slice import SLICE
from netc.layers.split import SPLIT
from netc.layers.stop_gradient import STOP_GRADIENT
from netc.layers.tile import TILE


def concat(layer: LayerWriter) -> Written:
    axis = layer.setup.known(Along).axis
    return made(call("torch.cat", Items(layer.bottoms), dim=axis) if len(layer.bottoms) > 1 else X)


def slice_(layer: LayerWriter) -> Written:
    axis, count = layer.setup.known(Along).axis, len(layer.top_shapes)
    if count == 1:
        return made(X)
    if not layer.p.slice_point:
        return Written((call("torch.chunk", X, literal(count), dim=axis),), together=True)
    points = literal(tuple(layer.p.slice_point))
    return Written((call("torch.tensor_split", X, points, dim=axis),), together=True)


def flatten(layer: LayerWriter) -> Written:
    first, last = layer.axis(layer.p.axis), layer.axis(layer.p.end_axis)
    if last < first:
        return made(raw(X, f".unsqueeze({first})"))
    end = "" if last == len(layer.shape) - 1 else f", {last}"
    return made(call("torch.flatten", X, f"{first}{end}"))


def reshape(layer: LayerWriter) -> Written:
    """Sizes as the file has them, so that the batch may be another: a 0 is the bottom's own size.

    What -1 stands for cannot be told from no values; beside the number of items it does not depend on that.
    """
    p, rank = layer.p, len(layer.shape)
    first = p.axis if p.axis >= 0 else rank + 1 + p.axis
    last = rank if p.num_axes == -1 else first + p.num_axes
    sizes: list[Expression] = [_size(axis) for axis in range(first)]
    given = list(p.shape.dim)
    if layer.may_be_empty and (first > 0 or given[:1] == [0]):
        given = [layer.top_shapes[0][first + i] if d == -1 else d for i, d in enumerate(given)]
    sizes += [_size(first + i) if d == 0 else str(d) for i, d in enumerate(given)]
    sizes += [_size(axis) for axis in range(last, rank)]
    return made(call(raw(X, ".reshape"), *(sizes or ["()"])))


def _size(axis: int) -> Expression:
    return raw(X, f".shape[{axis}]")


def crop(layer: LayerWriter) -> Written:
    offset = tuple(layer.p.offset)
    options = [Argument("offset", offset[0] if len(offset) == 1 else offset, 0)]
    axis = Argument("axis", layer.axis(layer.p.axis))
    return module("Crop", axis, tops=(call(OWN, *layer.bottoms),), options=options if offset else ())


def crop_center(layer: LayerWriter) -> Written:
    cut = [(size - top) // 2 for size, top in zip(layer.shape, layer.top_shapes[0], strict=True)]
    return made(raw(X, f"[{', '.join(f'{n}:-{n}' if n else ':' for n in cut)}]"))


def permute(layer: LayerWriter) -> Written:
    order = layer.setup.known(PermuteGeometry).order
    return made(call(raw(X, ".permute"), *map(str, order)))


def tile(layer: LayerWriter) -> Written:
    repeats = [1] * len(layer.shape)
    repeats[layer.axis(layer.p.axis)] = layer.p.tiles
    return made(call(raw(X, ".repeat"), *map(str, repeats)))


def split(layer: LayerWriter) -> Written:
    return made(*(X,) * len(layer.top_shapes))


def stop_gradient(layer: LayerWriter) -> Written:
    return made(raw(X, ".detach()"))


def reverse_gradient(layer: LayerWriter) -> Written:
    return made(call("GradientReversal.apply", X, literal(float(layer.p.scale))))


def reverse(layer: LayerWriter) -> Written:
    axis = layer.setup.known(Along).axis
    if len(layer.bottoms) > 1:
        return made(call("reverse_sequences", *layer.bottoms, literal(axis)))
    return made(call("torch.flip", X, literal((axis,))))


def one_hot(layer: LayerWriter) -> Written:
    axis, last = layer.setup.known(Along).axis, len(layer.shape)
    options: dict[str, object] = {} if axis == last else {"axis": axis}
    if layer.p.has("ignore_label"):
        options["ignore_label"] = int(layer.p.ignore_label)
    return made(call("one_hot", X, literal(int(layer.p.num_classes)), **options))


def silence(layer: LayerWriter) -> Written:
    return made()


def batch_reindex(layer: LayerWriter) -> Written:
    x, index = layer.bottoms
    return made(raw(x, "[", index, ".long()]"))


def filter_(layer: LayerWriter) -> Written:
    *bottoms, selector = layer.bottoms
    return made(*(raw(b, "[", selector, ".flatten() != 0]") for b in bottoms))


def shuffle_channel(layer: LayerWriter) -> Written:
    group = layer.p.group
    return made(raw(X, f".unflatten(1, ({group}, -1)).transpose(1, 2).flatten(1, 2)"))


def parameter(layer: LayerWriter) -> Written:
    values = layer.params[0]
    zeros = f"torch.zeros({', '.join(map(str, values.shape)) or '()'})"
    return module("nn.Parameter", Argument("data", _Code(zeros)), state={"": State(values, 0)}, tops=(OWN,))


class _Code(str):
    """A value that is written as it is."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def constant(layer: LayerWriter) -> Written:
    """What the layer's own kernel gives, whatever its bottoms hold: a buffer, of the planned shape."""
    forward = layer.node.type.forward
    assert forward is not None
    bottoms = tuple(np.zeros(shape, np.float32) for shape in layer.bottom_shapes)
    tops = tuple(np.zeros(shape, np.float32) for shape in layer.top_shapes)
    forward(Call(layer.node.record, layer.p, layer.setup, "TEST", bottoms, tops))
    names = [f"value{i}" for i in range(len(tops))] if len(tops) > 1 else ["value"]
    state = {name: State(top) for name, top in zip(names, tops, strict=True)}
    given = tuple(_shape(top) for top in tops)
    return module("Constant", *given, state=state, tops=[raw(OWN, f".{name}") for name in names])


def _shape(top: Array) -> Shape:
    return top.shape


def dummy_data(layer: LayerWriter) -> Written:
    if not all(layer.setup.known(DummyDataGeometry).constant):
        layer.refuse("its tops are drawn anew in every iteration", "data_filler")
    return constant(layer)


WRITERS: dict[LayerType, Write] = {
    CONCAT: concat,
    SLICE: slice_,
    FLATTEN: flatten,
    RESHAPE: reshape,
    CROP: crop,
    CROP_CENTER: crop_center,
    PERMUTE: permute,
    TILE: tile,
    SPLIT: split,
    STOP_GRADIENT: stop_gradient,
    REVERSE_GRADIENT: reverse_gradient,
    REVERSE: reverse,
    ONE_HOT: one_hot,
    SILENCE: silence,
    BATCH_REINDEX: batch_reindex,
    FILTER: filter_,
    SHUFFLE_CHANNEL: shuffle_channel,
    PARAMETER: parameter,
    PRIOR_BOX: constant,
    PRIOR_BOX_CLUSTERED: constant,
    DUMMY_DATA: dummy_data,
}
