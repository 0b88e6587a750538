"""Reading what a model is, a net, parameters, or both, from any of the formats, and writing it in another."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from importlib import import_module
from pathlib import Path

from netc import convert, language
from netc.api.definition import Definition, schema_of, typed
from netc.api.planning import load as load_definition
from netc.api.preprocess import of_message
from netc.api.settings import Settings
from netc.catalogue import catalogue
from netc.convert import hdf5, safetensors
from netc.convert.codes import NO_HALF, NO_PARAMETERS, NOT_TAKEN, ONNX_NOT_READ, UNKNOWN_FORMAT
from netc.convert.model import NOTHING, Format, Made, Model, Options, definition_of, option
from netc.errors import Diagnostic, NetError, Report
from netc.files import open_regular
from netc.language.codes import UNKNOWN_SETTING
from netc.schema.weights import Weights, parse_weights
from netc.schema.weights_net import parse_model
from netc.solve.hdf5 import is_hdf5
from netc.solve.snapshot_files import read_message

_TEXT = (".net", ".prototxt", ".pt", ".pbtxt", ".txt", ".cfg")
_OTHERS = (".onnx", ".safetensors")
_BINARY = (".caffemodel", ".binaryproto")


# ---------------------------------------------------------------- reading


def read(path: Path, layers: Iterable[Path] = (), settings: Settings = ()) -> Model:
    """The model in a file, by its content and its ending. settings: what is set in a text (`netc.load`).

    Raises NetError with what is wrong with the file, and SYN051 for settings where there is no text.
    """
    layers = tuple(layers)
    if is_text(path):
        return Model(path, load_definition(path, layers=layers, settings=settings))
    if settings:
        message = f"{path} is no text of a net: nothing can be set in it"
        raise NetError(Diagnostic(UNKNOWN_SETTING, message, settings[0].name_span))
    if path.suffix == ".onnx":
        message = f"{path}: ONNX files are written, not read"
        raise NetError(Diagnostic(ONNX_NOT_READ, message, help=ONNX_NOT_READ.fix))
    if path.suffix == ".safetensors":
        weights, text = safetensors.load(path)
        return Model(path, _inner(path, text, layers), weights)
    if is_hdf5(path):
        weights, text = hdf5.load(path)
        return Model(path, _inner(path, text, layers), weights)
    types, report = catalogue(layers), Report()
    schema, data = schema_of(types), read_message(path)  # once: it may be large, and all arrays are views of it
    weights = parse_weights(data, str(path))
    prepared = of_message(data, path)
    try:
        record = parse_model(data, schema, report, str(path))
        report.finish()
    except NetError as error:
        return Model(path, None, weights, error.diagnostics, (path,), prepared)
    definition = Definition(path, record, types, schema, tuple(report.diagnostics))
    return Model(path, definition, weights, (), (path,), prepared)


def read_net(path: Path, layers: Iterable[Path] = (), settings: Settings = ()) -> Definition:
    """The net in a file of any format. Raises NetError as `read`, and CNV001 if the file holds none."""
    return definition_of(read(path, layers, settings))


def with_weights(model: Model, paths: Iterable[Path]) -> Model:
    """The model with the parameters of other files, layer by layer, by name; later files count."""
    for path in paths:
        source = read(path)
        more = source.weights
        if more is None:
            raise NetError(Diagnostic(NO_PARAMETERS, f"{path} holds no parameters"))
        old = model.weights or Weights(more.name, ())
        known = {layer.name for layer in more.layers if layer.blobs}
        kept = tuple(layer for layer in old.layers if layer.name not in known)
        weights, files = Weights(old.name, (*kept, *more.layers)), (*model.weight_files, *source.weight_files)
        model = replace(model, weights=weights, weight_files=files, prepared={**model.prepared, **source.prepared})
    return model


def is_text(path: Path) -> bool:
    """Whether a file is the text of a net, and no binary model or weight file; a missing one is."""
    if path.suffix in _OTHERS or is_hdf5(path):
        return False
    return path.suffix in _TEXT or not (path.suffix in _BINARY or _is_binary(path))


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


def dump(model: Model, ending: str, options: Options = NOTHING) -> Made:
    """The model in the format of an ending. Raises NetError (CNV001 to CNV013)."""
    format = formats().get(ending)
    if format is None:
        known = ", ".join(formats())
        raise NetError(Diagnostic(UNKNOWN_FORMAT, f"no format ends in {ending!r}", help=f"known: {known}"))
    for name in options.asked:
        if name not in format.takes:
            raise NetError(_not_taken(name, ending))
    return format.write(model, options)


def _not_taken(name: str, ending: str) -> Diagnostic:
    if name == "half":
        return Diagnostic(NO_HALF, f"a {ending} file holds no parameters that could be FP16", help=NO_HALF.fix)
    takers = ", ".join(known for known, format in formats().items() if name in format.takes)
    message = f"{option(name)} says nothing about a {ending} file"
    return Diagnostic(NOT_TAKEN, message, help=f"leave it out; it is for {takers}" if takers else "leave it out")


@cache
def formats() -> dict[str, Format]:
    """Every `Format` of this package's modules, by the endings of its files."""
    modules = [import_module(f"netc.convert.{module.name}") for module in pkgutil.iter_modules(convert.__path__)]
    found = [value for module in modules for value in vars(module).values() if isinstance(value, Format)]
    return {ending: format for format in found for ending in format.endings}
