"""`netc summary`: layers, shapes, counts and memory, as data for tools and as a table for people."""

from __future__ import annotations

import csv as csv_files
from dataclasses import dataclass
from io import StringIO
from math import prod

from rich.text import Text

from netc.layer import Shape, format_shape
from netc.plan.counts import VALUE_BYTES, batch_size, count_layer, count_net
from netc.plan.model import Field, Plan
from netc.plan.usage import readable
from netc.report import columns
from netc.report.columns import Column, short_count
from netc.report.fold import Group, folded


def summarize(plan: Plan) -> dict[str, object]:
    """The plan as JSON-able data: the machine output of `netc summary --json`."""
    graph = plan.graph
    shapes = {v.index: list(plan.shapes[v.index]) for v in graph.values}
    total = count_net(plan)
    arena = plan.reference_arena
    return {
        "name": graph.name,
        "phase": graph.state.phase,
        "inputs": {graph.values[v].name: shapes[v] for v in graph.inputs},
        "outputs": {graph.values[v].name: shapes[v] for v in graph.outputs},
        "layers": [_layer(plan, index) for index in range(len(graph.nodes))],
        "parameters": total.parameters,
        "blob_values": total.blob_values,
        "macs": total.macs,
        "memory": {
            "reference_arena": {
                "planned_bytes": arena.planned_bytes,
                "lower_bound_bytes": arena.lower_bound_bytes,
                "unshared_bytes": arena.unshared_bytes,
            }
        },
        "assumed": list(plan.assumed),
    }


def _layer(plan: Plan, index: int) -> dict[str, object]:
    node, values = plan.graph.nodes[index], plan.graph.values
    counts = count_layer(plan, index)
    fields = plan.layers[index].fields
    field = fields[0] if fields else None
    return {
        "name": node.name,
        "type": node.record.type,
        "bottoms": [values[v].name for v in node.bottoms],
        "tops": {name: list(shape) for name, shape in _tops(plan, index).items()},
        "parameters": counts.parameters,
        "blob_values": counts.blob_values,
        "macs": counts.macs,
        "receptive_field": _numbers(field, "size"),
        "jump": _numbers(field, "jump"),
    }


def _tops(plan: Plan, index: int) -> dict[str, Shape]:
    """The shapes of a layer's tops, by blob name."""
    return {plan.graph.values[v].name: plan.shapes[v] for v in plan.graph.nodes[index].tops}


def _numbers(field: Field | None, name: str) -> list[float] | None:
    """One number per spatial axis; None where there is no spatial input, or where everything is seen."""
    if field is None or field.whole:
        return None
    return [int(v) if v == int(v) else float(v) for v in getattr(field, name)]


# ---------------------------------------------------------------- for people


@dataclass(frozen=True, slots=True)
class _Row:
    """What is told of a layer, or of a group of them."""

    layer: str
    type: str
    blobs: tuple[tuple[str, Shape], ...]
    parameters: int
    macs: int
    sees: str


def table(plan: Plan, width: int, expand: bool = False) -> list[Text]:
    """The net as a table of at most so many characters a line; layers that a composite made are one row unless expand.

    Where it does not fit, counts become short (3.54 M), names are shortened, and "sees", "type" and "blob" go.
    """
    title = f"{plan.graph.name or 'net'} ({plan.graph.state.phase})"
    return columns.table(_columns(plan, _rows(plan, expand)), width, title, totals=1)


def csv(plan: Plan) -> str:
    """Every layer as a line of comma-separated values, after a line of headings."""
    out = StringIO()
    writer = csv_files.writer(out, lineterminator="\n")
    writer.writerow(HEADINGS)
    writer.writerows([cell.replace("\n", " ") for cell in _cells(row)] for row in _rows(plan, expand=True))
    return out.getvalue()


def markdown(plan: Plan, expand: bool = False) -> str:
    """The table in Markdown, all counts exact."""
    lines = [_cells(row) for row in _rows(plan, expand)]
    cells = [[cell.replace("|", "\\|").replace("\n", "<br>") for cell in line] for line in lines]
    rule = ["---"] * 4 + ["---:"] * 3
    return "".join(f"| {' | '.join(line)} |\n" for line in ([*HEADINGS], rule, *cells))


