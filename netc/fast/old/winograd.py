"""Which passes of a convolution go by Winograd, and their rows. Convolution's rule asks here first.

Each pass is chosen on its own: the data gradient has other channels and pixels than forward. Halos are those of the
direct kernels, so the choice changes nothing elsewhere.
"""

from __future__ import annotations

from netc.fast.convolution.geometry import Conv
from netc.fast.machine.launch import Ref
from netc.fast.machine.layout import Blocked
from netc.fast.old.kernels import winograd
from netc.fast.old.nothing import NOTHING
from netc.fast.program.builder import Builder


def chosen(b: Builder, conv: Conv, n: int) -> bool:
    """Whether `n` images of this convolution (and its weight gradient) go by Winograd. Never with `exact`."""
    return not b.exact and winograd.supported(conv) and winograd.faster(conv, n, not b.plan.backward_planned)


def chosen_back(b: Builder, conv: Conv, n: int) -> bool:
    """The same for the data gradient."""
    return winograd.supported(conv) and chosen(b, winograd.turned(conv), n)


def forward(
    b: Builder, x: Blocked, layer: int, bias: Ref | int, y: Blocked, conv: Conv, relu: bool, add: Blocked | None,
    factor: Ref | int,
) -> None:  # fmt: skip
    """Emit y = x * weights * factor + bias (+ add), clipped at 0 for ReLU."""
    weights = _weights(b, layer, conv, False, factor)
    work = b.new("workspace", winograd.workspace_bytes(conv, y.n, b.threads))
    b.emit(winograd.forward(x, weights, bias, y, conv, work, relu, add, "Winograd convolution"))


def data_gradient(b: Builder, dy: Blocked, layer: int, dx: Blocked, conv: Conv, add: bool) -> None:
    """Emit dx from dy, or dx += that."""
    weights = _weights(b, layer, conv, True, NOTHING)
    work = b.new("workspace", winograd.workspace_bytes(winograd.turned(conv), dy.n, b.threads))
    b.emit(winograd.data_gradient(dy, weights, dx, conv, work, add, "Winograd data gradient"))


def weight_gradient(b: Builder, x: Blocked, dy: Blocked, dw: Ref, conv: Conv) -> None:
    """Emit dw += the gradient of the weights."""
    work = b.new("workspace", winograd.gradient_workspace_bytes(conv, dy.n, b.threads))
    b.emit(winograd.weight_gradient(x, dy, dw, conv, work, "Winograd weight gradient"))


def _weights(b: Builder, layer: int, conv: Conv, backward: bool, factor: Ref | int) -> Ref:
    """Emit the transform of the weights; the place of the transformed ones."""
    target = b.new("transformed weights", winograd.weight_bytes(conv))
    scratch = b.new("scratch", winograd.scratch_bytes(conv, b.threads))
    rows = winograd.transform_weights(b.param(layer, 0), target, scratch, conv, backward, factor, "weights")
    b.emit_setup(rows)
    return target
