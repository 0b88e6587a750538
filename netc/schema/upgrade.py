"""Old forms of net and solver files as today's form, with the rules of Caffe's own upgrade.

V0 layers become V1 layers, V1 layers become `layer`, inputs become an Input layer, and BatchNorm layers that list three
parameters stop learning them. The facts are those of `src/caffe/util/upgrade_proto.cpp` (BVLC Caffe, commit 9b89154).
"""

from __future__ import annotations

from typing import Any

from netc.errors import Note, Report, Span
from netc.schema import codes
from netc.schema.bvlc.legacy import V1_PARAMETERS, V1_TYPES
from netc.schema.damage import Damage
from netc.schema.old_transform import drop_old_transforms
from netc.schema.record import Record, Schema
from netc.schema.upgrade_fork import upgrade_fork_fields
from netc.schema.upgrade_v0 import upgrade_v0

_MOVED = ("scale", "mean_file", "crop_size", "mirror")
_DATA_FIELDS = {"DATA": "data_param", "IMAGE_DATA": "image_data_param", "WINDOW_DATA": "window_data_param"}
_SOLVER_TYPES = {
    "SGD": "SGD",
    "NESTEROV": "Nesterov",
    "ADAGRAD": "AdaGrad",
    "RMSPROP": "RMSProp",
    "ADADELTA": "AdaDelta",
    "ADAM": "Adam",
}
_COPIED = ("bottom", "top", "include", "exclude", "blobs", "loss_weight", *(name for name, _, _ in V1_PARAMETERS))
_PARAMS = {"param": "name", "blob_share_mode": "share_mode", "blobs_lr": "lr_mult", "weight_decay": "decay_mult"}


class Parts:
    """Values and spans of a record under construction."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.spans: dict[str, Any] = {}

    def copy(self, source: Record, name: str, to: str | None = None) -> None:
        """Take a field of another record with its spans, if it is set there."""
        if name in source.values:
            self.values[to or name] = source.values[name]
            if name in source.spans:
                self.spans[to or name] = source.spans[name]

    def put(self, name: str, value: Any, span: Span | tuple[Span | None, ...] | None) -> None:
        """Set a field and where it was written."""
        self.values[name] = value
        if span is not None:
            self.spans[name] = span


def upgrade_net(record: Record, report: Report) -> Record:
    """A NetParameter in today's form: only `layer`, no `layers`, no `input`.

    What has no equivalent is reported (SCH020, SCH021, SCH022).
    """
    schema = record.message_type.schema
    if record.has("layers"):
        if record.has("layer"):
            _mixed(record, report)
        record = _upgrade_layers(record, schema, report)
    if record.has("input"):
        record = _upgrade_inputs(record, schema, report)
    record = drop_old_transforms(upgrade_fork_fields(record), report)
    if any(layer.values.get("type") == "BatchNorm" and len(layer.param) == 3 for layer in record.layer):
        record = with_field(record, "layer", tuple(_freeze_batch_norm(layer) for layer in record.layer))
    if record.has("solver"):
        record = with_field(record, "solver", upgrade_solver(record.solver, report))
    return record


def upgrade_solver(record: Record, report: Report) -> Record:
    """A SolverParameter in today's form: `type` instead of `solver_type`, inline nets upgraded."""
    if record.has("solver_type"):
        if record.has("type"):
            notes = (Note("`type` is given here", record.span_of("type")),)
            message = "`solver_type` and `type` are both given"
            help = "keep `type` only"
            report.error(codes.SOLVER_TYPE_TWICE, message, record.span_of("solver_type"), notes=notes, help=help)
        else:
            parts = _all_but(record, "solver_type")
            parts.put("type", _SOLVER_TYPES[record.solver_type], record.spans.get("solver_type"))
            record = Record(record.message_type, parts.values, parts.spans, record.span)
    for name in ("net_param", "train_net_param"):
        if record.has(name):
            record = with_field(record, name, upgrade_net(getattr(record, name), report))
    if record.has("test_net_param"):
        nets = tuple(upgrade_net(net, report) for net in record.test_net_param)
        record = with_field(record, "test_net_param", nets)
    return record


