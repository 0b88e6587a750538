"""Declarations as protobuf descriptors. Importing this module imports protobuf."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)
from google.protobuf.descriptor_pool import DescriptorPool

from netc.schema.declare import Enum, Message

if TYPE_CHECKING:
    from netc.schema.registry import FieldType, Schema

_LABELS = {
    "optional": FieldDescriptorProto.LABEL_OPTIONAL,
    "required": FieldDescriptorProto.LABEL_REQUIRED,
    "repeated": FieldDescriptorProto.LABEL_REPEATED,
}


def build_pool(schema: Schema) -> DescriptorPool:
    """A pool that holds one proto2 file, `caffe.proto`, with every message and enum of the schema."""
    pool = DescriptorPool()
    pool.AddSerializedFile(file_descriptor(schema).SerializeToString())
    return pool


def file_descriptor(schema: Schema, package: str = "caffe", name: str = "caffe.proto") -> FileDescriptorProto:
    """The schema as the descriptor of one proto2 file."""
    file = FileDescriptorProto(name=name, package=package, syntax="proto2")
    for enum in schema.top_enums:
        _enum(file.enum_type.add(), enum)
    for message in schema.messages.values():
        _message(file.message_type.add(), message, schema, package)
    return file


def _enum(out: EnumDescriptorProto, enum: Enum) -> None:
    out.name = enum.name
    for name, number in enum.values.items():
        out.value.add(name=name, number=number)


def _message(out: DescriptorProto, message: Message, schema: Schema, package: str) -> None:
    out.name = message.name
    for enum in message.enums:
        _enum(out.enum_type.add(), enum)
    for field in schema.message(message.name).fields.values():
        _field(out.field.add(), field, package)


def _field(out: FieldDescriptorProto, field: FieldType, package: str) -> None:
    out.name, out.number = field.name, field.tag
    out.label = _LABELS[field.declaration.label]
    if field.kind == "message":
        out.type, out.type_name = FieldDescriptorProto.TYPE_MESSAGE, f".{package}.{field.type}"
    elif field.kind == "enum":
        out.type, out.type_name = FieldDescriptorProto.TYPE_ENUM, f".{package}.{field.type}"
    else:
        out.type = getattr(FieldDescriptorProto, f"TYPE_{field.type.upper()}")
    if field.declaration.packed:
        out.options.packed = True
    if field.declaration.deprecated:
        out.options.deprecated = True
    default = field.declaration.default
    if default is not None:
        out.default_value = str(default).lower() if isinstance(default, bool) else str(default)
