"""pycaffe's draw: a NetParameter message as a Graphviz drawing, layers as boxes and blobs as octagons.

The drawing is made by the graphviz package (pycaffe takes pydot), so `get_pydot_graph` gives a `graphviz.Digraph`.
Pictures are laid out as those of `netc draw` (`netc/report/rendering.py`); the endings `.dot`, `.gv` and `.raw` give
dot text.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netc.caffe.proto import caffe_pb2
from netc.catalogue import catalogue
from netc.files import write_bytes
from netc.report import rendering

if TYPE_CHECKING:
    import graphviz

COLOURS: dict[str, str] = {"convolution": "#FF5050", "pooling": "#FF9900", "product": "#CC33FF"}
LAYER, IN_PLACE, BLOB = "#6495ED", "#90EE90", "#E0E0E0"


def get_pydot_graph(
    caffe_net: Any, rankdir: str = "LR", label_edges: bool = True, phase: int | None = None, display_lrm: bool = False
) -> graphviz.Digraph:
    """The drawing of a net.

    rankdir: LR, TB, BT or RL. phase: the layers of caffe.TRAIN or caffe.TEST only. display_lrm: show the learning-rate
    multipliers of layers with weights.
    """
    import graphviz as gv  # noqa: PLC0415 (not needed by other scripts)

    out = gv.Digraph(caffe_net.name or "Net", graph_attr={"rankdir": rankdir}, node_attr={"style": "filled"})
    for layer in _layers(caffe_net, phase):
        node = f"{layer.name}_{layer.type}"
        in_place = list(layer.bottom) == list(layer.top) and len(layer.bottom) == 1
        colour = IN_PLACE if in_place else COLOURS.get(_family(layer), LAYER)
        out.node(node, gv.escape(_label(layer, rankdir, display_lrm)), shape="box", fillcolor=colour)
        for blob in (*layer.bottom, *layer.top):
            out.node(f"{blob}_blob", gv.escape(blob), shape="octagon", fillcolor=BLOB)
        for blob in layer.bottom:
            out.edge(f"{blob}_blob", node)
        for blob in layer.top:
            out.edge(node, f"{blob}_blob", label=_edge_label(layer) if label_edges else None)
    return out


def draw_net(
    caffe_net: Any, rankdir: str = "LR", ext: str = "png", phase: int | None = None, display_lrm: bool = False
) -> bytes:
    """The drawing of a net as the bytes of a file of this kind (png, svg, pdf...)."""
    return rendering.picture(get_pydot_graph(caffe_net, rankdir, phase=phase, display_lrm=display_lrm).source, ext)


def draw_net_to_file(
    caffe_net: Any, filename: Any, rankdir: str = "LR", phase: int | None = None, display_lrm: bool = False
) -> None:
    """Draw a net into a file, of the kind that its ending names."""
    path = Path(filename)
    write_bytes(path, draw_net(caffe_net, rankdir, path.suffix[1:], phase, display_lrm))


def get_layer_label(layer: Any, rankdir: str, display_lrm: bool = False) -> str:
    """What is written into a layer's box: name, type, window."""
    return _label(layer, rankdir, display_lrm)


def _layers(net: Any, phase: int | None) -> Iterator[Any]:
    for layer in net.layer:
        if layer.include and layer.exclude and phase is not None:
            raise ValueError(f"layer {layer.name} has both include and exclude rules")
        included = not layer.include or any(rule.phase == phase for rule in layer.include)
        if phase is None or (included and not any(rule.phase == phase for rule in layer.exclude)):
            yield layer


def _label(layer: Any, rankdir: str, display_lrm: bool) -> str:
    lines = [layer.name, f"({layer.type})", *_window(layer)]
    if display_lrm and _family(layer) in ("convolution", "product"):
        multipliers = [f"{spec.lr_mult:.1f}" for spec in layer.param] or ["1.0"]
        lines.append(f"lr mult: {', '.join(multipliers)}")
    return ("\n" if rankdir in ("TB", "BT") else " ").join(lines)


def _window(layer: Any) -> Iterator[str]:
    if _family(layer) == "convolution":
        p = layer.convolution_param
        for name, default in (("kernel_size", 1), ("stride", 1), ("pad", 0), ("dilation", 1)):
            sizes = list(getattr(p, name)) or [default]
            if name != "dilation" or sizes != [default]:
                yield f"{name.replace('_', ' ')}: {'x'.join(map(str, sizes))}"
    elif layer.HasField("pooling_param"):
        p = layer.pooling_param
        yield caffe_pb2.PoolingParameter.PoolMethod.Name(p.pool)
        yield from (f"{name.replace('_', ' ')}: {getattr(p, name)}" for name in ("kernel_size", "stride", "pad"))


def _edge_label(layer: Any) -> str:
    if layer.HasField("data_param"):
        return f"Batch {layer.data_param.batch_size}"
    own = {"convolution": layer.convolution_param, "product": layer.inner_product_param}.get(_family(layer))
    return str(own.num_output) if own is not None and own.HasField("num_output") else ""


def _family(layer: Any) -> str:
    known = catalogue().types.get(layer.type)
    return known.role.family if known else ""
