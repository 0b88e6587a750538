"""Where data layers get their values: one file of this package for each type of source.

A file makes a source known by a `SourceType` at its top level; nothing is registered by hand. Modules that a source
needs only when it is opened (lmdb, h5py, Pillow) are imported by `open`, not by the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Literal, Protocol

from netc.errors import Diagnostic
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
    the data is not there; never raises for missing data. transform: the fields of transform_param that are read (None:
    nobody knows). check: raises NetError for fields that cannot be, whatever the data. doubts: warnings about fields
    that this data, which may not be there, makes useless. classes: what class N of the labels is called, where the data
    says it; () where it does not, or is not there.
    """

    name: str
    open: Callable[[Opening], Source]
    probe: Callable[[Record, Phase], tuple[Shape, ...] | None]
    classes: Callable[[Record], tuple[str, ...]] = lambda record: ()
    transform: frozenset[str] | None = None
    check: Callable[[Record], None] = lambda record: None
    doubts: Callable[[Record], Iterable[Diagnostic]] = lambda record: ()
