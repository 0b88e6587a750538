"""pycaffe's Blob: `data` and `diff` as arrays that may be written, the shape, and the four old names of the axes."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import numpy as np

from netc.caffe.errors import FIXED_SHAPE, refuse
from netc.layer import Array, Shape, format_shape

if TYPE_CHECKING:
    from netc.caffe.engine import Engine


class Blob:
    """Values and gradients of one shape, zero at first. `Blob([2, 3])` stands on its own; nets have their own kinds."""

    def __init__(self, shape: Shape | list[int] = ()) -> None:
        self._data = np.zeros(tuple(shape), np.float32)
        self._diff = np.zeros(tuple(shape), np.float32)

    @property
    def data(self) -> Array:
        """The values: a view that may be written."""
        return self._data

    @property
    def diff(self) -> Array:
        """The gradient: a view that may be written; zeros where none is computed."""
        return self._diff

    @property
    def shape(self) -> Shape:
        return self.data.shape

    @property
    def count(self) -> int:
        """How many values there are."""
        return prod(self.shape)

    @property
    def num(self) -> int:
        return self._axis(0)

    @property
    def channels(self) -> int:
        return self._axis(1)

    @property
    def height(self) -> int:
        return self._axis(2)

    @property
    def width(self) -> int:
        return self._axis(3)

    def _axis(self, axis: int) -> int:
        return self.shape[axis] if axis < len(self.shape) else 1

    def reshape(self, *shape: int) -> None:
        """Give the blob another shape; the values that still fit stay."""
        wanted = tuple(int(size) for size in shape)
        self._data, self._diff = resized(self._data, wanted), resized(self._diff, wanted)


class NetBlob(Blob):
    """A blob of a net, by name. The arrays are those of the moment: ask again after the net has been reshaped."""

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine, self._name = engine, name

    @property
    def data(self) -> Array:
        return self._engine.values_of(self._name)

    @property
    def diff(self) -> Array:
        return self._engine.gradient_of(self._name)

    def reshape(self, *shape: int) -> None:
        """Ask for another shape of an input; the whole net is reshaped before its next pass."""
        self._engine.ask_shape(self._name, tuple(int(size) for size in shape))


class ParamBlob(Blob):
    """A parameter blob of a layer. Gradients add up over backward passes until `clear_param_diffs`."""

    def __init__(self, engine: Engine, layer: int, position: int) -> None:
        self._engine, self._layer, self._position = engine, layer, position
        self._zeros: Array | None = None

    @property
    def data(self) -> Array:
        return self._engine.parameters.of_layer(self._layer)[self._position].data

    @property
    def diff(self) -> Array:
        blob = self._engine.parameters.of_layer(self._layer)[self._position]
        if blob.diff is not None:
            return blob.diff
        if self._zeros is None:
            self._zeros = np.zeros_like(blob.data)
        return self._zeros

    def reshape(self, *shape: int) -> None:
        """Raise CaffeError(RUN062) if the shape is another."""
        if tuple(shape) != self.shape:
            message = f"a parameter of shape {format_shape(self.shape)} cannot become {format_shape(tuple(shape))}"
            raise refuse(FIXED_SHAPE, message)


def resized(array: Array, shape: Shape) -> Array:
    """An array of another shape with the same values in the same order, as many as fit; zeros after them."""
    if shape == array.shape:
        return array
    out: Array = np.zeros(shape, array.dtype)
    count = min(out.size, array.size)
    out.reshape(-1)[:count] = array.reshape(-1)[:count]
    return out
