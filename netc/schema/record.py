"""A typed, immutable message value that still knows where each of its fields was written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from netc.errors import Span

if TYPE_CHECKING:
    from netc.schema.registry import MessageType


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
