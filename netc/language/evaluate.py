"""Expressions to values, and bodies to fields: what stands in the braces of a field, a call or a `let`.

A body may hold lets, loops and conditions; fields are what comes of them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from netc.errors import Span, suggest
from netc.language import codes
from netc.language.limits import MAX_NESTING, MAX_STRING, Failed
from netc.language.lines import lines
from netc.language.operators import FUNCTIONS, RANGES, RefusedError, checked, compute, ends, equal, no_function
from netc.language.scope import Blob, Composite, Constant, Context, Scope
from netc.language.tree import (
    Alias,
    Block,
    Call,
    Expression,
    Field,
    For,
    If,
    Item,
    Let,
    ListValue,
    Operation,
    Scalar,
    Text,
    Value,
)
from netc.language.values import (
    MAX_UNSIGNED,
    BlockValue,
    Identifier,
    Result,
    from_scalar,
    kind_of,
    ranged,
    size_of,
    sized,
    to_field,
    to_item,
    to_text,
)

_PHASE = re.compile(r"\b(train|test|deploy)\s*:?\s*$", re.IGNORECASE)


# Values


def value_of(written: Value, at: Context) -> Result:
    """The value of an expression or a body. Raises `Failed` after reporting what is wrong."""
    match written:
        case Scalar():
            return _scalar(written, at)
        case Text():
            return _text(written, at)
        case ListValue():
            at.step(len(written.items), written.span)
            return tuple(value_of(item, at) for item in written.items)
        case Block():
            return _sized(written, at)
        case Operation():
            at.step(len(written.operands), written.span)
            try:
                return checked(_operation(written, at))
            except RefusedError as no:
                raise at.fail(no.code, no.message, written.span, no.help) from None


def given_value(value: Value, at: Context) -> Result:
    """The value that a field of text format holds."""
    if isinstance(value, Scalar):
        return literal(value, at)
    if isinstance(value, Block):
        return sized(value)
    assert isinstance(value, ListValue)
    return tuple(given_value(item, at) for item in value.items)


def literal(scalar: Scalar, at: Context) -> Result:
    """The value of a scalar as it stands: a number that is computed with must be one that can be."""
    at.text(len(scalar.text), scalar.span)
    value = from_scalar(scalar)
    if isinstance(value, float) and not math.isfinite(value):
        raise at.fail(codes.OUT_OF_RANGE, "this is not a finite number", scalar.span)
    if isinstance(value, int) and abs(value) > MAX_UNSIGNED:
        raise at.fail(codes.OUT_OF_RANGE, "this integer does not fit in 64 bits", scalar.span)
    return value


_ONE_NAME = "read it in a block of one phase, or give it one name in all of them"


def blob_name(name: str, blob: Blob, span: Span, at: Context) -> str:
    """A blob's one name in the phases of this place."""
    names = {blob.names[phase] for phase in at.phases if phase in blob.names} or set(blob.names.values())
    if len(names) > 1:
        shown = " and ".join(f"`{full}` in {phase}" for phase, full in sorted(blob.names.items()))
        raise at.fail(codes.PHASE, f"`{name}` is not one blob in every phase: {shown}", span, _ONE_NAME)
    return names.pop()


def truth(condition: Expression, at: Context) -> bool:
    """The value of a condition."""
    value = value_of(condition, at)
    if isinstance(value, Identifier):
        raise _unknown(value, condition.span, at)
    if not isinstance(value, bool):
        raise at.fail(codes.OPERANDS, f"a condition is true or false, not {kind_of(value)}", condition.span)
    return value


def _scalar(scalar: Scalar, at: Context) -> Result:
    found = at.scope.find(scalar.text) if scalar.kind == "identifier" else None
    match found:
        case None:
            return literal(scalar, at) if scalar.kind != "identifier" else from_scalar(scalar)
        case Composite():
            raise at.fail(codes.NO_VALUE, f"`{scalar.text}` is a composite, not a value", scalar.span)
        case Blob():
            return blob_name(scalar.text, found, scalar.span, at)
        case Constant(value=value):
            if value is None:
                raise Failed
            if isinstance(value, tuple):
                at.text(len(value), scalar.span)
            return value


