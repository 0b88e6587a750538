"""What a person most likely meant by a field that does not exist: usual confusions, forks' fields, misplaced fields."""

from __future__ import annotations

from collections.abc import Iterator

from netc.errors import slips, suggest
from netc.language.tree import Scalar, Value
from netc.schema import codes
from netc.schema.confusions import ANYWHERE, FIELDS, WRITE
from netc.schema.forks import FORK_FIELDS, REPLACEMENTS
from netc.schema.record import FieldType, MessageType, Schema
from netc.schema.values import BadValueError


def explain_unknown(name: str, type: MessageType, beside: set[str], layer_type: str = "") -> BadValueError:
    """Why a message has no such field, and what to write.

    `beside` are the names of the fields it stands among; `layer_type` is the `type` of the layer it stands in.
    """
    fork = FORK_FIELDS.get((type.name, name))
    if fork is not None:
        what = f"`{name}` is not a field of BVLC Caffe's {type.name}; it comes from {fork}"
        help = REPLACEMENTS.get((type.name, name), "netc does not know this field")
        return BadValueError(codes.FORK_FIELD, what, help)
    what = f"{type.name} has no field `{name}`"
    holders = beside | {f.name for f in type.fields.values() if f.type == f"{layer_type}Parameter"}
    return BadValueError(codes.UNKNOWN_FIELD, what, _help(name, type, holders))


def as_block(value: Value, field: FieldType) -> str:
    """How to write a value where a message is wanted: in the one of its fields that people mean."""
    message = field.message
    assert message is not None
    text = value.span.source.text[value.span.start : value.span.end]
    kind = value.kind if isinstance(value, Scalar) else "list"
    meant = {"list": "dim", "string": "type", "identifier": "phase"}.get(kind, "dim")
    if kind == "identifier" and meant not in message.fields:
        meant, text = "type", f'"{text}"'
    inner = f"{meant}: {text}" if meant in message.fields and len(text) < 80 else "..."
    return f"write `{field.name} {{ {inner} }}`"


def _help(name: str, type: MessageType, beside: set[str]) -> str | None:
    fields = type.fields
    if (type.name, name) in WRITE:
        return WRITE[type.name, name]
    if name in ANYWHERE:
        return ANYWHERE[name]
    for meant in FIELDS.get(name.lower(), ()):
        if meant in fields:
            return f"did you mean `{meant}`?"
    if (own := _own_message(name, type)) is not None:
        return f"did you mean `{own}`?"
    place = _inside(name, type, beside)
    if place is not None:
        return f"`{name}` is a field of `{place}`: write `{place} {{ {name}: ... }}`"
    guess = _alike(name, type, beside)
    if guess is not None:
        return f"did you mean `{guess}`?"
    for meant in FIELDS.get(name.lower(), ()):
        place = _inside(meant, type, beside)
        if place is not None:
            return f"did you mean `{place} {{ {meant}: ... }}`?"
    if type.name == "NetParameter" and any(name in message.fields for message in _layers(type.schema)):
        return f"it is a field of layers, and stands in a layer's braces: `{{ {name}: ... }}`"
    return _elsewhere(name, type) or _all_of(type)


def _layers(schema: Schema) -> Iterator[MessageType]:
    """The messages of layer types."""
    layer = schema.message("LayerParameter")
    return (field.message for field in layer.fields.values() if field.message is not None)


def _own_message(name: str, type: MessageType) -> str | None:
    """`inner_product_param` for `dense_param`: the message of the layer type that another framework calls so."""
    usual = type.schema.usual.get(name.removesuffix("_param").replace("_", "")) if name.endswith("_param") else None
    return usual if usual in type.fields else None


def _all_of(type: MessageType, most: int = 12) -> str | None:
    """The names of a message's fields, if they are few."""
    names = [f"`{f.name}`" for f in type.fields.values() if not f.declaration.deprecated]
    return f"it has {', '.join(names)}" if 0 < len(names) <= most else None


def _alike(name: str, type: MessageType, beside: set[str]) -> str | None:
    """The field whose name looks most like this one.

    Of equals rather one of a block that is repeated here, or at least one that is not a fork's.
    """
    repeated = [f.name for f in type.fields.values() if f.repeated and f.message and f.name in beside]
    usual = [f.name for f in type.fields.values() if f.declaration.origin in ("caffe", "netc")]
    guesses = [suggest(name, names) for names in (repeated, usual, list(type.fields))]
    return min((guess for guess in guesses if guess), key=lambda guess: slips(name, guess), default=None)


def _inside(name: str, type: MessageType, beside: set[str]) -> str | None:
    """The field of a message, among this message's own, that has a field of this name."""
    having = [f for f in type.fields.values() if f.message is not None and name in f.message.fields]
    current = [f for f in having if f.message and not f.message.field(name).declaration.deprecated]
    holders = [f.name for f in current or having]
    written = [holder for holder in holders if holder in beside]
    if len(written) == 1:
        return written[0]
    if "transform_param" in holders and any(each.endswith("data_param") for each in beside):
        return "transform_param"
    return holders[0] if len(holders) == 1 or (holders and name in ("lr_mult", "decay_mult")) else None


_BESIDE = ("param", "include", "exclude", "transform_param", "loss_param")
"""Messages of a layer that stand beside its own one."""


def _elsewhere(name: str, type: MessageType) -> str | None:
    """The layer, if this is the message of one of its types; or the one message of the schema that has such a field."""
    schema = type.schema
    layer = schema.message("LayerParameter")
    own = next((f.name for f in layer.fields.values() if f.type == type.name and f.name != "transform_param"), None)
    if own and (place := _inside(name, layer, {"param"})) in _BESIDE:
        return f"`{name}` is a field of `{place}` in the layer: write `{place} {{ {name}: ... }}` outside of `{own}`"
    if own and (meant := suggest(name, [f.name for f in layer.fields.values() if not f.name.endswith("_param")])):
        return f"did you mean the layer's `{meant}`? It stands outside of `{own}`"
    owners = [m for m in schema.messages if name in schema.message(m).fields and not m.startswith("V")]
    return f"`{name}` is a field of {owners[0]}" if len(owners) == 1 else None
