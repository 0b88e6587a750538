"""Convolution on blocked blobs; the first layer, of few channels, reads its plain bottom."""

from __future__ import annotations

from itertools import pairwise

from netc.fast.machine.emit import VECTOR_BYTES
from netc.fast.machine.launch import Ref
from netc.fast.machine.layout import Blocked
from netc.fast.old import groups, winograd
from netc.fast.old.groups import by_channel
from netc.fast.old.kernels import conv as kernels
from netc.fast.old.kernels import depthwise
from netc.fast.old.kernels.affine import Affine
from netc.fast.old.kernels.conv import Conv
from netc.fast.old.kernels.weights import (
    BACKWARD,
    FIRST,
    FORWARD,
    add_bias_gradient,
    add_weight_gradient,
    pack_bias,
    pack_weights,
)
from netc.fast.old.nothing import NOTHING
from netc.fast.old.rules import channels
from netc.fast.program.builder import Builder
from netc.fast.program.family import Family
from netc.fast.program.fuse import absorb_chain
from netc.fast.program.model import Layout
from netc.plan.model import Step

FEW_CHANNELS = 4


def known_geometry(b: Builder, layer: int) -> Conv | None:
    """The layer as the file says it: one bottom of 4 axes, channels at axis 1."""
    node, g = b.plan.graph.nodes[layer], b.planned(layer).setup.geometry
    bottom = b.plan.shapes[node.bottoms[0]]
    if len(node.bottoms) != 1 or len(bottom) != 4 or len(g.columns.axes) != 2 or g.columns.channels != bottom[1]:
        return None
    return Conv.of(g.columns.channels, g.outputs, g.groups, g.columns.axes)


def geometry(b: Builder, layer: int) -> Conv:
    """The layer as the kernels run it: groups that fill no blocks taken together."""
    return groups.whole(_given(b, layer))


def _given(b: Builder, layer: int) -> Conv:
    conv = known_geometry(b, layer)
    assert conv is not None
    return conv


def is_first(b: Builder, layer: int, conv: Conv) -> bool:
    """Whether the layer reads a plain array: few channels, and no gradient for them."""
    plain = b.native.get(b.plan.graph.nodes[layer].bottoms[0], "plain") == "plain"
    no_gradient = not any(b.planned(layer).bottom_gradient)
    return plain and no_gradient and conv.groups == 1 and conv.inputs <= FEW_CHANNELS


def accepts(b: Builder, layer: int) -> Layout | None:
    conv = known_geometry(b, layer)
    if conv is None or not groups.supported(conv):
        return None
    conv = groups.whole(conv)
    if not is_first(b, layer, conv):
        b.want(b.bottom(layer), conv.halo)
    step = next((s for s in b.plan.backward if s.kind == "backward" and s.layer == layer), None)
    if step is not None and step.bottom_diffs[0] is not None:
        b.want(step.top_diffs[0], conv.gradient_halo)
    return "blocked"


def _packed_bytes(conv: Conv, order: int) -> int:
    return conv.packed_bytes if order != FIRST else conv.out_blocks * conv.inputs * conv.cells * VECTOR_BYTES


def _weights(b: Builder, layer: int, conv: Conv, order: int, factor: Ref | int = NOTHING) -> Ref:
    """Emit the packing of the weights; the place of the packed ones."""
    packed = b.new("packed weights", _packed_bytes(conv, order))
    b.emit_setup(pack_weights(b.param(layer, 0), packed, conv, order, factor, "weights"))
    return packed


def _has_bias(b: Builder, layer: int) -> bool:
    return len(b.planned(layer).params) > 1


