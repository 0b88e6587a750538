"""Tree to record: gives every field of a block its type, as protobuf's text parser does, and collects what is wrong.

Spans of a record: of a scalar the value, of a message its name; the record of a message spans its whole field.
"""

from __future__ import annotations

from typing import Any

from netc.errors import Note, Report, Span
from netc.language.tree import Block, Field, ListValue, Scalar, Value
from netc.schema import codes
from netc.schema.forks import FORK_REPEATED
from netc.schema.hints import as_block, explain_unknown
from netc.schema.ignored import Ignored
from netc.schema.record import FieldType, MessageType, Record
from netc.schema.values import CONVERTERS, BadValueError, wanted

MAX_DEPTH = 100
"""How many messages may be nested; protobuf's own limit."""
MAX_LOOKED_AT = 1000
"""So many fields of a block are looked at to see where else a mistake was made."""
MAX_MISTAKES = 200
"""After so many mistakes the rest of the file is not looked at: it is most likely a file of another kind."""


def type_document(block: Block, message_type: MessageType, report: Report) -> Record:
    """The record that a block of fields spells.

    Every mistake is reported (codes SCH001 to SCH010) and the field left out, so the record holds all that is right.
    """
    typing = _Typing(report)
    record = typing.message(block, message_type, block.span, 0)
    typing.ignored.report(report)
    return record


