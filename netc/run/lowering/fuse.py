"""Which layers are done by the rows of another.

- a convolution takes in BatchNorm (stored statistics), Scale and Bias after it, then an Eltwise sum with a blob that is
  there already, then ReLU;
- BatchNorm, Scale and Bias take in those and ReLU after them, an inner product or a sum takes in ReLU;
- BatchNorm in training takes in a Scale, and with it ReLU.
Each only where nothing else ever reads the blob in between.
"""

from __future__ import annotations

from netc.run.lowering.builder import Builder
from netc.run.lowering.groups import by_channel
from netc.run.lowering.rules import batch_norm, convolution
from netc.run.lowering.rules.channels import RULE as CHANNELS

HEADS = ("Convolution", "DepthwiseConvolution", "InnerProduct", "Eltwise", *CHANNELS.types)


def fuse(b: Builder) -> None:
    """Fill in `Builder.fused`."""
    for node in b.plan.graph.nodes:
        if node.index in b.accepted and node.index not in b.fused and node.type.name in HEADS:
            if batch_norm.accepts(b, node.index):
                _absorb_trained(b, node.index)
            else:
                _absorb(b, node.index)


def _absorb_trained(b: Builder, head: int) -> None:
    consumers = b.plan.graph.values[b.plan.graph.nodes[head].tops[0]].consumers
    scale = consumers[0][0] if consumers else head
    if b.plan.graph.nodes[scale].type.name != "Scale" or scale not in b.accepted:
        return
    if not b.planned(scale).needs_backward and b.plan.backward_planned:
        return
    b.fused[scale] = head
    relu = _only_reader(b, scale)
    if relu is not None and relu in b.accepted and _is_plain_relu(b, relu):
        b.fused[relu] = head


def _is_plain_relu(b: Builder, layer: int) -> bool:
    node = b.plan.graph.nodes[layer]
    return node.type.name == "ReLU" and node.record.relu_param.negative_slope == 0


def _absorb(b: Builder, head: int) -> None:
    kind = b.plan.graph.nodes[head].type.name
    last = head
    while (reader := _only_reader(b, last)) is not None and reader in b.accepted and reader not in b.fused:
        name = b.plan.graph.nodes[reader].type.name
        if name in CHANNELS.types:
            taken = kind not in ("InnerProduct", "Eltwise") and not _has_sum(b, head)
            taken = taken and not batch_norm.accepts(b, reader)
        elif name == "Eltwise":
            taken = kind == "Convolution" and not _has_sum(b, head) and _can_add(b, head, last, reader)
        else:
            taken = _is_plain_relu(b, reader)
        if not taken:
            return
        if _has_sum(b, head):  # the other blob of the sum is read along with what is written
            b.same_halo(b.plan.graph.nodes[last].tops[0], b.plan.graph.nodes[reader].tops[0])
        b.fused[reader] = head
        last = reader
        if name == "ReLU":
            return


def _has_sum(b: Builder, head: int) -> bool:
    return any(b.plan.graph.nodes[other].type.name == "Eltwise" for other in b.absorbed(head))


def _can_add(b: Builder, head: int, last: int, eltwise: int) -> bool:
    """Whether the sum's other blob is there when the convolution runs, and nobody looks at it in between."""
    node = b.plan.graph.nodes[eltwise]
    value = b.plan.graph.nodes[last].tops[0]
    others = [v for v in node.bottoms if v != value]
    plain_sum = node.record.eltwise_param.operation == "SUM" and tuple(b.planned(eltwise).setup.geometry) == (1.0, 1.0)
    if len(others) != 1 or not plain_sum:
        return False
    other = b.plan.graph.values[others[0]]
    producer = b.fused.get(other.producer, other.producer)
    between = range(head + 1, eltwise)
    ready = producer < head and other.producer < head and all(i in b.fused and b.fused[i] == head for i in between)
    conv = convolution.geometry(b, head)
    if (
        not ready
        or by_channel(conv)
        or convolution.is_first(b, head, conv)
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
    return any(b.same_place(slots[bottom], slots[top]) for slots in (b.plan.data, b.plan.late))


def _only_reader(b: Builder, layer: int) -> int | None:
    """The one layer that reads a layer's top, if nothing else ever does (backward and the user included)."""
    value = b.plan.graph.values[b.plan.graph.nodes[layer].tops[0]]
    slot = b.plan.slots[b.plan.data[value.index]]
    if len(value.consumers) != 1 or any(b.plan.graph.nodes[layer].loss_weights):
        return None
    reader = value.consumers[0][0]
    read_back = b.is_made_again(value.index) and _read_back(b, layer, reader)
    return reader if slot.last <= reader and not read_back else None


def _read_back(b: Builder, layer: int, reader: int) -> bool:
    """Whether backward reads the layer's top (which it makes again, so that it need not live as long as that)."""
    needed = (("y", layer), ("x", reader))
    return any(b.planned(i).needs_backward and axis in _axes(b, i) for axis, i in needed)


def _axes(b: Builder, layer: int) -> set[str]:
    return {name[0] for name in b.planned(layer).setup.reads}
