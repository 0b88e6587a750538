"""Loading the weights of one net into another, layer by layer, by name (Caffe's `Net::CopyTrainedLayersFrom`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from netc.errors import Diagnostic, NetError
from netc.layer import Array, Shape, format_shape
from netc.run.codes import EMPTY_STATISTICS, NOTHING_LOADED, WEIGHTS_SHAPE
from netc.run.net import Net
from netc.schema.weights import LayerWeights, Weights


@dataclass(frozen=True, slots=True)
class Loaded:
    """What became of the layers: `loaded`, `fresh` (the file does not have them), `ignored` (the net does not have
    them), `mismatched` (other shapes; left as they were)."""

    loaded: tuple[str, ...] = ()
    fresh: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    mismatched: tuple[Diagnostic, ...] = ()
    warnings: tuple[Diagnostic, ...] = ()


def load_weights(
    net: Net, weights: Weights, *, reshape: bool = False, names: Mapping[str, str] | None = None, source: str = ""
) -> Loaded:
    """Copy the blobs of every layer that both have. Nothing is changed if an error is raised.

    reshape: leave layers that do not fit as they are, instead of an error. names: a file's layer name to the net's.
    Blobs of old files have four sizes; leading ones are dropped to fit, as in Caffe.
    Raises NetError: SNP010 for each layer that does not fit; SNP011 if nothing can be loaded.
    """
    names, params = names or {}, net.params
    found = {names.get(layer.name, layer.name): layer for layer in weights.layers if layer.blobs}
    mismatched = {n: d for n, layer in found.items() if n in params and (d := _mismatch(net, n, layer, source))}
    if mismatched and not reshape:
        raise NetError(mismatched.values())
    if params and not any(name in params for name in found):
        have = ", ".join(list(found)[:5]) or "no layers with parameters"
        raise NetError(Diagnostic(NOTHING_LOADED, f"{source or 'the weights'} hold {have}: none is in this net"))
    loaded = [name for name in params if name in found and name not in mismatched]
    for name in loaded:
        for target, blob in zip(params[name], found[name].blobs, strict=True):
            target[...] = np.asarray(blob).reshape(target.shape)
    fresh = tuple(name for name in params if name not in found)
    ignored = tuple(layer.name for name, layer in found.items() if name not in params)
    return Loaded(tuple(loaded), fresh, ignored, tuple(mismatched.values()), _doubts(net, loaded))


def _doubts(net: Net, loaded: list[str]) -> tuple[Diagnostic, ...]:
    """Warnings that name the layers whose parameters were loaded, but are unlikely to be what training left."""
    found: dict[str, list[str]] = {}
    for node in net.graph.nodes:
        doubt = node.type.role.doubt
        if doubt and node.name in loaded and (said := doubt(net.params[node.name])):
            found.setdefault(said, []).append(node.name)
    return tuple(_doubted(said, names) for said, names in found.items())


def _doubted(said: str, names: list[str]) -> Diagnostic:
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    message = f"{said}: {', '.join(names[:4])}{more}"
    return Diagnostic(EMPTY_STATISTICS, message, help=EMPTY_STATISTICS.fix, severity="warning")


def weights_of(net: Net, diffs: bool = False) -> Weights:
    """The net's parameters as a weight file holds them, every layer included; `diffs`: the gradients too."""
    blobs = net.parameters.by_layer()
    layers = []
    for node in net.graph.nodes:
        own = blobs.get(node.name, ())
        gradients = tuple(np.zeros_like(b.data) if b.diff is None else b.diff for b in own) if diffs else ()
        layers.append(LayerWeights(node.name, node.type.name, tuple(b.data for b in own), gradients))
    return Weights(net.graph.name, tuple(layers))


def _mismatch(net: Net, name: str, layer: LayerWeights, source: str) -> Diagnostic | None:
    ours, theirs = net.params[name], layer.blobs
    if len(ours) == len(theirs) and all(fits(a.shape, b.shape) for a, b in zip(ours, theirs, strict=True)):
        return None
    said = f"the net has {_shapes(ours)}, {source or 'the file'} has {_shapes(theirs)}"
    span = next(n.record.span for n in net.graph.nodes if n.name == name)
    return Diagnostic(WEIGHTS_SHAPE, f'layer "{name}" does not fit: {said}', span)


def fits(ours: Shape, theirs: Shape) -> bool:
    """Whether a blob of a file has the shape of one of ours; old files pad shapes with ones to four sizes."""
    return ours == theirs or (len(theirs) == 4 and len(ours) < 4 and (1,) * (4 - len(ours)) + ours == theirs)


def _shapes(blobs: tuple[Array, ...]) -> str:
    return " and ".join(format_shape(b.shape) for b in blobs) or "no blobs"
