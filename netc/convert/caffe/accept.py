"""A draft in the types and fields that a reader takes: layers stay, become others, or are refused by name."""

from __future__ import annotations

from collections.abc import Sequence

from netc.convert.caffe.draft import Draft, Layer
from netc.convert.caffe.profile import Profile
from netc.convert.caffe.rewrites import REWRITES
from netc.convert.codes import NO_COUNTERPART, NO_COUNTERPART_FIELD
from netc.errors import Diagnostic, NetError, Report
from netc.plan.model import Plan

MOST = 4
"""Rewrites that one layer goes through at most, one after the other."""


def accept(draft: Draft, plan: Plan, profile: Profile, strict: bool) -> list[str]:
    """Make the draft what the profile takes.

    strict: raise NetError (CNV010, CNV011) for every layer that cannot be; else such layers stay, and are named.
    """
    report, kept, found = Report(), list[str](), list[Layer]()
    for layer in draft.layers:
        try:
            found += _accepted(draft, plan, profile, layer)
        except NetError as error:
            report.diagnostics += error.diagnostics
            kept.append(f"{layer.name} ({layer.type})")
            found.append(layer)
    if strict:
        report.finish()
    draft.layers = found
    return kept


def _accepted(draft: Draft, plan: Plan, profile: Profile, layer: Layer, depth: int = 0) -> Sequence[Layer]:
    problem = profile.problem(draft, layer)
    if problem is None:
        return [layer]
    rewrite = REWRITES.get(layer.type)
    made = rewrite(draft, layer, plan.layers[layer.node.index].setup) if rewrite and depth < MOST else None
    if made is None:
        raise NetError(_refused(layer, *problem))
    try:
        return [inner for each in made for inner in _accepted(draft, plan, profile, each, depth + 1)]
    except NetError:
        raise NetError(_refused(layer, *problem)) from None


def _refused(layer: Layer, message: str, field: str | None) -> Diagnostic:
    record = layer.node.record
    if field is None:
        said = f'layer "{layer.node.name}": {message}'
        return Diagnostic(NO_COUNTERPART, said, record.span, help=NO_COUNTERPART.fix)
    p = getattr(record, layer.node.type.param) if layer.node.type.param else record
    span = p.span_of(field) if field and p.has(field) else record.span
    help = NO_COUNTERPART_FIELD.fix
    return Diagnostic.of_layer(record, NO_COUNTERPART_FIELD, message, span, help=help, field=field or "")
