"""BatchNorm, BN, Scale and Bias: a factor and a shift for each channel.

Where no gradient passes, a convolution in front of them takes them into its weights (`fold`); elsewhere they are one
pass. What training needs is in `training` (BatchNorm) and `still` (Scale and Bias).
"""

from __future__ import annotations

from math import prod

from netc.fast.batch_norm import still, training
from netc.fast.batch_norm.affine import Affine, apply, apply_plain
from netc.fast.machine.launch import NOTHING, Launch
from netc.fast.program.builder import Builder
from netc.fast.program.family import Family
from netc.fast.program.fuse import absorb_chain, is_plain_relu
from netc.fast.program.lowered import Layout
from netc.kernels.geometry import BatchNormGeometry, BnGeometry, Folded
from netc.plan.model import Step


def accepts(b: Builder, layer: int) -> Layout | None:
    node, planned = b.plan.graph.nodes[layer], b.planned(layer)
    shape = b.plan.shapes[node.bottoms[0]]
    layout = b.native.get(node.bottoms[0], "plain")
    if len(node.bottoms) != 1 or len(shape) < 2 or (layout == "plain" and planned.needs_backward):
        return None
    if node.type.name == "BatchNorm":
        stored = planned.setup.known(BatchNormGeometry).stored and not planned.needs_backward
        known = stored or (layout == "blocked" and training.accepts(b, layer))
    elif node.type.name == "BN":
        g = planned.setup.known(BnGeometry)
        known = g.statistics in ("none", "stored") and len(node.tops) == 1 and not planned.needs_backward
    elif planned.setup.known(Folded) != (shape[0], shape[1], prod(shape[2:])):
        known = False
    else:
        known = True
    return layout if known else None


def fold(b: Builder, layer: int, affine: Affine) -> list[Launch]:
    """The launches that take the layer into a factor and a shift."""
    node = b.plan.graph.nodes[layer]
    params = [b.param(layer, i) for i in range(len(b.planned(layer).params))]
    if node.type.name == "Bias":
        return [affine.scale(NOTHING, *params)]
    launches = []
    if node.type.name == "BatchNorm":
        mean, variance, weight, *params = params
        launches.append(affine.statistics(mean, variance, weight, node.record.batch_norm_param.eps))
    elif len(params) == 4:  # BN with statistics
        *params, mean, variance = params
        launches.append(affine.statistics(mean, variance, NOTHING, b.planned(layer).setup.known(BnGeometry).epsilon))
    return [*launches, affine.scale(*params)] if params else launches


def folds(b: Builder, layer: int) -> bool:
    """Whether a layer can be folded into the layer before it (`fold`)."""
    serves = b.plan.graph.nodes[layer].type.name in FAMILY.types
    return serves and not b.planned(layer).needs_backward and not training.accepts(b, layer)


def forward(b: Builder, layer: int) -> None:
    if training.accepts(b, layer):
        training.forward(b, layer)
        return
    if b.planned(layer).needs_backward:
        still.forward(b, layer)
        return
    shape = b.shape(b.bottom(layer))
    affine = Affine.new(b, shape[1])
    b.emit_setup(affine.start(), "fold")
    chain = [layer, *b.absorbed(layer)]
    relu = is_plain_relu(b, chain[-1])
    for other in chain[:-1] if relu else chain:
        b.emit_setup(fold(b, other, affine), "fold")
    factor, shift, top = affine.factor, affine.shift, b.top(chain[-1])
    if b.native[b.plan.graph.nodes[layer].tops[0]] == "blocked":
        x = b.read(b.bottom(layer))
        b.emit(apply(x=x, y=b.write(top), factor=factor, shift=shift, relu=relu), "affine")
    else:
        view, flat = Folded(shape[0], shape[1], prod(shape[2:])), b.read_plain(b.bottom(layer)).flat
        y = b.write_plain(top).flat
        b.emit(apply_plain(x=flat, y=y, view=view, factor=factor, shift=shift, relu=relu), "affine")


def absorb(b: Builder, head: int) -> None:
    """Layers of this family and a ReLU; a BatchNorm in training takes a Scale, and with it a ReLU."""
    if training.accepts(b, head):
        training.absorb(b, head)
    elif not b.planned(head).needs_backward:
        absorb_chain(b, head, lambda _last, reader: folds(b, reader))


def backward(b: Builder, step: Step) -> None:
    (training if training.accepts(b, step.layer) else still).backward(b, step)


FAMILY = Family(("BatchNorm", "BN", "Scale", "Bias"), accepts, forward, backward, absorb, both_ways=True)