def _bias(b: Builder, layer: int, conv: Conv, folded: list[int]) -> tuple[Ref | int, Ref | int]:
    """Where the packed bias and the factors of output channels are, with BatchNorm, Scale and Bias folded in."""
    conv = _laid(conv)
    size = Affine.nbytes(conv.outputs, conv.groups)
    if not folded:
        if not _has_bias(b, layer):
            return NOTHING, NOTHING
        bias = b.new("packed bias", size)
        b.emit_setup(pack_bias(b.param(layer, 1), bias, conv, "bias"))
        return bias, NOTHING
    affine = Affine(b.new("factors", size), b.new("shifts", size), conv.outputs, conv.groups)
    b.emit_setup([affine.start("fold")])
    if _has_bias(b, layer):
        b.emit_setup([affine.scale(NOTHING, b.param(layer, 1), "fold")])
    for other in folded:
        b.emit_setup(channels.fold(b, other, affine))
    return affine.shift, affine.factor


def forward(b: Builder, layer: int) -> None:
    conv = geometry(b, layer)
    groups.spread_weights(b, layer, _given(b, layer))
    names = {other: b.plan.graph.nodes[other].type.name for other in b.absorbed(layer)}
    bias, factor = _bias(b, layer, conv, [other for other, name in names.items() if name in channels.FAMILY.types])
    relu = "ReLU" in names.values()
    first = is_first(b, layer, conv)
    top = b.top(b.last_of(layer))
    if first:
        weights = _weights(b, layer, conv, FIRST, factor)
        x = b.read_padded(b.bottom(layer), conv.halo)
        b.emit(kernels.forward_first(x, weights, bias, b.write(top), conv, relu, "first convolution"))
        return
    blob = b.read(b.bottom(layer))
    if by_channel(conv):
        weights = _channel_weights(b, layer, conv, factor)
        b.emit(depthwise.forward(blob, weights, bias, b.write(top), conv, relu, "depthwise convolution"))
        return
    sums = [other for other, name in names.items() if name == "Eltwise"]
    add = b.read(other_operand(b, sums[0], layer)) if sums else None
    if winograd.chosen(b, conv, blob.n):
        winograd.forward(b, blob, layer, bias, b.write(top), conv, relu, add, factor)
        return
    weights = _weights(b, layer, conv, FORWARD, factor)
    b.emit(kernels.forward(blob, weights, bias, b.write(top), conv, relu, add, "convolution"))


def _laid(conv: Conv) -> Conv:
    """The convolution as which its bias is packed."""
    return depthwise.packing(conv) if by_channel(conv) else conv


def _channel_weights(b: Builder, layer: int, conv: Conv, factor: Ref | int = NOTHING) -> Ref:
    packed = b.new("packed weights", depthwise.packed_bytes(conv))
    b.emit_setup(pack_weights(b.param(layer, 0), packed, depthwise.packing(conv), FIRST, factor, "weights"))
    return packed


def other_operand(b: Builder, eltwise: int, conv: int) -> int:
    """The slot of an Eltwise layer's bottom that does not come from the convolution (or what follows it)."""
    chain = {conv, *b.absorbed(conv)}
    values = b.plan.graph.nodes[eltwise].bottoms
    other = next(v for v in values if b.plan.graph.values[v].producer not in chain)
    return b.data(other)


def backward(b: Builder, step: Step) -> None:
    layer = step.layer
    conv = geometry(b, layer)
    dy = b.read(step.top_diffs[0])
    if _has_bias(b, layer) and (bias := b.param_gradient(layer, 1)) is not None:
        sums = b.new("bias gradient", Affine.nbytes(conv.outputs, _laid(conv).groups))
        b.emit(kernels.bias_gradient(dy, sums, "bias gradient"))
        b.emit(add_bias_gradient(sums, bias, _laid(conv), "bias gradient"))
    if (gradient := b.param_gradient(layer, 0)) is not None:
        place = groups.cleared_gradient(b, _given(b, layer), gradient)
        _weight_gradient(b, layer, conv, dy, place)
        groups.collect_gradient(b, _given(b, layer), place, gradient)
    if (target := step.bottom_diffs[0]) is not None:
        if by_channel(conv):
            weights = _channel_weights(b, layer, conv)
            b.emit(depthwise.data_gradient(dy, weights, b.write(target), conv, "depthwise data gradient"))
            return
        if winograd.chosen_back(b, conv, dy.n):
            dx, add = b.write_or_add(target)
            winograd.data_gradient(b, dy, layer, dx, conv, add)
            return
        weights = _weights(b, layer, conv, BACKWARD)
        dx, add = b.write_or_add(target)
        b.emit(kernels.data_gradient(dy, weights, dx, conv, add, "data gradient"))


