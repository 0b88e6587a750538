"""BatchNorm with the batch's statistics, and the Scale and ReLU that follow it: two passes each way.

The three layers are one step, forward and backward, at BatchNorm's place in the plan. Not with `keep`, where every
gradient in between is asked for.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from netc.fast.machine.launch import Ref
from netc.fast.machine.layout import Blocked
from netc.fast.old.kernels import batch_norm as kernels
from netc.fast.old.kernels.affine import Affine
from netc.fast.old.kernels.batch_norm import SUMS_BYTES, Statistics
from netc.fast.old.nothing import NOTHING
from netc.fast.program.builder import Builder
from netc.fast.program.fuse import is_plain_relu, only_reader
from netc.plan.model import Step


def accepts(b: Builder, layer: int) -> bool:
    """Whether the layer is a BatchNorm in training on a blocked bottom."""
    node, g = b.plan.graph.nodes[layer], b.planned(layer).setup.geometry
    return node.type.name == "BatchNorm" and not g.stored and not g.affine and not b.keep


def accepts_scale(b: Builder, layer: int) -> bool:
    """Whether the layer is a Scale that follows such a BatchNorm, and alone does."""
    value = b.plan.graph.values[b.plan.graph.nodes[layer].bottoms[0]]
    head = value.producer
    trained = head in b.accepted and accepts(b, head) and b.planned(head).needs_backward
    return trained and len(value.consumers) == 1 and not any(b.plan.graph.nodes[head].loss_weights)


def _scale(b: Builder, layer: int) -> int | None:
    """The Scale layer that is done here."""
    return next((i for i in b.absorbed(layer) if b.plan.graph.nodes[i].type.name == "Scale"), None)


def _relu(b: Builder, layer: int) -> bool:
    return any(b.plan.graph.nodes[i].type.name == "ReLU" for i in b.absorbed(layer))


def forward(b: Builder, layer: int) -> None:
    fields: Any = b.plan.graph.nodes[layer].record.batch_norm_param
    x, scale = b.read(b.bottom(layer)), _scale(b, layer)
    if b.again:  # the statistics are there, and must not be counted twice
        affine, at = b.notes[layer]
        _normalize(b, layer, x, affine, at)
        return
    size = Affine.nbytes(x.c)
    affine = Affine(b.new("factors", size), b.new("shifts", size), x.c)
    at = Statistics(b.new("means", size), b.new("deviations", size), b.new("sums", x.n * x.blocks * SUMS_BYTES))
    b.emit([affine.start("factors")])
    if scale is not None:
        bias = b.param(scale, 1) if len(b.planned(scale).params) > 1 else NOTHING
        b.emit([affine.scale(b.param(scale, 0), bias, "factors")])
    stored = b.param(layer, 0), b.param(layer, 1), b.param(layer, 2)
    b.emit(kernels.moments(x, at, stored, fields.moving_average_fraction, fields.eps, "moments"))
    _normalize(b, layer, x, affine, at)
    b.notes[layer] = (affine, at)


def _normalize(b: Builder, layer: int, x: Blocked, affine: Affine, at: Statistics) -> None:
    last = b.last_of(layer)
    x_hat = b.write(b.top(layer))
    y = b.write(b.top(last)) if last != layer else None
    b.emit(kernels.normalize(x, x_hat, y, at, affine, _relu(b, layer), "normalize"))


def backward(b: Builder, step: Step) -> None:
    layer, target = step.layer, step.bottom_diffs[0]
    affine, at = b.notes[layer]
    last = b.last_of(layer)
    given = b.plan.diff[b.plan.graph.nodes[last].tops[0]]
    assert given is not None
    scale, gradients = _scale(b, layer), list[Ref | int]([NOTHING, NOTHING])
    if scale is not None:
        for i in range(len(b.planned(scale).params)):
            gradients[i] = b.param_gradient(scale, i) or NOTHING
    x_hat, dy = b.read(b.top(layer)), b.read(given)
    at = replace(at, sums=b.new("sums", x_hat.n * x_hat.blocks * SUMS_BYTES))
    dx = b.write(target) if target is not None else None
    wanted = gradients[0], gradients[1]
    b.emit(kernels.gradient(x_hat, dy, dx, at, affine, _relu(b, layer), wanted, "normalize gradient"))


def absorb(b: Builder, head: int) -> None:
    """Let a BatchNorm do the Scale that follows, and with it a ReLU."""
    consumers = b.plan.graph.values[b.plan.graph.nodes[head].tops[0]].consumers
    scale = consumers[0][0] if consumers else head
    if b.plan.graph.nodes[scale].type.name != "Scale" or scale not in b.accepted:
        return
    if not b.planned(scale).needs_backward and b.plan.backward_planned:
        return
    b.fused[scale] = head
    relu = only_reader(b, scale)
    if relu is not None and relu in b.accepted and is_plain_relu(b, relu):
        b.fused[relu] = head
