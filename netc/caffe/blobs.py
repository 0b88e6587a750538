"""pycaffe's Blob: `data` and `diff` as arrays that may be written, the shape, and the four old names of the axes."""

from __future__ import annotations

from math import prod

import numpy as np

from netc.caffe.arrays import resized
from netc.caffe.engine import Engine
from netc.layer import Array, Shape, format_shape
from netc.layers.python import Sized
from netc.run.parameters import Parameter


class Blob(Sized):
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
    def stored(self) -> Array:
        """The values for netc's own use, which only reads them."""
        return self.data

    @property
    def shape(self) -> Shape:
        return self.data.shape

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
        return self._engine.look(self._name)

    @property
    def diff(self) -> Array:
        return self._engine.look_at_gradient(self._name)

    @property
    def shape(self) -> Shape:
        return self._engine.shape_of(self._name)

    def reshape(self, *shape: int) -> None:
        """Ask for another shape of an input; the whole net is reshaped before its next pass."""
        self._engine.ask_shape(self._name, tuple(int(size) for size in shape))


class ParamBlob(Blob):
    """A parameter blob of a layer. Gradients add up over backward passes until `clear_param_diffs`.

    It may be given another shape (net surgery): the same values in another shape are still the layer's; more or fewer
    are written by `save`, but the layer cannot run with them (RUN062) until the blob has as many values as before.
    """

    def __init__(self, engine: Engine, layer: int, position: int) -> None:
        self._engine, self._layer, self._position = engine, layer, position
        self._zeros: Array | None = None
        self._wanted: Shape | None = None  # the shape that a script gave it
        self._apart: Blob | None = None  # what it holds if that is another number of values

    def _own(self) -> tuple[Array, Array]:
        self._engine.catch_up()
        blob = self._parameter()
        return blob.data, self._gradient(blob)

    def _parameter(self) -> Parameter:
        return self._engine.parameters.of_layer(self._layer)[self._position]

    def _gradient(self, blob: Parameter) -> Array:
        if (diff := blob.diff) is not None:
            return diff
        if self._zeros is None:
            self._zeros = np.zeros_like(blob.array)
        return self._zeros

    @property
    def data(self) -> Array:
        if self._apart is not None:
            return self._apart.data
        data, _ = self._own()
        return data if self._wanted is None else data.reshape(self._wanted)

    @property
    def shape(self) -> Shape:
        return self.stored.shape

    @property
    def stored(self) -> Array:
        if self._apart is not None:
            return self._apart.data
        array = self._parameter().array
        return array if self._wanted is None else array.reshape(self._wanted)

    @property
    def diff(self) -> Array:
        if self._apart is not None:
            return self._apart.diff
        diff = self._gradient(self._parameter())
        return diff if self._wanted is None else diff.reshape(self._wanted)

    def reshape(self, *shape: int) -> None:
        """Give the blob another shape; the values that still fit stay."""
        wanted, (data, diff) = tuple(int(size) for size in shape), self._own()
        held = (self.data, self.diff)
        place = self._layer, self._position
        if prod(wanted) == data.size:
            for own, values in zip((data, diff), held, strict=True):
                if own.flags.writeable:  # the gradient of a table that is updated by rows is not
                    own.reshape(-1)[...] = resized(values, (data.size,))
            self._apart = None
            self._engine.misfits.pop(place, None)
        else:
            apart = self._apart = Blob(wanted)
            for array, values in zip((apart.data, apart.diff), held, strict=True):
                array[...] = resized(values, wanted)
            self._engine.misfits[place] = f"{format_shape(wanted)}, and needs {format_shape(data.shape)}"
        self._wanted = None if wanted == data.shape else wanted
