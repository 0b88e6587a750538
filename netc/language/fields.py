"""Bodies to fields: what stands in the braces of a field, a call or a let."""

from __future__ import annotations

import re
from collections.abc import Iterator

from netc.errors import Span, suggest
from netc.language import codes
from netc.language.evaluate import Evaluator
from netc.language.limits import MAX_NESTING, Failed
from netc.language.program import Alias, Body, Call, Entry, Expression, For, If, Item, Let, Name, Sequence
from netc.language.scope import Composite, Constant, Context, Scope
from netc.language.tree import Block, Field, ListValue, Scalar
from netc.language.values import Group, Value, group, kind_of, size_of, to_field, to_item

_PHASE = re.compile(r"\b(train|test|deploy)\s*:?\s*$", re.IGNORECASE)


def _phase_meant(body: Body) -> str | None:
    """What to write if a block was meant to be that of a phase."""
    start = body.span.start
    before = _PHASE.search(body.span.source.text[max(0, start - 40) : start])
    return f"a phase's layers stand in `{before[1].lower()} {{ ... }}`" if before else None


class FieldMaker(Evaluator):
    """Makes plain fields of bodies, carrying out their lets, loops and conditions."""

    def enter(self, at: Context, span: Span) -> None:
        """Refuse to go deeper than a person would."""
        if at.depth > MAX_NESTING:
            message = f"more than {MAX_NESTING} bodies, loops and calls are inside one another"
            raise self.fail(codes.TOO_DEEP, message, Span(span.source, span.start, span.start + 1), at)

    def body_value(self, body: Body, at: Context) -> Group:
        made = group(self.block(body, at))
        if made.depth > MAX_NESTING:
            raise self.fail(codes.TOO_DEEP, f"more than {MAX_NESTING} blocks are inside one another", body.span, at)
        return made

    def block(self, body: Body, at: Context) -> Block:
        """The plain block of a body."""
        inner = at.inner(Scope(at.scope))
        self.enter(inner, body.span)
        return Block(tuple(self.fields(body, inner)), at.run.place(body.span))

    def fields(self, body: Body, at: Context) -> Iterator[Field]:
        """The fields of a body in this scope, each faulty one reported and left out."""
        for item in body.items:
            self.limits.step(1, at.run.place(item.span))
            try:
                yield from self._item(item, body, at)
            except Failed:
                continue

    def _item(self, item: Item, body: Body, at: Context) -> Iterator[Field]:
        match item:
            case Entry():
                yield self.field(item, at)
            case Let():
                self.let(item, at)
            case For():
                for turn in self.turns(item, at):
                    yield from self.fields(item.body, turn)
            case If():
                branch = self.branch(item, at)
                if branch is not None:
                    yield from self.fields(branch, self.inside(branch, at))
            case Alias():
                raise self._equals(item, at)
            case _:
                what = "a layer cannot be made" if isinstance(item, Call) else "this statement cannot stand"
                message = f"{what} inside a block of fields"
                raise self.fail(codes.MISPLACED, message, item.span, at, _phase_meant(body))

    def _equals(self, item: Alias, at: Context) -> Failed:
        name = item.target.name.text
        message = f"`{name}` is given its value with `:`, not `=`"
        return self.fail(codes.EQUALS, message, item.span, at, f"write `{name}: {item.name.text}`")

    def field(self, entry: Entry, at: Context) -> Field:
        """A field with its value computed; a literal stays as it was written."""
        place, value = at.run.place, entry.value
        self.limits.text(len(entry.name), entry.span)
        made: Scalar | ListValue | Block | None
        if isinstance(value, Body):
            made = self.block(value, at)
        elif isinstance(value, Scalar) and (value.kind != "identifier" or at.scope.find(value.text) is None):
            self.limits.text(len(value.text), value.span)
            made = Scalar(value.kind, value.text, place(value.span))
        elif isinstance(value, Sequence):
            self.limits.step(len(value.items), place(value.span))
            made = ListValue(tuple(self._list_item(item, at) for item in value.items), place(value.span))
        else:
            computed = self.value(value, at)
            self._known(computed, value, at)
            self.limits.step(size_of(computed), place(value.span))
            made = to_field(computed, place(value.span))
            if made is None:
                raise self.fail(codes.NO_VALUE, "a list of lists is no value of a field", value.span, at)
        return Field(entry.name, place(entry.name_span), made, place(entry.span))

    def _list_item(self, item: Expression | Body, at: Context) -> Scalar | Block:
        if isinstance(item, Body):
            return self.block(item, at)
        if isinstance(item, Scalar) and (item.kind != "identifier" or at.scope.find(item.text) is None):
            self.limits.text(len(item.text), item.span)
            return Scalar(item.kind, item.text, at.run.place(item.span))
        computed = self.value(item, at)
        self.limits.step(size_of(computed), item.span)
        made = to_item(computed, at.run.place(item.span))
        if made is None:
            raise self.fail(codes.NO_VALUE, "a list of lists is no value of a field", item.span, at)
        return made

    def _known(self, value: Value, expression: Expression, at: Context) -> None:
        """A block in a block in a block made of lets may get too deep."""
        if isinstance(value, Group) and value.depth + at.depth > MAX_NESTING:
            raise self.fail(
                codes.TOO_DEEP, f"more than {MAX_NESTING} blocks are inside one another", expression.span, at
            )

    def let(self, item: Let, at: Context) -> None:
        """Declare a constant; one whose value fails is declared too, so that its uses are not reported as well."""
        self.free(item.name, at)
        place = at.run.place(item.name.span)
        try:
            at.scope.names[item.name.text] = Constant(self.value(item.value, at), place)
        except Failed:
            at.scope.names[item.name.text] = Constant(None, place)
            raise

    def free(self, name: Name, at: Context) -> None:
        """Refuse a name that this scope has already."""
        before = at.scope.names.get(name.text)
        if before is not None:
            what = {Constant: "a constant", Composite: "a composite"}.get(type(before), "a blob")
            message = f"`{name.text}` is already {what} here"
            raise self.fail(codes.NAME_TAKEN, message, name.span, at)

    def branch(self, item: If, at: Context) -> Body | None:
        """The body whose condition holds."""
        for condition, body in item.branches:
            if self.truth(condition, at):
                return body
        return item.otherwise

    def inside(self, body: Body, at: Context) -> Context:
        """The context of a branch or turn: a new scope, one level deeper."""
        inner = at.inner(Scope(at.scope))
        self.enter(inner, body.span)
        return inner

    def turns(self, item: For, at: Context) -> Iterator[Context]:
        """The context of each turn of a loop."""
        for value in self._values(item, at):
            self.limits.step(1, at.run.place(item.span))
            turn = self.inside(item.body, at)
            values = (value,) if len(item.names) == 1 else value
            if not isinstance(values, tuple) or len(values) != len(item.names):
                shown = f"{len(values)} items" if isinstance(values, tuple) else kind_of(values)
                message = f"{len(item.names)} names cannot stand for {shown}"
                raise self.fail(codes.NOT_ITERABLE, message, item.first.span, at)
            for name, each in zip(item.names, values, strict=True):
                self.free(name, turn)
                turn.scope.names[name.text] = Constant(each, at.run.place(name.span))
            yield turn

    def _values(self, item: For, at: Context) -> Iterator[Value]:
        first = self.value(item.first, at)
        if item.last is None:
            if not isinstance(first, tuple):
                message = f"a loop goes over a list or a range, not {kind_of(first)}"
                hint = f"did you mean `1..{first}`?" if isinstance(first, int) else None
                raise self.fail(codes.NOT_ITERABLE, message, item.first.span, at, hint)
            yield from first
            return
        last = self.value(item.last, at)
        for value, expression in ((first, item.first), (last, item.last)):
            if not isinstance(value, int) or isinstance(value, bool):
                near = suggest(getattr(value, "text", ""), at.scope.known(Constant))
                hint = f"did you mean `{near}`?" if near else None
                message = f"a range goes from integer to integer; this is {kind_of(value)}"
                raise self.fail(codes.NOT_ITERABLE, message, expression.span, at, hint)
        assert isinstance(first, int)
        assert isinstance(last, int)
        yield from range(first, last + 1)
