"""Declarations as protobuf descriptors. Importing this module imports protobuf."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)
from google.protobuf.descriptor_pool import DescriptorPool

from netc.schema.declare import Enum, Field, Message

Kinds = Callable[[str, str], tuple[str, str]]
"""By the names of a message and of a field: the field's kind ("message", "enum"...) and its full type name."""

_LABELS = {
    "optional": FieldDescriptorProto.LABEL_OPTIONAL,
    "required": FieldDescriptorProto.LABEL_REQUIRED,
    "repeated": FieldDescriptorProto.LABEL_REPEATED,
}


def build_pool(enums: Iterable[Enum], messages: Iterable[Message], kinds: Kinds) -> DescriptorPool:
    """A pool that holds one proto2 file, `caffe.proto` of package `caffe`, with these enums and messages."""
    file = FileDescriptorProto(name="caffe.proto", package="caffe", syntax="proto2")
    for enum in enums:
        _enum(file.enum_type.add(), enum)
    for message in messages:
        _message(file.message_type.add(), message, kinds)
    pool = DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return pool


def _enum(out: EnumDescriptorProto, enum: Enum) -> None:
    out.name = enum.name
    for name, number in enum.values.items():
        out.value.add(name=name, number=number)


def _message(out: DescriptorProto, message: Message, kinds: Kinds) -> None:
    out.name = message.name
    for enum in message.enums:
        _enum(out.enum_type.add(), enum)
    for field in message.fields:
        _field(out.field.add(), field, *kinds(message.name, field.name))


def _field(out: FieldDescriptorProto, field: Field, kind: str, type: str) -> None:
    out.name, out.number = field.name, field.tag
    out.label = _LABELS[field.label]
    if kind == "message":
        out.type, out.type_name = FieldDescriptorProto.TYPE_MESSAGE, f".caffe.{type}"
    elif kind == "enum":
        out.type, out.type_name = FieldDescriptorProto.TYPE_ENUM, f".caffe.{type}"
    else:
        out.type = getattr(FieldDescriptorProto, f"TYPE_{type.upper()}")
    if field.packed:
        out.options.packed = True
    if field.deprecated:
        out.options.deprecated = True
    default = field.default
    if default is not None:
        out.default_value = str(default).lower() if isinstance(default, bool) else str(default)
