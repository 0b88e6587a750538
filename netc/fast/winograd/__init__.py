"""Winograd convolution: which passes of a convolution go by it, and their launches. Convolution asks here first.

Each pass is chosen on its own: the data gradient has other channels and pixels than forward. Halos are those of the
direct kernels, so the choice changes nothing elsewhere. `launches` says how it works; below it are `cut` (when, and in
what portions), `kernels` and `weights`, `points` (what these workspace on), `emit` and `matrices` (vector code).
"""

from __future__ import annotations

from netc.fast.convolution.geometry import Conv
from netc.fast.machine.activation import Activation
from netc.fast.machine.launch import NOTHING, Region
from netc.fast.machine.layout import Blocked
from netc.fast.program.builder import Builder
from netc.fast.winograd import launches
from netc.fast.winograd.cut import faster, has_gradient, supported


def chosen(b: Builder, conv: Conv, n: int) -> bool:
    """Whether `n` images of this convolution go by Winograd. Never with `exact`."""
    return b.precision != "exact" and supported(conv) and faster(conv, n, not b.plan.backward_planned)


def chosen_for_weights(b: Builder, conv: Conv, n: int) -> bool:
    """Whether the weight gradient of n images of this convolution goes by Winograd."""
    return has_gradient(conv) and chosen(b, conv, n)


def chosen_back(b: Builder, conv: Conv, n: int) -> bool:
    """Whether the data gradient of n images of this convolution goes by Winograd."""
    return supported(conv) and chosen(b, launches.turned(conv), n)


def forward(
    b: Builder, x: Blocked, layer: int, bias: Region, y: Blocked, conv: Conv, activation: Activation, add: Blocked,
    factor: Region,
) -> None:  # fmt: skip
    """Emit y = x * weights * factor + bias (+ add), then the activation."""
    weights = _weights(b, layer, conv, False, factor)
    workspace = b.new("workspace", launches.workspace_bytes(conv, y.n, b.threads))
    b.emit(launches.forward(x, weights, bias, y, conv, workspace, activation, add), "Winograd convolution")


def data_gradient(b: Builder, dy: Blocked, layer: int, dx: Blocked, conv: Conv, add: bool) -> None:
    """Emit dx from dy, or dx += that."""
    weights = _weights(b, layer, conv, True, NOTHING)
    workspace = b.new("workspace", launches.workspace_bytes(launches.turned(conv), dy.n, b.threads))
    b.emit(launches.data_gradient(dy, weights, dx, conv, workspace, add), "Winograd data gradient")


def weight_gradient(b: Builder, x: Blocked, dy: Blocked, dw: Region, conv: Conv) -> None:
    """Emit dw += the gradient of the weights."""
    workspace = b.new("workspace", launches.gradient_workspace_bytes(conv, dy.n, b.threads))
    b.emit(launches.weight_gradient(x, dy, dw, conv, workspace), "Winograd weight gradient")


def _weights(b: Builder, layer: int, conv: Conv, backward: bool, factor: Region) -> Region:
    """Emit the transform of the weights; the place of the transformed ones."""
    target = b.new("transformed weights", launches.weight_bytes(conv))
    scratch = b.new("scratch", launches.scratch_bytes(conv, b.threads))
    made = launches.transform_weights(b.param(layer, 0), target, scratch, conv, backward, factor)
    b.emit_setup(made, "weights")
    return target
