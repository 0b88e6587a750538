"""A net as a Graphviz drawing: layers as boxes, blobs with their shapes on the edges."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netc.errors import visible
from netc.layer import format_shape
from netc.plan.counts import count_layer
from netc.plan.model import Plan
from netc.role import Family

if TYPE_CHECKING:
    import graphviz

COLOURS: dict[Family, str] = {
    "activation": "#d9ead3",
    "arithmetic": "#ffffff",
    "convolution": "#cfe2f3",
    "detection": "#ead1dc",
    "loss": "#f4cccc",
    "measure": "#f3f3f3",
    "normalization": "#fff2cc",
    "pooling": "#fce5cd",
    "product": "#d9d2e9",
    "recurrent": "#d0e0e3",
    "shape": "#ffffff",
    "source": "#eeeeee",
}


def draw(plan: Plan, direction: str = "TB") -> graphviz.Digraph:
    """The drawing; `.source` is dot text, which `layout.picture` lays out.

    direction: TB (top to bottom), LR, BT or RL.
    """
    import graphviz as gv  # noqa: PLC0415 - not needed by any other command

    graph = plan.graph
    out = gv.Digraph(
        gv.nohtml(visible(graph.name or "net")), graph_attr={"rankdir": direction}, node_attr={"shape": "box"}
    )
    out.attr("node", style="filled,rounded", fontname="Helvetica", fontsize="11")
    out.attr("edge", fontname="Helvetica", fontsize="9")
    for index, node in enumerate(graph.nodes):
        out.node(f"n{index}", _label(plan, index), fillcolor=COLOURS[node.type.role.family])
        for value in node.bottoms:
            v = graph.values[value]
            out.edge(f"n{v.producer}", f"n{index}", _lines(v.name, format_shape(plan.shapes[value])))
    return out


def _label(plan: Plan, index: int) -> str:
    node = plan.graph.nodes[index]
    lines = [node.name, node.record.type + _window(plan, index)]
    if parameters := count_layer(plan, index).blob_values:
        lines.append(f"{parameters:,} parameters")
    return _lines(*lines)


def _lines(*lines: str) -> str:
    """Lines of a label: names as they are, whatever characters they have."""
    return "\\n".join(visible(line).replace("\\", "\\\\") for line in lines)


def _window(plan: Plan, index: int) -> str:
    window = plan.layers[index].setup.window
    if window is None or window.whole or not window.kernel:
        return ""
    text = " " + format_shape(window.kernel)
    return text + (f" / {format_shape(window.stride)}" if set(window.stride) != {1} else "")