def with_field(record: Record, name: str, value: Any) -> Record:
    """A copy with a field's value changed and every span kept."""
    return Record(record.message_type, {**record.values, name: value}, record.spans, record.span)


def _all_but(record: Record, *names: str) -> Parts:
    parts = Parts()
    for name in record.values:
        if name not in names:
            parts.copy(record, name)
    return parts


def _mixed(record: Record, report: Report) -> None:
    old, new = len(record.layers), len(record.layer)
    message = f"the net has {new} `layer` and {old} `layers`; Caffe refuses such a mixture"
    where, other = ("layers", "layer") if old <= new else ("layer", "layers")
    example = record.layers[0]
    type = V1_TYPES.get(example.values.get("type", ""), (0, ""))[1]
    help = "write every layer in today's form" + (f', here `layer {{ type: "{type}" ... }}`' if type else "")
    help += "; `blobs_lr` becomes `param { lr_mult: ... }`"
    notes = (Note(f"the first `{other}` is here", record.span_of(other, 0)),)
    report.error(codes.MIXED_LAYERS, message, record.span_of(where, 0), notes=notes, help=help)


def _upgrade_layers(record: Record, schema: Schema, report: Report) -> Record:
    layers, spans = list(record.layers), record.spans.get("layers")
    if any("layer" in layer.values for layer in layers):
        layers = upgrade_v0(layers, record.input, report)
    parts = _all_but(record, "layers", "layer")
    old: tuple[Any, ...] = spans if isinstance(spans, tuple) and len(spans) == len(layers) else ()
    upgraded = tuple(_upgrade_v1(layer, schema) for layer in layers)
    kept, kept_spans = record.layer, record.spans.get("layer", ())
    places = (*(kept_spans if isinstance(kept_spans, tuple) else ()), *(old or (layer.span for layer in layers)))
    parts.put("layer", (*kept, *upgraded), places)
    return Record(record.message_type, parts.values, parts.spans, record.span)


def _upgrade_v1(layer: Record, schema: Schema) -> Record:
    parts = Parts()
    parts.copy(layer, "name")
    type = layer.values.get("type")
    if type is not None:
        parts.put("type", V1_TYPES[type][1] if type in V1_TYPES else type, layer.spans.get("type"))
    for name in _COPIED:
        parts.copy(layer, name)
    data_field = _DATA_FIELDS.get(type or "")
    if data_field in parts.values:
        _move_transform(parts, data_field, schema)
    specs, places = _param_specs(layer, schema)
    if specs:
        parts.put("param", specs, places)
    return Record(schema.message("LayerParameter"), parts.values, parts.spans, layer.span)


def _move_transform(parts: Parts, data_field: str, schema: Schema) -> None:
    """Move scale, mean_file, crop_size and mirror of a data layer to `transform_param`."""
    data: Record = parts.values[data_field]
    if not any(name in data.values for name in _MOVED):
        return
    transform: Record = parts.values.get("transform_param") or schema.message("TransformationParameter").empty
    moved = Parts()
    for name in transform.values:
        moved.copy(transform, name)
    for name in _MOVED:
        moved.copy(data, name)
    kept = _all_but(data, *_MOVED)
    place = parts.spans.get("transform_param") or parts.spans.get(data_field)
    made = Record(transform.message_type, moved.values, moved.spans, transform.span or data.span)
    parts.put("transform_param", made, place)
    parts.values[data_field] = Record(data.message_type, kept.values, kept.spans, data.span)


def _param_specs(layer: Record, schema: Schema) -> tuple[tuple[Record, ...], tuple[Span | None, ...]]:
    """The ParamSpec messages that `param`, `blob_share_mode`, `blobs_lr` and `weight_decay` say together."""
    count = max(len(getattr(layer, old)) for old in _PARAMS)
    specs, places = [], []
    for i in range(count):
        parts = Parts()
        for old, new in _PARAMS.items():
            given = getattr(layer, old)
            if i < len(given):
                parts.put(new, given[i], layer.span_of(old, i) if old in layer.spans else None)
        place = next(iter(parts.spans.values()), None)
        specs.append(Record(schema.message("ParamSpec"), parts.values, parts.spans, place))
        places.append(place)
    return tuple(specs), tuple(places)


