"""Parameter blobs and their gradients: the memory of a net that outlives one pass."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np

from netc.data.pictures import picture
from netc.errors import Report
from netc.kernels.fillers import fill
from netc.kernels.philox import stream
from netc.kernels.rows import RowGradient
from netc.layer import Array, Shape, format_shape
from netc.plan.model import Param, Plan
from netc.run.arena import ALIGNMENT, aligned_bytes
from netc.run.codes import PARAMETER_SHAPE
from netc.run.values import Values
from netc.schema.names import paired


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter blob: what the plan says of it, its values, and its gradient (None if it takes none)."""

    param: Param
    owner: str
    values: Values
    gradient: Array | RowGradient | None
    shape: Shape

    @property
    def rows(self) -> RowGradient | None:
        """The gradient of a table that is updated by rows."""
        return self.gradient if isinstance(self.gradient, RowGradient) else None

    @property
    def added(self) -> Array | None:
        """What backward adds to, in the shape of the values; of a table that is updated by rows in rows of its own."""
        return self.gradient.values if isinstance(self.gradient, RowGradient) else self.gradient

    @property
    def diff(self) -> Array | None:
        """The gradient, to be read and written; of a table that is updated by rows a copy, to be read only."""
        return self.gradient.whole() if isinstance(self.gradient, RowGradient) else self.gradient

    @property
    def data(self) -> Array:
        """The values, to be read and written. What is written, through whatever is made of it, counts from the next
        pass on."""
        return _in_shape(self.values.lend(), self.shape)

    @property
    def array(self) -> Array:
        """The same for code of netc's that only reads, or says what it writes (`Values.touch`)."""
        return _in_shape(self.values.array, self.shape)


def _in_shape(array: Array, shape: Shape) -> Array:
    return array if array.shape == shape else array.reshape(shape)


class Parameters:
    """All parameter blobs of a net. `shared` gives arrays of another net's layers of the same name."""

    def __init__(self, plan: Plan, dtype: np.dtype[Any], seed: int, shared: Parameters | None) -> None:
        self.plan = plan
        keys = [node.key for node in plan.graph.nodes]
        found = _shared(plan, shared)
        fresh = [p for p in plan.params if p.index not in found]
        learned = [p for p in plan.params if p.learned and plan.backward_planned]
        self.gradient, gradients = _gradients(learned, dtype)
        _, arrays = _pack(fresh, dtype)
        for p in fresh:
            fill(arrays[p.index], p.blob.filler, seed, stream(keys[p.layer], p.position), read=picture)
        values = {index: Values(array) for index, array in arrays.items()} | found
        self.all = tuple(
            Parameter(p, keys[p.layer], values[p.index], gradients.get(p.index), p.shape) for p in plan.params
        )

    def of_layer(self, layer: int) -> tuple[Parameter, ...]:
        """The blobs that a layer uses, in the type's order and in its own shapes (PERMISSIVE sharing may reshape)."""
        planned = self.plan.layers[layer]
        return tuple(_shaped(self.all[i], b.shape) for i, b in zip(planned.params, planned.setup.params, strict=True))

    def by_layer(self) -> dict[str, tuple[Parameter, ...]]:
        """The blobs of each layer that has some, by the layer's key."""
        nodes = self.plan.graph.nodes
        return {node.key: self.of_layer(node.index) for node in nodes if self.plan.layers[node.index].params}

    def check(self, plan: Plan) -> None:
        """Raise NetError(RUN015) if a plan of the same net, whole or not, wants parameters of other shapes."""
        report = Report()
        for mine, p in zip(self.all, plan.params, strict=False):
            if mine.shape != p.shape:
                shapes = f"{format_shape(mine.shape)}, but would be {format_shape(p.shape)} for these inputs"
                report.error(PARAMETER_SHAPE, f'"{p.name}" has shape {shapes}', plan.graph.nodes[p.layer].record.span)
        report.finish()

    def replica(self) -> Parameters:
        """Parameters of the same values, with own gradients, which take no memory until somebody writes there."""
        twin = copy(self)
        learned = [blob.param for blob in self.all if blob.gradient is not None]
        twin.gradient, gradients = _gradients(learned, self.all[0].array.dtype) if self.all else (self.gradient, {})
        twin.all = tuple(replace(blob, gradient=gradients.get(blob.param.index)) for blob in self.all)
        return twin

    def clear_gradients(self) -> None:
        """Set every gradient to zero."""
        self.gradient[:] = 0
        for blob in self.all:
            if blob.rows is not None:
                blob.rows.clear()

    def belonging(self, plan: Plan) -> dict[int, tuple[Parameter, ...]]:
        """The blobs that belong to each of another net's layers with parameters, by index: those of the same names."""
        ours, theirs = ([la for la, layer in enumerate(p.layers) if layer.params] for p in (self.plan, plan))
        names = ([p.graph.nodes[la].name for la in layers] for p, layers in ((plan, theirs), (self.plan, ours)))
        return {theirs[new]: self.of_layer(ours[old]) for new, old in paired(*names).items()}


def _shaped(blob: Parameter, shape: Shape) -> Parameter:
    if blob.shape == shape:
        return blob
    assert blob.rows is None  # the plan sees to it that all users of a table see the same rows
    return replace(blob, shape=shape, gradient=None if blob.added is None else blob.added.reshape(shape))


def _shared(plan: Plan, other: Parameters | None) -> dict[int, Values]:
    theirs = other.belonging(plan) if other else {}
    report, found = Report(), {}
    for p in plan.params:
        blobs = theirs.get(p.layer, ())
        if p.position >= len(blobs):
            continue
        blob = blobs[p.position]
        if blob.shape != p.shape:
            ours = f"{format_shape(p.shape)} here and {format_shape(blob.shape)} in the other net"
            span = plan.graph.nodes[p.layer].record.span
            report.error(PARAMETER_SHAPE, f'"{p.name}" has shape {ours}', span)
        found[p.index] = blob.values
    report.finish()
    return found


def _gradients(learned: list[Param], dtype: np.dtype[Any]) -> tuple[Array, dict[int, Array | RowGradient]]:
    """Zeros that take no memory until somebody writes there: one flat array with a view for each parameter, and beside
    it the gradients of those that are updated by rows."""
    flat, views = _pack([p for p in learned if not p.rows], dtype)
    return flat, {**views, **{p.index: RowGradient.of(p.shape, dtype) for p in learned if p.rows}}


def _pack(params: list[Param], dtype: np.dtype[Any]) -> tuple[Array, dict[int, Array]]:
    """One flat array, and an aligned view of it for each parameter."""
    step = ALIGNMENT // dtype.itemsize
    starts, size = [], 0
    for p in params:
        starts.append(size)
        size += -(-prod(p.shape) // step) * step
    flat = aligned_bytes(size * dtype.itemsize).view(dtype)
    views = {p.index: flat[at : at + prod(p.shape)].reshape(p.shape) for p, at in zip(params, starts, strict=True)}
    return flat, views
