"""Arrays that a script hands to a MemoryData layer, taken batch by batch, round and round."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from netc.caffe.errors import NOT_MEMORY_DATA, refuse
from netc.layer import Array, Shape, format_shape


class Feed:
    """The source of a MemoryData layer. The arrays are not copied."""

    def __init__(self, data: Array, labels: Array) -> None:
        self.data, self.labels = data, labels
        self.at = 0

    def next(self, out: Sequence[Array]) -> None:
        rows = slice(self.at, self.at + len(out[0]))
        for top, array in zip(out, (self.data, self.labels), strict=True):
            top[...] = array[rows].reshape(top.shape)
        self.at = rows.stop % len(self.data)


def check(data: Array, labels: Array, shape: Shape) -> None:
    """Raise CaffeError(RUN061) if the arrays do not fit a layer whose data has this shape."""
    for name, array, rest in (("data", data, shape[1:]), ("labels", labels, (1, 1, 1))):
        if array.dtype != np.float32:
            raise refuse(NOT_MEMORY_DATA, f"{name} must be float32, not {array.dtype}")
        if not array.flags.c_contiguous:
            raise refuse(NOT_MEMORY_DATA, f"{name} must be C-contiguous", help="np.ascontiguousarray makes it so")
        if array.ndim != 4 or array.shape[1:] != rest:
            wanted = format_shape(("N", *rest))  # type: ignore[arg-type]
            raise refuse(NOT_MEMORY_DATA, f"{name} must have shape {wanted}, not {format_shape(array.shape)}")
    if len(data) != len(labels):
        raise refuse(NOT_MEMORY_DATA, f"{len(data)} images, but {len(labels)} labels")
    if not len(data) or len(data) % shape[0]:
        raise refuse(NOT_MEMORY_DATA, f"{len(data)} images are not a multiple of the batch size {shape[0]}")
