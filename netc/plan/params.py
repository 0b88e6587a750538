"""Parameters: which blobs the layers have, which are one and the same, and how each is learned.

Caffe's rules: a ParamSpec's `name` shares a blob between layers, the first layer owns it; shapes must be equal (STRICT)
or hold as many values (PERMISSIVE); multipliers may be written in any of the layers, but not differently.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod

from netc.errors import Diagnostic, Note
from netc.graph import Node
from netc.kernels.fillers import check
from netc.layer import ParamBlob, format_shape
from netc.plan.codes import SHARED_MULTIPLIER, SHARED_SHAPE, TOO_MANY_SPECS
from netc.plan.draft import Draft
from netc.plan.model import Param
from netc.schema.record import Record


def params(draft: Draft) -> None:
    """Fill in `params` and `layer_params`."""
    owners: dict[str, tuple[int, Record]] = {}
    for node, setup in zip(draft.graph.nodes, draft.setups, strict=True):
        blobs = setup.params if setup else ()
        specs = node.record.param
        if setup and len(specs) > len(blobs):
            message = f'layer "{node.name}" ({node.type.name}) has {len(specs)} param, but {len(blobs)} parameter blobs'
            draft.report.error(TOO_MANY_SPECS, message, node.record.span_of("param", len(blobs)))
        used = []
        for position, blob in enumerate(blobs):
            spec = specs[position] if position < len(specs) else None
            used.append(_param(draft, owners, node, position, blob, spec))
        draft.layer_params.append(tuple(used))


def _param(
    draft: Draft,
    owners: dict[str, tuple[int, Record]],
    node: Node,
    position: int,
    blob: ParamBlob,
    spec: Record | None,
) -> int:
    if spec is not None and spec.name:
        if spec.name in owners:
            index, first = owners[spec.name]
            owners[spec.name] = (index, _share(draft, index, first, node, blob, spec))
            return index
        owners[spec.name] = (len(draft.params), spec)
    lr_mult = float(spec.lr_mult) if spec is not None else 1.0
    decay_mult = float(spec.decay_mult) if spec is not None else 1.0
    name = spec.name if spec is not None and spec.name else f"{node.key}/{blob.name}"
    index = len(draft.params)
    if (problem := check(blob.filler, blob.shape)) is not None:
        said = f"{blob.name}: {problem.message}"
        found = Diagnostic.of_layer(
            node.record, problem.code, said, problem.span, problem.notes, problem.help, problem.severity
        )
        draft.report.diagnostics.append(found)
    if not blob.learned:
        lr_mult = decay_mult = 0.0
    learned = blob.learned and draft.options.training and (lr_mult != 0 or draft.graph.force_backward)
    draft.params.append(Param(index, name, node.index, position, blob, lr_mult, decay_mult, learned))
    return index


def _share(draft: Draft, index: int, first: Record, node: Node, blob: ParamBlob, spec: Record) -> Record:
    """Check a further user of a parameter; returns the first user's spec, with the multipliers that this one adds."""
    param = draft.params[index]
    owner = draft.graph.nodes[param.layer]
    here = (Note(f'layer "{owner.name}" has it first, with shape {format_shape(param.shape)}', first.span),)
    permissive = spec.share_mode == "PERMISSIVE"
    same = prod(blob.shape) == prod(param.shape) if permissive else blob.shape == param.shape
    if not same:
        message = f'layer "{node.name}": the shared parameter "{spec.name}" would have shape {format_shape(blob.shape)}'
        as_many = prod(blob.shape) == prod(param.shape)
        help = "`share_mode: PERMISSIVE` lets shapes differ that hold as many values" if as_many else None
        draft.report.error(SHARED_SHAPE, message, spec.span, notes=here, help=help)
    for field in ("lr_mult", "decay_mult"):
        if not spec.has(field):
            continue
        if not first.has(field):
            first = first.replace(**{field: getattr(spec, field)})
            changed = float(getattr(spec, field)) if param.blob.learned else 0.0
            param = replace(param, lr_mult=changed) if field == "lr_mult" else replace(param, decay_mult=changed)
        elif getattr(spec, field) != getattr(first, field):
            message = f'layer "{node.name}": "{spec.name}" has {field} {getattr(spec, field):g}'
            notes = (Note(f'layer "{owner.name}" says {getattr(first, field):g}', first.span_of(field)),)
            draft.report.error(SHARED_MULTIPLIER, message, spec.span_of(field), notes=notes)
    wanted = param.lr_mult != 0 or draft.graph.force_backward
    draft.params[index] = replace(param, learned=param.blob.learned and draft.options.training and wanted)
    return first
