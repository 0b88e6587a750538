"""MemoryData: arrays that a program hands over.

There is no `SourceType`: a net's MemoryData layer is an input until a program gives it a `Memory` (pycaffe's
`set_input_arrays`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from netc.data.codes import BAD_ARRAY, NO_ARRAYS
from netc.data.order import whole_number
from netc.errors import Diagnostic, NetError
from netc.layer import Array, Shape, format_shape


class Memory:
    """Gives out rows of arrays, batch after batch, from the start again at the end. shapes: of the layer's tops."""

    def __init__(self, shapes: Sequence[Shape]) -> None:
        self._shapes = tuple(shapes)
        self._arrays: tuple[Array, ...] = ()
        self._position = 0

    def set(self, *arrays: Array) -> None:
        """Hand arrays over (one for each top, kept without a copy), and start with their first rows.

        Raises NetError(DAT014) for rows of the wrong shape, or if they are not a whole number of batches (as Caffe).
        """
        for array, shape in zip(arrays, self._shapes, strict=True):
            if array.size != len(array) * int(np.prod(shape[1:])):
                wanted, given = format_shape(shape[1:]), format_shape(array.shape[1:])
                raise NetError(Diagnostic(BAD_ARRAY, f"the layer's rows are {wanted}, those handed over {given}"))
        counts, batch = {len(array) for array in arrays}, self._shapes[0][0]
        if len(counts) != 1 or (count := counts.pop()) % batch or not count:
            given = ", ".join(str(len(array)) for array in arrays)
            message = f"the arrays need the same number of rows, a multiple of batch_size {batch}, but have {given}"
            raise NetError(Diagnostic(BAD_ARRAY, message))
        self._arrays = tuple(a.reshape(len(a), *s[1:]) for a, s in zip(arrays, self._shapes, strict=True))
        self._position = 0

    def shapes(self) -> tuple[Shape, ...]:
        return self._shapes

    def next(self, out: Sequence[Array]) -> None:
        """Fill the tops. Raises NetError(DAT013) if nothing was handed over."""
        if not self._arrays:
            raise NetError(Diagnostic(NO_ARRAYS, "no arrays were handed to this MemoryData layer"))
        count = len(self._arrays[0])
        rows = (self._position % count + np.arange(len(out[0]))) % count
        for top, array in zip(out, self._arrays, strict=True):
            np.take(array, rows, axis=0, out=top) if array.dtype == top.dtype else np.copyto(top, array[rows])
        self._position = (self._position + len(out[0])) % count

    def state(self) -> dict[str, Any]:
        return {"position": self._position}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._position = whole_number(state, "position")