def totals(plan: Plan) -> list[str]:
    """Lines below the table: parameters by what becomes of them, and the work of an image and of a batch."""
    total, images = count_net(plan), batch_size(plan)
    learned = sum(prod(p.shape) for p in plan.params if p.blob.learned and p.lr_mult != 0)
    parts = [(learned, "learned"), (total.parameters - learned, "frozen")]
    parts.append((total.blob_values - total.parameters, "statistics"))
    said = ", ".join(f"{count:,} {what}" for count, what in parts if count)
    lines = [f"parameters: {total.blob_values:,} ({readable(VALUE_BYTES * total.blob_values)}): {said or 'none'}"]
    work = f"{short_count(total.macs / images)} for each of {images:,}, " if images > 1 else ""
    return [*lines, f"multiply-adds: {work}{total.macs:,} in all"]


HEADINGS = ("layer", "type", "blob", "shape", "parameters", "multiply-adds", "sees")


def _cells(row: _Row) -> tuple[str, ...]:
    blobs, shapes = _stacked(row)
    return (row.layer, row.type, blobs, shapes, str(row.parameters or ""), str(row.macs or ""), row.sees)


def _stacked(row: _Row) -> tuple[str, str]:
    """The names of a row's blobs (nothing, where it is the layer's) and their shapes, one below the other."""
    names = [name for name, _ in row.blobs]
    told = "" if names == [row.layer] else "\n".join(names)
    return told, "\n".join(format_shape(shape) for _, shape in row.blobs)


def _columns(plan: Plan, rows: list[_Row]) -> list[Column]:
    total = count_net(plan)
    stacked = [*map(_stacked, rows), ("", "")]
    parameters, macs = ([*(getattr(r, n) for r in rows), getattr(total, t)] for n, t in _COUNTED)
    return [
        Column("layer", [*(r.layer for r in rows), "total"], name=True),
        Column("type", [*(r.type for r in rows), ""], dropped=2, name=True),
        Column("blob", [names for names, _ in stacked], dropped=3, name=True),
        Column("shape", [shapes for _, shapes in stacked]),
        Column("parameters", *_numbered(parameters)),
        Column("multiply-adds", *_numbered(macs)),
        Column("sees", [*(r.sees for r in rows), ""], right=True, dropped=1),
    ]


_COUNTED = (("parameters", "blob_values"), ("macs", "macs"))


def _numbered(counts: list[int]) -> tuple[list[str], bool, list[str]]:
    """The cells of a column of counts: exact, that they are numbers, and short."""
    return [f"{n:,}" if n else "" for n in counts], True, [short_count(n) if n else "" for n in counts]


def _rows(plan: Plan, expand: bool) -> list[_Row]:
    nodes = plan.graph.nodes
    groups = [Group((n.index,)) for n in nodes] if expand else folded(plan)
    return [_row(plan, group) for group in groups]


def _row(plan: Plan, group: Group) -> _Row:
    """A layer, or the layers of a group: those of one run, and all that they use together."""
    last = group.layers[-1]
    node, counts = plan.graph.nodes[last], [count_layer(plan, i) for i in group.layers]
    count, name, kind = len(group.layers) // group.repeats, node.name, node.record.type
    if group.composite:
        name = group.composite + (f" x{group.repeats}" if group.repeats > 1 else "")
        kind = f"{count} layers"
    return _Row(
        name, kind, _leaving(plan, group),
        sum(c.blob_values for c in counts), sum(c.macs for c in counts), _sees(plan.layers[last].fields),
    )  # fmt: skip


def _leaving(plan: Plan, group: Group) -> tuple[tuple[str, Shape], ...]:
    """The blobs that the last run of a group makes for others, by name, as they are then."""
    nodes, values = plan.graph.nodes, plan.graph.values
    made = [v for i in group.last_run for v in nodes[i].tops]
    inside = set(group.layers)
    out = [v for v in made if not values[v].consumers or any(i not in inside for i, _ in values[v].consumers)]
    return tuple({values[v].name: plan.shapes[v] for v in out}.items())


def _sees(fields: tuple[Field | None, ...]) -> str:
    field = fields[0] if fields else None
    if field is None:
        return ""
    return "all" if field.whole else format_shape(field.size)
