"""Made-up parameters, for nets without any: those that fillers give let values of an untrained net die out or overflow.

(Statistics that nothing has been learned for divide by next to nothing, in each BatchNorm of the net.)
"""

from __future__ import annotations

from math import prod, sqrt

import numpy as np

from netc.layer import Array, ParamBlob
from netc.plan.model import Plan
from netc.schema.record import Record
from netc.schema.weights import LayerWeights, Weights

SPREAD = 0.3  # of biases, means and factors around their start


def parameters(plan: Plan, seed: int = 0) -> Weights:
    """Parameters for every layer of a net, of such a size that values stay about as large from layer to layer."""
    rng, layers = np.random.default_rng(seed), []
    for node in plan.graph.nodes:
        if blobs := plan.layers[node.index].setup.params:
            made = tuple(_values(rng, blob).astype(np.float32) for blob in blobs)
            layers.append(LayerWeights(node.name, node.type.name, made))
    return Weights(plan.graph.name, tuple(layers))


def _values(rng: np.random.Generator, blob: ParamBlob) -> Array:
    numbers: Array = rng.standard_normal(blob.shape)
    if not blob.learned and blob.name == "variance":
        return 1 + np.abs(numbers)
    if not blob.learned and blob.name == "factor":  # that statistics are to be divided by
        return np.full(blob.shape, 2.0)
    if len(blob.shape) > 1 and numbers.size:
        return numbers * sqrt(2 / prod(blob.shape[1:]))
    return _start(blob.filler) + SPREAD * numbers


def _start(filler: Record | float) -> float:
    """The constant that a blob starts with, 0 if it starts with draws."""
    if isinstance(filler, Record):
        return float(filler.value) if filler.type == "constant" else 0.0
    return filler
