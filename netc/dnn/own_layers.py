"""Layers that a script's class computes, as layer types of netc."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from netc.dnn.errors import CLASS_FAILED
from netc.dnn.registry import Maker
from netc.errors import Diagnostic, NetError
from netc.layer import Arity, Array, Call, LayerType, ParamBlob, Setup, Shape, Site, format_shape
from netc.role import Role
from netc.schema.record import FieldType, Record

Blobs = Mapping[str, Sequence[Array]]
Fields = Mapping[str, Mapping[str, str]]


class Computed:
    """One layer of a net: the object of the script's class, which lives as long as the net.

    It is told of other shapes before it runs on them, since it may note what follows from them.
    """

    def __init__(self, maker: Maker, params: dict[str, Any], blobs: Sequence[Array]) -> None:
        self.name = getattr(maker, "__name__", repr(maker))
        self._shapes: list[Shape] | None = None
        self._tops: list[Shape] = []
        with _told(f"{self.name}(params, blobs)"):
            self._object = maker(params, tuple(np.array(blob) for blob in blobs))

    def tops(self, bottoms: Sequence[Shape]) -> list[Shape]:
        """The shapes of the outputs. Raises FailedError."""
        given = [tuple(shape) for shape in bottoms]
        if given != self._shapes:
            with _told(f"{self.name}.getMemoryShapes"):
                self._tops = [tuple(int(size) for size in shape) for shape in self._object.getMemoryShapes(given)]
            self._shapes = given
        return self._tops

    def run(self, bottoms: Sequence[Array], tops: Sequence[Array]) -> None:
        """Fill the tops. The object gets copies, so it may write into them. Raises FailedError."""
        self.tops([array.shape for array in bottoms])
        with _told(f"{self.name}.forward"):
            made = [np.asarray(array) for array in self._object.forward(tuple(array.copy() for array in bottoms))]
        if [array.shape for array in made] != [top.shape for top in tops]:
            shapes = (" and ".join(format_shape(a.shape) for a in arrays) or "nothing" for arrays in (made, tops))
            raise FailedError("{}.forward gave {}, but getMemoryShapes {}".format(self.name, *shapes))
        for top, array in zip(tops, made, strict=True):
            top[...] = array


class FailedError(Exception):
    """A script's class failed; the text says which method of it, and how."""


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Within `with`, exceptions become FailedErrors."""
    try:
        yield
    except Exception as error:
        raise FailedError(f"{what}: {type(error).__name__}: {error}") from error


def own_type(name: str, maker: Maker, messages: tuple[str, ...], fields: Fields, blobs: Blobs) -> LayerType:
    """A layer type that a script's class computes.

    messages: those that a layer may have. fields: what only the class knows of a layer, by the layer's name.
    blobs: the parameters of layers, by name.
    """
    found: dict[int, tuple[Record, Computed]] = {}

    def computed(record: Record) -> Computed:
        if id(record) not in found:
            params = {**params_of(record), **fields.get(record.name, {})}
            made = Computed(maker, dict(sorted(params.items())), blobs.get(record.name, ()))
            found[id(record)] = (record, made)
        return found[id(record)][1]

    def setup(site: Site) -> Setup:
        try:
            tops = computed(site.record).tops(site.bottoms)
        except FailedError as error:
            site.refuse(CLASS_FAILED, str(error))
        if len(tops) != site.top_count:
            site.refuse(CLASS_FAILED, f"getMemoryShapes gave {len(tops)} shapes for {site.top_count} tops")
        own = blobs.get(site.record.name, ())
        params = tuple(ParamBlob(f"blob{i}", blob.shape, learned=False) for i, blob in enumerate(own))
        return Setup(tuple(tops), params)

    def forward(call: Call) -> None:
        try:
            computed(call.record).run(call.bottoms, call.tops)
        except FailedError as error:
            raise NetError(Diagnostic.of_layer(call.record, CLASS_FAILED, str(error))) from error.__cause__

    doc = f"Computes:\n    What the class {getattr(maker, '__name__', maker)!r} of the script computes."
    return LayerType(
        f"{name} of the script",  # built-in kernels are found by the type's name
        doc,
        setup,
        forward,
        also=messages,
        bottoms=Arity(0, None),
        tops=Arity(0, None),
        role=Role(foreign=True),
    )


def params_of(record: Record) -> dict[str, Any]:
    """The fields that are written in a layer's messages, as OpenCV hands them on: all in one dict.

    Enums are names, bools are integers, floats are those of single precision, and one element of a list stands alone.
    """
    found: dict[str, Any] = {}
    for name, field in record.message_type.fields.items():
        if name.endswith("_param") and record.has(name):
            _flatten(record, field, found)
    return found


def _flatten(record: Record, field: FieldType, found: dict[str, Any]) -> None:
    value = getattr(record, field.name)
    values = value if field.repeated else (value,)
    if field.message is None:
        plain = tuple(_plain(each, field) for each in values)
        found[field.name] = plain[0] if len(plain) == 1 else plain
        return
    for each in values:
        for name, inner in field.message.fields.items():
            if each.has(name):
                _flatten(each, inner, found)


def _plain(value: Any, field: FieldType) -> Any:
    if isinstance(value, bool):
        return int(value)
    return float(np.float32(value)) if field.type == "float" else value
