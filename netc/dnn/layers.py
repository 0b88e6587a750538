"""A layer of a net, as scripts see it: its name, its type, and its parameters, which may be replaced."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from netc import run
from netc.dnn.errors import BAD_BLOB, refuse
from netc.graph import Node
from netc.layer import Array, format_shape


class Layer:
    """A layer: `name` (OpenCV's), `type`, and `blobs`."""

    def __init__(self, name: str, net: run.Net, node: Node | None) -> None:
        self.name, self._net, self._node = name, net, node

    @property
    def type(self) -> str:
        return self._node.record.type if self._node else ""

    @property
    def blobs(self) -> tuple[Array, ...]:
        """Copies of the parameters, as OpenCV gives them. What is assigned counts from the next forward on."""
        return tuple(array.copy() for array in self._own())

    @blobs.setter
    def blobs(self, given: Iterable[Any]) -> None:
        """A bias may be left out, as in OpenCV: scripts give class8_ab its weights only. It is zero then."""
        own, arrays = self._own(), [np.asarray(array) for array in given]
        if len(arrays) != len(own) and not self._lacks_bias(len(arrays)):
            raise refuse(BAD_BLOB, f'layer "{self.name}" has {len(own)} blobs, and was given {len(arrays)}')
        for position, array in enumerate(arrays):
            self._check(position, array)
        for target, array in zip(own, arrays, strict=False):
            target[...] = array.reshape(target.shape)
        for target in own[len(arrays) :]:
            target[...] = 0

    def _lacks_bias(self, count: int) -> bool:
        """Whether all but so many of the blobs are biases, and there are some before."""
        planned = self._net.parameters.plan.layers[self._node.index].setup.params if self._node else ()
        return 0 < count < len(planned) and all(blob.name == "bias" for blob in planned[count:])

    def write(self, position: int, given: Any) -> None:
        """Replace one of the blobs; raises error(RUN081)."""
        array = np.asarray(given)
        self._check(position, array)
        target = self._own()[position]
        target[...] = array.reshape(target.shape)

    def blob(self, position: int) -> Array:
        """A copy of one of the blobs; raises error(RUN081)."""
        own = self._own()
        if not 0 <= position < len(own):
            raise refuse(BAD_BLOB, f'layer "{self.name}" has {len(own)} blobs, and none of number {position}')
        return own[position].copy()

    def _own(self) -> tuple[Array, ...]:
        return self._net.params.get(self._node.key, ()) if self._node else ()

    def _check(self, position: int, array: Array) -> None:
        wanted = self.blob(position)
        if array.dtype.kind not in "fiub" or array.size != wanted.size:
            given = f"{format_shape(array.shape)} of {array.dtype}"
            help = f"give {wanted.size} numbers: {format_shape(wanted.shape)}"
            raise refuse(BAD_BLOB, f'blob {position} of layer "{self.name}" cannot be {given}', help=help)
