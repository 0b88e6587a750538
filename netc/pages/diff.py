"""The page of `netc diff --html`: two nets side by side, what differs between them, and their parameters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from html import escape
from typing import Any

from netc.errors import visible
from netc.pages import html, net_data, svg
from netc.pages.weight_data import layer_blobs
from netc.plan.model import Plan
from netc.report.diagram import boxes
from netc.report.diff import Difference, change_lines, total_rows
from netc.report.draw import draw
from netc.report.rendering import picture
from netc.report.weights import Change
from netc.schema.weights import Weights

_BODY = """
<header>
  <h1>netc diff</h1><span id="about">{about}</span>
  <span class="buttons">
    <button id="before" title="the difference before (k)" aria-label="the difference before">&larr;</button>
    <button id="after" title="the next difference (j)" aria-label="the next difference">&rarr;</button>
    <button id="fit" title="the whole nets (0)">fit</button>
    <button id="net" title="all differences (n)">all</button>
    <button id="theme" title="dark or light (d)" aria-label="dark or light">&#9680;</button>
  </span>
</header>
<main>{sides}<aside id="panel" aria-live="polite"></aside></main>
"""
_SIDE = """<section class="side" id="side-{key}"><h2>{name}</h2>
<div class="drawing" tabindex="0" role="application" aria-label="{key}">{graph}</div></section>"""


@dataclass(frozen=True)
class Side:
    """One of the two files: its name, its net as planned, and its parameters, as far as there are any."""

    name: str
    plan: Plan | None
    weights: Weights | None


def diff_page(sides: tuple[Side, Side], found: Difference | None, changes: Sequence[Change] | None) -> bytes:
    """The page. found: what differs between the nets, None where there are none. changes: between the parameters.

    Raises NetError(CLI001).
    """
    plans = [side.plan for side in sides]
    with ThreadPoolExecutor(2) as pool:  # the programs that lay out run at the same time
        graphs = list(pool.map(_laid_out, plans))
    data = {
        "names": [side.name for side in sides],
        "sides": [_side(side) for side in sides],
        "rows": list(_rows(plans, found, changes or ())),
        "totals": [list(row) for row in total_rows(found)] if found else [],
        "compared": changes is not None,
        "same": (found is None or found.same) and not changes,
    }
    shown = [(key, side, graph) for key, side, graph in zip("AB", sides, graphs, strict=True) if graph]
    halves = (_SIDE.format(key=key, name=_text(f"{key}: {side.name}"), graph=graph) for key, side, graph in shown)
    about = _text(f"A: {sides[0].name}, B: {sides[1].name}")
    styles, scripts = ("base.css", "view.css", "diff.css"), ("base.js", "graph.js", "values.js", "diff.js")
    body = _BODY.format(about=about, sides="".join(halves))
    return html.page(f"{sides[0].name} - {sides[1].name}", body, data, scripts=scripts, styles=styles)


def _text(text: str) -> str:
    return escape(visible(text))


def _laid_out(plan: Plan | None) -> str:
    if plan is None:
        return ""
    drawing = draw(plan, layout=boxes(plan), page=True)
    return svg.for_page(picture(drawing.source, "svg").decode("utf-8", "replace"))


def _side(side: Side) -> dict[str, Any]:
    layers = net_data.layers_data(side.plan) if side.plan else []
    layout = net_data.boxes_data(boxes(side.plan)) if side.plan else {"boxes": [], "clusters": []}
    return {"layers": layers, "layout": layout, "weights": layer_blobs(side.weights) if side.weights else {}}


def _rows(
    plans: Sequence[Plan | None], found: Difference | None, changes: Sequence[Change]
) -> Iterator[dict[str, Any]]:
    """A row for each layer of either net or file: its places in A and B, how it differs, and what is said of that."""
    places = [{node.key: node.index for node in plan.graph.nodes} if plan else {} for plan in plans]
    said: dict[str, tuple[str, list[str]]] = {}
    if found:
        said |= {facts.name: ("removed", []) for facts in found.removed}
        said |= {facts.name: ("added", []) for facts in found.added}
        said |= {change.name: ("changed", list(change_lines(change))) for change in found.changed}
    blobs: dict[str, list[dict[str, Any]]] = {}
    for each in changes:
        blobs.setdefault(each.layer, []).append(asdict(each))
    for key in dict.fromkeys((*places[0], *places[1], *blobs)):
        kind, lines = said.get(key, ("weights" if key in blobs else "same", []))
        at = [place.get(key) for place in places]
        yield {"name": key, "at": at, "kind": kind, "said": lines, "blobs": blobs.get(key, [])}
