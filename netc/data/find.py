"""Finding what reads a data layer: the `SourceType` of a file of this folder, or one that the layer's type brings.

`own` is what the type brings (`LayerType.data`), None for types that do not.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

from netc.data import transform_fields
from netc.data.codes import NO_ARRAYS, NO_SOURCE
from netc.data.source import OnBadRecord, Opening, Source, SourceType
from netc.errors import Diagnostic, NetError, Report
from netc.layer import Phase, Shape
from netc.schema.record import Record


@cache
def source_types() -> Mapping[str, SourceType]:
    """All types of source in this package, by the name of their layer type."""
    found: dict[str, SourceType] = {}
    for module in sorted(m.name for m in pkgutil.iter_modules([str(Path(__file__).parent)])):
        values = vars(importlib.import_module(f"netc.data.{module}")).values()
        found.update({value.name: value for value in values if isinstance(value, SourceType)})
    return found


def has_source(layer_type: str, own: object = None) -> bool:
    """Whether there is something that reads the data of layers of this type."""
    return _source_type(layer_type, own) is not None


def open_source(
    record: Record, phase: Phase, seed: int, *, on_bad_record: OnBadRecord = "stop", own: object = None
) -> Source:
    """The source of a data layer. Raises NetError: DAT001 if netc reads no such data, others if it is not there."""
    known = _source_type(record.type, own)
    if known is None:
        message = f'layer "{record.name}": netc has no reader for the data of {record.type} layers'
        raise NetError(Diagnostic(NO_SOURCE, message, record.span))
    return known.open(Opening(record, phase, seed, on_bad_record))


def probe(record: Record, phase: Phase, own: object = None) -> tuple[Shape, ...] | None:
    """The shapes of a data layer's tops as its data has them; None if the data is not there or netc cannot read it."""
    known = _source_type(record.type, own)
    return known.probe(record, phase) if known else None


def classes(record: Record, own: object = None) -> tuple[str, ...]:
    """What class N of a data layer's labels is called; () where the data does not say it, or is not there.

    Raises NetError (DAT0xx) for data that cannot be read.
    """
    known = _source_type(record.type, own)
    return known.classes(record) if known else ()


def _source_type(layer_type: str, own: object) -> SourceType | None:
    """Raises TypeError if what the type brings is no SourceType."""
    if own is None:
        return source_types().get(layer_type)
    if not isinstance(own, SourceType):
        raise TypeError(f"data= of the layer type {layer_type} must be a SourceType, but is {own!r}")
    return own


def problems(record: Record, phase: Phase, own: object = None) -> list[Diagnostic]:
    """What is wrong or dubious about how a data layer's fields prepare its data, which need not be there."""
    known, found = _source_type(record.type, own), Report(transform_fields.problems(record, phase))
    if known is None:
        return found.diagnostics
    try:
        known.check(record)
    except NetError as error:
        found.add_new(error.diagnostics)
    if known.transform is not None:
        found.add_new(transform_fields.unread(record, known.transform))
    with suppress(NetError):  # what is wrong with the data is said where it is opened
        found.add_new(known.doubts(record))
    return found.diagnostics


def why_none(record: Record, phase: Phase, pushed: bool = False, own: object = None) -> NetError | None:
    """Why a data layer has no data; None if there is some now. pushed: arrays are handed to it, it has no source."""
    if pushed:
        message = f'layer "{record.name}": no arrays were handed to it'
        return NetError(Diagnostic(NO_ARRAYS, message, record.span, help=NO_ARRAYS.fix))
    try:
        open_source(record, phase, 0, own=own)
    except NetError as error:
        return error
    return None
