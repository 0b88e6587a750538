"""Fields that are set from outside: what `--set` names by a path, put into the plain text format of a file.

A path leads through blocks by their names (`solver.base_lr`; of several blocks, `solver.stage.1.base_lr` counts them
from 0). A path that begins with a layer's name leads into that layer, where a field is the type's own or every layer's,
as in the body of a call. A single name may be a field of the solver.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from netc import language
from netc.api.vocabulary import LayerVocabulary
from netc.errors import Diagnostic, NetError, Report, suggest
from netc.language.codes import UNKNOWN_SETTING
from netc.language.settings import is_string, value_for
from netc.language.tree import Block, Document, Field, Let, ListValue, Scalar, Setting, Value
from netc.schema.record import FieldType, MessageType

Settings = tuple[Setting, ...]
Given = Mapping[str, object] | Iterable[Setting] | None
"""What may be given as settings: values by name from Python, or what `netc.language.setting` made of texts."""
LAYERS = ("layer", "layers")
CAN_BE_SET = (
    "constants of the file, its fields by path (`solver.base_lr`) and those of layers (`conv1.num_output`) can be"
)


def settings_of(given: Given) -> Settings:
    """Settings from what Python gives: values by name. Raises NetError(SYN050)."""
    if isinstance(given, Mapping):
        return tuple(language.setting_of(name, value) for name, value in given.items())
    return tuple(given or ())


class Places:
    """Where settings go in one file. own: the file's message, NetParameter or SolverParameter."""

    def __init__(self, vocabulary: LayerVocabulary, own: str) -> None:
        self.vocabulary, self.schema = vocabulary, vocabulary.schema
        self.root = self.schema.message(own)
        self.solver = self.schema.message("SolverParameter")

    def set(self, block: Block, settings: Settings, report: Report) -> tuple[Block, Settings]:
        """The fields with what is set, and the settings that name nothing here; what else is wrong is reported."""
        lost = []
        for setting in settings:
            try:
                made = self._set(block, setting)
            except NetError as error:
                report.diagnostics += error.diagnostics
                continue
            if made is None:
                lost.append(setting)
            else:
                block = made
        return block, tuple(lost)

    def _set(self, block: Block, setting: Setting) -> Block | None:
        parts = setting.name.split(".")
        if self._leads(self.root, parts):
            return put(block, self.root, parts, setting)
        if self.root is self.solver:
            known = parts[0] == "solver" and len(parts) > 1
            return put(block, self.root, parts[1:], setting) if known else None
        names = {name for f in _blocks(block, LAYERS) if setting.name.startswith(f"{(name := _name(f))}.") and name}
        if names:
            longest = max(names, key=len)
            rest = setting.name[len(longest) + 1 :].split(".")
            items = (self._in_layer(f, rest, setting) if _is_layer(f, longest) else f for f in _spread(block))
            return Block(tuple(items), block.span)
        if parts[0] in self.solver.fields and any(_blocks(block, ("solver",))):
            return put(block, self.root, ["solver", *parts], setting)
        return None

    def _leads(self, message: MessageType, parts: list[str]) -> bool:
        """Whether the path's first name is a field of the message, and the rest can follow it."""
        field = message.fields.get(parts[0])
        return field is not None and (len(parts) == 1 or field.message is not None)

    def _in_layer(self, layer: Field, rest: list[str], setting: Setting) -> Field:
        assert isinstance(layer.value, Block)
        kind = _text(layer.value, "type")
        own = self.vocabulary.message_field(kind)
        inside = self.vocabulary.is_own_field(kind, rest[0]) or not self.vocabulary.is_layer_field(rest[0])
        path = [own, *rest] if own is not None and inside else rest
        made = put(layer.value, self.schema.message("LayerParameter"), path, setting)
        return replace(layer, value=made)

    def unknown(self, block: Block, setting: Setting, lets: Iterable[str]) -> Diagnostic:
        """That a setting names nothing, and what could be meant."""
        layers = [_name(f) for f in _blocks(block, LAYERS)]
        fields = [f"solver.{name}" for name in self.solver.fields] if self.root is not self.solver else []
        known = [*lets, *layers, *self.root.fields, *fields, *self.solver.fields]
        close = suggest(setting.name, known) or suggest(setting.name.split(".")[0], known)
        help = f"did you mean `{close}`?" if close else CAN_BE_SET
        if setting.name in layers:
            help = f"it is a layer: set one of its fields (`{setting.name}.FIELD=VALUE`)"
        message = f"the file has no constant, field or layer `{setting.name}`"
        return Diagnostic(UNKNOWN_SETTING, message, setting.name_span, help=help)


