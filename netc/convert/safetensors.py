"""Weights as safetensors: blob I of layer L is the array `L/I`; what else netc knows stands in the metadata.

Names of arrays are UTF-8, so other bytes in a layer's name are escapes there; the list of layers has them as they are.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from netc.convert.codes import BAD_SAFETENSORS, MISSING_PACKAGE, NAMES_CLASH
from netc.convert.model import Format, Made, Model, Options, Parts, weights_of
from netc.convert.parameters import in_stored_types, net_text
from netc.errors import Diagnostic, NetError
from netc.layer import Array
from netc.schema.names import as_utf8
from netc.schema.weights import LayerWeights, Weights, read_file
from netc.untrusted import library

_MOST_BYTES = 1 << 34
ALIGNED = 8  # bytes of the header's length, and what the header is filled up to
KINDS = {"<i8": "I64", "<f8": "F64", "<f4": "F32", "<i4": "I32", "<f2": "F16"}
"""What the format calls numpy's types, larger ones first."""


def dump(weights: Weights, net: str) -> Parts:
    """The weights, and the text of their net ("" if it is not known), as a safetensors file.

    Layers without blobs are in the list of layers only; gradients are not kept. Raises NetError (CNV007).
    """
    arrays = dict[str, Array]()
    for layer in weights.layers:
        name = as_utf8(layer.name)
        if f"{name}/0" in arrays and layer.blobs:
            message = f'two layers with parameters are called "{layer.name}"'
            raise NetError(Diagnostic(NAMES_CLASH, message, help=NAMES_CLASH.fix))
        arrays |= {f"{name}/{i}": np.asarray(blob) for i, blob in enumerate(layer.blobs)}
    order = [[layer.name, layer.type] for layer in weights.layers]
    metadata = {"format": "netc", "name": as_utf8(weights.name), "layers": json.dumps(order)}
    if net:
        metadata["net"] = as_utf8(net)
    return parts(arrays, metadata)


def parts(arrays: Mapping[str, Array], metadata: Mapping[str, str] | None = None) -> Parts:
    """Arrays by name as a safetensors file: a header in JSON, then each array's bytes where they are.

    Larger types come first, as the package has them, so that each array begins at a multiple of its size.
    https://github.com/huggingface/safetensors#format
    """
    order = sorted(arrays, key=lambda name: (list(KINDS).index(arrays[name].dtype.str), name))
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    at = 0
    for name in order:
        array = arrays[name]
        kind, end = KINDS[array.dtype.str], at + array.nbytes
        header[name] = {"dtype": kind, "shape": array.shape, "data_offsets": (at, end)}
        at = end
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNED)
    found = (np.ascontiguousarray(arrays[name]).reshape(-1).view(np.uint8).data for name in order)
    return (len(text).to_bytes(ALIGNED, "little") + text, *found)


def load(path: Path) -> tuple[Weights, str]:
    """The weights in a safetensors file, and the text of their net if it holds it.

    Files of other programs are read as well if their arrays are called as here. Raises NetError (SNP004, CNV003,
    CNV004).
    """
    data = read_file(path, _MOST_BYTES)
    with library(lambda reason: NetError(Diagnostic(BAD_SAFETENSORS, f"{path} cannot be read: {reason}"))):
        arrays = _package().load(data)
        metadata = _metadata(data)
        order = _layers(metadata, arrays)
    layers = tuple(LayerWeights(name, type, _blobs(path, name, arrays)) for name, type in order)
    if not any(layer.blobs for layer in layers):
        raise NetError(Diagnostic(BAD_SAFETENSORS, f"{path}: no array is called LAYER/0", help=BAD_SAFETENSORS.fix))
    return Weights(metadata.get("name", ""), layers), metadata.get("net", "")


def _metadata(data: bytes) -> dict[str, str]:
    size = int.from_bytes(data[:8], "little")
    found = json.loads(data[8 : 8 + size]).get("__metadata__", {})
    return {str(key): str(value) for key, value in found.items()}


def _layers(metadata: dict[str, str], arrays: Iterable[str]) -> list[tuple[str, str]]:
    """Names and types, in order: those of the metadata, then layers that it does not name."""
    listed = [(str(name), str(type)) for name, type in json.loads(metadata.get("layers", "[]"))]
    known = {as_utf8(name) for name, _ in listed}
    others = dict.fromkeys(key.rpartition("/")[0] for key in arrays if key.rpartition("/")[2].isdigit())
    return listed + [(name, "") for name in others if name and name not in known]


def _blobs(path: Path, layer: str, arrays: dict[str, Array]) -> tuple[Array, ...]:
    blobs: list[Array] = []
    while (array := arrays.get(f"{as_utf8(layer)}/{len(blobs)}")) is not None:
        if array.dtype.kind != "f":
            raise NetError(Diagnostic(BAD_SAFETENSORS, f"{path}: {layer}/{len(blobs)} holds {array.dtype}, not floats"))
        blobs.append(array)
    return tuple(blobs)


def _package() -> Any:
    try:
        import safetensors.numpy as package  # noqa: PLC0415 - an extra
    except ImportError:
        help = "pip install 'netc[safetensors]'"
        raise NetError(Diagnostic(MISSING_PACKAGE, "safetensors is not installed", help=help)) from None
    return package


def _write(model: Model, options: Options) -> Made:
    model = in_stored_types(model, options)
    text, notes = net_text(model)
    return Made(dump(weights_of(model), text), notes)


FORMAT = Format((".safetensors",), _write, frozenset({"half"}))
