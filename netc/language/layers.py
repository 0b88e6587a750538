"""Layers: those that calls of layer types make, those that are written as fields, and the phases they are in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from netc.errors import Note, Span, suggest
from netc.language import codes
from netc.language.blobs import assign, assignable, blob_of, label_of
from netc.language.evaluate import blob_name, block_of, field_of
from netc.language.limits import Failed
from netc.language.names import Taken
from netc.language.scope import EVERY_PHASE, Blob, Composite, Constant, Context
from netc.language.tree import Block, Call, Expression, Field, ListValue, Scalar, Value
from netc.language.vocabulary import Vocabulary

LAYER_FIELDS = ("layer", "layers")


@dataclass(frozen=True, slots=True)
class Input:
    """A call's input: the blob's name in the phases of the call, and where it is given."""

    name: str
    span: Span


@dataclass(frozen=True, slots=True)
class Made:
    """A field of the expanded file, and the phases of the layer that it is."""

    field: Field
    phases: frozenset[str] = EVERY_PHASE


class Layers:
    """The layers of an expansion, in the order in which they were made, among the file's other fields.

    `declared`: the composites of the file, also those further down.
    """

    def __init__(self, vocabulary: Vocabulary, declared: frozenset[str]) -> None:
        self.vocabulary = vocabulary
        self.types = frozenset(vocabulary.layer_types())
        self.declared = declared
        self.made: list[Made] = []
        self.blobs, self.names = Taken(), Taken()

    def fields(self, deploys: bool) -> tuple[Field, ...]:
        """All that was made, each layer kept to its phases; `deploys`: the file has a deploy block."""
        return tuple(_with_phases(made, deploys) for made in self.made)

    def call(self, call: Call, at: Context) -> None:
        """Make the layer that a call stands for, and assign its tops."""
        type_name, place, callee = call.callee.text, at.place(call.span), at.place(call.callee.span)
        self._known_type(call, at)
        at.limits.layer(place)
        inputs, phases = _inputs(call, at)
        body = block_of(call.body, at).fields if call.body else ()
        tops = self._tops(call, inputs, phases, at)
        name = self._name(call, tops, inputs, body, phases, at)
        fields = [name, _string("type", type_name, callee)]
        fields += [_string("bottom", each.name, each.span) for each in inputs]
        fields += [_string("top", top, at.place(t.name.span)) for t, top in zip(call.targets, tops, strict=True)]
        at.text(sum(len(field.value.text) for field in fields if isinstance(field.value, Scalar)), call.span)
        fields += self._sorted(type_name, [field for field in body if field is not name], callee)
        self.made.append(Made(Field("layer", callee, Block(tuple(fields), place), place), phases))
        for target, top in zip(call.targets, tops, strict=True):
            assign(target, dict.fromkeys(phases, top), at)

    def unmade(self, call: Call, at: Context) -> None:
        """A layer without a type for a call that cannot be carried out: its targets are known to be missing blobs, so
        that whoever reads them is not blamed as well.
        """
        names = [
            target.name
            for target in call.targets
            if not isinstance(at.scope.names.get(target.name.text), Constant | Composite)
        ]
        tops = [self.blobs.fresh(at.run.prefix + name.text, at.phases) for name in names]
        place = at.place(call.span)
        fields = tuple(_string("top", top, at.place(n.span)) for n, top in zip(names, tops, strict=True))
        self.made.append(Made(Field("layer", place, Block(fields, place), place), at.phases))
        for name, top in zip(names, tops, strict=True):
            at.scope.assign(name.text, Blob(dict.fromkeys(EVERY_PHASE, top), at.place(name.span)))

    def write(self, written: Field, at: Context) -> None:
        """Take a field of the file as it is written, a layer among others."""
        layer = written.name in LAYER_FIELDS
        if not (layer or self._may_stand(written.name, at)):
            where = "a phase block" if at.run.define is None else "a composite"
            message = f"`{written.name}` cannot stand in {where}: it holds layers only"
            raise at.fail(codes.MISPLACED, message, written.name_span)
        made = field_of(written, at)
        if not layer:
            self.made.append(Made(made))
            return
        for block in _items(made):
            at.limits.layer(made.span)
            if isinstance(block, Block):
                self._take(block, at)
        self.made.append(Made(made, at.phases))

    def _may_stand(self, field: str, at: Context) -> bool:
        """Whether a field that is no layer may stand here: in the file, or in the block of the phase that it is of."""
        if at.run.define is not None:
            return False
        phases = tuple(at.phases)
        return at.phases == EVERY_PHASE or (len(phases) == 1 and field in self.vocabulary.fields_of_phase(phases[0]))

    def _take(self, layer: Block, at: Context) -> None:
        """Take the names of a plain layer, so that no call gets them too."""
        for field in layer.fields:
            for value in _items(field):
                if isinstance(value, Scalar) and field.name in ("top", "name"):
                    (self.blobs if field.name == "top" else self.names).add(value.text, at.phases)
            if field.name in ("include", "exclude") and at.phases != EVERY_PHASE:
                message = f"`{field.name}` contradicts the phase block around this layer"
                help = f"take `{field.name}` out, or move the layer out of the block"
                raise at.fail(codes.PHASE, message, field.name_span, help)

    def _known_type(self, call: Call, at: Context) -> None:
        name = call.callee.text
        if not self.types or name in self.types:
            return
        near = suggest(name, [*self.types, *at.scope.known(Composite)])
        usual = self.vocabulary.usually(name)
        hint = f"did you mean {usual}?" if usual else f"did you mean `{near}`?" if near else None
        if name in self.declared:
            hint = f"`{name}` is declared further down: a composite is declared before it is called"
        message = f"`{name}` is neither a layer type nor a composite"
        raise at.fail(codes.UNKNOWN_TYPE, message, call.callee.span, hint)

    def _tops(self, call: Call, inputs: list[Input], phases: frozenset[str], at: Context) -> list[str]:
        tops = []
        for number, target in enumerate(call.targets):
            assignable(target, at)
            if target.label is not None:
                tops.append(self.blobs.add(label_of(target.label, at), phases))
            elif number == 0 and self._in_place(call):
                tops.append(inputs[0].name)
            else:
                tops.append(self.blobs.fresh(at.run.prefix + target.name.text, phases))
        return tops

    def _in_place(self, call: Call) -> bool:
        first = call.inputs[0] if call.inputs and call.targets else None
        same = isinstance(first, Scalar) and first.kind == "identifier" and first.text == call.targets[0].name.text
        return same and call.targets[0].label is None and self.vocabulary.in_place(call.callee.text)

    def _name(
        self,
        call: Call,
        tops: list[str],
        inputs: list[Input],
        body: tuple[Field, ...],
        phases: frozenset[str],
        at: Context,
    ) -> Field:
        """The field of the layer's name: the body's own, if it has one."""
        if call.label is not None:
            label = self.names.add(label_of(call.label, at), phases)
            return _string("name", label, at.place(call.label.span))
        own = self.vocabulary.is_own_field(call.callee.text, "name")
        given = next((field for field in body if field.name == "name" and not own), None)
        if given is not None:
            if isinstance(given.value, Scalar):
                self.names.add(given.value.text, phases)
            return given
        kind = call.callee.text.lower()
        name = tops[0] if tops else at.run.prefix + kind
        if self._in_place(call):
            name = f"{inputs[0].name}/{kind}"
        span = at.place((call.targets[0].name if call.targets else call.callee).span)
        return _string("name", self.names.fresh(name, phases), span)

    def _sorted(self, type_name: str, body: list[Field], span: Span) -> list[Field]:
        """The layer's fields, and the type's own in its message."""
        words, holder = self.vocabulary, self.vocabulary.message_field(type_name)
        outer: list[Field] = []
        own: list[Field] = []
        for field in body:
            if field.name == holder and isinstance(field.value, Block):
                own += field.value.fields
            elif holder is None or (not words.is_own_field(type_name, field.name) and words.is_layer_field(field.name)):
                outer.append(field)
            else:
                own.append(field)
        if own and holder is not None:
            outer.append(Field(holder, span, Block(tuple(own), span), span))
        return outer


def _items(field: Field) -> tuple[object, ...]:
    return field.value.items if isinstance(field.value, ListValue) else (field.value,)


def _string(name: str, text: str, span: Span) -> Field:
    return Field(name, span, Scalar("string", text, span), span)


def _inputs(call: Call, at: Context) -> tuple[list[Input], frozenset[str]]:
    """The inputs of a layer and the phases in which they all exist."""
    blobs = [(blob_of(written, at), written) for written in call.inputs]
    phases = at.phases
    for blob, written in blobs:
        missing = phases - blob.names.keys()
        if missing - {"deploy"} or missing == phases:
            raise _absent(blob, written, missing, at)
        phases -= missing
    inner = replace(at, phases=phases)
    names = (blob_name(_shown(written), blob, written.span, inner) for blob, written in blobs)
    return [Input(name, at.place(written.span)) for name, written in zip(names, call.inputs, strict=True)], phases


def _absent(blob: Blob, written: Expression, missing: Iterable[str], at: Context) -> Failed:
    there = " and ".join(sorted(blob.names)) or "no phase"
    wanted = " and ".join(sorted(set(missing) - {"deploy"} or missing))
    message = f"`{_shown(written)}` exists in {there} only, and is read in {wanted}"
    name = _shown(written)
    help = f"make `{name}` in {wanted}, too, or read it in a block `{there.split()[0]} {{ }}` only"
    return at.fail(codes.PHASE, message, written.span, help, (Note("made here", blob.span),))


def _shown(written: Expression) -> str:
    return written.text if isinstance(written, Scalar) else "this"


# Phases

_TRAIN, _TEST, _DEPLOY = "train", "test", "deploy"
_Rules = tuple[dict[str, str], ...]
_RULES: dict[frozenset[str], _Rules] = {
    EVERY_PHASE: (),
    frozenset((_TRAIN,)): ({"phase": "TRAIN"},),
    frozenset((_TEST,)): ({"phase": "TEST", "not_stage": "deploy"},),
    frozenset((_DEPLOY,)): ({"phase": "TEST", "stage": "deploy"},),
    frozenset((_TRAIN, _TEST)): ({"not_stage": "deploy"},),
    frozenset((_TEST, _DEPLOY)): ({"phase": "TEST"},),
    frozenset((_TRAIN, _DEPLOY)): ({"phase": "TRAIN"}, {"phase": "TEST", "stage": "deploy"}),
}
_WITHOUT_DEPLOY: dict[frozenset[str], _Rules] = {
    frozenset((_TRAIN, _TEST)): (),
    frozenset((_TRAIN,)): ({"phase": "TRAIN"},),
    frozenset((_TEST,)): ({"phase": "TEST"},),
}


def _with_phases(made: Made, deploys: bool) -> Field:
    """The layer with the rules that keep it to its phases."""
    field, value = made.field, made.field.value
    rules = _RULES[made.phases] if deploys else _WITHOUT_DEPLOY[made.phases & {_TRAIN, _TEST}]
    if not rules:
        return field
    if isinstance(value, ListValue):
        value = ListValue(tuple(_ruled(item, rules) for item in value.items), value.span)
    return Field(field.name, field.name_span, _ruled(value, rules), field.span)


def _ruled(layer: Value, rules: _Rules) -> Value:
    if not isinstance(layer, Block):
        return layer
    span = layer.span
    made = []
    for rule in rules:
        fields = []
        for name, text in rule.items():
            value = Scalar("identifier" if name == "phase" else "string", text, span)
            fields.append(Field(name, span, value, span))
        made.append(Field("include", span, Block(tuple(fields), span), span))
    return Block((*layer.items, *made), span)
