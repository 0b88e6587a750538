"""Statistics of layers, estimated anew for weights that are there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from netc.api.definition import Definition
from netc.api.preprocess import stored
from netc.api.session import Net
from netc.errors import Code, Diagnostic, NetError
from netc.run import Loaded
from netc.run.weights import weights_of
from netc.schema.record import Record
from netc.schema.weights import LayerWeights
from netc.solve.events import Fitted
from netc.solve.fit import able
from netc.solve.fit import fit as fit_layers

NO_STATISTICS = Code(
    "SOL034",
    "no layer has statistics of the data",
    why="`netc fit` estimates what BatchNorm and Whiten know of the data; the train net has no such layer.",
    example="netc fit nets/lenet.net --weights lenet.caffemodel",
    fix="Name the net whose layers have statistics, as `netc summary --phase TRAIN` shows them.",
)


@dataclass(frozen=True)
class FittedNet:
    """The net that snapshots describe, its layers with the new statistics, and what has changed.

    table: by layer its name, type, the number of items, and by blob the largest change.
    """

    record: Record
    layers: tuple[LayerWeights, ...]
    table: tuple[Mapping[str, Any], ...]
    loaded: Mapping[Path, Loaded]


def fit(definition: Definition, files: Sequence[Path], batches: int = 0, **options: Any) -> FittedNet:
    """The weights of files, with the statistics of the train net's layers estimated from its data.

    batches: how many, 0 for the data once. options: as of `netc.Net`.
    Raises NetError: SNP... for files that do not fit, SOL032 to SOL034.
    """
    net = Net(definition, "TRAIN", weights=files, training=False, need_data=True, **options)
    nodes = able(net)
    if not nodes:
        raise NetError(Diagnostic(NO_STATISTICS, f'net "{net.graph.name}" has no layer with statistics'))
    table = tuple(_row(net, fitted) for fitted in fit_layers(net, nodes, batches))
    records = tuple(node.record for node in net.graph.nodes)
    record = net.graph.record.replace(layer=records, preprocessing=stored(net.plan) or None)
    return FittedNet(record, weights_of(net).layers, table, net.loaded)


def _row(net: Net, fitted: Fitted) -> Mapping[str, Any]:
    node = next(node for node in net.graph.nodes if node.name == fitted.layer)
    blobs = net.parameters.of_layer(node.index)
    pairs = zip(net.plan.layers[node.index].setup.params, blobs, fitted.before, strict=True)
    changes = {known.name: float(np.abs(blob.array - old).max(initial=0)) for known, blob, old in pairs}
    return {"layer": node.name, "type": node.type.name, "items": fitted.items, "changes": changes}
