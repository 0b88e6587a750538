"""BatchNorm, BN, Scale and Bias: a factor and a shift for each channel, in nets without backward.

A convolution in front of them takes them into its weights (`fold`); elsewhere they are one pass. What training needs is
in `training`.
"""

from __future__ import annotations

from netc.fast.batch_norm import training
from netc.fast.batch_norm.affine import Affine, apply
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
    if len(node.bottoms) != 1 or b.native.get(node.bottoms[0]) != "blocked":
        return None
    if node.type.name == "BatchNorm":
        stored = planned.setup.known(BatchNormGeometry).stored
        known = training.accepts(b, layer) or (stored and not planned.needs_backward)
    elif node.type.name == "BN":
        g = planned.setup.known(BnGeometry)
        known = g.statistics in ("none", "stored") and len(node.tops) == 1 and not planned.needs_backward
    elif planned.setup.known(Folded) != (shape[0], shape[1], shape[2] * shape[3]):
        known = False
    else:
        after = node.type.name == "Scale" and planned.needs_backward and training.accepts_scale(b, layer)
        known = after or not planned.needs_backward
    return "blocked" if known else None


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
    """Whether it is a layer that `fold` knows."""
    return b.plan.graph.nodes[layer].type.name in FAMILY.types and not training.accepts(b, layer)


def forward(b: Builder, layer: int) -> None:
    if training.accepts(b, layer):
        training.forward(b, layer)
        return
    x = b.read(b.bottom(layer))
    affine = Affine(b.new("factors", Affine.nbytes(x.c)), b.new("shifts", Affine.nbytes(x.c)), x.c)
    b.emit_setup(affine.start(), "fold")
    chain = [layer, *b.absorbed(layer)]
    relu = is_plain_relu(b, chain[-1])
    for other in chain[:-1] if relu else chain:
        b.emit_setup(fold(b, other, affine), "fold")
    y = b.write(b.top(chain[-1]))
    b.emit(apply(x=x, y=y, factor=affine.factor, shift=affine.shift, relu=relu), "affine")


def absorb(b: Builder, head: int) -> None:
    """Layers of this family and a ReLU; a BatchNorm in training takes a Scale, and with it a ReLU."""
    if training.accepts(b, head):
        training.absorb(b, head)
    else:
        absorb_chain(b, head, lambda _last, reader: folds(b, reader))


def backward(b: Builder, step: Step) -> None:
    training.backward(b, step)


FAMILY = Family(("BatchNorm", "BN", "Scale", "Bias"), accepts, forward, backward, absorb, both_ways=True)
