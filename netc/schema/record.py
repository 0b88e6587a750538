"""Messages: which fields they have, of which type, with which default; and values of them.

Declarations have their names resolved here. Nothing needs protobuf until somebody asks for `Schema.pool` or
`Schema.message_class`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from netc.errors import Span
from netc.schema.declare import SCALARS, Enum, Field, Message

if TYPE_CHECKING:
    from google.protobuf.descriptor_pool import DescriptorPool

Kind = Literal["int", "float", "bool", "string", "bytes", "enum", "message"]

INTEGER_RANGES: dict[str, tuple[int, int]] = {
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint32": (0, 2**32 - 1),
    "uint64": (0, 2**64 - 1),
}
_KINDS: dict[str, Kind] = {
    **dict.fromkeys(INTEGER_RANGES, "int"),
    "float": "float",
    "double": "float",
    "bool": "bool",
    "string": "string",
    "bytes": "bytes",
}
_ZERO: dict[str, Any] = {"int": 0, "float": 0.0, "bool": False, "string": "", "bytes": b""}


class EnumType:
    """An enumeration by its full name; `values` maps names to numbers, `names` numbers to names."""

    __slots__ = ("declaration", "name", "names", "values")

    def __init__(self, name: str, declaration: Enum) -> None:
        self.name = name
        self.declaration = declaration
        self.values: dict[str, int] = dict(declaration.values)
        self.names: dict[int, str] = {number: value for value, number in reversed(declaration.values.items())}


class FieldType:
    """A field with its type resolved. `enum` or `message` is set for a field of that kind.

    foreign: the field comes from a fork of Caffe.
    """

    __slots__ = (
        "declaration",
        "default",
        "enum",
        "foreign",
        "kind",
        "message",
        "name",
        "repeated",
        "required",
        "tag",
        "type",
    )

    def __init__(self, declaration: Field, enum: EnumType | None, message: MessageType | None) -> None:
        self.declaration = declaration
        self.name = declaration.name
        self.tag = declaration.tag
        self.type = declaration.type if enum is None else enum.name
        self.enum = enum
        self.message = message
        self.kind: Kind = "enum" if enum else "message" if message else _KINDS[declaration.type]
        self.repeated = declaration.label == "repeated"
        self.required = declaration.label == "required"
        self.default: Any = self._default()
        self.foreign = declaration.origin not in ("caffe", "netc")

    def _default(self) -> Any:
        """The value an unset field reads as; None for a message, which reads as an empty one."""
        if self.repeated:
            return ()
        if self.message is not None:
            return None
        if self.declaration.default is not None:
            value = self.declaration.default
            return value.encode() if self.kind == "bytes" and isinstance(value, str) else value
        return next(iter(self.enum.values)) if self.enum is not None else _ZERO[self.kind]


class MessageType:
    """A message of a schema: its fields by name and by tag, resolved when first asked for."""

    def __init__(self, declaration: Message, schema: Schema) -> None:
        self.name = declaration.name
        self.declaration = declaration
        self.schema = schema

    @cached_property
    def fields(self) -> dict[str, FieldType]:
        """The fields by name, in order of declaration."""
        return {field.name: self.schema._resolve(field, self.declaration) for field in self.declaration.fields}

    @cached_property
    def by_tag(self) -> dict[int, FieldType]:
        """The fields by wire tag."""
        return {field.tag: field for field in self.fields.values()}

    @cached_property
    def required(self) -> tuple[str, ...]:
        """Names of the fields that must be set."""
        return tuple(field.name for field in self.fields.values() if field.required)

    @cached_property
    def empty(self) -> Record:
        """An instance with nothing set: what an unset field of this type reads as."""
        return Record(self, {})

    def field(self, name: str) -> FieldType:
        """The field of this name; KeyError if the message has none."""
        return self.fields[name]

    def default(self, name: str) -> Any:
        """What the field reads as when it is not set; AttributeError if the message has no such field."""
        field = self.fields.get(name)
        if field is None:
            raise AttributeError(f"{self.name} has no field named {name}")
        return field.default if field.message is None or field.repeated else field.message.empty

    def make(self, **values: Any) -> Record:
        """A record of this type without spans; AttributeError for a field the message does not have."""
        for name in values:
            if name not in self.fields:
                raise AttributeError(f"{self.name} has no field named {name}")
        return Record(self, {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})

    def __repr__(self) -> str:
        return f"MessageType({self.name})"


class Schema:
    """All messages that a file may hold.

    `extra_layer_fields` are added to LayerParameter: one for each layer type that brings its own message. `usual`: what
    others call layer types, and the field of LayerParameter that holds such a layer's fields. Declaring a
    message or a field twice is fine when both are the same; ValueError when they are not, or when tags collide.
    """

    def __init__(
        self,
        messages: Iterable[Message],
        enums: Iterable[Enum] = (),
        extra_layer_fields: Iterable[Field] = (),
        usual: Mapping[str, str] | None = None,
    ) -> None:
        self.usual = dict(usual or {})
        self.messages: dict[str, Message] = {}
        for message in messages:
            if self.messages.setdefault(message.name, message) != message:
                raise ValueError(f"message {message.name} is declared twice, differently")
        self.top_enums: tuple[Enum, ...] = _distinct(enums)
        extra = tuple(extra_layer_fields)
        if extra:
            layer = self.messages["LayerParameter"]
            self.messages["LayerParameter"] = replace(layer, fields=_merge(layer.fields, extra))
        self._enums: dict[str, EnumType] = {e.name: EnumType(e.name, e) for e in self.top_enums}
        for message in self.messages.values():
            for enum in message.enums:
                full = f"{message.name}.{enum.name}"
                self._enums[full] = EnumType(full, enum)
        self._types = {name: MessageType(message, self) for name, message in self.messages.items()}
        self._extension: tuple[tuple[Message, ...], tuple[Field, ...], dict[str, str], Schema] | None = None

    def message(self, name: str) -> MessageType:
        """The message of this name; KeyError if there is none."""
        return self._types[name]

    def enum(self, name: str) -> EnumType:
        """The enumeration of this full name (`Phase`, `PoolingParameter.PoolMethod`); KeyError if there is none."""
        return self._enums[name]

    def __contains__(self, name: str) -> bool:
        return name in self._types

    def extended(
        self,
        messages: Iterable[Message] = (),
        layer_fields: Iterable[Field] = (),
        usual: Mapping[str, str] | None = None,
    ) -> Schema:
        """A schema with more messages and more fields of LayerParameter; this one if all of them are known."""
        more, fields, names = tuple(messages), tuple(layer_fields), dict(usual or {})
        known = self.messages["LayerParameter"].fields
        if (
            names == self.usual
            and all(self.messages.get(m.name) == m for m in more)
            and all(f in known for f in fields)
        ):
            return self
        if self._extension is None or self._extension[:3] != (more, fields, names):
            extended = Schema((*self.messages.values(), *more), self.top_enums, fields, names)
            self._extension = more, fields, names, extended
        return self._extension[3]

    @cached_property
    def pool(self) -> DescriptorPool:
        """Protobuf descriptors of all messages, in package `caffe`; built when first asked for."""
        from netc.schema.descriptors import build_pool  # noqa: PLC0415 (protobuf is slow to import)

        def kinds(message: str, field: str) -> tuple[str, str]:
            found = self.message(message).field(field)
            return found.kind, found.type

        return build_pool(self.top_enums, self.messages.values(), kinds)

    def message_class(self, name: str) -> Any:
        """The protobuf class of a message."""
        from google.protobuf import message_factory  # noqa: PLC0415 (protobuf is slow to import)

        return message_factory.GetMessageClass(self.pool.FindMessageTypeByName(f"caffe.{name}"))

    def _resolve(self, field: Field, owner: Message) -> FieldType:
        if field.type in SCALARS:
            return FieldType(field, None, None)
        enum = self._enums.get(f"{owner.name}.{field.type}") or self._enums.get(field.type)
        message = None if enum else self._types.get(field.type)
        if enum is None and message is None:
            raise ValueError(f"{owner.name}.{field.name} is of type {field.type}, which is not declared")
        return FieldType(field, enum, message)


def _distinct(enums: Iterable[Enum]) -> tuple[Enum, ...]:
    known: dict[str, Enum] = {}
    for enum in enums:
        if known.setdefault(enum.name, enum) != enum:
            raise ValueError(f"enum {enum.name} is declared twice, differently")
    return tuple(known.values())


def _merge(fields: tuple[Field, ...], extra: tuple[Field, ...]) -> tuple[Field, ...]:
    names, tags = {f.name: f for f in fields}, {f.tag: f for f in fields}
    added = []
    for field in extra:
        old = names.get(field.name) or tags.get(field.tag)
        if old is None:
            names[field.name] = tags[field.tag] = field
            added.append(field)
        elif old != field:
            raise ValueError(f"LayerParameter.{field.name} = {field.tag} collides with {old.name} = {old.tag}")
    return (*fields, *added)


class Record:
    """An instance of a message. Fields read as attributes, with their defaults where nothing was written.

    Singular scalars are int, float, bool, str or bytes; enums are the *name* of the value; repeated fields are tuples;
    an unset message field reads as an empty Record of its type. `has(name)` tells whether a singular field was set (or
    a repeated one is not empty). Equality compares type and values, never spans.
    """

    __slots__ = ("_spans", "_type", "_values", "span")

    def __init__(
        self,
        type: MessageType,
        values: Mapping[str, Any],
        spans: Mapping[str, Span | tuple[Span | None, ...]] | None = None,
        span: Span | None = None,
    ) -> None:
        self._type = type
        self._values = dict(values)
        self._spans = dict(spans or {})
        self.span = span

    @property
    def message_type(self) -> MessageType:
        """The type of this record. (`type` is a field of several messages.)"""
        return self._type

    @property
    def values(self) -> Mapping[str, Any]:
        """What was written, by field name, in the order of the text."""
        return self._values

    @property
    def spans(self) -> Mapping[str, Span | tuple[Span | None, ...]]:
        return self._spans

    def __getattr__(self, name: str) -> Any:
        values = object.__getattribute__(self, "_values")
        if name in values:
            return values[name]
        if name.startswith("__"):
            raise AttributeError(name)
        return object.__getattribute__(self, "_type").default(name)

    def has(self, name: str) -> bool:
        return bool(self._values.get(name) is not None and self._values[name] != ())

    def span_of(self, name: str, index: int | None = None) -> Span | None:
        """Where a field (or one element of a repeated field) was written; the whole record's span if it was not."""
        found = self._spans.get(name)
        if isinstance(found, tuple):
            if index is not None and index < len(found):
                return found[index]
            return found[0] if found else self.span
        return found or self.span

    def replace(self, **changes: Any) -> Record:
        """A copy with fields set (or removed, by None); spans of unchanged fields stay."""
        values = {**self._values, **changes}
        kept = {k: v for k, v in values.items() if v is not None}
        spans = {k: v for k, v in self._spans.items() if k in kept}
        return Record(self._type, kept, spans, self.span)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Record):
            return NotImplemented
        return self._type.name == other._type.name and self._values == other._values

    def __hash__(self) -> int:
        return hash((self._type.name, tuple(sorted(self._values))))

    def __repr__(self) -> str:
        inside = ", ".join(f"{k}={v!r}" for k, v in self._values.items())
        return f"{self._type.name}({inside})"
