"""Fields of forks that say what a field of BVLC Caffe says: rewritten, so that layers know one form only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from netc.schema.record import Record


def upgrade_fork_fields(net: Record) -> Record:
    """A NetParameter without `ceil_mode`, `hole`, `dilation_h` and, where four numbers do, MemoryData's `dim`."""
    layers = tuple(_layer(layer) for layer in net.layer)
    if all(new is old for new, old in zip(layers, net.layer, strict=True)):
        return net
    return Record(net.message_type, {**net.values, "layer": layers}, net.spans, net.span)


def _layer(layer: Record) -> Record:
    for param, rewrite in _REWRITES.items():
        inner = layer.values.get(param)
        if inner is not None:
            new = rewrite(inner)
            if new is not inner:
                layer = Record(layer.message_type, {**layer.values, param: new}, layer.spans, layer.span)
    return layer


def _moved(record: Record, values: dict[str, Any], origins: dict[str, str], *gone: str) -> Record:
    """A copy with fields added, spans of the fields they come from (by `origins`), and without those in `gone`."""
    kept = {name: value for name, value in record.values.items() if name not in gone}
    spans = {name: span for name, span in record.spans.items() if name not in gone}
    for name, value in values.items():
        if name not in kept:
            kept[name] = value
            if origins[name] in record.spans:
                spans[name] = record.spans[origins[name]]
    return Record(record.message_type, kept, spans, record.span)


def _pooling(p: Record) -> Record:
    """ceil_mode: false rounds the output size down, as round_mode: FLOOR (pull request 3057 of BVLC Caffe)."""
    if "ceil_mode" not in p.values:
        return p
    return _moved(p, {"round_mode": "CEIL" if p.ceil_mode else "FLOOR"}, {"round_mode": "ceil_mode"}, "ceil_mode")


def _convolution(p: Record) -> Record:
    """DeepLab's hole (hole_h, hole_w) and yjxiong's dilation_h, dilation_w are the distance between kernel cells."""
    if "hole" in p.values:
        return _moved(p, {"dilation": (p.hole,)}, {"dilation": "hole"}, "hole")
    for down, right in (("hole_h", "hole_w"), ("dilation_h", "dilation_w")):
        if down in p.values or right in p.values:
            distances = (getattr(p, down), getattr(p, right))
            origin = down if down in p.values else right
            return _moved(p.replace(dilation=None), {"dilation": distances}, {"dilation": origin}, down, right)
    return p


def _memory_data(p: Record) -> Record:
    """Greentea's dim is batch_size, channels, height, width; with other than four numbers it stays."""
    names = ("batch_size", "channels", "height", "width")
    if len(p.dim) != len(names):
        return p
    return _moved(p, dict(zip(names, p.dim, strict=True)), dict.fromkeys(names, "dim"), "dim")


_REWRITES: dict[str, Callable[[Record], Record]] = {
    "pooling_param": _pooling,
    "convolution_param": _convolution,
    "memory_data_param": _memory_data,
}
