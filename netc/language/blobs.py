"""What inputs, targets and labels name."""

from __future__ import annotations

from netc.errors import suggest
from netc.language import codes
from netc.language.evaluate import value_of
from netc.language.scope import EVERY_PHASE, KINDS, Blob, Composite, Constant, Context
from netc.language.tree import Alias, Expression, Scalar, Target
from netc.language.values import kind_of


def blob_of(written: Expression, at: Context) -> Blob:
    """The blob that an input names."""
    name = _name(written)
    found = at.scope.find(name) if name is not None else None
    if isinstance(found, Blob):
        return found
    if name is None or (isinstance(found, Constant) and isinstance(found.value, str)):
        full = label_of(written, at)
    elif found is not None:
        raise at.fail(codes.UNKNOWN_NAME, f"`{name}` is {KINDS[type(found)]}, not a blob", written.span)
    elif at.run.define is not None:
        near = suggest(name, at.scope.known(Blob))
        hint = f"did you mean `{near}`?" if near else "a composite sees the blobs that are given to it, no others"
        raise at.fail(codes.UNKNOWN_NAME, f"no blob here is called `{name}`", written.span, hint)
    else:
        full = name
    return Blob(dict.fromkeys(EVERY_PHASE, full), at.place(written.span))


def _name(written: Expression) -> str | None:
    return written.text if isinstance(written, Scalar) and written.kind == "identifier" else None


def label_of(label: Expression, at: Context) -> str:
    """The full name that a label gives."""
    name = _name(label)
    value = name if name is not None and not isinstance(at.scope.find(name), Constant) else value_of(label, at)
    if not isinstance(value, str):
        raise at.fail(codes.NO_VALUE, f"a label is a string, not {kind_of(value)}", label.span)
    full = at.run.label(value)
    if not full:
        message = f"`{value}` names nothing" if full == "" else f"`{value}` leads out of the file's own names"
        raise at.fail(codes.NO_VALUE, message, label.span)
    return full


def assignable(target: Target, at: Context) -> None:
    """Refuse to assign to a constant or a composite of this scope."""
    found = at.scope.names.get(target.name.text)
    if isinstance(found, Constant | Composite):
        message = f"`{target.name.text}` is {KINDS[type(found)]} here and cannot be a blob"
        raise at.fail(codes.NAME_TAKEN, message, target.name.span)


def assign(target: Target, names: dict[str, str], at: Context) -> None:
    """Make a target mean a blob: its full name in each phase."""
    assignable(target, at)
    at.scope.assign(target.name.text, Blob(names, at.place(target.name.span)))


def alias(item: Alias, at: Context) -> None:
    """`h = pool1`: another name for a blob."""
    if item.target.label is not None:
        raise at.fail(codes.MISPLACED, "a second name for a blob does not rename it", item.span)
    blob = blob_of(Scalar("identifier", item.name.text, item.name.span), at)
    assign(item.target, {phase: full for phase, full in blob.names.items() if phase in at.phases}, at)
