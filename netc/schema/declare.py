"""How a message is declared, once: its fields with wire tag, type, default and documentation.

A declaration is data. `schemas/*.proto`, protobuf descriptors, the typing of text, `netc explain` and the editor's
hover all come from it. A layer type whose parameters no other type shares declares its message in its own file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Label = Literal["optional", "required", "repeated"]
Scalar = Literal["int32", "int64", "uint32", "uint64", "float", "double", "bool", "string", "bytes"]
SCALARS: tuple[str, ...] = ("int32", "int64", "uint32", "uint64", "float", "double", "bool", "string", "bytes")
Default = bool | int | float | str | None


@dataclass(frozen=True, slots=True)
class Field:
    """One field. `type` is a scalar's name, or the name of an enum or message (`Phase`, `PoolingParameter.PoolMethod`).

    `default` is None where protobuf's zero value holds; an enum's default is the name of its value. `origin` says who
    has the field: "caffe" (BVLC), "netc", or the fork it comes from. `deprecated` says what to write instead. `ignored`
    says why nobody reads the field (a test asks who reads the others); a fork's is warned of with this reason. `names`:
    of a string, the kind of thing that it names: "blob" or "layer" of the net, or a kind that `netc/api/choices.py`
    knows all of ("update rule").
    """

    name: str
    tag: int
    type: str
    doc: str = ""
    default: Default = None
    label: Label = "optional"
    packed: bool = False
    origin: str = "caffe"
    deprecated: str | None = None
    ignored: str = ""
    names: str = ""


@dataclass(frozen=True, slots=True)
class Enum:
    """An enumeration; `values` maps names to numbers in order of declaration, the first is the zero value."""

    name: str
    values: dict[str, int]
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """A message: fields and the enums nested in it."""

    name: str
    fields: tuple[Field, ...]
    enums: tuple[Enum, ...] = ()
    doc: str = ""
    origin: str = "caffe"


def optional(name: str, tag: int, type: str, default: Default = None, doc: str = "", **more: str) -> Field:
    """A singular field."""
    return Field(name, tag, type, doc, default, **more)  # type: ignore[arg-type]


def repeated(name: str, tag: int, type: str, doc: str = "", *, packed: bool = False, **more: str) -> Field:
    """A field that may stand any number of times."""
    return Field(name, tag, type, doc, None, "repeated", packed, **more)