class _Typing:
    def __init__(self, report: Report) -> None:
        self.report = report
        self.mistakes = 0
        self.extensions: set[tuple[str, str]] = set()
        self.ignored = Ignored()

    def message(self, block: Block, type: MessageType, span: Span, depth: int) -> Record:
        values: dict[str, Any] = {}
        spans: dict[str, Any] = {}
        fields = type.fields
        unknown: set[str] = set()
        for written in block.fields:
            name = written.name
            field = fields.get(name)
            if field is None:
                if name not in unknown and not self.ignored.unknown(written, type.name):
                    unknown.add(name)
                    self._unknown(written, type, block)
                continue
            if field.foreign or (field.declaration.ignored and type.declaration.origin != "caffe"):
                self._extension(written, field, type)
            if field.repeated:
                self._repeated(written, field, values, spans, depth)
            elif name in values:
                if not self.ignored.several(name, type.name, written.name_span):
                    self._twice(written, type, spans[name])
            else:
                self._singular(written, field, type, values, spans, depth)
        for name, found in values.items():
            if found.__class__ is list:
                values[name] = tuple(found)
                spans[name] = tuple(spans[name])
        self._required(type, values, block, span)
        return Record(type, values, spans, span)

    def _singular(
        self,
        written: Field,
        field: FieldType,
        type: MessageType,
        values: dict[str, Any],
        spans: dict[str, Any],
        depth: int,
    ) -> None:
        value = written.value
        kind = field.kind
        if kind == "message":
            record = self._block(value, field, written, depth)
            if record is not None:
                values[field.name] = record
                spans[field.name] = written.name_span
            return
        converter = CONVERTERS[kind]
        if hasattr(value, "items") and self.ignored.several(field.name, type.name, value.span):
            return
        if kind == "enum" and self.ignored.value(field, getattr(value, "text", ""), value.span):
            return
        try:
            if not isinstance(value, Scalar):
                raise self._not_scalar(value, field, type)
            values[field.name] = converter(value, field)
            spans[field.name] = value.span
        except BadValueError as bad:
            self._mistake(bad, value.span)

    def _repeated(
        self, written: Field, field: FieldType, values: dict[str, Any], spans: dict[str, Any], depth: int
    ) -> None:
        value = written.value
        items = value.items if isinstance(value, ListValue) else (value,)
        into: list[Any] = values.setdefault(field.name, [])
        places: list[Span | None] = spans.setdefault(field.name, [])
        if field.kind == "message":
            if len(items) > 1 and not any(isinstance(item, Block) for item in items):
                items = (value,)  # one mistake, not one for each item
            for item in items:
                record = self._block(item, field, written, depth)
                if record is not None:
                    into.append(record)
                    places.append(written.name_span)
            return
        converter = CONVERTERS[field.kind]
        for item in items:
            try:
                if not isinstance(item, Scalar):
                    raise self._not_scalar(item, field, None)
                into.append(converter(item, field))
                places.append(item.span)
            except BadValueError as bad:
                self._mistake(bad, item.span)

    def _block(self, value: Value, field: FieldType, written: Field, depth: int) -> Record | None:
        message = field.message
        assert message is not None
        if not isinstance(value, Block):
            what = f"`{field.name}` takes {wanted(field)}, not {_kind(value)}"
            self._mistake(BadValueError(codes.WRONG_TYPE, what, as_block(value, field)), value.span)
            return None
        if depth >= MAX_DEPTH:
            what = f"messages are nested deeper than {MAX_DEPTH} levels"
            self._mistake(BadValueError(codes.TOO_DEEP, what), written.name_span)
            return None
        return self.message(value, message, written.span, depth + 1)

    def _not_scalar(self, value: Value, field: FieldType, type: MessageType | None) -> BadValueError:
        if isinstance(value, ListValue):
            what = f"`{field.name}` takes a single value, not a list"
            fork, help = FORK_REPEATED.get(("" if type is None else type.name, field.name), (None, None))
            if fork is not None:
                what += f" (a list is a form of {fork})"
            return BadValueError(codes.NOT_REPEATED, what, help or f"write a single value: `{field.name}: ...`")
        return BadValueError(codes.WRONG_TYPE, f"`{field.name}` takes {wanted(field)}, not {_kind(value)}")

    def _mistake(self, bad: BadValueError, span: Span, notes: tuple[Note, ...] = ()) -> None:
        self.mistakes += 1
        if self.mistakes < MAX_MISTAKES:
            self.report.error(bad.code, bad.message, span, notes=notes, help=bad.help)
        elif self.mistakes == MAX_MISTAKES:
            self.report.error(bad.code, f"{bad.message}; further mistakes are not shown", span, help=bad.help)

    def _unknown(self, written: Field, type: MessageType, block: Block) -> None:
        if self.mistakes >= MAX_MISTAKES:
            return
        same = [each for each in block.fields[:MAX_LOOKED_AT] if each.name == written.name]
        beside = {each.name for each in block.fields[:200]}
        kinds = (getattr(each.value, "text", "") for each in block.fields[:200] if each.name == "type")
        notes = tuple(Note("and here", each.name_span) for each in same[1:4])
        self._mistake(explain_unknown(written.name, type, beside, next(kinds, "")), written.name_span, notes)

    def _twice(self, written: Field, type: MessageType, first: Span) -> None:
        what = f"`{written.name}` is given twice; {type.name} has one"
        fork, help = FORK_REPEATED.get((type.name, written.name), (None, None))
        if fork is not None:
            what += f" (more than one is a form of {fork})"
        bad = BadValueError(codes.GIVEN_TWICE, what, help)
        self._mistake(bad, written.name_span, (Note("first given here", first),))

    def _extension(self, written: Field, field: FieldType, type: MessageType) -> None:
        """Say, once for each field, that BVLC Caffe would refuse it; a fork's whole layer type goes without saying."""
        key = (type.name, field.name)
        own_type = type.declaration.origin != "caffe" or (type.name == "LayerParameter" and field.kind == "message")
        declared = field.declaration
        if key not in self.extensions and declared.ignored:
            self.extensions.add(key)
            fork = declared.origin if field.foreign else type.declaration.origin
            what = f"`{field.name}` is a field of {fork}; netc ignores it: {declared.ignored}"
            self.report.warning(codes.EXTENSION, what, written.name_span)
        elif key not in self.extensions and not own_type:
            self.extensions.add(key)
            what = f"`{field.name}` is a field of {declared.origin}; BVLC Caffe refuses it in {type.name}"
            help = f"BVLC Caffe's own way is {declared.deprecated}" if declared.deprecated else None
            self.report.warning(codes.EXTENSION, what, written.name_span, help=help)

    def _required(self, type: MessageType, values: dict[str, Any], block: Block, span: Span) -> None:
        for name in type.required:
            if name not in values and all(each.name != name for each in block.fields):
                self._mistake(BadValueError(codes.MISSING_FIELD, f"{type.name} needs `{name}`"), span)


def _kind(value: Value) -> str:
    if not isinstance(value, Scalar):
        return "a block" if isinstance(value, Block) else "a list"
    return {"number": "a number", "string": "a string"}.get(value.kind, "a name")
