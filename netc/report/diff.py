"""`netc diff`: what differs between two planned nets: layers, fields, shapes, counts, memory, receptive fields."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from netc.layer import format_shape
from netc.plan.counts import count_layer, count_net
from netc.plan.model import Field, Plan
from netc.schema.record import Record

_NOT_COMPARED = ("name", "include", "exclude", "phase", "blobs")
Pair = tuple[Any, Any]


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one layer: what its file says (`fields`, by path) and what follows from it (`numbers`)."""

    name: str
    type: str
    fields: dict[str, Any]
    numbers: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """A layer of both nets: fields written differently, and numbers that came out differently; pairs of A's and B's."""

    name: str
    type: str
    fields: dict[str, Pair]
    numbers: dict[str, Pair]


@dataclass(frozen=True, slots=True)
class Difference:
    """What turns net A into net B. `totals` holds every total, equal or not."""

    names: tuple[str, str]
    removed: tuple[Facts, ...]
    added: tuple[Facts, ...]
    changed: tuple[Change, ...]
    reordered: bool
    totals: dict[str, Pair]

    @property
    def same(self) -> bool:
        """Whether the two compute the same net: nothing added, removed, changed or in another order."""
        return not (self.removed or self.added or self.changed or self.reordered)

    def data(self) -> dict[str, object]:
        """As JSON-able data: the machine output of `netc diff --json`; every pair is [A's, B's]."""
        return {
            "same": self.same,
            "names": list(self.names),
            "removed": [{"name": f.name, "type": f.type, **f.numbers} for f in self.removed],
            "added": [{"name": f.name, "type": f.type, **f.numbers} for f in self.added],
            "changed": [
                {"name": c.name, "type": c.type, "fields": _lists(c.fields), **_lists(c.numbers)} for c in self.changed
            ],
            "reordered": self.reordered,
            "totals": _lists(self.totals),
        }


def compare(a: Plan, b: Plan) -> Difference:
    """Compare two plans layer by layer; layers are the same if they have the same name."""
    ours, theirs = facts(a), facts(b)
    common = [name for name in ours if name in theirs]
    changes = (_change(ours[name], theirs[name]) for name in common)
    return Difference(
        (a.graph.name, b.graph.name),
        tuple(f for name, f in ours.items() if name not in theirs),
        tuple(f for name, f in theirs.items() if name not in ours),
        tuple(c for c in changes if c.fields or c.numbers),
        common != [name for name in theirs if name in ours],
        _pairs(_totals(a), _totals(b), equal=True),
    )


def facts(plan: Plan) -> dict[str, Facts]:
    """The layers of a plan by key."""
    return {node.key: _facts(plan, index) for index, node in enumerate(plan.graph.nodes)}


def _facts(plan: Plan, index: int) -> Facts:
    node, values, counts = plan.graph.nodes[index], plan.graph.values, count_layer(plan, index)
    fields = dict(flat_fields(node.record.replace(**dict.fromkeys(_NOT_COMPARED))))
    seen = plan.layers[index].fields
    numbers: dict[str, Any] = {
        "shapes": {values[v].name: list(plan.shapes[v]) for v in node.tops},
        "parameters": counts.parameters,
        "blob_values": counts.blob_values,
        "macs": counts.macs,
        "receptive_field": _receptive_field(seen[0] if seen else None),
    }
    return Facts(node.key, node.type.name, {**fields, "type": node.type.name}, numbers)


def _change(a: Facts, b: Facts) -> Change:
    return Change(a.name, b.type, _pairs(a.fields, b.fields), _pairs(a.numbers, b.numbers))


def _pairs(a: dict[str, Any], b: dict[str, Any], equal: bool = False) -> dict[str, Pair]:
    """Both values of each key, of the keys whose values differ unless `equal`; None where one has no value."""
    keys = dict.fromkeys((*a, *b))
    return {key: (a.get(key), b.get(key)) for key in keys if equal or a.get(key) != b.get(key)}


