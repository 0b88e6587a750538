"""Deconvolution on blocked blobs: a convolution the other way round.

Its forward is the data gradient of the convolution that goes from its top to its bottom, and its data gradient that
convolution's forward; the weights lie in the same order.
"""

from __future__ import annotations

from netc.fast import dropout
from netc.fast.activation import activation, is_activation
from netc.fast.convolution import depthwise, groups, lines, parts
from netc.fast.convolution.geometry import Conv
from netc.fast.convolution.groups import by_channel, whole
from netc.fast.convolution.weights import BACKWARD, FORWARD
from netc.fast.machine.launch import NOTHING
from netc.fast.program.builder import Builder
from netc.fast.program.family import Family
from netc.fast.program.fuse import absorb_chain
from netc.fast.program.lowered import Layout
from netc.plan.model import Step


def _given(b: Builder, layer: int) -> Conv:
    conv = parts.given(b, layer)
    assert conv is not None
    return conv


def accepts(b: Builder, layer: int) -> Layout | None:
    given = parts.given(b, layer)
    if given is None or not groups.supported(given):
        return None
    b.want(b.bottom(layer), whole(given).gradient_halo)
    if (step := b.backward_of(layer)) is not None:
        b.want(step.top_diffs[0], whole(given).halo)
    return "blocked"


def forward(b: Builder, layer: int) -> None:
    given = _given(b, layer)
    conv = whole(given)
    groups.spread_weights(b, layer, given)
    bias = parts.bias(b, layer, conv.adjoint)
    weights = parts.weights(b, layer, conv, BACKWARD)
    laid = parts.laid(conv.adjoint)
    change = activation(b, layer, laid.outputs, laid.groups)
    x, y = b.read(b.bottom(layer)), b.write(b.top(b.last_of(layer)))
    if by_channel(conv):
        b.emit(depthwise.data_gradient(x, weights, bias, y, conv, change), "depthwise deconvolution")
    else:
        b.emit(lines.data_gradient(x, weights, bias, y, conv, activation=change), "deconvolution")


def backward(b: Builder, step: Step) -> None:
    layer, given = step.layer, _given(b, step.layer)
    conv = whole(given)
    dy = b.read(step.top_diffs[0])
    parts.bias_gradient(b, layer, dy, conv.adjoint)
    if (gradient := b.param_gradient(layer, 0)) is not None:
        place = groups.cleared_gradient(b, given, gradient)
        parts.weight_gradient(b, dy, b.read(b.bottom(layer)), place, conv)
        groups.collect_gradient(b, given, place, gradient)
    if (target := step.bottom_diffs[0]) is not None:
        weights = parts.weights(b, layer, conv, FORWARD)
        dx = b.write(target)
        if by_channel(conv):
            b.emit(depthwise.forward(dy, weights, NOTHING, dx, conv), "depthwise data gradient")
        else:
            b.emit(lines.forward(dy, weights, NOTHING, dx, conv), "data gradient")


def absorb(b: Builder, head: int) -> None:
    """An activation."""
    absorb_chain(b, head, lambda _last, reader: dropout.folds(b, reader), lambda layer: is_activation(b, layer))


FAMILY = Family(("Deconvolution",), accepts, forward, backward, absorb)
