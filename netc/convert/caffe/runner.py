"""Written files, read again and run by netc, for `netc convert --check`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from netc import language
from netc.api.definition import typed
from netc.api.planning import plan_state
from netc.catalogue import Catalogue
from netc.convert.model import Parts
from netc.graph import State
from netc.layer import Array
from netc.run.net import Net
from netc.run.weights import load_weights
from netc.schema.weights import parse_weights


class Reloaded:
    """Runs the net that a prototxt and a caffemodel hold.

    names: what each value of the net that they were made from is called in them; inputs: what each input is.
    """

    name = "netc, from the files that were made,"

    def __init__(
        self, text: bytes, weights: Parts, types: Catalogue, names: Mapping[int, str], inputs: Mapping[str, str]
    ) -> None:
        self.names, self.inputs = names, inputs
        document = language.parse(text.decode("utf-8", "surrogateescape"), "model.prototxt")
        self._definition = typed(document, Path("model.prototxt"), types)
        self._weights = parse_weights(b"".join(weights), "model.caffemodel")

    def __call__(self, inputs: Mapping[str, Array]) -> Mapping[int, Array]:
        given = {self.inputs[name]: array for name, array in inputs.items()}
        shapes = {name: array.shape for name, array in given.items()}
        net = Net(plan_state(self._definition, State("TEST"), inputs=shapes, keep=True))
        if net.params:
            load_weights(net, self._weights, source="model.caffemodel")
        for name, array in given.items():
            net.set_input(name, array)
        net.forward()
        last = {value.name: value.index for value in net.graph.values}
        found = {value: net.executor.value(last[name]) for value, name in self.names.items() if name in last}
        return {value: array.copy() for value, array in found.items() if array is not None}
