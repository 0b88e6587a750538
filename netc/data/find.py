"""Finding sources by the type of a data layer: every file of this folder that has a `SourceType`."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from netc.data.codes import NO_ARRAYS, NO_SOURCE
from netc.data.source import OnBadRecord, Opening, Source, SourceType
from netc.errors import Diagnostic, NetError
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
