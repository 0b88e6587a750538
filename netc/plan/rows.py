"""Which tables are updated by rows: those with `param { lazy: true }`, if all layers that read them read rows."""

from __future__ import annotations

from dataclasses import dataclass, replace

from netc.errors import Note
from netc.graph import Node
from netc.layer import ParamBlob, format_shape
from netc.plan.codes import NOT_BY_ROWS, SHARED_MULTIPLIER
from netc.plan.draft import Draft
from netc.plan.model import Param
from netc.schema.record import Record


@dataclass(frozen=True, slots=True)
class User:
    """One use of a parameter: the layer, which of its blobs, and its `param`, if it has one."""

    node: Node
    blob: ParamBlob
    spec: Record | None

    @property
    def layer(self) -> str:
        return f'layer "{self.node.name}" ({self.node.type.name})'


def rows(draft: Draft) -> None:
    """Fill in `Param.rows` of the tables that are updated by rows."""
    users: dict[int, list[User]] = {}
    for node, setup, params in zip(draft.graph.nodes, draft.setups, draft.layer_params, strict=True):
        specs = node.record.param
        for position, index in enumerate(params):
            assert setup is not None
            spec = specs[position] if position < len(specs) else None
            users.setdefault(index, []).append(User(node, setup.params[position], spec))
    for index, found in users.items():
        asking = next((user.spec for user in found if user.spec is not None and user.spec.lazy), None)
        if asking is not None and _can(draft, draft.params[index], found, asking):
            draft.params[index] = replace(draft.params[index], rows=sum(user.blob.rows for user in found))


def _can(draft: Draft, param: Param, users: list[User], asking: Record) -> bool:
    """Whether all users of a parameter read it by rows, and none says otherwise; reports what is wrong."""
    before = len(draft.report.diagnostics)
    asked = (Note("it is asked for here", asking.span_of("lazy")),)
    for user in users:
        if user.spec is not None and user.spec.has("lazy") and not user.spec.lazy:
            message = f'{user.layer}: "{param.name}" has lazy false'
            draft.report.error(SHARED_MULTIPLIER, message, user.spec.span_of("lazy"), notes=asked)
        elif not user.blob.rows or user.blob.shape != param.shape:
            own = f"sees it as {format_shape(user.blob.shape)}" if user.blob.rows else "reads all of it"
            message = f'"{param.name}" cannot be updated by rows: {user.layer} {own}'
            span = asking.span_of("lazy") if user.spec is None or user.spec is asking else user.spec.span
            notes = () if user.spec is None or user.spec is asking else asked
            draft.report.error(NOT_BY_ROWS, message, span, notes=notes, help=NOT_BY_ROWS.fix)
    return len(draft.report.diagnostics) == before
