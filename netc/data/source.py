"""Where data layers get their values: one file of this package for each type of source.

A file makes a source known by a `SourceType` at its top level; nothing is registered by hand. Modules that a source
needs only when it is opened (lmdb, h5py, Pillow, sklearn) are imported by `open`, not by the file.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from typing import Any, Literal, Protocol

from netc.data.codes import NO_ARRAYS, NO_SOURCE
from netc.errors import Diagnostic, NetError
from netc.layer import Array, Phase, Shape
from netc.schema.record import Record

State = dict[str, Any]
OnBadRecord = Literal["stop", "skip"]


class Source(Protocol):
    """Batches, one after the other, in an order that is a function of the layer's fields and the seed only."""

    def shapes(self) -> tuple[Shape, ...]:
        """Shapes of the layer's tops."""

    def next(self, out: Sequence[Array]) -> None:
        """Fill the tops with the next batch; as many records as the first axis of `out[0]`."""

    def state(self) -> State:
        """Where the source is, as plain numbers and strings; goes into snapshots."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state`: the next batch is the one that would have followed."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What a source is opened for: the data layer, the phase and seed of its net, and what a bad record means.

    on_bad_record: "stop" raises NetError(DAT002), "skip" takes the next record instead.
    """

    record: Record
    phase: Phase
    seed: int
    on_bad_record: OnBadRecord = "stop"

    @property
    def stream(self) -> int:
        """The random stream of the layer: it depends on its name and phase only, so other layers do not change it."""
        name = f"data\0{self.record.name}\0{self.phase}"
        return int.from_bytes(blake2b(name.encode("utf-8", "surrogateescape"), digest_size=4).digest(), "little")


@dataclass(frozen=True, slots=True)
class SourceType:
    """How the sources of one layer type are opened.

    open: raises NetError (DAT0xx) if the data is not there or broken. probe: the shapes of the layer's tops, or None if
    the data is not there; never raises for missing data.
    """

    name: str
    open: Callable[[Opening], Source]
    probe: Callable[[Record, Phase], tuple[Shape, ...] | None]


@cache
def source_types() -> Mapping[str, SourceType]:
    """All types of source in this package, by the name of their layer type."""
    package = importlib.import_module("netc.data")
    found: dict[str, SourceType] = {}
    for module in sorted(m.name for m in pkgutil.iter_modules(package.__path__)):
        values = vars(importlib.import_module(f"netc.data.{module}")).values()
        found.update({value.name: value for value in values if isinstance(value, SourceType)})
    return found


def has_source(layer_type: str) -> bool:
    """Whether netc reads the data of layers of this type."""
    return layer_type in source_types()


def open_source(record: Record, phase: Phase, seed: int, *, on_bad_record: OnBadRecord = "stop") -> Source:
    """The source of a data layer. Raises NetError: DAT001 if netc reads no such data, others if it is not there."""
    if record.type not in source_types():
        message = f'layer "{record.name}": netc has no reader for the data of {record.type} layers'
        raise NetError(Diagnostic(NO_SOURCE, message, record.span))
    return source_types()[record.type].open(Opening(record, phase, seed, on_bad_record))


def probe(record: Record, phase: Phase) -> tuple[Shape, ...] | None:
    """The shapes of a data layer's tops as its data has them; None if the data is not there or netc cannot read it."""
    known = source_types().get(record.type)
    return known.probe(record, phase) if known else None


def why_none(record: Record, phase: Phase, pushed: bool = False) -> NetError | None:
    """Why a data layer has no data; None if there is some now. pushed: arrays are handed to it, it has no source."""
    if pushed:
        message = f'layer "{record.name}": no arrays were handed to it'
        return NetError(Diagnostic(NO_ARRAYS, message, record.span, help=NO_ARRAYS.fix))
    try:
        open_source(record, phase, 0)
    except NetError as error:
        return error
    return None
