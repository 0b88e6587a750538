"""Reading and writing what a model is: a net, parameters, or both, in any of the formats."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass, replace
from pathlib import Path

from netc import language
from netc.api.definition import Definition, schema_of, typed
from netc.api.deploy import deploy
from netc.api.planning import load as load_definition
from netc.api.planning import plan_state, states
from netc.catalogue import catalogue
from netc.convert import hdf5, onnx, safetensors
from netc.convert.codes import NO_HALF, NO_NET, NO_PARAMETERS, ONNX_NOT_READ, UNKNOWN_FORMAT
from netc.convert.parameters import paired, stored
from netc.convert.program import program
from netc.errors import Diagnostic, NetError, Report
from netc.files import open_regular
from netc.graph import State, included
from netc.layer import LayerType, Shape
from netc.run.net import Net
from netc.run.weights import load_weights
from netc.schema.model import read_model
from netc.schema.record import Record
from netc.schema.text import to_text
from netc.schema.weights import Weights
from netc.schema.weights_write import dump_weights
from netc.solve.hdf5 import is_hdf5
from netc.solve.snapshots import read_weights

_TEXT = (".net", ".prototxt", ".pt", ".pbtxt", ".txt", ".cfg")
_BINARY = (".caffemodel", ".binaryproto")


@dataclass(frozen=True)
class Model:
    """What a file holds. definition: the net, if it is known; weights: the parameters, if there are any.

    unread: what is wrong with a net that stands in the file beside parameters, which need none.
    """

    path: Path
    definition: Definition | None = None
    weights: Weights | None = None
    unread: tuple[Diagnostic, ...] = ()


@dataclass(frozen=True)
class Options:
    """batch, inputs: shapes of the ONNX file's inputs, instead of the net's own. half: parameters in FP16."""

    batch: int | None = None
    inputs: Mapping[str, Shape] | None = None
    half: bool = False


# ---------------------------------------------------------------- reading


def read(path: Path, layers: Iterable[Path] = ()) -> Model:
    """The model in a file, by its content and its ending. Raises NetError with what is wrong with the file."""
    layers = tuple(layers)
    if path.suffix == ".onnx":
        message = f"{path}: ONNX files are written, not read"
        raise NetError(Diagnostic(ONNX_NOT_READ, message, help=ONNX_NOT_READ.fix))
    if path.suffix == ".safetensors":
        weights, text = safetensors.load(path)
        return Model(path, _inner(path, text, layers), weights)
    if is_hdf5(path):
        weights, text = hdf5.load(path)
        return Model(path, _inner(path, text, layers), weights)
    if path.suffix in _TEXT or not (path.suffix in _BINARY or _is_binary(path)):
        return Model(path, load_definition(path, layers=layers))
    types, report = catalogue(layers), Report()
    schema, weights = schema_of(types), read_weights(path)
    try:
        record = read_model(path, schema, report)
        report.finish()
    except NetError as error:
        return Model(path, None, weights, error.diagnostics)
    return Model(path, Definition(path, record, types, schema, tuple(report.diagnostics)), weights)


def read_net(path: Path, layers: Iterable[Path] = ()) -> Definition:
    """The net in a file of any format. Raises NetError as `read`, and CNV001 if the file holds none."""
    return _definition(read(path, layers))


def with_weights(model: Model, paths: Iterable[Path]) -> Model:
    """The model with the parameters of other files, layer by layer, by name; later files count."""
    for path in paths:
        more = read(path).weights
        if more is None:
            raise NetError(Diagnostic(NO_PARAMETERS, f"{path} holds no parameters"))
        old = model.weights or Weights(more.name, ())
        known = {layer.name for layer in more.layers if layer.blobs}
        kept = tuple(layer for layer in old.layers if layer.name not in known)
        model = replace(model, weights=Weights(old.name, (*kept, *more.layers)))
    return model


def _is_binary(path: Path) -> bool:
    """Whether the beginning of a file is not text; a missing file is text's business."""
    try:
        with open_regular(path) as file:
            start = file.read(4096)
    except OSError:
        return False
    return any(byte < 32 and byte not in b"\t\n\v\f\r" for byte in start)


def _inner(path: Path, text: str, layers: tuple[Path, ...]) -> Definition | None:
    """The net whose text a weight file holds."""
    if not text:
        return None
    return typed(language.parse(text, f"{path}:net"), path, catalogue(layers))


# ---------------------------------------------------------------- writing


def dump(model: Model, ending: str, options: Options = Options()) -> tuple[bytes, tuple[str, ...]]:
    """The bytes of the model in the format of an ending, and notes. Raises NetError (CNV001 to CNV011)."""
    writer = WRITERS.get(ending)
    if writer is None:
        known = ", ".join(WRITERS)
        raise NetError(Diagnostic(UNKNOWN_FORMAT, f"no format ends in {ending!r}", help=f"known: {known}"))
    if options.half and writer not in (_caffemodel, _hdf5, _safetensors):
        message = f"a {ending} file holds no parameters that could be FP16"
        raise NetError(Diagnostic(NO_HALF, message, help=NO_HALF.fix))
    if model.weights is not None or options.half:
        model = replace(model, weights=stored(_weights(model), model.definition, half=options.half))
    return writer(model, options)


