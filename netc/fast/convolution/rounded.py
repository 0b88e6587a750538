"""Which passes of a convolution are products of bfloat16 numbers, and their launches. Convolution asks here first.

On AMX all are that the kernels can run: even Winograd in float32 is several times as slow. AVX512-BF16 multiplies twice
as many numbers as float32 at most, and where Winograd saves more than that, Winograd stays.
"""

from __future__ import annotations

from netc.fast import winograd
from netc.fast.convolution import bf16, bf16_first, bf16_gradients, groups
from netc.fast.convolution.geometry import Conv
from netc.fast.convolution.weights import BACKWARD, FORWARD, add_weight_gradient, pack_pairs, packed_bytes, pair_bytes
from netc.fast.machine.activation import Activation
from netc.fast.machine.bf16 import BLOCK, VECTORS
from netc.fast.machine.launch import NOTHING, Region
from netc.fast.machine.layout import NO_BLOB, Blocked, Plain
from netc.fast.machine.moves import clear_halo
from netc.fast.program import copies
from netc.fast.program.builder import Builder
from netc.fast.program.copies import known_way


def chosen(b: Builder, conv: Conv, n: int) -> bool:
    """Whether forward of n images is."""
    return _runs(b, conv) and not (copies.way(b) == VECTORS and winograd.chosen(b, conv, n))


def chosen_back(b: Builder, conv: Conv, n: int) -> bool:
    """Whether the data gradient of n images is."""
    return _runs(b, conv.adjoint) and not (copies.way(b) == VECTORS and winograd.chosen_back(b, conv, n))


def chosen_for_weights(b: Builder, conv: Conv, n: int) -> bool:
    """Whether the gradient of the weights of n images is."""
    able = _runs(b, conv) and bf16_gradients.supported(conv)
    return able and not (copies.way(b) == VECTORS and winograd.chosen_for_weights(b, conv, n))


def _runs(b: Builder, conv: Conv) -> bool:
    return copies.way(b) is not None and not groups.by_channel(conv) and bf16.supported(conv)


def want(b: Builder, layer: int, conv: Conv) -> None:
    """Ask for the copy of the bottom that forward reads."""
    seen, thin = bf16.thinned(conv)
    copies.want(b, layer, b.plan.graph.nodes[layer].bottoms[0], bf16.copy_halo(seen.halo), thin)


def want_back(b: Builder, slot: int, conv: Conv) -> None:
    """Ask for the copy of the top's diff that the data gradient reads."""
    copies.want_slot(b, slot, bf16.copy_halo(conv.gradient_halo))


def forward(
    b: Builder, layer: int, bias: Region, conv: Conv, activation: Activation, add: Blocked, factor: Region
) -> None:
    """Emit y = x * weights * factor + bias (+ add), then the activation; and the top's own copy, if it is read."""
    seen, thin = bf16.thinned(conv)
    x, weights = copies.read(b, b.bottom(layer), thin), _weights(b, b.param(layer, 0), conv, FORWARD, factor)
    _sums(b, layer, x, weights, bias, seen, activation, add)


def chosen_first(b: Builder, conv: Conv) -> bool:
    """Whether forward of a first layer, which reads a plain array, is. Vectors would save nothing."""
    return copies.way(b) not in (None, VECTORS) and bf16_first.supported(conv)


def forward_first(
    b: Builder, layer: int, x: Plain, bias: Region, conv: Conv, activation: Activation, factor: Region
) -> None:
    """Emit the same of a first layer; x: its bottom with its halo."""
    seen, copy = bf16_first.seen(conv), bf16_first.new_copy(b, x.n, conv)
    b.emit([*clear_halo(copy), bf16_first.windows(known_way(b), x, copy, conv)], "bf16 copy")
    spread = b.new("weights of columns", b.param(layer, 0).nbytes)
    b.emit_setup(bf16_first.spread_weights(b.param(layer, 0), spread, conv), "weights")
    weights = _weights(b, spread, seen, FORWARD, factor)
    _sums(b, layer, copy, weights, bias, seen, activation, NO_BLOB)


def _sums(
    b: Builder, layer: int, x: Blocked, weights: Region, bias: Region, conv: Conv, activation: Activation, add: Blocked
) -> None:
    top = b.plan.graph.nodes[b.last_of(layer)].tops[0]
    if bf16.supports_copy(conv):
        y, copy = copies.write(b, top, alone=not add.inner)
    else:
        y, copy = b.write(b.data(top)), NO_BLOB
    launches = bf16.forward(known_way(b), x, weights, bias, y, copy, conv, activation, add)
    b.emit(launches, "bf16 convolution")


def data_gradient(b: Builder, layer: int, slot: int, dx: Blocked, conv: Conv, add: bool) -> None:
    """Emit dx from the diff of the top, which is in this slot; or dx += that."""
    dy, weights = copies.read(b, slot), _weights(b, b.param(layer, 0), conv, BACKWARD, NOTHING)
    b.emit(bf16.data_gradient(known_way(b), dy, weights, dx, conv, add), "bf16 data gradient")


def weight_gradient(b: Builder, x: Blocked, dy: Blocked, target: Region, conv: Conv) -> None:
    """Emit target += the gradient of the weights."""
    packed = b.new("weight gradient", packed_bytes(conv, FORWARD))
    turned = b.new("turned bottom", bf16_gradients.turned_bytes(x.n, conv))
    pairs = b.new("top's diff in pairs", bf16_gradients.pairs_bytes(dy.n, conv))
    b.emit(bf16_gradients.weight_gradient(known_way(b), x, dy, turned, pairs, packed, conv), "bf16 weight gradient")
    b.emit(add_weight_gradient(packed, target, conv), "weight gradient")


def _weights(b: Builder, source: Region, conv: Conv, order: int, factor: Region) -> Region:
    """Emit the packing of weights; the packed ones."""
    packed = b.new("packed weights", pair_bytes(conv, order))
    scratch = b.new("scratch", b.threads * conv.cells * BLOCK)
    b.emit_setup(pack_pairs(known_way(b), source, packed, scratch, conv, order, factor), "weights")
    return packed
