"""Which layers are done by the launches of another: families say what they absorb (`Family.absorb`), with these tools.

A layer may be absorbed only where nothing else ever reads the blob in between.
"""

from __future__ import annotations

from collections.abc import Callable

from netc.fast.program.builder import Builder


def absorb_relu(b: Builder, head: int) -> None:
    """Let `head` do a ReLU that follows."""
    absorb_chain(b, head, lambda _last, _reader: False)


def absorb_chain(
    b: Builder,
    head: int,
    takes: Callable[[int, int], bool],
    ends: Callable[[int], bool] | None = None,
) -> None:
    """Let `head` do the layers that follow one another behind it, as long as takes(last, reader), up to one that ends
    the chain: a ReLU without a slope, or what `ends` says."""
    last = head
    while (reader := only_reader(b, last)) is not None and reader in b.accepted and reader not in b.fused:
        end = is_plain_relu(b, reader) if ends is None else ends(reader)
        if not end and not takes(last, reader):
            return
        b.fused[reader] = head
        last = reader
        if end:
            return


def is_plain_relu(b: Builder, layer: int) -> bool:
    """Whether a layer is a ReLU without a slope."""
    node = b.plan.graph.nodes[layer]
    return node.type.name == "ReLU" and node.record.relu_param.negative_slope == 0


def only_reader(b: Builder, layer: int) -> int | None:
    """The one layer that reads a layer's top, if nothing else ever does (backward and the user included)."""
    value = b.plan.graph.values[b.plan.graph.nodes[layer].tops[0]]
    slot = b.plan.slots[b.plan.data[value.index]]
    if len(value.consumers) != 1 or any(b.plan.graph.nodes[layer].loss_weights):
        return None
    reader = value.consumers[0][0]
    read_back = b.is_rematerialised(value.index) and _read_back(b, layer, reader)
    return reader if slot.last <= reader and not read_back else None


def _read_back(b: Builder, layer: int, reader: int) -> bool:
    """Whether backward reads the layer's top (which it makes again, so that it need not live as long as that)."""
    needed = (("y", layer), ("x", reader))
    return any(b.planned(i).needs_backward and axis in _axes(b, i) for axis, i in needed)


def _axes(b: Builder, layer: int) -> set[str]:
    return {name[0] for name in b.planned(layer).setup.reads}
