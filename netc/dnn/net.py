"""cv2.dnn's Net over netc's: inputs by `setInput`, outputs by the names of layers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from netc.api.recent import Recent
from netc.dnn import detections
from netc.dnn.accepted import Accepted
from netc.dnn.dumping import dot
from netc.dnn.errors import BAD_BLOB, EMPTY, NO_INPUT, as_opencv_raises, refuse
from netc.dnn.origin import Origin
from netc.dnn.structure import Structure
from netc.dnn.ticks import tick_frequency
from netc.dnn.timing import shares
from netc.errors import suggest
from netc.graph import Node
from netc.layer import Array
from netc.run.codes import UNKNOWN_BLOB
from netc.solve.snapshot_files import write_whole


class Net(Structure, Accepted):
    """A net that runs forward. `readNetFromCaffe` makes one; `Net()` is empty.

    Raises error, a NetError that is a `cv2.error` too where OpenCV is installed.
    """

    def __init__(self, origin: Origin | None = None) -> None:
        super().__init__(origin)
        self._waiting: dict[str, Array] = {}  # inputs that were set since the last pass
        self._set: set[str] = set()
        self._seconds, self._last = 0.0, ""
        self._shares: Recent[Array] = Recent(8)

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
            return self._run([wanted or self._end()])[0]
        return tuple(self._run(list(wanted)))

    def forwardAndRetrieve(self, outBlobNames: Sequence[str]) -> tuple[tuple[Array, ...], ...]:
        """As `forward` of several layers; a tuple of one array for each."""
        return tuple((array,) for array in self._run(list(outBlobNames)))

    def _run(self, names: list[str]) -> list[Array]:
        makers = [self._maker(self._known(name)) for name in names]
        self._has_run = True
        found: dict[int, Array] = {}
        start = perf_counter()
        with as_opencv_raises():
            self._fill()
            for node in sorted(makers, key=lambda node: -node.index):
                if node.index not in found:
                    found |= self._pass(node, [m for m in makers if m.index not in found])
        self._seconds, self._last = perf_counter() - start, max(makers, key=lambda node: node.index).key
        return [found[node.index].copy() for node in makers]

    def getPerfProfile(self) -> tuple[int, Array]:
        """How long the last `forward` took, and each layer of it, in ticks of `cv2.getTickFrequency`.

        Layers that are joined to another take none. Their parts of the whole are measured by a second pass, once for
        each shape of the inputs. Ticks are nanoseconds without OpenCV.
        """
        ticks = self._seconds * tick_frequency()
        if not self._last:
            return 0, np.zeros(len(self._names))
        net, key = self._net, (self._last, *self.input_shapes().values())
        layers = [node.index for node in self._nodes.values()]
        return round(ticks), ticks * self._shares.get(key, lambda: shares(net, self._last, layers))

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

    def _end(self) -> str:
        if not self._names:
            raise refuse(EMPTY, "the net has no layers", help="read one with readNetFromCaffe")
        return self._names[-1]

    def dump(self) -> str:
        """The net as a graph in DOT, for the inputs that are set. Raises error(RUN080)."""
        net = self._net
        if missing := [name for name in self._inputs() if name not in self._set]:
            raise refuse(NO_INPUT, f"nothing was given for {', '.join(missing)}", help="call setInput before dump")
        shapes = self.input_shapes() | {name: array.shape for name, array in self._waiting.items()}
        return dot(net.graph, self._figures(list(shapes.values())).rows)

    def dumpToFile(self, path: str) -> None:
        """Write what `dump` gives into a file. Raises error as `dump`, and if the file cannot be written."""
        text = self.dump().encode()
        with as_opencv_raises():
            write_whole(Path(path), lambda file: file.write(text))


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
