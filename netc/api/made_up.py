"""Made-up data: values for every input of a net that its layers can take.

A blob is followed from the source to the first layer that says what it holds (`Setup.holds`), through layers that
hand values on unchanged. So labels are classes that there are, indices are rows of the table, `cont` is 0 or 1, and
regions lie in an image of the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod

import numpy as np

from netc import run
from netc.layer import Array, Shape
from netc.plan.model import Plan
from netc.role import ANYTHING, Holds, Kind

Draw = Callable[[np.random.Generator, Holds, Shape], Array]


def fill_inputs(net: run.Net, seed: int) -> None:
    """Random values into every input of a net: what its layers say they take, normal numbers where they say nothing."""
    generator = np.random.default_rng(seed)
    values = {net.graph.values[v].name: v for v in reversed(range(len(net.graph.values)))}
    for name, array in net.inputs.items():
        array[...] = made_up(generator, held(net.plan, values[name]), array.shape)


def held(plan: Plan, value: int) -> Holds:
    """What a value has to hold for the layers that read it, or that read what holds the same values."""
    said = (plan.layers[node.index].setup.bottom_holds(bottom) for node, bottom in plan.graph.readers(value))
    return next((holds for holds in said if holds != ANYTHING), ANYTHING)


def made_up(generator: np.random.Generator, holds: Holds, shape: Shape) -> Array:
    """Random values of this kind and shape, in float64."""
    return _DRAWS.get(holds.kind, _normal)(generator, holds, shape).reshape(shape)


def _normal(generator: np.random.Generator, holds: Holds, shape: Shape) -> Array:
    return generator.standard_normal(shape)


def _uniform(generator: np.random.Generator, holds: Holds, shape: Shape) -> Array:
    return generator.uniform(holds.low, holds.high, shape)


def _whole(generator: np.random.Generator, holds: Holds, shape: Shape) -> Array:
    return generator.integers(int(holds.low), max(int(holds.high), int(holds.low) + 1), shape).astype(np.float64)


def _binary(generator: np.random.Generator, holds: Holds, shape: Shape) -> Array:
    return generator.integers(0, 2, shape).astype(np.float64)


def _probabilities(generator: np.random.Generator, holds: Holds, shape: Shape) -> Array:
    values = generator.uniform(0.05, 1.0, shape)
    return values / values.sum(axis=1, keepdims=True) if len(shape) > 1 else values


def _regions(generator: np.random.Generator, holds: Holds, shape: Shape) -> Array:
    """Rows of [image, x1, y1, x2, y2]."""
    rows = prod(shape) // 5
    corners = np.sort(generator.uniform(0, 1, (rows, 2, 2)), axis=1) * (holds.width, holds.height)
    images = np.sort(generator.integers(0, int(holds.high), (rows, 1)), axis=0)
    return np.concatenate((images, corners.reshape(rows, 4)), axis=1)


def _boxes(generator: np.random.Generator, holds: Holds, shape: Shape) -> Array:
    """Rows of [image, class, instance, x1, y1, x2, y2, difficult], no box smaller than a tenth of the image."""
    rows = prod(shape) // 8
    images = np.sort(generator.integers(0, int(holds.high), rows))
    first = generator.uniform(0, 0.5, (rows, 2))
    last = first + generator.uniform(0.1, 0.5, (rows, 2))
    classes = generator.integers(1, max(holds.classes, 2), rows)
    zeros = np.zeros(rows)
    return np.column_stack((images, classes, zeros, first, last, zeros))


def _image(generator: np.random.Generator, holds: Holds, shape: Shape) -> Array:
    values = np.ones(prod(shape))
    values[:2] = holds.height, holds.width
    return values


_DRAWS: Mapping[Kind, Draw] = {
    "normal": _normal,
    "uniform": _uniform,
    "labels": _whole,
    "binary": _binary,
    "probabilities": _probabilities,
    "regions": _regions,
    "boxes": _boxes,
    "image": _image,
}
