"""What a test gives: outputs averaged over the batches; of measures that count, the figures of all batches together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from netc.errors import Report
from netc.kernels.average_precision import VERSIONS
from netc.kernels.tally import TALLY, Asked, Tally
from netc.layer import Array
from netc.run import Net
from netc.schema.record import Record
from netc.solve.codes import UNKNOWN_NAME


@dataclass(frozen=True, slots=True)
class Measured:
    """What one batch of a test gives: its outputs, what its measures have counted, by layer, and its loss."""

    outputs: Mapping[str, Array]
    tallies: Mapping[int, Tally]
    loss: float


def measured(net: Net, outputs: Mapping[str, Array]) -> Measured:
    """The outputs of a pass, and what it has left in the net, right after it."""
    counting = [node.index for node in net.graph.nodes if node.type.role.tallies]
    tallies = {layer: net.executor.memory(layer).get(TALLY) for layer in counting}
    return Measured(outputs, {layer: tally for layer, tally in tallies.items() if tally is not None}, net.loss)


class Averages:
    """Averages a test net's outputs, and adds up what its measures count (`netc.kernels.tally`).

    version: how the average precision of detections is computed. per_class: also give NAME/CLASS, that of each class.
    Other outputs whose shape changes from batch to batch have no mean and are left out.
    """

    def __init__(self, net: Net, version: str = "Integral", *, per_class: bool = False) -> None:
        graph = net.graph
        self._asked = Asked(version, per_class)
        self._counting = {n.index: [graph.values[v].name for v in n.tops] for n in graph.nodes if n.type.role.tallies}
        self._net = net
        self._tallies: dict[int, Tally] = {}
        self._sums: dict[str, Array | None] = {}
        self._count = 0

    def add(self, outputs: Mapping[str, Array]) -> None:
        """The outputs of the net's next batch, right after its pass."""
        self.take(measured(self._net, outputs))

    def take(self, batch: Measured) -> None:
        """What the next batch gives, which may have gone through a net like this one elsewhere."""
        self._count += 1
        for layer, tally in batch.tallies.items():
            self._tallies[layer] = self._tallies[layer].plus(tally) if layer in self._tallies else tally
        counted = {name for names in self._counting.values() for name in names}
        for name, value in batch.outputs.items():
            before = self._sums.get(name, np.zeros(value.shape))
            same = before is not None and before.shape == value.shape and name not in counted
            self._sums[name] = before + value.astype(np.float64) if same and before is not None else None

    def means(self) -> dict[str, Array]:
        """The averages and figures so far, by output."""
        figures: dict[str, dict[str, Array]] = {}
        for layer, names in self._counting.items():
            figures |= self._figures(names, self._tallies[layer]) if layer in self._tallies else {}
        found: dict[str, Array] = {}
        for name, total in self._sums.items():
            if total is not None:
                found[name] = total / self._count
            else:
                found |= figures.get(name, {})
        return found

    def _figures(self, names: list[str], tally: Tally) -> dict[str, dict[str, Array]]:
        """What stands for each top of a measure."""
        if named := tally.named(self._asked):
            return {names[0]: {f"{names[0]}{key}": np.asarray(value) for key, value in named.items()}}
        return {name: {name: np.asarray(value)} for name, value in zip(names, tally.figures(), strict=False)}


def check(p: Record, report: Report) -> None:
    """Report an eval_type or ap_version that does not exist (SOL010)."""
    for field, known in (("eval_type", ("classification", "detection")), ("ap_version", tuple(VERSIONS))):
        if getattr(p, field) not in known:
            message = f'there is no {field} "{getattr(p, field)}"'
            report.error(UNKNOWN_NAME, message, p.span_of(field), help=f"use one of {', '.join(known)}")