def put(block: Block, message: MessageType | None, path: list[str], setting: Setting) -> Block:
    """A block of a message with the field that a path leads to set. Raises NetError: SYN051, or what the value is."""
    name, *rest = path
    field = message.fields.get(name) if message is not None else None
    if not rest:
        made = Field(name, setting.name_span, _value(setting, field), setting.name_span.to(setting.span))
        return _replaced(block, name, made)
    if message is not None and (field is None or field.message is None):
        what = "no block of fields" if field is not None else f"no field of {message.name}"
        close = suggest(name, (n for n, f in message.fields.items() if f.message is not None))
        help = f"did you mean `{close}`?" if close else None
        said = f"`{setting.name}` leads nowhere: `{name}` is {what}"
        raise NetError(Diagnostic(UNKNOWN_SETTING, said, setting.name_span, help=help))
    inner = field.message if field is not None else None
    items = list(_spread(block))
    there = [i for i, item in enumerate(items) if item.name == name and isinstance(item.value, Block)]
    if field is not None and field.repeated and rest[0].isdigit():
        index, rest = int(rest[0]), rest[1:]
    elif len(there) > 1 and field is not None and field.repeated:
        said = f"there are {len(there)} `{name}`: `{setting.name}` does not say which"
        help = f"count them from 0: `{setting.name.replace(name, f'{name}.0', 1)}`"
        raise NetError(Diagnostic(UNKNOWN_SETTING, said, setting.name_span, help=help))
    else:
        index = len(there) - 1 if there else 0
    if not rest or index > len(there) or (index == len(there) and there):
        said = f"`{setting.name}` leads nowhere: there are {len(there)} `{name}`, counted from 0"
        raise NetError(Diagnostic(UNKNOWN_SETTING, said, setting.name_span))
    if index == len(there):
        empty = Block((), setting.name_span)
        items.append(Field(name, setting.name_span, put(empty, inner, rest, setting), setting.name_span))
    else:
        old = items[there[index]]
        assert isinstance(old.value, Block)
        items[there[index]] = replace(old, value=put(old.value, inner, rest, setting))
    return Block(tuple(items), block.span)


def _value(setting: Setting, field: FieldType | None) -> Value:
    """The value in text format."""
    text = field is not None and field.kind in ("string", "bytes")
    listed = isinstance(setting.value, ListValue) and field is not None and field.repeated
    value = value_for(setting, text and not listed)
    if listed and text:
        assert isinstance(value, ListValue)
        items = (_quoted(item) for item in value.items)
        value = replace(value, items=tuple(items))
    one = Field("value", setting.span, value, setting.span)
    made = language.expand(Document(Block((one,), setting.span), setting.span.source, plain=False))
    return made.block.fields[0].value


def _quoted(item: Value) -> Value:
    """An item of a list of strings, whose quotes may be left out."""
    if is_string(item) or not isinstance(item, Scalar):
        return item
    return Scalar("string", item.text, item.span)


def _replaced(block: Block, name: str, made: Field) -> Block:
    """The block with this field instead of all of its name, in the place of the first."""
    first = next((i for i, item in enumerate(block.fields) if item.name == name), len(block.fields))
    kept = [item for i, item in enumerate(block.fields) if item.name != name or i < first]
    return Block((*kept[:first], made, *kept[first:]), block.span)


def _spread(block: Block) -> Iterator[Field]:
    """The fields, with a list of blocks as a field each."""
    for item in block.fields:
        if isinstance(item.value, ListValue) and any(isinstance(v, Block) for v in item.value.items):
            yield from (replace(item, value=value) for value in item.value.items)
        else:
            yield item


def _blocks(block: Block, names: tuple[str, ...]) -> list[Field]:
    return [item for item in _spread(block) if item.name in names and isinstance(item.value, Block)]


def _is_layer(field: Field, name: str) -> bool:
    return field.name in LAYERS and isinstance(field.value, Block) and _name(field) == name


def _name(layer: Field) -> str:
    assert isinstance(layer.value, Block)
    return _text(layer.value, "name")


def _text(block: Block, name: str) -> str:
    """The string that a field of a block is; empty if there is none."""
    found = next((f.value for f in block.fields if f.name == name and isinstance(f.value, Scalar)), None)
    return found.text if isinstance(found, Scalar) else ""


def set_fields(
    document: Document,
    written: Document,
    vocabulary: LayerVocabulary,
    own: str,
    report: Report,
    lost: list[Setting] | None,
) -> Document:
    """A file in plain text format with the fields set that `written.settings` names.

    written: the file as it was, with its constants. own: the file's message, NetParameter or SolverParameter. What is
    wrong is reported; but what names nothing here goes to `lost`, if there is one.
    """
    places = Places(vocabulary, own)
    block, unknown = places.set(document.block, written.settings, report)
    if lost is None:
        lets = [item.name.text for item in written.block.items if isinstance(item, Let)]
        report.diagnostics += [places.unknown(document.block, setting, lets) for setting in unknown]
    else:
        lost += unknown
    return replace(document, block=block)
