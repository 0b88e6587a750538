"""What expansion and typing could not read of a net, so that later stages do not blame the rest of the file for it.

A layer with a mistake in it has lost a field: that it lacks a bottom, a kernel size or a type, that its blob is unknown
to others, or that shapes behind it do not fit, need not be said.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property

from netc.errors import Diagnostic, Span
from netc.schema.record import Record

_TOP = re.compile(r"""\btop\s*:\s*(?:\[[^\]]*|["']?[\w/.-]*)$""")
_HARMLESS = ("param",)
"""Fields of a layer in which a mistake changes no blob and no shape."""


class Damage:
    """The layers in which mistakes were found; `diagnostics` are all that is known to be wrong so far."""

    def __init__(self, net: Record, diagnostics: Iterable[Diagnostic]) -> None:
        diagnostics = tuple(diagnostics)
        self.unread = any(d.severity == "error" and d.code.id.startswith("SYN") for d in diagnostics)
        wrong = (d.span for d in diagnostics if d.severity == "error" and d.code.id.startswith(("SCH", "SYN")))
        self.mistakes = [span for span in wrong if span is not None]
        self.layers = [layer for layer in net.layer if layer.span is not None] if self.mistakes else []

    def in_layer(self, layer: Record) -> bool:
        """Whether a part of the layer is lost that may change its blobs or shapes."""
        return any(_holds(layer.span, mistake) and not _harmless(layer, mistake) for mistake in self.mistakes)

    def in_rules(self, layer: Record) -> bool:
        """Whether a part of the layer's include and exclude rules is lost: nobody knows in which nets it is."""
        rules = (*layer.values.get("include", ()), *layer.values.get("exclude", ()))
        return any(
            _holds(rule.span, mistake) for rule in rules if isinstance(rule, Record) for mistake in self.mistakes
        )

    def may_make(self, name: str, reader: Record) -> bool:
        """Whether a blob that no layer makes may be one that was meant to be made where the file cannot be read."""
        if self.lost_top:
            return True
        named = re.compile(rf"(\w+)\s*:?\s*[\[\"']{{0,2}}{re.escape(name)}(?![\w/.-])")
        texts = (text for span, text in self._lost if span is None or span is not reader.span)
        return any(found[1] != "bottom" for text in texts for found in named.finditer(text))

    @cached_property
    def lost_top(self) -> bool:
        """Whether the name of a top cannot be read: it may be any blob's. So it is with statements, but for calls."""
        if self.unread and self.outside:
            return True
        lines = (mistake.source.text[max(0, mistake.start - 80) : mistake.start] for mistake in self.mistakes)
        return any(_TOP.search(line) for line in lines)

    @cached_property
    def outside(self) -> list[Span]:
        """The mistakes that are in no layer."""
        return [mistake for mistake in self.mistakes if not any(_holds(layer.span, mistake) for layer in self.layers)]

    @cached_property
    def _lost(self) -> list[tuple[Span | None, str]]:
        """The texts of the layers with mistakes, and what stands outside of all layers if mistakes are there."""
        spans = [layer.span for layer in self.layers if self.in_layer(layer)]
        lost: list[tuple[Span | None, str]] = [(s, s.source.text[s.start : s.end]) for s in spans if s]
        for source in dict.fromkeys(mistake.source for mistake in self.outside):
            inside = sorted((s.start, s.end) for layer in self.layers if (s := layer.span) and s.source is source)
            starts, ends = [start for start, _ in inside], [end for _, end in inside]
            gaps = zip([0, *ends], [*starts, len(source.text)], strict=True)
            lost += [(None, source.text[start:end]) for start, end in gaps]
        return lost


def _holds(outer: Span | None, inner: Span) -> bool:
    return (
        outer is not None
        and outer.source is inner.source
        and outer.start <= inner.start
        and inner.end <= max(outer.end, outer.start)
    )


def _harmless(layer: Record, mistake: Span) -> bool:
    parts = (part for name in _HARMLESS for part in layer.values.get(name, ()))
    return any(isinstance(part, Record) and _holds(part.span, mistake) for part in parts)