def flat_fields(record: Record, prefix: str = "") -> Iterator[tuple[str, object]]:
    """The fields of a message by path; those with their default value say nothing and are left out."""
    for name, value in record.values.items():
        if isinstance(value, Record):
            yield from flat_fields(value, f"{prefix}{name}.")
        elif isinstance(value, tuple):
            if any(isinstance(item, Record) for item in value):
                for index, item in enumerate(value):
                    yield from flat_fields(item, f"{prefix}{name}[{index}].")
            elif value:
                yield prefix + name, list(value)
        elif value != record.message_type.default(name):
            yield prefix + name, value


def _totals(plan: Plan) -> dict[str, Any]:
    total, arena = count_net(plan), plan.reference_arena
    values = plan.graph.values
    return {
        "layers": len(plan.graph.nodes),
        "parameters": total.parameters,
        "blob_values": total.blob_values,
        "macs": total.macs,
        "reference_arena_bytes": arena.planned_bytes,
        "lower_bound_bytes": arena.lower_bound_bytes,
        "unshared_bytes": arena.unshared_bytes,
        "inputs": {values[v].name: list(plan.shapes[v]) for v in plan.graph.inputs},
        "outputs": {values[v].name: list(plan.shapes[v]) for v in plan.graph.outputs},
    }


def _receptive_field(field: Field | None) -> list[int] | str | None:
    if field is None:
        return None
    return "all" if field.whole else list(field.size)


def _lists(pairs: dict[str, Pair]) -> dict[str, list[Any]]:
    return {key: list(pair) for key, pair in pairs.items()}


# ---------------------------------------------------------------- for people


def lines(difference: Difference) -> Iterator[str]:
    """The difference as text: `-` a layer of A, `+` one of B, `~` one of both that changed; then the totals."""
    for sign, layers in (("-", difference.removed), ("+", difference.added)):
        for layer in layers:
            yield f"{sign} {layer.name} ({layer.type}): {_shapes(layer.numbers['shapes'])}"
    for change in difference.changed:
        said = list(change_lines(change))
        if len(said) == 1:
            yield f"~ {change.name} ({change.type}) {said[0]}"
        else:
            yield f"~ {change.name} ({change.type})"
            yield from (f"    {line}" for line in said)
    if difference.reordered:
        yield "~ layers of both nets come in another order"


def change_lines(change: Change) -> Iterator[str]:
    """What is different in a layer: a line for each field and number."""
    for path, (a, b) in change.fields.items():
        yield f"{path}: {written(a)} -> {written(b)}"
    for name, (a, b) in change.numbers.items():
        if name != "blob_values" or "parameters" not in change.numbers:
            yield f"{_LABELS[name]}: {_number(name, a)} -> {_number(name, b)}{_delta(a, b)}"


_LABELS = {
    "shapes": "tops",
    "parameters": "parameters",
    "blob_values": "parameter blobs' values",
    "macs": "multiply-adds",
    "receptive_field": "sees",
    "layers": "layers",
    "reference_arena_bytes": "bytes of the reference arena",
    "lower_bound_bytes": "bytes of it alive at once",
    "unshared_bytes": "bytes of it without sharing",
    "inputs": "inputs",
    "outputs": "outputs",
}


def total_rows(difference: Difference) -> Iterator[tuple[str, str, str, str]]:
    """What, A's, B's and the change, for each total."""
    for name, (a, b) in difference.totals.items():
        yield _LABELS[name], _number(name, a), _number(name, b), _delta(a, b).strip(" ()")


def _number(name: str, value: Any) -> str:
    if name in ("shapes", "inputs", "outputs"):
        return _shapes(value)
    if name == "receptive_field":
        return "nothing" if value is None else value if isinstance(value, str) else format_shape(tuple(value))
    return f"{value:,}"


def _shapes(shapes: dict[str, list[int]]) -> str:
    return ", ".join(f"{name} {format_shape(tuple(shape))}" for name, shape in shapes.items()) or "none"


def written(value: object) -> str:
    """A field's value as people read it."""
    if value is None:
        return "default"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ", ".join(map(written, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _delta(a: Any, b: Any) -> str:
    if not (isinstance(a, int) and isinstance(b, int)) or a == b:
        return ""
    part = f", {(b - a) / a:+.1%}" if a else ""
    return f" ({b - a:+,}{part})"
