"""Groups of convolutions: each channel by itself, whole blocks, or several taken together with zeros between them."""

from __future__ import annotations

from netc.fast.machine.launch import Ref
from netc.fast.old.kernels import depthwise
from netc.fast.old.kernels import groups as kernels
from netc.fast.old.kernels.conv import Conv
from netc.fast.program.builder import Builder


def supported(conv: Conv) -> bool:
    """Whether there are kernels for it, one way or another."""
    return depthwise.supported(conv) or kernels.together(conv) > 0


def by_channel(conv: Conv) -> bool:
    """Whether it is a depthwise convolution (a single channel is an ordinary one)."""
    return conv.groups > 1 and depthwise.supported(conv)


def whole(conv: Conv) -> Conv:
    """The convolution as the kernels run it: groups that fill no blocks taken together."""
    return conv if by_channel(conv) else kernels.merged(conv, kernels.together(conv))


def spread_weights(b: Builder, layer: int, given: Conv) -> None:
    """Where groups are taken together, let weights with zeros stand for the layer's own from here on."""
    b.weights.pop((layer, 0), None)  # where the layer runs again, from the same ones
    if (count := _count(given)) > 1 and (layer, 0) not in b.weights:
        spread = b.new("weights with zeros", kernels.weight_bytes(given, count))
        b.emit_setup(kernels.spread(b.param(layer, 0), spread, given, count, "weights"))
        b.weights[layer, 0] = spread


def cleared_gradient(b: Builder, given: Conv, gradient: Ref) -> Ref:
    """Where the gradient of the weights is to be added: the layer's own, or zeros where groups are taken together."""
    if (count := _count(given)) == 1:
        return gradient
    spread = b.new("gradient with zeros", kernels.weight_bytes(given, count))
    b.emit(kernels.clear(spread, given, count, "weight gradient"))
    return spread


def collect_gradient(b: Builder, given: Conv, spread: Ref, gradient: Ref) -> None:
    """Add what was added there to the layer's own gradient."""
    if spread != gradient:
        b.emit(kernels.collect(spread, gradient, given, _count(given), "weight gradient"))


def _count(given: Conv) -> int:
    return given.groups // whole(given).groups