def _text(text: Text, at: Context) -> str:
    pieces = []
    for piece in text.pieces:
        if isinstance(piece, str):
            pieces.append(piece)
            continue
        value = value_of(piece, at)
        if isinstance(value, Identifier):
            raise _unknown(value, piece.span, at, "write `$${` for a plain `${`")
        if isinstance(value, tuple | BlockValue):
            raise at.fail(codes.OPERANDS, f"{kind_of(value)} cannot stand in a string", piece.span)
        pieces.append(to_text(value))
    return _bounded("".join(pieces), text.span, at)


def _bounded(text: str, span: Span, at: Context) -> str:
    if len(text) > MAX_STRING:
        message = f"this string would be longer than {MAX_STRING:,} characters"
        raise at.fail(codes.TOO_LARGE_EXPANSION, message, span)
    at.text(len(text), span)
    return text


def _unknown(name: Identifier, span: Span, at: Context, otherwise: str | None = None) -> Failed:
    literal = name.text.lower() if name.text.lower() in ("true", "false") else None
    near = literal or suggest(name.text, at.scope.known(Constant))
    hint = f"did you mean `{near}`?" if near else otherwise
    return at.fail(codes.UNKNOWN_NAME, f"nothing here is called `{name.text}`", span, hint)


def _operation(made: Operation, at: Context) -> Result:
    name, operands = made.operator, made.operands
    if name == "?":
        return value_of(operands[1] if truth(operands[0], at) else operands[2], at)
    if name == "and":
        return truth(operands[0], at) and truth(operands[1], at)
    if name == "or":
        return truth(operands[0], at) or truth(operands[1], at)
    if name == "not":
        return not truth(operands[0], at)
    values = [value_of(operand, at) for operand in operands]
    if name == "()":
        return values[0]
    if name in ("==", "!="):
        return equal(*values) == (name == "==")
    for value, operand in zip(values, operands, strict=True):
        if isinstance(value, Identifier):
            raise _unknown(value, operand.span, at)
    if name.isidentifier() and name not in FUNCTIONS:
        no, start = no_function(name), made.span.start
        raise at.fail(no.code, no.message, Span(made.span.source, start, start + len(name)), no.help)
    if name == "read":
        return lines(made, values, at)
    if name in RANGES:
        return ranged(name, *ends(name, values), at.place(made.span))
    found = compute(name, values)
    return _bounded(found, made.span, at) if name == "+" and isinstance(found, str) else found


# Fields


def block_of(body: Block, at: Context) -> Block:
    """The block of text format that a body makes."""
    return Block(tuple(fields_of(body, at.deeper(body.span, scope=Scope(at.scope)))), at.place(body.span))


def fields_of(body: Block, at: Context) -> Iterator[Field]:
    """The fields that a body makes in this scope, each faulty one reported and left out."""
    for item in body.items:
        at.step(1, item.span)
        try:
            yield from _fields(item, body, at)
        except Failed:
            continue


def field_of(field: Field, at: Context) -> Field:
    """A field with its value computed."""
    at.text(len(field.name), field.span)
    return Field(field.name, at.place(field.name_span), _plain(field.value, at), at.place(field.span))


def _fields(item: Item, body: Block, at: Context) -> Iterator[Field]:
    match item:
        case Field():
            yield field_of(item, at)
        case Let():
            let(item, at)
        case For():
            for turn in turns(item, at):
                yield from fields_of(item.body, turn)
        case If():
            for branch, inner in chosen(item, at):
                yield from fields_of(branch, inner)
        case Alias():
            name = item.target.name.text
            message, hint = f"`{name}` is given its value with `:`, not `=`", f"write `{name}: {item.name.text}`"
            raise at.fail(codes.EQUALS, message, item.span, hint)
        case _:
            what = "a layer cannot be made" if isinstance(item, Call) else "this statement cannot stand"
            raise at.fail(codes.MISPLACED, f"{what} inside a block of fields", item.span, _phase_meant(body))