def _upgrade_inputs(record: Record, schema: Schema, report: Report) -> Record:
    """Turn `input` with its `input_shape` or `input_dim` into one Input layer, put first."""
    lost = bool(Damage(record, report.diagnostics).outside)  # a mistyped `input_dim`, most likely
    shapes = _input_shapes(record, schema, Report() if lost else report)
    parts = _all_but(record, "input", "input_shape", "input_dim")
    if shapes is not None:
        layer = Parts()
        layer.put("name", "input", None)
        layer.put("type", "Input", None)
        layer.copy(record, "input", "top")
        place = record.span_of("input", 0)
        shape_field = "input_shape" if record.has("input_shape") else "input_dim"
        shape_place = record.span_of(shape_field, 0)
        shape_spans = tuple(shape.span for shape in shapes)
        param = Record(schema.message("InputParameter"), {"shape": shapes}, {"shape": shape_spans}, shape_place)
        layer.put("input_param", param, shape_place)
        made = Record(schema.message("LayerParameter"), layer.values, layer.spans, place)
        old = record.spans.get("layer")
        parts.put("layer", (made, *record.layer), (place, *(old if isinstance(old, tuple) else ())))
    return Record(record.message_type, parts.values, parts.spans, record.span)


def _input_shapes(record: Record, schema: Schema, report: Report) -> tuple[Record, ...] | None:
    """One shape for each input; None if no sizes are given at all: the inputs then stay unknown blobs."""
    inputs = len(record.input)
    type = schema.message("BlobShape")
    if record.has("input_shape"):
        given = record.input_shape
        if len(given) < inputs:
            message = f"{inputs} inputs, but {len(given)} `input_shape`"
            help = "give one `input_shape { dim: ... }` for each input"
            report.error(codes.BAD_INPUT, message, record.span_of("input", len(given)), help=help)
            return None
        return tuple(given[:inputs])
    dims = record.input_dim
    if not dims:
        _without_shapes(record, report)
        return None
    if len(dims) != 4 * inputs:
        needs = "input needs" if inputs == 1 else "inputs need"
        message = f"{inputs} {needs} {4 * inputs} `input_dim`, not {len(dims)}"
        help = "give four `input_dim` for each input, or one `input_shape { dim: ... }` of any length"
        report.error(codes.BAD_INPUT, message, record.span_of("input_dim", len(dims) - 1), help=help)
        return None
    return tuple(
        Record(
            type,
            {"dim": dims[4 * i : 4 * i + 4]},
            {"dim": tuple(record.span_of("input_dim", j) for j in range(4 * i, 4 * i + 4))},
            record.span_of("input_dim", 4 * i),
        )
        for i in range(inputs)
    )


def _without_shapes(record: Record, report: Report) -> None:
    """Caffe forgets inputs without any shape; that is fine where layers make blobs of their names."""
    made = {top for layer in record.layer for top in layer.top}
    lost = next((i for i, name in enumerate(record.input) if name not in made), None)
    if lost is None:
        message = f"input `{record.input[0]}` has no shape; the layer that makes the blob stands for it, as in Caffe"
        report.warning(codes.BAD_INPUT, message, record.span_of("input", 0), help="take the `input` out")
        return
    message = f"input `{record.input[lost]}` has no shape"
    help = "give one `input_shape { dim: ... }`, or four `input_dim`, for each input"
    report.error(codes.BAD_INPUT, message, record.span_of("input", lost), help=help)


def _freeze_batch_norm(layer: Record) -> Record:
    """Three `param` of a BatchNorm layer get lr_mult and decay_mult 0: its statistics are never learned."""
    if layer.values.get("type") != "BatchNorm" or len(layer.param) != 3:
        return layer
    specs = tuple(
        Record(spec.message_type, {**spec.values, "lr_mult": 0.0, "decay_mult": 0.0}, spec.spans, spec.span)
        for spec in layer.param
    )
    return with_field(layer, "param", specs)