Dumped = tuple[bytes, tuple[str, ...]]


def _definition(model: Model) -> Definition:
    if model.unread:
        raise NetError(model.unread)
    if model.definition is None:
        message = f"{model.path} holds parameters, but not the net they belong to"
        raise NetError(Diagnostic(NO_NET, message, help=NO_NET.fix))
    return model.definition


def _weights(model: Model) -> Weights:
    if model.weights is None:
        message = f"{model.path} holds a net, but no parameters"
        raise NetError(Diagnostic(NO_PARAMETERS, message, help=NO_PARAMETERS.fix))
    return model.weights


def _program(model: Model, options: Options) -> Dumped:
    return program(_definition(model)).encode("utf-8", "surrogateescape"), ()


def _prototxt(model: Model, options: Options) -> Dumped:
    """Plain text format; a solver, which Caffe wants in a file of its own, is left out."""
    record = _definition(model).record
    notes = ("left out: the solver, which Caffe reads from a file of its own",) if record.has("solver") else ()
    return to_text(record.replace(solver=None)).encode("utf-8", "surrogateescape"), notes


def _caffemodel(model: Model, options: Options) -> Dumped:
    """The net of phase TRAIN, as Caffe's snapshots hold it, with each layer's parameters.

    Where the net of a .caffemodel cannot be read, its parameters alone, which Caffe loads as well.
    """
    if model.unread and model.weights is not None:
        reason = model.unread[0].message
        return dump_weights(model.weights.name, model.weights.layers), (f"left out: the net, as {reason}",)
    definition = _definition(model)
    found = model.weights.layers if model.weights else ()
    record = definition.record.replace(layer=None, solver=None)
    record = record.replace(layer=tuple(_snapshot_layers(definition, {w.name for w in found if w.blobs})))
    made, lost = paired(record.layer, found)
    notes = (f"left out, not in the net: {', '.join(lost)}",) if lost else ()
    return dump_weights(record.name, made, record), notes


def _snapshot_layers(definition: Definition, found: Set[str]) -> list[Record]:
    """The layers of phase TRAIN, and those of other phases that have parameters."""
    train = [layer for layer in definition.record.layer if included(layer, State("TRAIN"))]
    names = {layer.name for layer in train}
    return train + [la for la in definition.record.layer if la.name in found and la.name not in names]


def _hdf5(model: Model, options: Options) -> Dumped:
    return hdf5.dump(_weights(model), _net_text(model)), _unread_note(model)


def _safetensors(model: Model, options: Options) -> Dumped:
    return safetensors.dump(_weights(model), _net_text(model)), _unread_note(model)


def _unread_note(model: Model) -> tuple[str, ...]:
    return (f"left out: the net, as {model.unread[0].message}",) if model.unread else ()


def _net_text(model: Model) -> str:
    """The text of the net that goes with weights, or ""."""
    return "" if model.definition is None else to_text(model.definition.record.replace(solver=None))


def _onnx(model: Model, options: Options) -> Dumped:
    net, notes = build(model, options)
    data: bytes = onnx.export(net).SerializeToString()
    return data, notes


def build(model: Model, options: Options = Options()) -> tuple[Net, tuple[str, ...]]:
    """The model's net for prediction, with its parameters, and what a person should know.

    A net that has data layers or losses is first cut to what predicts (as `netc deploy` does).
    """
    definition = _definition(model)
    state = states(definition)[-1]
    notes: list[str] = []
    layers = [layer for layer in definition.record.layer if included(layer, state)]
    types = definition.types.types
    if any(la.type in types and _only_trains(types[la.type]) for la in layers):
        cut = deploy(definition, batch=options.batch or 1, inputs=options.inputs or {})
        definition, state = cut.definition, State("TEST")
        if cut.left_out:
            notes.append(f"left out, as only training needs it: {', '.join(cut.left_out)}")
    plan = plan_state(definition, state, batch=options.batch, inputs=options.inputs)
    net = Net(plan)
    if model.weights is not None:
        loaded = load_weights(net, model.weights, source=str(model.path))
        notes += [d.message for d in loaded.warnings]
        notes += [f"no parameters for {', '.join(loaded.fresh)}: as their fillers say"] if loaded.fresh else []
    elif net.params:
        notes.append("no weights were given: parameters are as their fillers say")
    return net, tuple(notes)


def _only_trains(type: LayerType) -> bool:
    """A loss, or a layer that data fills: a net that has one is cut down to what predicts."""
    return type.loss or (type.source and type.role.fed != "caller")


WRITERS: dict[str, Callable[[Model, Options], Dumped]] = {
    ".net": _program,
    ".prototxt": _prototxt,
    ".pt": _prototxt,
    ".pbtxt": _prototxt,
    ".caffemodel": _caffemodel,
    ".h5": _hdf5,
    ".hdf5": _hdf5,
    ".safetensors": _safetensors,
    ".onnx": _onnx,
}
