"""Blobs of a text: where they are named, what is known of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import prod

from netc.errors import Span
from netc.graph import Value
from netc.language.tree import Call
from netc.layer import format_shape
from netc.lsp.analysis import Analysis
from netc.plan.counts import count_layer
from netc.plan.model import Plan
from netc.plan.usage import readable


@dataclass(frozen=True, slots=True)
class Mention:
    """A place that names a value as a top or a bottom of a layer."""

    plan: Plan
    value: int
    span: Span


def mentions(analysis: Analysis) -> Iterator[Mention]:
    """Every place of this text that names a blob, in every state's net."""
    for plan in analysis.plans:
        for node in plan.graph.nodes:
            for field, values in (("bottom", node.bottoms), ("top", node.tops)):
                for index, value in enumerate(values):
                    span = node.record.span_of(field, index)
                    if span is not None and span.source.path == analysis.source.path:
                        yield Mention(plan, value, span)


def mentions_at(analysis: Analysis, offset: int) -> list[Mention]:
    """The blobs named at an offset (several inside a composite that is called several times)."""
    return [m for m in mentions(analysis) if m.span.start <= offset <= m.span.end]


def made_by_call(analysis: Analysis, call: Call, index: int) -> list[Mention]:
    """What a target of a composite's call is: of all that the call makes, what is read outside of it or by nobody."""
    found = []
    for plan in analysis.plans:
        inside = {node.index for node in plan.graph.nodes if _within(node.record.span_of("top", 0), call.span)}
        leaving = [
            value
            for value in plan.graph.values
            if value.producer in inside and not ({layer for layer, _ in value.consumers} & inside and value.consumers)
        ]
        if len(leaving) == len(call.targets) or (len(call.targets) == 1 and leaving):
            found.append(Mention(plan, leaving[index if len(call.targets) > 1 else -1].index, call.span))
    return found


def _within(span: Span | None, call: Span) -> bool:
    """Whether a place was reached by a call."""
    while span is not None and (span := span.call) is not None:
        if (span.source.path, span.start, span.end) == (call.source.path, call.start, call.end):
            return True
    return False


def describe(mention: Mention) -> str:
    """Markdown: name, shape, receptive field, the layer that makes it and its parameters, bytes."""
    plan, value = mention.plan, mention.plan.graph.values[mention.value]
    shape = plan.shapes[value.index]
    node = plan.graph.nodes[value.producer]
    state = plan.graph.state
    phase = state.phase + "".join(f", {stage}" for stage in state.stages)
    lines = [
        f"**{value.name}** ({phase})",
        f"- shape {format_shape(shape)}, {prod(shape):,} values, {readable(4 * prod(shape))}",
        f"- made by {node.record.type} `{node.name}`{_parameters(plan, node.index)}",
    ]
    if (field := _field(plan, value)) is not None:
        lines.append(field)
    return "\n".join(lines)


def _parameters(plan: Plan, layer: int) -> str:
    counts = count_layer(plan, layer)
    blobs = (plan.params[index] for index in plan.layers[layer].params)
    shapes = ", ".join(f"{p.blob.name} {format_shape(p.shape)}" for p in blobs)
    return f", {counts.blob_values:,} parameters ({shapes})" if shapes else ""


def _field(plan: Plan, value: Value) -> str | None:
    fields = plan.layers[value.producer].fields
    field = fields[value.top] if value.top < len(fields) else None
    if field is None or not field.size:
        return None
    if field.whole:
        return "- sees the whole input"
    jump = "x".join(_number(j) for j in field.jump)
    return f"- sees {format_shape(field.size)} of the input, one position every {jump}"


def _number(value: Fraction) -> str:
    return str(int(value)) if value == int(value) else f"{float(value):.3g}"


def definition_of(mention: Mention) -> Span | None:
    """Where the blob's value is made."""
    value = mention.plan.graph.values[mention.value]
    return mention.plan.graph.nodes[value.producer].record.span_of("top", value.top)


def names(analysis: Analysis) -> list[str]:
    """All blob names, in the order of the net."""
    return list(dict.fromkeys(value.name for plan in analysis.plans for value in plan.graph.values))


def same_name(analysis: Analysis, name: str) -> list[Span]:
    """Every place that names a blob of this name, each once."""
    spans = {
        (m.span.start, m.span.end): m.span for m in mentions(analysis) if m.plan.graph.values[m.value].name == name
    }
    return [spans[key] for key in sorted(spans)]
