"""V0 layers (`layers { layer { type: "conv" ... } bottom: ... }`, 2013) as V1 layers."""

from __future__ import annotations

from typing import Any

from netc.errors import Report, Span, suggest
from netc.schema import codes
from netc.schema.record import Record, Schema

V0_TYPES: dict[str, str] = {
    "accuracy": "ACCURACY",
    "bnll": "BNLL",
    "concat": "CONCAT",
    "conv": "CONVOLUTION",
    "data": "DATA",
    "dropout": "DROPOUT",
    "euclidean_loss": "EUCLIDEAN_LOSS",
    "flatten": "FLATTEN",
    "hdf5_data": "HDF5_DATA",
    "hdf5_output": "HDF5_OUTPUT",
    "im2col": "IM2COL",
    "images": "IMAGE_DATA",
    "infogain_loss": "INFOGAIN_LOSS",
    "innerproduct": "INNER_PRODUCT",
    "lrn": "LRN",
    "multinomial_logistic_loss": "MULTINOMIAL_LOGISTIC_LOSS",
    "pool": "POOLING",
    "relu": "RELU",
    "sigmoid": "SIGMOID",
    "softmax": "SOFTMAX",
    "softmax_loss": "SOFTMAX_LOSS",
    "split": "SPLIT",
    "tanh": "TANH",
    "window_data": "WINDOW_DATA",
}

_CONV, _POOL, _IP = "convolution_param", "pooling_param", "inner_product_param"
_DATA, _IMAGES, _WINDOWS, _HDF5 = "data_param", "image_data_param", "window_data_param", "hdf5_data_param"

# V0 field -> V0 type -> where its value goes; the type "*" stands for every type.
_MOVES: dict[str, dict[str, tuple[str, str]]] = {
    "num_output": {"conv": (_CONV, "num_output"), "innerproduct": (_IP, "num_output")},
    "biasterm": {"conv": (_CONV, "bias_term"), "innerproduct": (_IP, "bias_term")},
    "weight_filler": {"conv": (_CONV, "weight_filler"), "innerproduct": (_IP, "weight_filler")},
    "bias_filler": {"conv": (_CONV, "bias_filler"), "innerproduct": (_IP, "bias_filler")},
    "pad": {"conv": (_CONV, "pad"), "pool": (_POOL, "pad")},
    "kernelsize": {"conv": (_CONV, "kernel_size"), "pool": (_POOL, "kernel_size")},
    "group": {"conv": (_CONV, "group")},
    "stride": {"conv": (_CONV, "stride"), "pool": (_POOL, "stride")},
    "pool": {"pool": (_POOL, "pool")},
    "dropout_ratio": {"dropout": ("dropout_param", "dropout_ratio")},
    "local_size": {"lrn": ("lrn_param", "local_size")},
    "alpha": {"lrn": ("lrn_param", "alpha")},
    "beta": {"lrn": ("lrn_param", "beta")},
    "k": {"lrn": ("lrn_param", "k")},
    "source": {
        "data": (_DATA, "source"),
        "hdf5_data": (_HDF5, "source"),
        "images": (_IMAGES, "source"),
        "window_data": (_WINDOWS, "source"),
        "infogain_loss": ("infogain_loss_param", "source"),
    },
    "scale": {"*": ("transform_param", "scale")},
    "meanfile": {"*": ("transform_param", "mean_file")},
    "cropsize": {"*": ("transform_param", "crop_size")},
    "mirror": {"*": ("transform_param", "mirror")},
    "batchsize": {
        "data": (_DATA, "batch_size"),
        "hdf5_data": (_HDF5, "batch_size"),
        "images": (_IMAGES, "batch_size"),
        "window_data": (_WINDOWS, "batch_size"),
    },
    "rand_skip": {"data": (_DATA, "rand_skip"), "images": (_IMAGES, "rand_skip")},
    "shuffle_images": {"images": (_IMAGES, "shuffle")},
    "new_height": {"images": (_IMAGES, "new_height")},
    "new_width": {"images": (_IMAGES, "new_width")},
    "concat_dim": {"concat": ("concat_param", "concat_dim")},
    "det_fg_threshold": {"window_data": (_WINDOWS, "fg_threshold")},
    "det_bg_threshold": {"window_data": (_WINDOWS, "bg_threshold")},
    "det_fg_fraction": {"window_data": (_WINDOWS, "fg_fraction")},
    "det_context_pad": {"window_data": (_WINDOWS, "context_pad")},
    "det_crop_mode": {"window_data": (_WINDOWS, "crop_mode")},
}
_DROPPED = ("new_num", "new_channels")
_SAME = ("name", "blobs", "blobs_lr", "weight_decay", "hdf5_output_param")


