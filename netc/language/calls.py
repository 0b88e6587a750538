"""Calls to layers: names, inputs, outputs, phases, and runs of composites."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from netc.errors import Note, Span, suggest
from netc.language import codes
from netc.language.fields import FieldMaker
from netc.language.limits import Failed, Limits
from netc.language.names import Taken
from netc.language.program import Alias, Body, Call, Define, Expression, Target
from netc.language.scope import EVERY_PHASE, Blob, Composite, Constant, Context, Run, Scope
from netc.language.tree import Block, Field, Scalar
from netc.language.values import kind_of
from netc.language.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Input:
    """A call's input: what it is in each phase, and the blob of this call."""

    blob: Blob
    name: str
    span: Span


@dataclass(frozen=True, slots=True)
class Made:
    """A field of the expanded file, and the phases of the layer that it is."""

    field: Field
    phases: frozenset[str] = EVERY_PHASE


class CallMaker(FieldMaker):
    """Makes layers of calls."""

    def __init__(self, limits: Limits, vocabulary: Vocabulary) -> None:
        super().__init__(limits)
        self.vocabulary = vocabulary
        self.types = frozenset(vocabulary.layer_types())
        self.made: list[Made] = []
        self.declared: frozenset[str] = frozenset()  # the composites of the file, also those further down
        self.blobs, self.layers, self.runs = Taken(), Taken(), Taken()

    def run_body(self, body: Body, at: Context) -> None:
        """Carry out the statements of a composite's body."""
        raise NotImplementedError

    def call(self, call: Call, at: Context) -> None:
        """A layer, or the layers of a composite."""
        self.limits.step(len(call.inputs) + len(call.targets), at.run.place(call.span))
        try:
            callee = at.scope.find(call.callee.text)
            if isinstance(callee, Composite):
                self._run(call, callee, at)
            else:
                self._layer(call, at)
        except Failed:
            # The targets are declared all the same, so that their uses are not reported as well.
            for target in call.targets:
                if at.scope.find(target.name.text) is None:
                    name = at.run.prefix + target.name.text
                    at.scope.assign(target.name.text, Blob(dict.fromkeys(EVERY_PHASE, name), target.name.span))
            raise

    def alias(self, alias: Alias, at: Context) -> None:
        """`h = pool1`: another name for a blob."""
        if alias.target.label is not None:
            raise self.fail(codes.MISPLACED, "a second name for a blob does not rename it", alias.span, at)
        name = Scalar("identifier", alias.name.text, alias.name.span)
        blob = self._blob(name, at)
        self._assign(alias.target, {phase: full for phase, full in blob.names.items() if phase in at.phases}, at)

    # Inputs

    def _blob(self, written: Expression, at: Context) -> Blob:
        """The blob that an input names."""
        place = at.run.place(written.span)
        if not (isinstance(written, Scalar) and written.kind == "identifier"):
            return Blob(dict.fromkeys(EVERY_PHASE, self.label(written, at)), place)
        name = written.text
        found = at.scope.find(name)
        if isinstance(found, Blob):
            return found
        if isinstance(found, Constant) and isinstance(found.value, str):
            return Blob(dict.fromkeys(EVERY_PHASE, self.label(written, at)), place)
        if found is not None:
            what = "a constant" if isinstance(found, Constant) else "a composite"
            raise self.fail(codes.UNKNOWN_NAME, f"`{name}` is {what}, not a blob", written.span, at)
        if at.run.define is None:
            return Blob(dict.fromkeys(EVERY_PHASE, name), place)
        near = suggest(name, at.scope.known(Blob))
        hint = f"did you mean `{near}`?" if near else "a composite sees the blobs that are given to it, no others"
        message = f"no blob here is called `{name}`"
        raise self.fail(codes.UNKNOWN_NAME, message, written.span, at, hint)

    def _inputs(self, call: Call, at: Context) -> tuple[list[Input], frozenset[str]]:
        """The inputs of a layer and the phases in which they all exist."""
        blobs = [(self._blob(written, at), written) for written in call.inputs]
        phases = at.phases
        for blob, written in blobs:
            missing = phases - blob.names.keys()
            if missing - {"deploy"} or missing == phases:
                self._absent(blob, written, missing, at)
            phases -= missing
        inner = Context(at.scope, at.run, phases)
        made = []
        for blob, written in blobs:
            name = self.blob_name(getattr(written, "text", "this"), blob, written.span, inner)
            made.append(Input(blob, name, at.run.place(written.span)))
        return made, phases

    def _absent(self, blob: Blob, written: Expression, missing: Iterable[str], at: Context) -> None:
        there = " and ".join(sorted(blob.names)) or "no phase"
        wanted = " and ".join(sorted(set(missing) - {"deploy"} or missing))
        message = f"`{getattr(written, 'text', 'this')}` exists in {there} only, and is read in {wanted}"
        notes = (Note("made here", blob.span),)
        raise self.limits.fail(codes.PHASE, message, at.run.place(written.span), notes=notes)

    # Layers

    def _layer(self, call: Call, at: Context) -> None:
        type_name = call.callee.text
        self._known_type(call, at)
        self.limits.layer(at.run.place(call.span))
        place = at.run.place(call.span)
        inputs, phases = self._inputs(call, at)
        body = self.block(call.body, at).fields if call.body else ()
        tops = self._tops(call, inputs, phases, at)
        callee = at.run.place(call.callee.span)
        fields = [self._layer_name(call, tops, inputs, body, phases, at), _string("type", type_name, callee)]
        fields += [_string("bottom", each.name, each.span) for each in inputs]
        fields += [_string("top", top, at.run.place(t.name.span)) for t, top in zip(call.targets, tops, strict=True)]
        self.limits.text(sum(len(field.value.text) for field in fields if isinstance(field.value, Scalar)), place)
        fields += self._sorted(type_name, [field for field in body if field is not fields[0]], callee)
        self.made.append(Made(Field("layer", callee, Block(tuple(fields), place), place), phases))
        for target, top in zip(call.targets, tops, strict=True):
            self._assign(target, dict.fromkeys(phases, top), at)

    def _known_type(self, call: Call, at: Context) -> None:
        name = call.callee.text
        if not self.types or name in self.types:
            return
        near = suggest(name, [*self.types, *at.scope.known(Composite)])
        hint = f"did you mean `{near}`?" if near else None
        if name in self.declared:
            hint = f"`{name}` is declared further down: a composite is declared before it is called"
        message = f"`{name}` is neither a layer type nor a composite"
        raise self.fail(codes.UNKNOWN_TYPE, message, call.callee.span, at, hint)

    def _tops(self, call: Call, inputs: list[Input], phases: frozenset[str], at: Context) -> list[str]:
        tops = []
        for number, target in enumerate(call.targets):
            self._assignable(target, at)
            if target.label is not None:
                tops.append(self.blobs.add(self.label(target.label, at), phases))
            elif number == 0 and self._in_place(call, at):
                tops.append(inputs[0].name)
            else:
                tops.append(self.blobs.fresh(at.run.prefix + target.name.text, phases))
        return tops

    def _in_place(self, call: Call, at: Context) -> bool:
        first = call.inputs[0] if call.inputs else None
        same = isinstance(first, Scalar) and first.kind == "identifier" and first.text == call.targets[0].name.text
        return same and self.vocabulary.in_place(call.callee.text)

    def _layer_name(
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
            label = self.layers.add(self.label(call.label, at), phases)
            return _string("name", label, at.run.place(call.label.span))
        span = at.run.place((call.targets[0].name if call.targets else call.callee).span)
        own = self.vocabulary.is_own_field(call.callee.text, "name")
        given = next((field for field in body if field.name == "name" and not own), None)
        if given is not None:
            if isinstance(given.value, Scalar):
                self.layers.add(given.value.text, phases)
            return given
        kind = call.callee.text.lower()
        if not tops:
            name = at.run.prefix + kind
        elif call.targets[0].label is None and self._in_place(call, at):
            name = f"{inputs[0].name}/{kind}"
        else:
            name = tops[0]
        return _string("name", self.layers.fresh(name, phases), span)

    def _sorted(self, type_name: str, body: list[Field], span: Span) -> list[Field]:
        """The layer's fields, and the type's own in its message."""
        holder = self.vocabulary.message_field(type_name)
        outer: list[Field] = []
        own: list[Field] = []
        for field in body:
            if field.name == holder and isinstance(field.value, Block):
                own += field.value.fields
            elif holder is None or (
                not self.vocabulary.is_own_field(type_name, field.name) and self.vocabulary.is_layer_field(field.name)
            ):
                outer.append(field)
            else:
                own.append(field)
        if own and holder is not None:
            outer.append(Field(holder, span, Block(tuple(own), span), span))
        return outer

    # Names

    def label(self, label: Expression, at: Context) -> str:
        """The full name that a label gives."""
        if isinstance(label, Scalar) and label.kind == "identifier":
            found = at.scope.find(label.text)
            value = self.value(label, at) if isinstance(found, Constant) else label.text
        else:
            value = self.value(label, at)
        if not isinstance(value, str):
            raise self.fail(codes.NO_VALUE, f"a label is a string, not {kind_of(value)}", label.span, at)
        full = at.run.label(value)
        if not full:
            message = f"`{value}` names nothing" if full == "" else f"`{value}` leads out of the file's own names"
            raise self.fail(codes.NO_VALUE, message, label.span, at)
        return full

    def _assignable(self, target: Target, at: Context) -> None:
        found = at.scope.names.get(target.name.text)
        if isinstance(found, Constant | Composite):
            what = "a constant" if isinstance(found, Constant) else "a composite"
            message = f"`{target.name.text}` is {what} here and cannot be a blob"
            raise self.fail(codes.NAME_TAKEN, message, target.name.span, at)

    def _assign(self, target: Target, names: dict[str, str], at: Context) -> None:
        self._assignable(target, at)
        at.scope.assign(target.name.text, Blob(names, at.run.place(target.name.span)))

    # Composites

    def _run(self, call: Call, composite: Composite, at: Context) -> None:
        define = composite.define
        self._no_recursion(call, define, at)
        self._counts(call, define, at)
        declared = len(define.inputs) + len(define.parameters) + len(define.outputs)
        self.limits.step(declared, at.run.place(call.span))
        inputs = [self._blob(written, at) for written in call.inputs]
        scope = Scope(composite.scope, own=True)
        prefix = self._run_name(call, at) + "/"
        self.limits.text(len(prefix), at.run.place(call.span))
        run = Run(prefix, at.run.place(call.span), define, at.run)
        inner = Context(scope, run, at.phases, at.depth + 1)
        self.enter(Context(at.scope, at.run, at.phases, at.depth + 1), call.span)
        for name, blob in zip(define.inputs, inputs, strict=True):
            scope.names[name.text] = blob
        self._parameters(call, define, at, inner)
        self.run_body(define.body, inner)
        for name in define.outputs:
            if not isinstance(scope.names.get(name.text), Blob):
                self.fail(codes.NO_OUTPUT, f"the output `{name.text}` is never made", name.span, inner)
        for target, name in zip(call.targets, define.outputs, strict=False):
            made = scope.names.get(name.text)
            if target.label is not None:
                message = "a composite names its blobs itself: label them where they are made"
                raise self.fail(codes.MISPLACED, message, target.label.span, at)
            if not isinstance(made, Blob):
                raise Failed
            names = {phase: full for phase, full in made.names.items() if phase in at.phases}
            self._assign(target, names, at)

    def _no_recursion(self, call: Call, define: Define, at: Context) -> None:
        run: Run | None = at.run
        while run is not None:
            if run.define is define:
                message = f"the composite `{define.name.text}` calls itself"
                raise self.fail(codes.RECURSION, message, call.callee.span, at, "a `for` loop repeats layers")
            run = run.parent

    def _counts(self, call: Call, define: Define, at: Context) -> None:
        name = define.name.text
        for given, wanted, what, exact in (
            (len(call.inputs), len(define.inputs), "input", True),
            (len(call.targets), len(define.outputs), "output", False),
        ):
            if given > wanted or (exact and given < wanted):
                message = f"`{name}` has {wanted} {what}{'s' * (wanted != 1)}, not {given}"
                note = (Note("declared here", define.name.span),)
                help = None if wanted or exact else f"name what it gives: `def {name}(...) -> y {{ ... }}`"
                place = at.run.place(call.callee.span)
                raise self.limits.fail(codes.ARGUMENTS, message, place, notes=note, help=help)

    def _run_name(self, call: Call, at: Context) -> str:
        if call.label is not None:
            return self.runs.add(self.label(call.label, at), at.phases)
        first = call.targets[0].name.text if call.targets else None
        if first is not None and at.scope.find(first) is None:
            return self.runs.fresh(at.run.prefix + first, at.phases)
        return self.runs.counted(at.run.prefix + call.callee.text, at.phases)

    def _parameters(self, call: Call, define: Define, at: Context, inner: Context) -> None:
        """Declare the parameters in the run's scope, from the call's body or their defaults."""
        given: dict[str, Field] = {}
        known = [parameter.name.text for parameter in define.parameters]
        for field in self.block(call.body, at).fields if call.body else ():
            if field.name not in known:
                near = suggest(field.name, known)
                hint = f"did you mean `{near}`?" if near else f"its parameters are {', '.join(known) or 'none'}"
                message = f"`{define.name.text}` has no parameter `{field.name}`"
                self.limits.fail(codes.PARAMETERS, message, field.name_span, hint)
            elif field.name in given:
                self.limits.fail(codes.PARAMETERS, f"`{field.name}` is given twice", field.name_span)
            given[field.name] = field
        for parameter in define.parameters:
            name = parameter.name
            self.free(name, inner)
            constant = Constant(None, name.span)
            if name.text in given:
                constant = self._given(given[name.text])
            elif parameter.default is not None:
                constant = Constant(self.value(parameter.default, inner), name.span)
            else:
                note = (Note("declared here", name.span),)
                message = f"`{define.name.text}` needs its parameter `{name.text}`"
                self.limits.fail(codes.PARAMETERS, message, at.run.place(call.callee.span), notes=note)
            inner.scope.names[name.text] = constant

    def _given(self, field: Field) -> Constant:
        try:
            return Constant(self.from_field(field.value), field.span)
        except Failed:
            return Constant(None, field.span)


def _string(name: str, text: str, span: Span) -> Field:
    return Field(name, span, Scalar("string", text, span), span)