def _phase_meant(body: Block) -> str | None:
    """What to write if a block was meant to be that of a phase."""
    start = body.span.start
    before = _PHASE.search(body.span.source.text[max(0, start - 40) : start])
    return f"a phase's layers stand in `{before[1].lower()} {{ ... }}`" if before else None


def _plain(written: Value, at: Context, listed: bool = False) -> Scalar | ListValue | Block:
    """A value in text format; a literal stays as it was written. `listed`: it is an item of a list."""
    match written:
        case Block():
            return block_of(written, at)
        case Scalar() if written.kind != "identifier" or at.scope.find(written.text) is None:
            at.text(len(written.text), written.span)
            return Scalar(written.kind, written.text, at.place(written.span))
        case ListValue() if not listed:
            at.step(len(written.items), written.span)
            return ListValue(tuple(_plain(item, at, listed=True) for item in written.items), at.place(written.span))
    value = value_of(written, at)
    if isinstance(value, BlockValue):
        _bound_depth(value.depth + at.depth, written.span, at)
    at.step(size_of(value), written.span)
    made = to_item(value, at.place(written.span)) if listed else to_field(value, at.place(written.span))
    if made is None:
        raise at.fail(codes.NO_VALUE, "a list of lists is no value of a field", written.span)
    return made


def _sized(body: Block, at: Context) -> BlockValue:
    made = sized(block_of(body, at))
    _bound_depth(made.depth, body.span, at)
    return made


def _bound_depth(depth: int, span: Span, at: Context) -> None:
    """A block in a block in a block made of lets may get too deep."""
    if depth > MAX_NESTING:
        raise at.fail(codes.TOO_DEEP, f"more than {MAX_NESTING} blocks are inside one another", span)


# Statements of every body


def let(item: Let, at: Context) -> None:
    """Declare a constant; one whose value fails is declared too, so that its uses are not reported as well."""
    at.free(item.name)
    value: Result | None = None
    try:
        value = value_of(item.value, at)
    finally:
        at.scope.names[item.name.text] = Constant(value, at.place(item.name.span))


def chosen(item: If, at: Context) -> Iterator[tuple[Block, Context]]:
    """The body whose condition holds, if any, and its context."""
    holds = (body for condition, body in item.branches if truth(condition, at))
    body = next(holds, item.otherwise)
    if body is not None:
        yield body, at.deeper(body.span, scope=Scope(at.scope))


def turns(item: For, at: Context) -> Iterator[Context]:
    """The context of each turn of a loop."""
    for value in _looped(item, at):
        at.step(1, item.span)
        turn = at.deeper(item.body.span, scope=Scope(at.scope))
        values = (value,) if len(item.names) == 1 else value
        if not isinstance(values, tuple) or len(values) != len(item.names):
            shown = f"{len(values)} items" if isinstance(values, tuple) else kind_of(values)
            raise at.fail(codes.NOT_ITERABLE, f"{len(item.names)} names cannot stand for {shown}", item.first.span)
        for name, each in zip(item.names, values, strict=True):
            turn.declare(name, Constant(each, at.place(name.span)))
        yield turn


def _looped(item: For, at: Context) -> tuple[Result, ...] | range:
    """What a loop goes over."""
    first = value_of(item.first, at)
    if item.last is None:
        if not isinstance(first, tuple):
            hint = f"did you mean `1..{first}`?" if isinstance(first, int) else None
            message = f"a loop goes over a list or a range, not {kind_of(first)}"
            raise at.fail(codes.NOT_ITERABLE, message, item.first.span, hint)
        return first
    last = value_of(item.last, at)
    for value, expression in ((first, item.first), (last, item.last)):
        if not isinstance(value, int) or isinstance(value, bool):
            near = suggest(getattr(value, "text", ""), at.scope.known(Constant))
            hint = f"did you mean `{near}`?" if near else None
            message = f"a range goes from integer to integer; this is {kind_of(value)}"
            raise at.fail(codes.NOT_ITERABLE, message, expression.span, hint)
    assert isinstance(first, int)
    assert isinstance(last, int)
    return range(first, last + 1)