def _weight_gradient(b: Builder, layer: int, conv: Conv, dy: Blocked, gradient: Ref) -> None:
    if by_channel(conv):
        packed = b.new("weight gradient", depthwise.packed_bytes(conv))
        x = b.read(b.bottom(layer))
        b.emit(depthwise.weight_gradient(x, dy, packed, conv, "depthwise weight gradient"))
        b.emit(add_weight_gradient(packed, gradient, depthwise.packing(conv), FIRST, "weight gradient"))
        return
    first = is_first(b, layer, conv)
    if not first and winograd.chosen(b, conv, dy.n):
        winograd.weight_gradient(b, b.read(b.bottom(layer)), dy, gradient, conv)
        return
    order = FIRST if first else FORWARD
    packed = b.new("weight gradient", _packed_bytes(conv, order))
    if first:
        flat = b.read_padded(b.bottom(layer), conv.halo)
        b.emit(kernels.weight_gradient_first(flat, dy, packed, conv, "weight gradient"))
    else:
        blob = b.read(b.bottom(layer))
        b.emit(kernels.weight_gradient(blob, dy, packed, conv, "weight gradient"))
    b.emit(add_weight_gradient(packed, gradient, conv, order, "weight gradient"))


# ---------------------------------------------------------------- what it absorbs


def absorb(b: Builder, head: int) -> None:
    """Stored statistics, scales and biases, then a sum with a blob that is there already, then a ReLU."""
    absorb_chain(b, head, lambda last, reader: _takes(b, head, last, reader))
    for one, other in pairwise(b.absorbed(head)):  # what is read along with what is written must lie like it
        if _is_sum(b, one):
            b.same_halo(b.plan.graph.nodes[one].tops[0], b.plan.graph.nodes[other].tops[0])


def _takes(b: Builder, head: int, last: int, reader: int) -> bool:
    if any(_is_sum(b, other) for other in b.absorbed(head)):
        return False
    if channels.folds(b, reader):
        return True
    kind = b.plan.graph.nodes[head].type.name
    return kind == "Convolution" and _is_sum(b, reader) and _can_add(b, head, last, reader)


def _is_sum(b: Builder, layer: int) -> bool:
    return b.plan.graph.nodes[layer].type.name == "Eltwise"


def _can_add(b: Builder, head: int, last: int, eltwise: int) -> bool:
    """Whether the sum's other blob is there when the convolution runs, and nobody looks at it in between."""
    node = b.plan.graph.nodes[eltwise]
    value = b.plan.graph.nodes[last].tops[0]
    others = [v for v in node.bottoms if v != value]
    plain_sum = node.record.eltwise_param.operation == "SUM" and tuple(b.planned(eltwise).setup.geometry) == (1.0, 1.0)
    if len(others) != 1 or not plain_sum:
        return False
    other = b.plan.graph.values[others[0]]
    producer = b.fused.get(other.producer, other.producer)
    between = range(head + 1, eltwise)
    ready = producer < head and other.producer < head and all(i in b.fused and b.fused[i] == head for i in between)
    conv = geometry(b, head)
    if (
        not ready
        or by_channel(conv)
        or is_first(b, head, conv)
        or b.is_part(b.data(other.index))
        or b.is_part(b.top(eltwise))
        or _over_bottom(b, head, eltwise)
    ):
        return False
    b.same_halo(other.index, node.tops[0])
    return True


def _over_bottom(b: Builder, head: int, eltwise: int) -> bool:
    """Whether the sum goes, in place, where the convolution's bottom is: its windows would see sums."""
    nodes = b.plan.graph.nodes
    bottom, top = nodes[head].bottoms[0], nodes[eltwise].tops[0]
    return any(b.same_place(slots[bottom], slots[top]) for slots in (b.plan.data, b.plan.late))


FAMILY = Family(("Convolution", "DepthwiseConvolution"), accepts, forward, backward, absorb)
