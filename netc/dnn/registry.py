"""Classes that scripts give for layer types: `cv2.dnn_registerLayer`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from netc.dnn.errors import NOT_REGISTERED, refuse

Maker = Callable[[dict[str, Any], tuple[Any, ...]], Any]
"""A class: called with a layer's fields and blobs, it makes what computes the layer."""

_given: dict[str, list[Maker]] = {}


def dnn_registerLayer(type: str, layerClass: Maker) -> None:
    """Have layers of a type computed by a class, from now on and in nets that have not run yet; built-in types, too.

    `layerClass(params, blobs)` gets the fields of the layer's messages and copies of its blobs;
    `getMemoryShapes(inputs)` gives the shapes of the outputs for a list of the inputs' shapes, `forward(inputs)`
    a list of arrays of these shapes. Of several classes for a type, the last one counts.
    """
    _given.setdefault(type, []).append(layerClass)


def dnn_unregisterLayer(type: str) -> None:
    """Take back the class that was given last for a type; nets that have run keep theirs. Raises error(RUN086)."""
    if not _given.get(type):
        raise refuse(NOT_REGISTERED, f'no class was given for layers of type "{type}"')
    _given[type].pop()


def registered() -> dict[str, Maker]:
    """The class that counts for each type that has one."""
    return {type: classes[-1] for type, classes in _given.items() if classes}
