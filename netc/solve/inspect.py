"""Looking into a net while it trains: where numbers stop being finite, and how large everything is (debug_info)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from netc.layer import Array, Call
from netc.run import Net
from netc.solve.ranks import Ranks

Kind = Literal["forward", "backward", "parameter", "gradient", "update"]


@dataclass(frozen=True, slots=True)
class Size:
    """The mean absolute value of a blob, as Caffe's debug_info gives it.

    kind "forward": a top's values; "backward": a bottom's gradient; "parameter" and "gradient": of a parameter blob;
    "update": what is subtracted from it. position: which of the layer's tops, bottoms or parameter blobs. count: of its
    values; squares: their sum.
    """

    kind: Kind
    layer: str
    blob: str
    mean_abs: float
    position: int = 0
    count: int = 0
    squares: float = 0.0


class Sizes:
    """An observer that notes the size of everything that passes."""

    def __init__(self, net: Net) -> None:
        self.net = net
        self.found: list[Size] = []

    def __call__(self, kind: Literal["forward", "backward"], layer: int, call: Call) -> None:
        node, values = self.net.graph.nodes[layer], self.net.graph.values
        if kind == "forward":
            tops = enumerate(zip(node.tops, call.tops, strict=True))
            self.found += [_size(kind, node.name, values[v].name, i, a) for i, (v, a) in tops]
            return
        bottoms = enumerate(zip(node.bottoms, call.bottom_diffs, strict=False))
        self.found += [_size(kind, node.name, values[v].name, i, a) for i, (v, a) in bottoms if a is not None]

    def together(self, ranks: Ranks, rounds: int) -> list[Size]:
        """What has passed on all ranks, batch by batch in their order, then the parameters. For all ranks at once.

        rounds: how many batches each of them had.
        """
        if ranks.size == 1:
            return self.found
        passes = sum(size.kind in ("forward", "backward") for size in self.found)
        each = passes // rounds
        every = ranks.gather([self.found[at : at + each] for at in range(0, passes, each)])
        return [size for turn in zip(*every, strict=True) for batch in turn for size in batch] + self.found[passes:]

    def parameters(self, kind: Kind) -> None:
        """Add the parameters' values ("parameter") or gradients (any other kind; after the update these hold it)."""
        for blob in self.net.parameters.all:
            array = blob.array if kind == "parameter" else blob.diff
            if array is not None:
                self.found.append(_size(kind, blob.owner, blob.param.name, blob.param.position, array))


def _size(kind: Kind, layer: str, blob: str, position: int, array: Array) -> Size:
    values = np.abs(array, dtype=np.float64).reshape(-1)
    mean = float(values.mean()) if values.size else 0.0
    return Size(kind, layer, blob, mean, position, values.size, float(values @ values))


@dataclass(frozen=True, slots=True)
class Cause:
    """Where a value that is not finite comes from, and what usually helps."""

    where: str
    help: str


_UPDATE = "an update made it so: lower base_lr, add warmup_iter, or clip gradients (clip_gradients: 10)"
_SCALE = "values have grown too large: lower base_lr, clip gradients, or scale the inputs"


def first_not_finite(net: Net) -> Cause:
    """Run forward once more and say where a value that is not finite comes from."""
    said: list[Cause] = []

    def look(kind: Literal["forward", "backward"], layer: int, call: Call) -> None:
        node = net.graph.nodes[layer]
        for value, top in zip(node.tops, call.tops, strict=True):
            if not said and not np.isfinite(top).all():
                where = f'blob "{net.graph.values[value].name}" of layer "{node.name}" ({node.type.name})'
                cause, help = _cause(net, layer, call)
                said.append(Cause(f"{where} is the first that is not finite; {cause}", help))

    with net.observed(look):
        net.forward()
    return said[0] if said else Cause("every blob is finite when the pass is run again", _SCALE)


def _cause(net: Net, layer: int, call: Call) -> tuple[str, str]:
    if net.graph.nodes[layer].type.source:
        return "it comes from the data", "look for a bad record (`netc data check`), or a wrong scale or mean"
    bad = [b.param.name for b in net.parameters.of_layer(layer) if not np.isfinite(b.array).all()]
    if bad:
        return f'its parameter "{bad[0]}" is not finite any more', _UPDATE
    largest = max((_largest(b) for b in call.bottoms), default=0.0)
    said = f"its bottoms are finite, at most {largest:g}" if np.isfinite(largest) else "its bottoms were finite"
    return said, net.graph.nodes[layer].type.role.advice or _SCALE


def _largest(array: Array) -> float:
    return float(np.abs(array).max(initial=0))
