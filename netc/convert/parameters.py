"""Parameters on their way into a file: which layer of the net takes which, and in how many bytes they are stored."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from netc.api.definition import Definition
from netc.convert.codes import NOT_HALF
from netc.convert.model import Model, Options, weights_of
from netc.errors import Diagnostic, NetError
from netc.layer import Array
from netc.schema.names import paired as paired_names
from netc.schema.record import Record
from netc.schema.text import to_text
from netc.schema.weights import LayerWeights, Weights

HALVED = ("Convolution", "InnerProduct")
"""The types whose parameters OpenCV's shrinkCaffeModel stores in FP16."""


def paired(layers: Sequence[Record], found: Iterable[LayerWeights]) -> tuple[list[LayerWeights], list[str]]:
    """The parameters of each of these layers, and the names of those in the file that are in none of them.

    As many layers of one name as the file has take them in their order; otherwise the first takes the last.
    """
    stored = [weights for weights in found if weights.blobs]
    pairs = paired_names([layer.name for layer in layers], [weights.name for weights in stored])
    made = [
        replace(stored[pairs[at]], type=layer.type) if at in pairs else LayerWeights(layer.name, layer.type)
        for at, layer in enumerate(layers)
    ]
    names = {layer.name for layer in layers}
    return made, list(dict.fromkeys(weights.name for weights in stored if weights.name not in names))


def in_stored_types(model: Model, options: Options) -> Model:
    """The model with its parameters in the types in which they are to be stored.

    That is FP32 (FP64 stays), as every Caffe reads them, and FP16 for convolutions and inner products if `half` is
    asked for. Raises NetError: CNV009 for values beyond FP16's range, CNV005 for half of a model without parameters.
    """
    if model.weights is None and not options.half:
        return model
    return replace(model, weights=_stored(weights_of(model), model.definition, half=options.half))


def net_text(model: Model) -> tuple[str, tuple[str, ...]]:
    """The text of the net that goes with parameters, or "", and a note if it had to be left out."""
    if model.unread:
        return "", (f"left out: the net, as {model.unread[0].message}",)
    return ("" if model.definition is None else to_text(model.definition.record.replace(solver=None))), ()


def _stored(weights: Weights, definition: Definition | None, *, half: bool) -> Weights:
    types = {layer.name: layer.type for layer in reversed(definition.record.layer)} if definition else {}
    layers = []
    for layer in weights.layers:
        if half and (layer.type or types.get(layer.name)) in HALVED:
            blobs = tuple(half_of(blob, f'blob {i} of layer "{layer.name}"') for i, blob in enumerate(layer.blobs))
            diffs = tuple(half_of(diff, f'gradient {i} of layer "{layer.name}"') for i, diff in enumerate(layer.diffs))
        else:
            blobs, diffs = tuple(map(_single, layer.blobs)), tuple(map(_single, layer.diffs))
        layers.append(replace(layer, blobs=blobs, diffs=diffs))
    return Weights(weights.name, tuple(layers))


def _single(blob: Array) -> Array:
    return blob.astype(np.float32) if blob.dtype == np.float16 else blob


def half_of(blob: Array, what: str) -> Array:
    """A blob in FP16, each value rounded to the nearest. Raises NetError (CNV009) for values beyond its range."""
    with np.errstate(over="ignore"):
        made = blob.astype(np.float16)
    lost = np.flatnonzero(np.isinf(made) & np.isfinite(blob))
    if lost.size:
        value = float(blob.reshape(-1)[lost[0]])
        raise NetError(Diagnostic(NOT_HALF, f"{what} holds {value:g}; FP16 ends at 65504", help=NOT_HALF.fix))
    return made
