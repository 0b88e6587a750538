"""cv2.dnn's Net over netc's: inputs by `setInput`, outputs by the names of layers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from time import perf_counter
from typing import Any

import numpy as np

from netc.api.sized import SizedNet
from netc.dnn import detections
from netc.dnn.errors import BAD_BLOB, EMPTY, NO_INPUT, as_opencv_raises, refuse
from netc.dnn.layers import Layer
from netc.dnn.naming import is_input, named, unconnected
from netc.dnn.ticks import tick_frequency
from netc.errors import suggest
from netc.graph import Node
from netc.layer import Array
from netc.run.codes import UNKNOWN_BLOB, UNKNOWN_LAYER


class Net:
    """A net that runs forward. `readNetFromCaffe` makes one; `Net()` is empty.

    Raises error, a NetError that is a `cv2.error` too where OpenCV is installed.
    """

    def __init__(self, net: SizedNet | None = None) -> None:
        self._given_net = net
        self._nodes: dict[str, Node] = named(net.graph) if net else {}
        self._names = tuple(self._nodes)
        self._waiting: dict[str, Array] = {}  # inputs that were set since the last pass
        self._set: set[str] = set()
        self._seconds = 0.0

    @property
    def _net(self) -> SizedNet:
        if self._given_net is None:
            raise refuse(EMPTY, "the net has no layers", help="read one with readNetFromCaffe")
        return self._given_net

    def empty(self) -> bool:
        """Whether there are no layers."""
        return not self._nodes

    # ------------------------------------------------------------ passes

    def setInput(self, blob: Any, name: str = "", scalefactor: float = 1.0, mean: Any = ()) -> None:
        """Give an input, by the blob's name; the first if there is none. The net takes the blob's shape.

        The net gets scalefactor * (blob - mean) in float32. mean: a number for each of up to four channels.
        """
        inputs = self._inputs()
        name = name or next(iter(inputs), "")
        if name not in inputs:
            close = suggest(name, inputs)
            help = f'did you mean "{close}"?' if close else f"it has {', '.join(inputs) or 'none'}"
            raise refuse(UNKNOWN_BLOB, f'the net has no input "{name}"', help=help)
        array = np.asarray(blob)
        if array.dtype.kind not in "fiub" or not array.size:
            raise refuse(BAD_BLOB, f'input "{name}" cannot be an array of {array.dtype} with {array.size} values')
        self._waiting[name] = _normalized(array, float(scalefactor), mean)
        self._set.add(name)

    def forward(self, outputName: Any = None, outBlobNames: Sequence[str] | None = None) -> Any:
        """Run up to a layer and give what it makes: its first top, as a copy. The last layer if none is named.

        outputName: a layer's name, or several: then a tuple of arrays in that order is given (`outBlobNames` too).
        """
        wanted = outputName if outBlobNames is None else outBlobNames
        if wanted is None or isinstance(wanted, str):
            return self._run([wanted or self._last()])[0]
        return tuple(self._run(list(wanted)))

    def forwardAndRetrieve(self, outBlobNames: Sequence[str]) -> tuple[tuple[Array, ...], ...]:
        """As `forward` of several layers; a tuple of one array for each."""
        return tuple((array,) for array in self._run(list(outBlobNames)))

    def _run(self, names: list[str]) -> list[Array]:
        makers = [self._maker(self._known(name)) for name in names]
        found: dict[int, Array] = {}
        start = perf_counter()
        with as_opencv_raises():
            self._fill()
            for node in sorted(makers, key=lambda node: -node.index):
                if node.index not in found:
                    found |= self._pass(node, [m for m in makers if m.index not in found])
        self._seconds = perf_counter() - start
        return [found[node.index].copy() for node in makers]

    def getPerfProfile(self) -> tuple[int, Array]:
        """How long the last `forward` took, in ticks of `cv2.getTickFrequency` (nanoseconds without OpenCV).

        The second, in OpenCV the ticks of each layer, is empty: layers run joined.
        """
        return round(self._seconds * tick_frequency()), np.zeros(0)

    def _pass(self, last: Node, wanted: Iterable[Node]) -> dict[int, Array]:
        """One pass up to a layer, and which of the wanted layers' first tops it leaves."""
        outputs = self._net.forward(end=last.key)
        graph = self._net.plan.graph
        left = {graph.values[v].name: v for v in graph.outputs}
        made = {}
        for node in wanted:
            name = self._net.graph.values[node.tops[0]].name
            if name in outputs and (left.get(name) == node.tops[0] or node is last):
                made[node.index] = self._shown(node, outputs[name])
        return made

    def _shown(self, node: Node, top: Array) -> Array:
        if node.type.name != detections.TYPE:
            return top
        return detections.as_opencv(node, top, self._net.plan.shapes[node.bottoms[0]][0])

    def _fill(self) -> None:
        """Give the net what was set, all shapes at once."""
        net, waiting = self._net, self._waiting
        if missing := [name for name in self._inputs() if name not in self._set]:
            raise refuse(NO_INPUT, f"nothing was given for {', '.join(missing)}", help="call setInput before forward")
        if shapes := {name: a.shape for name, a in waiting.items() if a.shape != net.inputs[name].shape}:
            net.reshape(**shapes)
        for name, array in waiting.items():
            net.set_input(name, array)
        self._waiting = {}

    def _maker(self, node: Node) -> Node:
        """The layer whose top is a layer's output: itself, but for one without tops (Silence), which passes on."""
        while not node.tops and node.bottoms:
            node = self._net.graph.nodes[self._net.graph.values[node.bottoms[0]].producer]
        return node

    def _inputs(self) -> list[str]:
        graph = self._net.graph
        return [graph.values[v].name for node in graph.nodes if is_input(node) for v in node.tops]

    def _last(self) -> str:
        if not self._names:
            raise refuse(EMPTY, "the net has no layers", help="read one with readNetFromCaffe")
        return self._names[-1]

    # ------------------------------------------------------------ layers

    def getLayerNames(self) -> tuple[str, ...]:
        """The names of all layers in order, those that hold inputs left out."""
        return self._names

    def getLayerId(self, layer: str) -> int:
        """A layer's number: from 1 in order; 0 is what holds the inputs; -1 if there is none of that name."""
        if layer == "_input":
            return 0
        return self._names.index(layer) + 1 if layer in self._nodes else -1

    def getLayer(self, layerId: int | str) -> Layer:
        """A layer by its number or name."""
        if isinstance(layerId, str):
            return Layer(layerId, self._net, self._known(layerId))
        number = int(layerId)
        if not 0 <= number <= len(self._names):
            raise refuse(UNKNOWN_LAYER, f"the net has no layer {number}", help=f"it has 0 to {len(self._names)}")
        name = self._names[number - 1] if number else "_input"
        return Layer(name, self._net, self._nodes.get(name) if number else None)

    def _known(self, name: str) -> Node:
        net = self._net
        if name not in self._nodes:
            close = suggest(name, self._nodes)
            help = f'did you mean "{close}"?' if close else None
            raise refuse(UNKNOWN_LAYER, f'net "{net.graph.name}" has no layer "{name}"', help=help)
        return self._nodes[name]

    def getLayerTypes(self) -> tuple[str, ...]:
        """The types of the layers, each once, in the order of the alphabet."""
        return tuple(sorted({"__NetInputLayer__", *(node.type.name for node in self._nodes.values())}))

    def getLayersCount(self, layerType: str) -> int:
        """How many layers of a type there are."""
        return sum(node.type.name == layerType for node in self._nodes.values())

    def getUnconnectedOutLayers(self) -> Array:
        """The numbers of the layers that no other reads, as a one-dimensional array."""
        numbers = [self.getLayerId(name) for name in self.getUnconnectedOutLayersNames()]
        return np.array(numbers, np.int32)

    def getUnconnectedOutLayersNames(self) -> tuple[str, ...]:
        """The names of the layers that no other reads."""
        return tuple(unconnected(self._net.graph))

    def getParam(self, layer: int | str, numParam: int = 0) -> Array:
        """A copy of a parameter blob of a layer."""
        return self.getLayer(layer).blob(numParam)

    def setParam(self, layer: int | str, numParam: int, blob: Any) -> None:
        """Replace a parameter blob of a layer by as many values."""
        self.getLayer(layer).write(numParam, blob)

    # ------------------------------------------------------------ accepted: they change nothing

    def setPreferableBackend(self, backendId: int) -> None:
        """Accepted: netc is the backend."""

    def setPreferableTarget(self, targetId: int) -> None:
        """Accepted: netc runs on the CPU."""

    def enableFusion(self, fusion: bool) -> None:
        """Accepted: netc joins layers where it changes no number beyond rounding."""

    def enableWinograd(self, useWinograd: bool) -> None:
        """Accepted: netc chooses how to convolve."""


def _normalized(array: Array, scale: float, mean: Any) -> Array:
    """scale * (array - mean) in float32, the mean by channel (axis 1)."""
    values = array.astype(np.float32)
    means = np.zeros(4, np.float32)
    given = np.atleast_1d(np.asarray(mean, np.float32)).reshape(-1)[:4]
    means[: len(given)] = given
    if scale == 1 and not means.any():
        return values
    channels = values.shape[1] if values.ndim > 1 else 1
    if channels > len(means) and len(set(means.tolist())) > 1:
        raise refuse(BAD_BLOB, f"{channels} channels cannot take a mean of {len(means)}")
    by_channel = np.resize(means, channels) if channels > len(means) else means[:channels]
    by_channel = by_channel.reshape((1, channels) + (1,) * (values.ndim - 2)) if values.ndim > 1 else by_channel
    shifted: Array = np.float32(scale) * (values - by_channel)
    return shifted
