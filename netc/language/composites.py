"""Runs of composites: what a call of a `def` does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from netc.errors import Note, suggest
from netc.language import codes
from netc.language.blobs import assign, blob_of, label_of
from netc.language.evaluate import block_of, given_value, value_of
from netc.language.limits import Failed
from netc.language.names import Taken
from netc.language.scope import Blob, Composite, Constant, Context, Run, Scope
from netc.language.tree import Block, Call, Define, Field, Parameter


class Composites:
    """Runs composites; `carry_out` does the statements of a body."""

    def __init__(self, carry_out: Callable[[Block, Context], None]) -> None:
        self.carry_out = carry_out
        self.names = Taken()

    def call(self, call: Call, composite: Composite, at: Context) -> None:
        """Run a composite's body, and assign its outputs to the call's targets."""
        define = composite.define
        _no_recursion(call, define, at)
        _counts(call, define, at)
        at.step(len(define.inputs) + len(define.parameters) + len(define.outputs), call.span)
        inputs = [blob_of(written, at) for written in call.inputs]
        prefix = self._name(call, at) + "/"
        at.text(len(prefix), call.span)
        # A span of its own tells the layers of one run from those of another.
        own = replace(at.place(call.span), callee=call.callee.text)
        run, scope = Run(prefix, own, define, at.run), Scope(composite.scope, own=True)
        inner = replace(at.deeper(call.span), scope=scope, run=run)
        for name, blob in zip(define.inputs, inputs, strict=True):
            scope.names[name.text] = blob
        _parameters(call, define, at, inner)
        self.carry_out(define.body, inner)
        for name in define.outputs:
            if not isinstance(scope.names.get(name.text), Blob):
                inner.fail(codes.NO_OUTPUT, f"the output `{name.text}` is never made", name.span)
        for target, name in zip(call.targets, define.outputs, strict=False):
            made = scope.names.get(name.text)
            if target.label is not None:
                message = "a composite names its blobs itself: label them where they are made"
                raise at.fail(codes.MISPLACED, message, target.label.span)
            if not isinstance(made, Blob):
                raise Failed
            assign(target, {phase: full for phase, full in made.names.items() if phase in at.phases}, at)

    def _name(self, call: Call, at: Context) -> str:
        """The name of the run."""
        if call.label is not None:
            return self.names.add(label_of(call.label, at), at.phases)
        first = call.targets[0].name.text if call.targets else None
        if first is not None and at.scope.find(first) is None:
            return self.names.fresh(at.run.prefix + first, at.phases)
        return self.names.counted(at.run.prefix + call.callee.text, at.phases)


def _no_recursion(call: Call, define: Define, at: Context) -> None:
    run: Run | None = at.run
    while run is not None:
        if run.define is define:
            message = f"the composite `{define.name.text}` calls itself"
            raise at.fail(codes.RECURSION, message, call.callee.span, "a `for` loop repeats layers")
        run = run.parent


def _counts(call: Call, define: Define, at: Context) -> None:
    name = define.name.text
    for given, wanted, what, exact in (
        (len(call.inputs), len(define.inputs), "input", True),
        (len(call.targets), len(define.outputs), "output", False),
    ):
        if given > wanted or (exact and given < wanted):
            message = f"`{name}` has {wanted} {what}{'s' * (wanted != 1)}, not {given}"
            help = None if wanted or exact else f"name what it gives: `def {name}(...) -> y {{ ... }}`"
            notes = (Note("declared here", define.name.span),)
            raise at.fail(codes.ARGUMENTS, message, call.callee.span, help, notes)


def _parameters(call: Call, define: Define, at: Context, inner: Context) -> None:
    """Declare the parameters in the run's scope, from the call's body or their defaults."""
    given: dict[str, Field] = {}
    known = [parameter.name.text for parameter in define.parameters]
    for field in block_of(call.body, at).fields if call.body else ():
        if field.name not in known:
            near = suggest(field.name, known)
            hint = f"did you mean `{near}`?" if near else f"its parameters are {', '.join(known) or 'none'}"
            message = f"`{define.name.text}` has no parameter `{field.name}`"
            at.fail(codes.PARAMETERS, message, field.name_span, hint)
        elif field.name in given:
            at.fail(codes.PARAMETERS, f"`{field.name}` is given twice", field.name_span)
        given[field.name] = field
    for parameter in define.parameters:
        inner.free(parameter.name)
        name = parameter.name.text
        inner.scope.names[name] = _parameter(parameter, given.get(name), call, define, at, inner)


def _parameter(
    parameter: Parameter, given: Field | None, call: Call, define: Define, at: Context, inner: Context
) -> Constant:
    name = parameter.name
    if given is not None:
        try:
            return Constant(given_value(given.value, at), given.span)
        except Failed:
            return Constant(None, given.span)
    if parameter.default is not None:
        return Constant(value_of(parameter.default, inner), name.span)
    message = f"`{define.name.text}` needs its parameter `{name.text}`"
    at.fail(codes.PARAMETERS, message, call.callee.span, notes=(Note("declared here", name.span),))
    return Constant(None, name.span)
