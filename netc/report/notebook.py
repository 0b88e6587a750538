"""A net as a notebook shows it: the table of its summary, and its picture where that can be laid out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape

from netc.errors import NetError, visible
from netc.plan.model import Plan
from netc.report import rendering
from netc.report.draw import draw
from netc.report.summary import summarize, table, totals

WIDTH = 120
"""Characters of a line."""


class Summary:
    """A table: `print` shows it as text, a notebook as HTML. `data` has it as plain data."""

    def __init__(self, lines: Iterable[object], data: Mapping[str, object]) -> None:
        self.lines = [str(line) for line in lines]
        self.data = dict(data)

    def __str__(self) -> str:
        return "\n".join(self.lines)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return f"<pre>{escape(visible(str(self), keep=chr(10)))}</pre>"


def of_plan(plan: Plan, expand: bool = False) -> Summary:
    """The summary of a plan. expand: each layer, also those that a composite made."""
    return Summary([*table(plan, WIDTH, expand), "", *totals(plan)], summarize(plan))


def html(plan: Plan) -> str:
    """The table of a plan, and its picture, a box for each composite, where there is a program that lays it out."""
    shown = of_plan(plan)._repr_html_()
    try:
        picture = rendering.picture(draw(plan, style="compact").source, "svg").decode("utf-8", "replace")
    except NetError:
        return shown
    image = picture[picture.find("<svg") :]
    return f'<div style="display:flex;gap:24px;align-items:flex-start">{shown}{image}</div>'
