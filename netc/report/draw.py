"""A net as a Graphviz drawing: boxes in the colours of their families, blobs with their shapes on the edges."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from netc.errors import visible
from netc.layer import format_shape
from netc.plan.counts import count_layer
from netc.plan.model import Plan
from netc.plan.usage import readable
from netc.report.columns import short_count
from netc.report.diagram import Box, Boxes, Style, boxes
from netc.role import Family

if TYPE_CHECKING:
    import graphviz

COLOURS: dict[Family, str] = {
    "activation": "#d9ead3",
    "arithmetic": "#e2e2f0",
    "convolution": "#cfe2f3",
    "detection": "#ead1dc",
    "loss": "#f4cccc",
    "measure": "#f3f3f3",
    "normalization": "#fff2cc",
    "pooling": "#fce5cd",
    "product": "#d9d2e9",
    "recurrent": "#d0e0e3",
    "shape": "#eae6dd",
    "source": "#e3e3e3",
}
OUTPUT, CLUSTER = "#ffffff", "#f7f7f7"


def draw(
    plan: Plan, direction: str = "TB", style: Style = "plain", layout: Boxes | None = None, page: bool = False
) -> graphviz.Digraph:
    """The drawing; `.source` is dot text, which `rendering.picture` lays out.

    direction: TB (top to bottom), LR, BT or RL. style: what is a box, and what is written in it (see `boxes`). layout:
    the boxes, if they are there already. Box N is the node `nN`, output N `oN`, composite N the cluster `cluster_N`.
    page: nodes have the class `f-FAMILY`, for a page that colours them.
    """
    import graphviz as gv  # noqa: PLC0415 - not needed by any other command

    shown = layout or boxes(plan, style)
    out = gv.Digraph(
        gv.nohtml(visible(plan.graph.name or "net")), graph_attr={"rankdir": direction}, node_attr={"shape": "box"}
    )
    out.attr("graph", fontname="Helvetica", fontsize="10")
    out.attr("node", style="filled,rounded", fontname="Helvetica", fontsize="11")
    out.attr("edge", fontname="Helvetica", fontsize="9")
    _Inside(plan, shown, style, page).draw(out, range(len(shown.boxes)), 0)
    values = plan.graph.values
    for edge in shown.edges:
        label = _lines([values[edge.value].name, *_shape(plan, edge.value)]) if edge.first else ""
        out.edge(f"n{edge.source}", f"n{edge.target}", label)
    for number, (value, box) in enumerate(shown.outputs):
        label = _lines([values[value].name, *_shape(plan, value)])
        out.node(f"o{number}", label, shape="ellipse", style="filled", fillcolor=OUTPUT, **_class(page, "output"))
        out.edge(f"n{box}", f"o{number}")
    return out


def _shape(plan: Plan, value: int) -> list[str]:
    """The shape of a value, as a line; none of a single number."""
    return [format_shape(plan.shapes[value])] if plan.shapes[value] else []


def _class(page: bool, name: str) -> dict[str, str]:
    return {"class": f"f-{name}"} if page else {}


@dataclass(frozen=True, slots=True)
class _Inside:
    """Draws boxes, and clusters with their boxes in them."""

    plan: Plan
    shown: Boxes
    style: Style
    page: bool

    def draw(self, out: graphviz.Digraph, inside: Sequence[int], depth: int) -> None:
        """The boxes of these numbers that lie in so many clusters, in order; those in further ones within these."""
        for cluster, numbers in _clustered(self.shown.boxes, inside, depth):
            if cluster is None:
                for number in numbers:
                    self._box(out, number)
                continue
            with out.subgraph(name=f"cluster_{cluster}") as part:
                name = _lines([self.shown.clusters[cluster]])
                part.attr(
                    "graph", label=name, labeljust="l", style="filled,rounded", color="#cccccc", fillcolor=CLUSTER
                )
                self.draw(part, numbers, depth + 1)

    def _box(self, out: graphviz.Digraph, number: int) -> None:
        box = self.shown.boxes[number]
        family = self.plan.graph.nodes[box.layers[0]].type.role.family
        label = _lines(_label(self.plan, box, self.style))
        out.node(f"n{number}", label, fillcolor=COLOURS[family], **_class(self.page, family))


def _clustered(found: Sequence[Box], inside: Sequence[int], depth: int) -> Iterator[tuple[int | None, list[int]]]:
    """The boxes by the cluster that they lie in at this depth, None for those that lie in no further one."""
    by_cluster: dict[int | None, list[int]] = {}
    for number in inside:
        clusters = found[number].clusters
        by_cluster.setdefault(clusters[depth] if depth < len(clusters) else None, []).append(number)
    yield from by_cluster.items()


def _label(plan: Plan, box: Box, style: Style) -> list[str]:
    nodes = [plan.graph.nodes[layer] for layer in box.layers]
    if box.composite:
        times = f" x{box.repeats}" if box.repeats > 1 else ""
        parameters = sum(count_layer(plan, layer).blob_values for layer in box.layers)
        counted = f", {short_count(parameters)} parameters" if parameters else ""
        return [box.composite + times, f"{len(nodes)} layers{counted}"]
    lines = [nodes[0].name, *(node.record.type + _window(plan, node.index) for node in nodes)]
    if style == "full":
        lines += _costs(plan, box)
    return lines


def _costs(plan: Plan, box: Box) -> Iterator[str]:
    counts = [count_layer(plan, layer) for layer in box.layers]
    if parameters := sum(c.blob_values for c in counts):
        yield f"{parameters:,} parameters"
    if macs := sum(c.macs for c in counts):
        yield f"{short_count(macs)} multiply-adds, {readable(counts[-1].activation_bytes)}"


def _lines(lines: Sequence[str]) -> str:
    """Lines of a label: names as they are, whatever characters they have."""
    import graphviz as gv  # noqa: PLC0415 - as above

    return str(gv.nohtml("\\n".join(visible(line).replace("\\", "\\\\") for line in lines)))


def _window(plan: Plan, index: int) -> str:
    window = plan.layers[index].setup.window
    if window is None or window.whole or not window.kernel:
        return ""
    text = " " + format_shape(window.kernel)
    return text + (f" / {format_shape(window.stride)}" if set(window.stride) != {1} else "")
