"""Sizes that are free: which ones a net allows, and how a file works with them when it runs.

Which sizes follow from a free one is not worked out by rules but asked of the layers: each layer is set up again for
other inputs, and what comes out otherwise is free. A size is known by what it is in each of these variations, so that a
size of a top that always is that of some bottom can be taken from there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from netc.convert.codes import NOT_FREE
from netc.errors import Diagnostic, NetError
from netc.graph import Node
from netc.layer import RefusalError, Setup, Shape, Site, format_shape
from netc.plan.model import Plan
from netc.plan.shapes import is_apart

AXES = {"N": 0, "H": 2, "W": 3}
"""The letters of `--dynamic`, and which axis of an input each frees; N frees the one that counts samples."""
STEPS = {"N": (1, 3), "H": (32, 64, 1, 2, 6, 96, 128), "W": (64, 32, 3, 1, 5, 160, 256)}
"""By how much a size is varied: first by what nets that halve and double their planes allow."""
ENOUGH = 2  # variations of an axis that the net takes

Kinds = tuple[tuple[int, ...], ...]
"""Of a blob, for each axis: its size in every variation, the net's own first."""


@dataclass(frozen=True)
class Sizes:
    """of: the kinds of every value, by index. inputs: shapes of the inputs in every variation that only they make.

    names: what a free axis of an input is called, by value and axis.
    """

    of: tuple[Kinds, ...]
    inputs: tuple[Mapping[str, Shape], ...] = ()
    names: Mapping[tuple[int, int], str] = field(default_factory=dict)

    def is_free(self, value: int, axis: int) -> bool:
        return len(set(self.of[value][axis])) > 1


def sizes_of(plan: Plan, free: tuple[str, ...] = ()) -> Sizes:
    """The sizes of a net's values where these axes of its inputs are free, and the rows that layers find.

    Raises NetError (CNV016) for an axis that the net does not allow to be free.
    """
    shapes, names, runs = [plan.shapes], dict[tuple[int, int], str](), list[Mapping[str, Shape]]()
    for letter in free:
        made, refusal = [], None
        for step in STEPS[letter]:
            inputs = _varied(plan, letter, step)
            try:
                made.append(_shapes(plan, inputs))
            except RefusalError as error:
                refusal = refusal or error
                continue
            runs.append({plan.graph.values[v].name: shape for v, shape in inputs.items()})
            if len(made) == ENOUGH:
                break
        if not made or not _varied(plan, letter, 1):
            raise NetError(_not_free(letter, refusal))
        shapes += made
        names |= {(value, _axis(plan, value, letter)): _name(plan, value, letter) for value in _having(plan, letter)}
    for node in plan.graph.nodes:
        if plan.layers[node.index].setup.dynamic:
            try:
                shapes.append(_shapes(plan, {}, node))
            except RefusalError:  # a later layer wants exactly so many rows: they are as fixed for it as for netc
                continue
    kinds = tuple(tuple(zip(*(s[v] for s in shapes), strict=True)) for v in range(len(plan.shapes)))
    return Sizes(kinds, tuple(runs), names)


def _not_free(letter: str, refusal: RefusalError | None) -> Diagnostic:
    what = f"axis {AXES[letter]} of its inputs ({letter})"
    if refusal is None:
        return Diagnostic(NOT_FREE, f"{what} cannot be free: no input has it", help=NOT_FREE.fix)
    reason = refusal.diagnostics[0]
    return Diagnostic(NOT_FREE, f"{what} cannot be free: {reason.message}", reason.span, help=NOT_FREE.fix)


def _inputs(plan: Plan) -> Iterator[int]:
    """Values that the caller fills."""
    for node in plan.graph.nodes:
        if node.type.source and node.type.forward is None:
            yield from node.tops


def _having(plan: Plan, letter: str) -> list[int]:
    """The inputs whose axis a letter frees: rows of any, heights and widths of planes as large as the first's."""
    sizes: dict[int, int] = {}
    for value in _inputs(plan):
        axis, shape = _axis(plan, value, letter), plan.shapes[value]
        if len(shape) > axis and (letter == "N" or len(shape) == 4):
            sizes[value] = shape[axis]
    first = next(iter(sizes.values()), 0)
    return [v for v, size in sizes.items() if size == first or is_apart(plan.graph, v)]


def _axis(plan: Plan, value: int, letter: str) -> int:
    """The axis of an input that a letter frees."""
    return plan.graph.nodes[plan.graph.values[value].producer].samples if letter == "N" else AXES[letter]


def _name(plan: Plan, value: int, letter: str) -> str:
    return f"{plan.graph.values[value].name}/{letter}" if is_apart(plan.graph, value) else letter


def _varied(plan: Plan, letter: str, step: int) -> dict[int, Shape]:
    """The shapes of the inputs whose axis is free, with another size there; rows apart from images vary otherwise."""
    found = {}
    for value in _having(plan, letter):
        axis, shape = _axis(plan, value, letter), plan.shapes[value]
        more = step + 1 if is_apart(plan.graph, value) else step
        found[value] = (*shape[:axis], shape[axis] + more, *shape[axis + 1 :])
    return found


def _shapes(plan: Plan, inputs: Mapping[int, Shape], changed: Node | None = None) -> tuple[Shape, ...]:
    """The shapes of all values for other inputs, or after a layer that found other numbers of rows.

    Raises RefusalError.
    """
    shapes = list(plan.shapes)
    for value, shape in inputs.items():
        shapes[value] = shape
    for node in plan.graph.nodes:
        if node.type.source and node.type.forward is None:
            continue
        if node is changed:
            tops = tuple(_other_rows(plan, node, index) for index in range(len(node.tops)))
        elif all(shapes[v] == plan.shapes[v] for v in node.bottoms):
            continue
        else:
            bottoms = tuple(shapes[v] for v in node.bottoms)
            tops = _set_up(plan, node, bottoms).tops
        for value, shape in zip(node.tops, tops, strict=True):
            shapes[value] = shape
    return tuple(shapes)


def _set_up(plan: Plan, node: Node, bottoms: tuple[Shape, ...]) -> Setup:
    """What a layer makes of other bottoms; refuses if its parameters would have other shapes."""
    setup = node.type.setup(Site(node.record, node.type, bottoms, node.record.phase))
    before, after = (tuple(b.shape for b in s.params) for s in (plan.layers[node.index].setup, setup))
    if before != after:
        ours, theirs = next((a, b) for a, b in zip(before, after, strict=True) if a != b)
        said = f"its parameters are {format_shape(ours)}, and would have to be {format_shape(theirs)}"
        raise RefusalError(Diagnostic.of_layer(node.record, NOT_FREE, said, node.record.span))
    return setup


def _other_rows(plan: Plan, node: Node, index: int) -> Shape:
    shape = plan.shapes[node.tops[index]]
    axis = rows_axis(node, index, len(shape))
    return (*shape[:axis], shape[axis] + 7, *shape[axis + 1 :])


def rows_axis(node: Node, index: int, rank: int) -> int:
    """The axis of a dynamic layer's top whose size is what it finds."""
    return rank - 2 if node.type.role.rows and index == 0 else 0
