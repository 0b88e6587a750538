"""A look at the first records of a run's data: what keeps a net from learning, said before the first iteration."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from netc.api.preprocess import classes_of
from netc.api.whole_tests import Ordered
from netc.errors import Code, Diagnostic
from netc.graph import Graph, Node
from netc.layer import Array
from netc.plan.model import Plan
from netc.run import Net
from netc.solve.snapshots import restore_sources, source_states

BY_CLASS = Code(
    "RUN047",
    "the data comes class by class",
    why="The first records of the data have one label, or labels that only grow. A net that sees all records of one "
    "class, and then all of the next, learns to say whatever it saw last, and is right for one class at the end. "
    "Batches should hold records of all classes. This is a warning, about nets that train: for tests order does not "
    "matter.",
    example='image_folder_param { source: "photos" batch_size: 32 }  # without shuffle',
    fix="Say `shuffle: true` in the data layer, or shuffle the records once where the layer has no such field "
    "(`netc data images FOLDER train_lmdb --shuffle`).",
)
OTHER_COUNT = Code(
    "RUN048",
    "the net tells another number of classes apart than the data has",
    why="The scores that go into the loss have one value for each class. With fewer values than the data has classes, "
    "training stops at the first label that is none; with more, the net learns never to give the rest, which wastes "
    "work and is usually a number left over from another net. This is a warning.",
    example='score = InnerProduct(h) { num_output: 1000 }  # "photos" has folders for 6 classes',
    fix="Set num_output of the layer that makes the scores to the number of classes.",
)
NOT_SCALED = Code(
    "RUN049",
    "images reach the first weights as pixels from 0 to 255",
    why="Fillers start weights at sizes that suit inputs around zero, about as large as 1. With pixels of 0..255, all "
    "positive, the first scores are far too large, and training diverges or stands still. BatchNorm behind the first "
    "layer would repair it; there is none. This is a warning.",
    example='image_data_param { source: "train.txt" batch_size: 32 }  # without transform_param',
    fix="`transform_param { mean_value: 118 scale: 0.0157 }` (1/64), or `netc data mean` for the mean of your images.",
)
RECORDS = 64
"""That are looked at, in at most..."""
BATCHES = 16
FEW = 20
"""Labels that must be the same, or grow, before it can be no accident."""


@dataclass(frozen=True)
class _Loss:
    """A loss over classes: the data layer and top that its labels are, and how many classes it tells apart."""

    node: Node
    source: Node
    top: int
    classes: int


def first_look(net: Net) -> tuple[Diagnostic, ...]:
    """Warnings about the first records of a train net's data (RUN047 to RUN049); sources are where they were then.

    Raises NetError (DAT002 and others) for records that cannot be read: training would meet them, too.
    """
    losses = list(_losses(net.plan))
    read = _first_tops(net, {loss.source.key for loss in losses} | {node.key for node in _images(net.plan)})
    found = []
    for loss in losses:
        if loss.source.key in read:
            found += [*_by_class(net.graph, loss, read[loss.source.key][loss.top]), *_count(loss)]
    for node in _images(net.plan):
        if node.key in read:
            found += _not_scaled(net.plan, node, read[node.key][0])
    return tuple({d.message: d for d in found}.values())


def one_class(net: Net) -> float | None:
    """The only label of the batch that a net is trained on, if all its labels are the same; takes the next batch."""
    for loss in _losses(net.plan):
        shapes = [net.plan.shapes[v] for v in loss.source.tops]
        if loss.source.key in net.feeds and shapes[0][0] > 1:
            labels = _batch(net, loss.source.key, shapes)[loss.top]
            if len(np.unique(labels)) == 1:
                return float(labels.flat[0])
    return None


def _first_tops(net: Net, layers: set[str]) -> dict[str, list[Array]]:
    """The first records of data layers, for each top: as many batches as it takes, but no record twice."""
    states, read = source_states(net), dict[str, list[Array]]()
    try:
        for node in net.graph.nodes:
            shapes = [net.plan.shapes[v] for v in node.tops]
            if node.key not in layers or node.key not in states or any(not shape for shape in shapes):
                continue
            count = min(BATCHES, -(-RECORDS // shapes[0][0]))
            batches = [_batch(net, node.key, shapes) for _ in range(count)]
            feed = net.feeds[node.key]
            epoch = feed.order.count if isinstance(feed, Ordered) else None
            read[node.key] = [np.concatenate(tops)[:epoch] for tops in zip(*batches, strict=True)]
    finally:
        restore_sources(net, states)
    return read


def _batch(net: Net, layer: str, shapes: Sequence[tuple[int, ...]]) -> list[Array]:
    tops = [np.zeros(shape, np.float32) for shape in shapes]
    net.feeds[layer].next(tops)
    return tops


def _losses(plan: Plan) -> Iterator[_Loss]:
    """The losses over classes whose labels, one a record, come straight from a data layer."""
    for node in plan.graph.nodes:
        ask = node.type.role.guess
        guess = ask(node.record, [plan.shapes[v] for v in node.bottoms]) if ask and any(node.loss_weights) else None
        if guess is None or len(node.bottoms) < 2:
            continue
        value = plan.graph.values[node.bottoms[1]]
        source = plan.graph.nodes[value.producer]
        shape = plan.shapes[value.index]
        if source.type.source and source.type.forward is None and shape and prod(shape) == shape[0]:
            yield _Loss(node, source, value.top, guess.classes)


def _images(plan: Plan) -> Iterator[Node]:
    for node in plan.graph.nodes:
        if node.type.source and node.type.forward is None and node.tops:
            shape = plan.shapes[node.tops[0]]
            if len(shape) == 4 and shape[1] in (1, 3) and shape[0] > 1:
                yield node


def _by_class(graph: Graph, loss: _Loss, labels: Array) -> Iterator[Diagnostic]:
    flat = labels.reshape(-1)
    ordered = bool((np.diff(flat) >= 0).all())
    if len(flat) < FEW or not ordered or loss.classes < 2:
        return
    kinds = len(np.unique(flat))
    if kinds > len(flat) // 2:  # a label of its own for almost each record is no class
        return
    said = f"are all of class {flat[0]:g}" if kinds == 1 else f"come class by class ({flat[0]:g} to {flat[-1]:g})"
    message = f'layer "{loss.source.name}": the first {len(flat)} records {said}'
    yield Diagnostic(BY_CLASS, message, loss.source.record.span, help=BY_CLASS.fix, severity="warning")


def _count(loss: _Loss) -> Iterator[Diagnostic]:
    known = classes_of(loss.source.record, loss.source.type.data)
    if known and len(known) != loss.classes:
        data = f'the data of layer "{loss.source.name}" has {len(known)}: {", ".join(known[:6])}'
        more = " ..." if len(known) > 6 else ""
        message = f'layer "{loss.node.name}" tells {loss.classes} classes apart; {data}{more}'
        help = f"num_output: {len(known)} in the layer that makes its scores"
        yield Diagnostic(OTHER_COUNT, message, loss.node.record.span, help=help, severity="warning")


def _not_scaled(plan: Plan, node: Node, images: Array) -> Iterator[Diagnostic]:
    least, most = float(images.min()), float(images.max())
    if least < 0 or most < 128 or not any(_takes_as_it_is(plan, n) for n, _ in _readers(plan, node.tops[0])):
        return
    name = plan.graph.values[node.tops[0]].name
    message = f'layer "{node.name}": the values of "{name}" go from {least:g} to {most:g}'
    yield Diagnostic(NOT_SCALED, message, node.record.span, help=f"write {NOT_SCALED.fix}", severity="warning")


def _readers(plan: Plan, value: int) -> tuple[tuple[int, int], ...]:
    return tuple(plan.graph.values[value].consumers)


def _takes_as_it_is(plan: Plan, index: int) -> bool:
    """Whether a layer multiplies what it reads by weights, and nothing normalizes the product."""
    node = plan.graph.nodes[index]
    if node.type.role.family not in ("convolution", "product") or not plan.layers[index].params:
        return False
    behind = [plan.graph.nodes[n].type.role.family for top in node.tops for n, _ in _readers(plan, top)]
    return "normalization" not in behind
