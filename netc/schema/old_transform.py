"""scale, mean_file, crop_size and mirror beside a data layer's other fields: the form before `transform_param` existed.

Caffe moves them in layers of the form V1 (`layers { type: DATA }`); in a `layer` it reads and forgets them.
"""

from __future__ import annotations

from typing import Any

from netc.errors import Report
from netc.schema import codes
from netc.schema.record import Record

_FIELDS = ("scale", "mean_file", "crop_size", "mirror")
_MESSAGES = ("data_param", "image_data_param")


def drop_old_transforms(net: Record, report: Report) -> Record:
    """A NetParameter whose `layer`s have none of these fields; a warning (SCH026) names those that had."""
    layers = tuple(_layer(layer, report) for layer in net.layer)
    if all(new is old for new, old in zip(layers, net.layer, strict=True)):
        return net
    return Record(net.message_type, {**net.values, "layer": layers}, net.spans, net.span)


def _layer(layer: Record, report: Report) -> Record:
    for param in _MESSAGES:
        data: Any = layer.values.get(param)
        old = [name for name in _FIELDS if name in data.values] if data is not None else []
        if not old:
            continue
        names = ", ".join(f"`{name}`" for name in old)
        message = (
            f'layer "{layer.name}" ({layer.type}): Caffe ignores {names} in `{param}` of a `layer`, and so does netc'
        )
        help = f"write it in `transform_param {{ {old[0]}: ... }}`, or take it out"
        report.warning(codes.OLD_TRANSFORM, message, data.span_of(old[0]), help=help)
        values = {name: value for name, value in data.values.items() if name not in old}
        spans = {name: span for name, span in data.spans.items() if name not in old}
        kept = Record(data.message_type, values, spans, data.span)
        layer = Record(layer.message_type, {**layer.values, param: kept}, layer.spans, layer.span)
    return layer
