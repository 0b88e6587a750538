"""Every message and enum of Caffe's schema (with the fields of netc's own and of known forks) as protobuf classes.

`NetParameter`, `Datum`, ... are classes; `Phase` an enum with `Name` and `Value`; `TRAIN`, `TEST` its values. They are
made from netc's schema when first asked for; nothing is generated into a file.
"""

from functools import cache
from typing import Any

from netc.api.definition import schema_of
from netc.catalogue import catalogue
from netc.schema.record import Schema


@cache
def _schema() -> Schema:
    return schema_of(catalogue())


@cache
def _enum_values() -> dict[str, int]:
    return {name: number for enum in _schema().top_enums for name, number in enum.values.items()}


@cache
def _names() -> tuple[str, ...]:
    return (*_schema().messages, *(enum.name for enum in _schema().top_enums), *_enum_values())


def __getattr__(name: str) -> Any:
    if name == "__all__":
        return _names()
    if name.startswith("__"):
        raise AttributeError(name)
    if name == "DESCRIPTOR":
        found: Any = _schema().pool.FindFileByName("caffe.proto")
    elif name in _schema():
        found = _schema().message_class(name)
    elif name in _enum_values():
        found = _enum_values()[name]
    elif name in _names():
        found = _enum(name)
    else:
        raise AttributeError(f"module 'caffe_pb2' has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_names(), "DESCRIPTOR"})


def _enum(name: str) -> Any:
    from google.protobuf.internal.enum_type_wrapper import (  # noqa: PLC0415 (protobuf is slow to import)
        EnumTypeWrapper,
    )

    return EnumTypeWrapper(_schema().pool.FindEnumTypeByName(f"caffe.{name}"))