def upgrade_v0(layers: list[Record], inputs: tuple[str, ...], report: Report) -> list[Record]:
    """V1 layers that say the same as V0 ones; padding layers become the `pad` of the layer that reads them.

    An unknown type, a padding layer read by something that cannot pad and (as a warning: Caffe ignores it) a field that
    means nothing for its layer type are reported as SCH021.
    """
    return [_upgrade_layer(layer, report) for layer in _drop_padding(layers, inputs, report)]


def _drop_padding(layers: list[Record], inputs: tuple[str, ...], report: Report) -> list[Record]:
    producer: dict[str, Record | None] = dict.fromkeys(inputs)
    kept: list[Record] = []
    for layer in layers:
        old = layer.layer
        current = layer
        for index, blob in enumerate(layer.bottom):
            source = producer.get(blob)
            if source is None or source.layer.values.get("type") != "padding":
                continue
            current = _take_padding(current, index, source, report)
        for blob in layer.top:
            producer[blob] = layer
        if old.values.get("type") != "padding":
            kept.append(current)
    return kept


def _take_padding(layer: Record, index: int, source: Record, report: Report) -> Record:
    old = layer.layer
    if old.values.get("type") not in ("conv", "pool") or len(layer.bottom) != 1:
        message = f"a padding layer is read by a layer of type {old.values.get('type')}, which cannot pad"
        report.error(codes.BAD_UPGRADE, message, layer.span_of("bottom", index))
        return layer
    if len(source.bottom) != 1 or len(source.top) != 1:
        if _has_mistakes(source, report):
            return layer
        report.error(codes.BAD_UPGRADE, "a padding layer takes one bottom and one top", source.span)
        return layer
    padding = source.layer
    spans = {**old.spans, "pad": padding.spans.get("pad")} if "pad" in padding.spans else old.spans
    padded = Record(old.message_type, {**old.values, "pad": padding.pad}, spans, old.span)
    values = {**layer.values, "layer": padded, "bottom": source.bottom}
    places = {**layer.spans, "bottom": source.spans.get("bottom", ())}
    return Record(layer.message_type, values, places, layer.span)


def _has_mistakes(layer: Record, report: Report) -> bool:
    here = layer.span
    spans = (d.span for d in report.diagnostics if d.severity == "error")
    return here is not None and any(here.start <= span.start < here.end for span in spans if span)


def _upgrade_layer(layer: Record, report: Report) -> Record:
    schema = layer.message_type.schema
    values: dict[str, Any] = {}
    spans: dict[str, Any] = {}
    for name in ("bottom", "top"):
        if name in layer.values:
            values[name], spans[name] = layer.values[name], layer.spans.get(name, ())
    if "layer" not in layer.values:
        return layer
    old: Record = layer.layer
    kind = old.values.get("type", "")
    _type(old, kind, values, spans, report)
    params: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {}
    for name, value in old.values.items():
        if name in _SAME:
            values[name] = value
            if name in old.spans:
                spans[name] = old.spans[name]
        elif name not in ("type", *_DROPPED):
            _move(old, name, kind, params, report)
    for param, (inner, inner_spans) in params.items():
        message = schema.message("V1LayerParameter").field(param).message
        assert message is not None
        values[param] = Record(message, inner, inner_spans, old.span)
        first = next(iter(inner_spans.values()), old.span)
        spans[param] = first[0] if isinstance(first, tuple) else first
    return Record(schema.message("V1LayerParameter"), values, spans, layer.span)


def _type(old: Record, kind: str, values: dict[str, Any], spans: dict[str, Any], report: Report) -> None:
    if kind in V0_TYPES:
        values["type"] = V0_TYPES[kind]
        if "type" in old.spans:
            spans["type"] = old.spans["type"]
    elif "type" in old.values:
        guess = suggest(kind, V0_TYPES)
        help = f"did you mean {guess}?" if guess else None
        report.error(codes.BAD_UPGRADE, f"`{kind}` is not a layer type of the form V0", old.span_of("type"), help=help)


def _move(
    old: Record, name: str, kind: str, params: dict[str, tuple[dict[str, Any], dict[str, Any]]], report: Report
) -> None:
    moves = _MOVES.get(name, {})
    target = moves.get(kind) or moves.get("*")
    if target is None:
        message = f"`{name}` means nothing in a layer of type {kind or '(none)'}"
        report.warning(codes.BAD_UPGRADE, f"{message} and is ignored", old.span_of(name), help="take it out")
        return
    param, field = target
    inner, inner_spans = params.setdefault(param, ({}, {}))
    repeated = _is_repeated(old.message_type.schema, param, field)
    inner[field] = (old.values[name],) if repeated else old.values[name]
    span = old.spans.get(name)
    if isinstance(span, Span):
        inner_spans[field] = (span,) if repeated else span


def _is_repeated(schema: Schema, param: str, field: str) -> bool:
    message = schema.message("V1LayerParameter").field(param).message
    assert message is not None
    return message.field(field).repeated
