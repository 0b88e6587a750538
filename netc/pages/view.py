"""The page of `netc view`: a net to look at, layer by layer."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from html import escape
from typing import Any

from netc.api.definition import Definition
from netc.api.memory import Planned
from netc.errors import visible
from netc.pages import html, net_data, svg
from netc.pages.weight_data import weights_data
from netc.report.diagram import Boxes, Style, boxes
from netc.report.draw import draw
from netc.report.rendering import picture
from netc.run import Net

STYLES: tuple[Style, ...] = ("compact", "plain", "full")
"""Layouts that a page has: it opens with the compact one, where the plain one has more boxes than people read."""
MOST_BOXES = 60
MOST_IN_FULL = 200
"""Layers of a net that has a layout with a box for each of them, with its parameters and its work."""
_BODY = """
<header>
  <h1>{name}</h1><span id="about">{about}</span>
  <input id="search" type="search" placeholder="search ( / )" aria-label="Search layers" autocomplete="off">
  <span class="buttons">
    <button id="layout" title="composites as boxes, opened, or each layer by itself (c)"></button>
    <button id="fit" title="the whole net (0)">fit</button>
    <button id="in" title="nearer (+)" aria-label="nearer">+</button>
    <button id="out" title="farther (-)" aria-label="farther">&minus;</button>
    <button id="net" title="the net as a whole (n)">net</button>
    <button id="theme" title="dark or light (d)" aria-label="dark or light">&#9680;</button>
    <button id="keys" title="keys (?)">?</button>
  </span>
</header>
<main>
  <div id="graph" tabindex="0" role="application" aria-label="The net">{graphs}</div>
  <aside id="panel" aria-live="polite"></aside>
</main>
<ul id="found" role="listbox" hidden></ul>
"""


def view_page(definition: Definition, plan: Planned, net: Net | None = None) -> bytes:
    """The page of a planned net, with the weights of `net` if there is one. Raises NetError(CLI001)."""
    small = len(plan.graph.nodes) <= MOST_IN_FULL
    layouts = {style: boxes(plan, style) for style in STYLES if small or style != "full"}
    with ThreadPoolExecutor(len(layouts)) as pool:  # the programs that lay out run at the same time
        drawn = {style: pool.submit(_laid_out, plan, style, found) for style, found in layouts.items()}
        data = net_data.net_data(definition, plan)
    data |= {
        "layouts": {style: net_data.boxes_data(found) for style, found in layouts.items()},
        "first": "compact" if len(layouts["plain"].boxes) > MOST_BOXES else "plain",
        "weights": weights_data(net) if net is not None else {},
    }
    graphs = "".join(f'<div class="layout" id="layout-{style}">{svg}</div>' for style, svg in _svgs(drawn))
    body = _BODY.format(name=escape(visible(data["name"])), about=escape(_about(data)), graphs=graphs)
    styles, scripts = ("base.css", "view.css"), ("base.js", "graph.js", "values.js", "panel.js", "view.js")
    return html.page(data["name"], body, data, scripts=scripts, styles=styles)


def _laid_out(plan: Planned, style: Style, found: Boxes) -> str:
    drawing = draw(plan, style=style, layout=found, page=True)
    return svg.for_page(picture(drawing.source, "svg").decode("utf-8", "replace"))


def _svgs(drawn: Any) -> list[tuple[str, str]]:
    return [(style, future.result()) for style, future in drawn.items()]


def _about(data: dict[str, Any]) -> str:
    return visible(f"{data['file']}, phase {data['phase']}, {len(data['layers'])} layers")
