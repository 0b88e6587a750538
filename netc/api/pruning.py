"""Pruning of trained weights, once: the smallest of each layer become zero, and are not stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from netc import solve
from netc.api.definition import Definition
from netc.api.planning import plan as plan_net
from netc.api.preprocess import stored
from netc.errors import Diagnostic, NetError, suggest
from netc.layer import Array, Shape
from netc.plan.learners import NAMES_NOTHING
from netc.plan.model import Plan
from netc.plan.turns import Pattern, users
from netc.run.weights import match
from netc.schema.record import Record
from netc.schema.weights import LayerWeights
from netc.solve import sparsity


@dataclass(frozen=True, slots=True)
class Pruned:
    """What became of one parameter: its weights, how many were zero before and are now, and the largest that went."""

    name: str
    size: int
    before: int
    zeros: int
    largest: float


@dataclass(frozen=True)
class PrunedNet:
    """The net that snapshots describe, its layers with the weights that are left, and what became of each parameter."""

    record: Record
    layers: tuple[LayerWeights, ...]
    params: tuple[Pruned, ...]


def prune(
    definition: Definition,
    files: Sequence[Path],
    share: float,
    patterns: Sequence[str] = (),
    inputs: Mapping[str, Shape] | None = None,
) -> PrunedNet:
    """The weights of files, of which `share` of each layer's (the smallest in absolute value) are zero.

    patterns: the layers, or parameters, whose weights are meant; without, all that have more than one axis.
    Raises NetError: SNP... for files that do not fit, PLN030 for patterns that name no weights.
    """
    plan = plan_net(definition, "TRAIN", training=False, inputs=inputs or {})
    found: dict[int, LayerWeights] = {}
    for path in files:
        pairs, _ = match(plan, solve.read_weights(path), source=str(path))
        found |= {node.index: layer for node, layer in pairs}
    chosen = _chosen(plan, patterns)
    pruned: dict[int, Pruned] = {}
    layers = tuple(_pruned(plan, node.index, found.get(node.index), chosen, share, pruned) for node in plan.graph.nodes)
    records = tuple(node.record for node in plan.graph.nodes)
    record = plan.graph.record.replace(layer=records, preprocessing=stored(plan) or None)
    return PrunedNet(record, layers, tuple(pruned.values()))


def _chosen(plan: Plan, patterns: Sequence[str]) -> set[int]:
    """The parameters that are meant. Raises NetError(PLN030)."""
    names = users(plan.graph, plan.params, (layer.params for layer in plan.layers))
    given = [Pattern(text) for text in patterns]
    every = {name for p in plan.params if sparsity.becomes_sparse(p, (), ()) for name in names[p.index]}
    lost = [pattern.text for pattern in given if not pattern.names(every)]
    if lost:
        close = suggest(lost[0], sorted(every))
        help = f'did you mean "{close}"?' if close else f"there are {', '.join(sorted(every)[:8]) or 'none'}"
        raise NetError(Diagnostic(NAMES_NOTHING, f'"{lost[0]}" names no weights', help=help))
    return {p.index for p in plan.params if sparsity.becomes_sparse(p, names[p.index], given)}


def _pruned(
    plan: Plan, index: int, layer: LayerWeights | None, chosen: set[int], share: float, pruned: dict[int, Pruned]
) -> LayerWeights:
    """A layer with the weights that are left; what became of its parameters goes to `pruned`, by index."""
    node, planned = plan.graph.nodes[index], plan.layers[index]
    if layer is None:
        return LayerWeights(node.name, node.type.name)
    blobs, few = list(layer.blobs), set[int]()
    for place, param in enumerate(planned.params):
        if param not in chosen:
            continue
        blobs[place], pruned[param] = _one(plan.params[param].name, layer.blobs[place], share)
        few.add(place)
    return replace(layer, name=node.name, type=node.type.name, blobs=tuple(blobs), diffs=(), sparse=frozenset(few))


def _one(name: str, weights: Array, share: float) -> tuple[Array, Pruned]:
    values = np.array(weights, np.float32, order="C")
    mask = np.ones(values.size, np.uint8)
    before = values.copy()
    sparsity.prune(values, mask, share)
    gone = np.abs(before[values == 0])
    largest = float(gone.max(initial=0))
    return values, Pruned(name, values.size, int((before == 0).sum()), int((values == 0).sum()), largest)
