"""The shapes of all values, by asking each layer's `setup` in order.

A layer that refuses is reported, with the trail of the layers that made the shapes it was given; layers that do not
depend on it are still asked, so that a person sees all that is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod

from netc.errors import Diagnostic, suggest
from netc.graph import Graph, Node
from netc.layer import MISSING_FIELD, MOST_AXES, RefusalError, Setup, Shape, Site, format_count, format_shape
from netc.plan.codes import BAD_DIMENSION, BAD_INPUT_SHAPE, TOO_LARGE, UNKNOWN_INPUT
from netc.plan.draft import Draft
from netc.plan.trail import trail
from netc.schema.record import Record

MOST_VALUES = 2**31 - 1


def shapes(draft: Draft) -> None:
    """Fill in `setups` and `shapes`; reports every layer that refuses and every shape that cannot be."""
    graph = draft.graph
    _check_options(draft)
    draft.shapes = [None] * len(graph.values)
    batch = BatchSize(draft.options.batch)
    for node in graph.nodes:
        draft.setups.append(_setup(draft, node, batch))


def _setup(draft: Draft, node: Node, batch: BatchSize) -> Setup | None:
    bottoms = tuple(s for v in node.bottoms if (s := draft.shapes[v]) is not None)
    if len(bottoms) < len(node.bottoms):
        return None
    site = Site(node.record, node.type, bottoms, node.record.phase, draft.options.given.get(node.key))
    try:
        setup = _source(draft, node, site, batch) if node.type.source else node.type.setup(site)
    except RefusalError as refusal:
        draft.report.diagnostics += site.warnings
        draft.report.diagnostics += [_with_trail(draft, node, d) for d in refusal.diagnostics]
        return None
    draft.report.diagnostics += site.warnings
    for index, (value, shape) in enumerate(zip(node.tops, setup.tops, strict=True)):
        if _possible(draft, node, index, shape):
            draft.shapes[value] = shape
    return setup


def _with_trail(draft: Draft, node: Node, refusal: Diagnostic) -> Diagnostic:
    if refusal.code is MISSING_FIELD:
        return refusal
    return replace(refusal, notes=(*refusal.notes, *trail(draft.graph, draft.shapes, node)))


def _possible(draft: Draft, node: Node, index: int, shape: Shape) -> bool:
    span = node.record.span_of("top", index)
    where = f'layer "{node.name}" ({node.type.name})'
    if any(dim < 1 for dim in shape):
        message = f"{where} gives its top a dimension below 1: {format_shape(shape)}"
        draft.report.error(BAD_DIMENSION, message, span, notes=trail(draft.graph, draft.shapes, node))
        return False
    if len(shape) > MOST_AXES or prod(shape) > MOST_VALUES:
        size = f"{len(shape):,} axes" if len(shape) > MOST_AXES else f"{format_count(prod(shape))} values"
        message = f"{where} gives a top of {size}: {format_shape(shape)}"
        batch = f" (now {shape[0]:,})" if shape else ""
        help = f"use a smaller batch{batch}, smaller inputs or smaller layers"
        draft.report.error(TOO_LARGE, message, span, notes=trail(draft.graph, draft.shapes, node), help=help)
        return False
    return True


# ---------------------------------------------------------------- what the caller says of inputs


class BatchSize:
    """The caller's batch size: it replaces that of all inputs that have the first input's.

    It is the first dimension, or the one that `axis` says. Values that are `apart` keep theirs.
    """

    def __init__(self, size: int | None) -> None:
        self.size = size
        self.usual: int | None = None

    def of(self, shape: Shape, apart: bool = False, axis: int = 0) -> Shape:
        """The shape with this batch size."""
        if self.size is None or len(shape) <= axis or apart:
            return shape
        if self.usual is None:
            self.usual = shape[axis]
        return (*shape[:axis], self.size, *shape[axis + 1 :]) if shape[axis] == self.usual else shape


def is_apart(graph: Graph, value: int) -> bool:
    """Whether a value's rows are not one an image: some layer takes them as regions, perhaps reshaped before."""
    return any(bottom in node.type.role.apart for node, bottom in graph.readers(value))


def _check_options(draft: Draft) -> None:
    graph, options = draft.graph, draft.options
    sources = source_tops(graph)
    for name, shape in options.inputs.items():
        if name not in sources:
            close = suggest(name, sources)
            help = f'did you mean "{close}"?' if close else f"its inputs are {', '.join(sources) or 'none'}"
            draft.report.error(UNKNOWN_INPUT, f'the net has no input "{name}"', help=help)
        elif any(dim < 1 for dim in shape):
            message = f'input "{name}" cannot have shape {format_shape(shape)}'
            draft.report.error(BAD_INPUT_SHAPE, message, help="every dimension must be at least 1")
    if options.batch is not None and options.batch < 1:
        draft.report.error(BAD_INPUT_SHAPE, f"a batch of {options.batch} is not possible", help="give 1 or more")


def source_tops(graph: Graph) -> Mapping[str, int]:
    """The blobs that are filled from outside, by name."""
    return {graph.values[v].name: v for node in graph.nodes if node.type.source for v in node.tops}


def _source(draft: Draft, node: Node, site: Site, batch: BatchSize) -> Setup:
    """The setup of an Input or data layer, with the shapes and the batch size that the caller gives."""
    graph, inputs = draft.graph, draft.options.inputs
    names = [graph.values[v].name for v in node.tops]
    named = {i: inputs[name] for i, name in enumerate(names) if name in inputs}
    if site.given is None and _reads_a_source(site):
        draft.assumed.append(node.key)
    try:
        setup = node.type.setup(site)
        apart = [is_apart(graph, v) for v in node.tops]
        axis = node.samples
        tops = tuple(batch.of(shape, alone, axis) for shape, alone in zip(setup.tops, apart, strict=True))
        tops = _renamed(setup.tops, named, apart, axis) if named else tops
    except RefusalError:
        if not named:
            raise
        rows = next(iter(named.values()))[node.samples :][:1]
        tops = tuple(named.get(i, rows) for i in range(len(names)))
        setup = node.type.setup(replace(site, given=tops))
    return setup if tops == setup.tops else replace(node.type.setup(replace(site, given=tops)), tops=tops)


def _renamed(
    tops: tuple[Shape, ...], named: Mapping[int, Shape], apart: Sequence[bool], axis: int
) -> tuple[Shape, ...]:
    """Tops with the named shapes; the others follow their batch size, but for rows that are not one an image."""
    given = ((tops[i], shape) for i, shape in named.items() if not apart[i])
    rows = {old[axis]: new[axis] for old, new in given if min(len(old), len(new)) > axis}
    kept = (
        s if alone or len(s) <= axis else (*s[:axis], rows.get(s[axis], s[axis]), *s[axis + 1 :])
        for s, alone in zip(tops, apart, strict=True)
    )
    return tuple(named.get(i, shape) for i, shape in enumerate(kept))


def _reads_a_source(site: Site) -> bool:
    """Whether the layer's shape depends on a file or data base that it names."""
    return isinstance(site.p, Record) and "source" in site.p.message_type.fields
