"""Pages of `netc explain` for what is no code and no layer type: what fields name, messages, and values of enums."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from netc.report.explain import field_row, indented
from netc.schema.declare import Field
from netc.schema.record import MessageType, Schema


@dataclass(frozen=True, slots=True)
class Choice:
    """Something that a field may name (a filler): its kind, what it means, what it needs, how it is written.

    doc: the first line is what lists show. example: a part of a `.net` file.
    """

    kind: str
    name: str
    doc: str
    example: str

    @property
    def meaning(self) -> str:
        """The first line of what it means."""
        return self.doc.strip().splitlines()[0]


def choice_page(choice: Choice, schema: Schema) -> str:
    """What it is, where it is named, an example; Markdown."""
    where = [f"`{field}` of `{message}`" for message, field in _naming(schema, choice.kind)]
    head = f"# {choice.name}: {'an' if choice.kind[0] in 'aeiou' else 'a'} {choice.kind}"
    named = f"It is named by {' and '.join(where)}."
    return "\n\n".join([head, choice.doc.strip(), named, "## Example\n\n" + indented(choice.example)]) + "\n"


def _naming(schema: Schema, kind: str) -> Iterator[tuple[str, str]]:
    for message in map(schema.message, schema.messages):
        for field in message.fields.values():
            if field.declaration.names == kind:
                yield message.name, field.name


def message_page(name: str, schema: Schema, choices: Callable[[Field], list[str]]) -> str | None:
    """All fields of a message, called by its own name (TransformationParameter) or by that of a field that holds it
    (transform_param, weight_filler); None if there is none.

    choices: of a field that names something, what there is, as items of a list.
    """
    known = {message.lower(): message for message in schema.messages if not message.startswith("V")}
    found = [known[name.lower()]] if name.lower() in known else _held(name, schema)
    if not found:
        return None
    parts = [f"# {name}"]
    for message in map(schema.message, found):
        rows = [line for field in message.declaration.fields for line in _rows(field, message, choices)]
        holders = sorted(set(_holders(message, schema)))
        held = f" It is written as {', '.join(holders)}." if holders else ""
        parts.append(f"{message.name}: {_sentence(message.declaration.doc)}{held}\n\n" + "\n".join(rows))
    return "\n\n".join(parts) + "\n"


def _rows(field: Field, message: MessageType, choices: Callable[[Field], list[str]]) -> Iterator[str]:
    yield field_row(field, message)
    for item in choices(field):
        yield f"  {item}"


def _sentence(doc: str) -> str:
    return doc if doc.endswith(".") or not doc else f"{doc}."


def _held(name: str, schema: Schema) -> list[str]:
    """The messages that fields of this name hold."""
    messages = (m for m in map(schema.message, schema.messages) if not m.name.startswith("V") and name in m.fields)
    held = [m.fields[name].declaration.type for m in messages if m.fields[name].message is not None]
    return list(dict.fromkeys(held))


def _holders(message: MessageType, schema: Schema) -> Iterator[str]:
    for other in map(schema.message, schema.messages):
        for field in other.fields.values():
            if field.message is not None and field.message.name == message.name and not other.name.startswith("V"):
                yield f"`{field.name} {{ }}`"


def value_page(name: str, schema: Schema) -> str | None:
    """Where a value of an enumeration (MAX, LMDB) may be written; None if no enumeration has it."""
    lines = []
    for message in map(schema.message, schema.messages):
        for field in message.fields.values():
            enum = field.enum
            if enum is not None and name.upper() in enum.values and not message.name.startswith("V"):
                others = ", ".join(enum.values)
                lines.append(f"- `{field.name}: {name.upper()}` in `{message.name}` (one of {others})")
    return f"# {name.upper()}\n\nA value of these fields:\n\n" + "\n".join(lines) + "\n" if lines else None


def named(name: str, choices: Mapping[str, Mapping[str, Choice]]) -> list[Choice]:
    """What is called so, in any capitals: a name may be that of an update rule and of a policy."""
    return [choice for kind in choices.values() for key, choice in kind.items() if key.lower() == name.lower()]
