"""Reading nets."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from netc import run, solve
from netc.api.definition import Definition, loads
from netc.api.planner import Planner
from netc.api.planning import load
from netc.api.sized import SizedNet
from netc.dnn.errors import as_opencv_raises
from netc.dnn.net import Net
from netc.graph import State
from netc.schema.weights import Weights, parse_weights


def readNetFromCaffe(
    prototxt: Any = None, caffeModel: Any = "", *, bufferProto: Any = None, bufferModel: Any = None
) -> Net:
    """A net from a prototxt and a `.caffemodel`: paths, or their contents as bytes, bytearrays or arrays of uint8.

    Without weights, parameters are what the fillers say. Raises error with everything that is wrong with the files.
    """
    text = prototxt if bufferProto is None else bufferProto
    weights = caffeModel if bufferModel is None else bufferModel
    with as_opencv_raises():
        definition = _definition(text)
        planner = Planner(definition, State("TEST"), training=(False,))
        net = SizedNet(planner, {}, executor="fast")
        if (found := _weights(weights)) is not None:
            run.load_weights(net, found, source="the weights" if _is_buffer(weights) else str(weights))
    return Net(net)


def _is_buffer(given: Any) -> bool:
    return isinstance(given, bytes | bytearray | memoryview | np.ndarray)


def _definition(given: Any) -> Definition:
    if _is_buffer(given):
        text = bytes(given).decode("utf-8", "surrogateescape").removeprefix("\ufeff")
        return loads(text, "<bufferProto>")
    return load(os.fspath(given))


def _weights(given: Any) -> Weights | None:
    if _is_buffer(given):
        data = bytes(given)
        return parse_weights(data, "<bufferModel>") if data else None
    path = os.fspath(given) if given is not None else ""
    return solve.read_weights(path) if path else None
