"""Convolution on blocked blobs; the first layer, of few channels, reads its plain bottom."""

from __future__ import annotations

from netc.fast import batch_norm, dropout, eltwise, winograd
from netc.fast.activation import activation, is_activation
from netc.fast.batch_norm.affine import Affine
from netc.fast.convolution import depthwise, few, groups, lines, parts, rounded
from netc.fast.convolution.geometry import Conv
from netc.fast.convolution.groups import by_channel, whole
from netc.fast.convolution.weights import BACKWARD, FIRST, FORWARD
from netc.fast.eltwise import factors as eltwise_factors
from netc.fast.eltwise import repeats
from netc.fast.machine.launch import NOTHING, Region
from netc.fast.machine.layout import NO_BLOB, Blocked
from netc.fast.program.builder import Builder
from netc.fast.program.family import Family
from netc.fast.program.fuse import absorb_chain
from netc.fast.program.lowered import Layout
from netc.plan.model import Step

FEW_CHANNELS = 4
PLAIN_READERS = frozenset({"Softmax", "Flatten", "Reshape"})  # types that like a plain bottom as well or better


def _given(b: Builder, layer: int) -> Conv:
    conv = parts.given(b, layer)
    assert conv is not None
    return conv


def _is_first(b: Builder, layer: int, conv: Conv) -> bool:
    """Whether the layer reads a plain array: few channels, and no gradient for them."""
    plain = b.native.get(b.plan.graph.nodes[layer].bottoms[0], "plain") == "plain"
    no_gradient = not any(b.planned(layer).bottom_gradient)
    return plain and no_gradient and conv.groups == 1 and conv.inputs <= FEW_CHANNELS


def _is_last(b: Builder, layer: int, conv: Conv) -> bool:
    """Whether the layer writes a plain array: few channels, of a net that does not learn, for who likes them so."""
    node, nodes = b.plan.graph.nodes[layer], b.plan.graph.nodes
    readers = {nodes[reader].type.name for reader, _ in b.plan.graph.values[node.tops[0]].consumers}
    blocked = b.native.get(node.bottoms[0]) == "blocked"
    return blocked and not b.plan.backward_planned and readers <= PLAIN_READERS and few.faster(conv)


def accepts(b: Builder, layer: int) -> Layout | None:
    given = parts.given(b, layer)
    if given is None or not groups.supported(given):
        return None
    conv = whole(given)
    if _is_last(b, layer, conv):
        return "plain"
    step, images = b.backward_of(layer), b.shape(b.bottom(layer))[0]
    if rounded.chosen(b, conv, images):
        rounded.want(b, layer, conv)
    if not _is_first(b, layer, conv) and (step is not None or not rounded.chosen(b, conv, images)):
        b.want(b.bottom(layer), conv.halo)
    if step is not None and step.bottom_diffs[0] is not None:
        if rounded.chosen_back(b, conv, images):
            rounded.want_back(b, step.top_diffs[0], conv)
        else:
            b.want(step.top_diffs[0], conv.gradient_halo)
    return "blocked"


def forward(b: Builder, layer: int) -> None:
    given = _given(b, layer)
    conv = whole(given)
    if _is_last(b, layer, conv):
        bias = b.param(layer, 1) if parts.has_bias(b, layer) else NOTHING
        y = b.write_plain(b.top(layer))
        b.emit(few.forward(b.read(b.bottom(layer)), b.param(layer, 0), bias, y), "convolution to few channels")
        return
    groups.spread_weights(b, layer, given)
    bias, factor = _bias(b, layer, conv)
    laid = parts.laid(conv)
    change = activation(b, layer, laid.outputs, laid.groups)
    top = b.top(b.last_of(layer))
    if _is_first(b, layer, conv):
        x = b.read_padded(b.bottom(layer), conv.halo)
        if rounded.chosen_first(b, conv):
            rounded.forward_first(b, layer, x, bias, conv, change, factor)
            return
        weights = parts.weights(b, layer, conv, FIRST, factor)
        b.emit(lines.forward_first(x, weights, bias, b.write(top), conv, change), "first convolution")
        return
    if by_channel(conv):
        blob = b.read(b.bottom(layer))
        weights = parts.weights(b, layer, conv, FORWARD, factor)
        b.emit(depthwise.forward(blob, weights, bias, b.write(top), conv, change), "depthwise convolution")
        return
    sums = [other for other in b.absorbed(layer) if _is_sum(b, other)]
    add = b.read(_other_operand(b, sums[0], layer)) if sums else NO_BLOB
    if rounded.chosen(b, conv, b.shape(b.bottom(layer))[0]):
        rounded.forward(b, layer, bias, conv, change, add, factor)
        return
    blob = b.read(b.bottom(layer))
    if winograd.chosen(b, conv, blob.n):
        winograd.forward(b, blob, layer, bias, b.write(top), conv, change, add, factor)
        return
    weights = parts.weights(b, layer, conv, FORWARD, factor)
    b.emit(lines.forward(blob, weights, bias, b.write(top), conv, change, add), "convolution")


def _bias(b: Builder, layer: int, conv: Conv) -> tuple[Region, Region]:
    """Where the packed bias and the factors of output channels are, with BatchNorm, Scale and Bias folded in."""
    folded = [i for i in b.absorbed(layer) if b.plan.graph.nodes[i].type.name in batch_norm.FAMILY.types]
    if not folded:
        return parts.bias(b, layer, conv), NOTHING
    laid = parts.laid(conv)
    affine = Affine.new(b, laid.outputs, laid.groups)
    b.emit_setup(affine.start(), "fold")
    if parts.has_bias(b, layer):
        b.emit_setup(affine.scale(NOTHING, b.param(layer, 1)), "fold")
    for other in folded:
        b.emit_setup(batch_norm.fold(b, other, affine), "fold")
    return affine.shift, affine.factor


