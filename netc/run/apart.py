"""Layers that a net for tests has to itself: a classifier that judges what another net makes, with weights of its own.

A test net uses the parameters of the net that is trained. What it has beyond them does not learn: it takes its values
from weight files, and snapshots carry it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from netc.graph import Node
from netc.run.net import Net
from netc.run.weights import Loaded, load_weights
from netc.schema.weights import LayerWeights, Weights


def apart(tests: Iterable[Net], trained: Net) -> Iterator[tuple[Net, Node]]:
    """The layers of test nets with parameters that the trained net does not have; of several of a name the first."""
    own, seen = {id(blob.values) for blob in trained.parameters.all}, set[str]()
    for net in tests:
        for node in net.graph.nodes:
            blobs = net.parameters.of_layer(node.index)
            if blobs and node.name not in seen and not any(id(blob.values) in own for blob in blobs):
                seen.add(node.name)
                yield net, node


def layers_apart(tests: Iterable[Net], trained: Net) -> tuple[LayerWeights, ...]:
    """The same as a weight file holds them."""
    return tuple(
        LayerWeights(node.name, node.type.name, tuple(b.data for b in net.parameters.of_layer(node.index)))
        for net, node in apart(tests, trained)
    )


def load_apart(
    tests: Iterable[Net],
    trained: Net,
    weights: Weights,
    *,
    reshape: bool = False,
    names: Mapping[str, str] | None = None,
    source: str = "",
) -> tuple[Weights, tuple[Loaded, ...]]:
    """Load these layers from a file that has them: the rest of the file, and what became of them.

    Arguments and errors of `load_weights`; a file that has none of them is no error.
    """
    wanted: dict[int, tuple[Net, set[str]]] = {}
    for net, node in apart(tests, trained):
        wanted.setdefault(id(net), (net, set()))[1].add(node.name)
    rest, loaded = weights.layers, []
    for net, theirs in wanted.values():
        found = tuple(layer for layer in weights.layers if (names or {}).get(layer.name, layer.name) in theirs)
        if any(layer.blobs for layer in found):
            part = replace(weights, layers=found)
            loaded.append(load_weights(net, part, reshape=reshape, names=names, source=source))
        rest = tuple(layer for layer in rest if not any(layer is one for one in found))
    return replace(weights, layers=rest), tuple(loaded)
