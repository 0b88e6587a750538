"""Counts of a plan: parameters, blob values, multiply-adds and activation bytes, of one layer or of the net."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from netc.layer import Shape
from netc.plan.model import Plan

VALUE_BYTES = 4


@dataclass(frozen=True, slots=True)
class Counts:
    """parameters: values that are learned. blob_values: values of all parameter blobs (BatchNorm's three included).

    macs: multiply-adds of one forward pass over the whole batch. activation_bytes: of all tops, as float32.
    """

    parameters: int
    blob_values: int
    macs: int
    activation_bytes: int


def count_layer(plan: Plan, layer: int) -> Counts:
    """What one layer uses; a shared parameter counts in each layer that uses it."""
    setup = plan.layers[layer].setup
    return Counts(
        sum(prod(b.shape) for b in setup.params if b.learned),
        sum(prod(b.shape) for b in setup.params),
        setup.macs,
        VALUE_BYTES * sum(prod(shape) for shape in setup.tops),
    )


def count_net(plan: Plan) -> Counts:
    """What the net uses; a shared parameter counts once."""
    return Counts(
        sum(prod(p.shape) for p in plan.params if p.blob.learned),
        sum(prod(p.shape) for p in plan.params),
        sum(layer.setup.macs for layer in plan.layers),
        VALUE_BYTES * sum(prod(shape) for layer in plan.layers for shape in layer.setup.tops),
    )


def batch_size(plan: Plan) -> int:
    """Samples in a batch: what the first top of the first layer without bottoms has of them; 1 without one."""
    shape, axis = _first(plan)
    return shape[axis] if len(shape) > axis else 1


def samples_are(plan: Plan) -> str:
    """What a net's samples are called: images, if that top looks like some."""
    return "images" if len(_first(plan)[0]) == 4 else "samples"


def _first(plan: Plan) -> tuple[Shape, int]:
    """The shape of the first top of the first layer without bottoms, and its axis that counts samples."""
    sources = [n for n in plan.graph.nodes if not n.bottoms and n.tops]
    return (plan.shapes[sources[0].tops[0]], sources[0].samples) if sources else ((), 0)