def backward(b: Builder, step: Step) -> None:
    layer, given = step.layer, _given(b, step.layer)
    conv = whole(given)
    dy = b.read(step.top_diffs[0])
    parts.bias_gradient(b, layer, dy, conv)
    if (gradient := b.param_gradient(layer, 0)) is not None:
        place = groups.cleared_gradient(b, given, gradient)
        _weight_gradient(b, layer, dy, place, conv)
        groups.collect_gradient(b, given, place, gradient)
    if (target := step.bottom_diffs[0]) is not None:
        _data_gradient(b, layer, step.top_diffs[0], target, conv)


def _weight_gradient(b: Builder, layer: int, dy: Blocked, target: Region, conv: Conv) -> None:
    if _is_first(b, layer, conv):
        parts.weight_gradient(b, b.read_padded(b.bottom(layer), conv.halo), dy, target, conv)
    elif rounded.chosen_for_weights(b, conv, dy.n):
        rounded.weight_gradient(b, b.read(b.bottom(layer)), dy, target, conv)
    elif not by_channel(conv) and winograd.chosen_for_weights(b, conv, dy.n):
        winograd.weight_gradient(b, b.read(b.bottom(layer)), dy, target, conv)
    else:
        parts.weight_gradient(b, b.read(b.bottom(layer)), dy, target, conv)


def _data_gradient(b: Builder, layer: int, slot: int, target: int, conv: Conv) -> None:
    dy = b.read(slot)
    if by_channel(conv):
        weights = parts.weights(b, layer, conv, BACKWARD)
        b.emit(depthwise.data_gradient(dy, weights, NOTHING, b.write(target), conv), "depthwise data gradient")
    elif rounded.chosen_back(b, conv, dy.n):
        dx, add = b.write_or_add(target)
        rounded.data_gradient(b, layer, slot, dx, conv, add)
    elif winograd.chosen_back(b, conv, dy.n):
        dx, add = b.write_or_add(target)
        winograd.data_gradient(b, dy, layer, dx, conv, add)
    else:
        weights = parts.weights(b, layer, conv, BACKWARD)
        dx, add = b.write_or_add(target)
        b.emit(lines.data_gradient(dy, weights, NOTHING, dx, conv, add), "data gradient")


# ---------------------------------------------------------------- what it absorbs


def absorb(b: Builder, head: int) -> None:
    """Stored statistics, scales and biases, then a sum with a blob that is there already, then an activation."""
    if b.native[b.plan.graph.nodes[head].tops[0]] == "plain":
        return
    absorb_chain(
        b, head, lambda last, reader: _takes(b, head, last, reader), lambda layer: _ends(b, head, layer)
    )  # fmt: skip
    chain = b.absorbed(head)
    for number, one in enumerate(chain):  # what is read along with what is written must lie like it
        if _is_sum(b, one):
            for other in chain[number + 1 :]:
                b.same_halo(b.plan.graph.nodes[one].tops[0], b.plan.graph.nodes[other].tops[0])


def _takes(b: Builder, head: int, last: int, reader: int) -> bool:
    summed = any(_is_sum(b, other) for other in b.absorbed(head))
    if dropout.folds(b, reader):
        return not (summed and b.is_part(b.top(reader)))
    if _is_sum(b, reader):
        return not summed and _can_add(b, head, last, reader)
    return not summed and batch_norm.folds(b, reader)


def _ends(b: Builder, head: int, layer: int) -> bool:
    summed = any(_is_sum(b, other) for other in b.absorbed(head))
    return is_activation(b, layer) and not (summed and b.is_part(b.top(layer)))


def _is_sum(b: Builder, layer: int) -> bool:
    return b.plan.graph.nodes[layer].type.name in eltwise.FAMILY.types


def _other_operand(b: Builder, eltwise: int, conv: int) -> int:
    """The slot of an Eltwise layer's bottom that does not come from the convolution (or what follows it)."""
    chain = {conv, *b.absorbed(conv)}
    values = b.plan.graph.nodes[eltwise].bottoms
    other = next(v for v in values if b.plan.graph.values[v].producer not in chain)
    return b.data(other)


def _can_add(b: Builder, head: int, last: int, eltwise: int) -> bool:
    """Whether the sum's other blob is there when the convolution runs, and nobody looks at it in between."""
    node = b.plan.graph.nodes[eltwise]
    value = b.plan.graph.nodes[last].tops[0]
    others = [v for v in node.bottoms if v != value]
    plain_sum = node.record.eltwise_param.operation == "SUM" and eltwise_factors(b, eltwise) == (1.0, 1.0)
    if len(others) != 1 or not plain_sum or repeats(b, eltwise):
        return False
    other = b.plan.graph.values[others[0]]
    producer = b.fused.get(other.producer, other.producer)
    between = range(head + 1, eltwise)
    ready = producer < head and other.producer < head and all(i in b.fused and b.fused[i] == head for i in between)
    conv = whole(_given(b, head))
    if (
        not ready
        or by_channel(conv)
        or _is_first(b, head, conv)
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
    return any(b.same_place(slots[bottom], slots[top]) for slots in (b.plan.data, b.plan.backward_data))


FAMILY = Family(("Convolution", "DepthwiseConvolution"), accepts, forward, backward, absorb)
