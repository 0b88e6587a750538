"""Caffe's log: the lines that `caffe train` writes, which parse_log.py, plotting scripts and DIGITS read.

Each line has glog's prefix (severity, month and day, time, thread, file and line), then Caffe's message. `Iteration N,
loss = L` is written as Caffe 1.0's release candidates did: later versions put the speed between, and the parsers that
count words (parse_log.sh) cannot read that. The lines of debug_info are mean absolute values, as in Caffe.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from pathlib import Path

from netc.errors import Diagnostic
from netc.graph import Graph
from netc.layer import Array
from netc.solve.events import Events, Step, TestResult
from netc.solve.inspect import Size

Write = Callable[[str], object]
Now = Callable[[], datetime]


def glog(message: str, severity: str = "I", now: Now = datetime.now) -> str:
    """A line as Caffe's logger writes it: `I1128 17:21:09.123456  4711 solver.cpp:239] message`."""
    return f"{severity}{now():%m%d %H:%M:%S.%f} {os.getpid():5} solver.cpp:239] {message}"


class CaffeLog(Events):
    """Tells what a solver does in Caffe's words. write: takes a message and its severity ("I", "W").

    `name`, `policy`, `train` and `tests` say of which solver; they are set once it is there.
    """

    def __init__(self, write: Callable[[str, str], object]) -> None:
        self._write = write
        self.name, self.policy = "", ""
        self.train: Graph | None = None
        self.tests: Sequence[Graph] = ()
        self._updates: list[Size] = []

    def watch(self, name: str, policy: str, train: Graph, tests: Sequence[Graph]) -> None:
        """The solver is there."""
        self.name, self.policy, self.train, self.tests = name, policy, train, tests

    def started(self, iteration: int, last: int) -> None:
        self._say(f"Solving {self.name}", f"Learning Rate Policy: {self.policy}")

    def stepped(self, step: Step) -> None:
        if step.display:
            at = step.iteration - 1
            self._say(f"Iteration {at}, loss = {step.average_loss:g}")
            self._outputs("Train", self.train, step.outputs)
            self._say(f"Iteration {at}, lr = {step.rate:g}")
            self._say(*_updated(self._updates))
        self._updates = []

    def testing(self, iteration: int, net: int) -> None:
        self._say(f"Iteration {iteration}, Testing net (#{net})")

    def tested(self, result: TestResult) -> None:
        if result.loss is not None:
            self._say(f"Test loss: {result.loss:g}")
        self._outputs("Test", self.tests[result.net] if self.tests else None, result.outputs)

    def sized(self, sizes: Sequence[Size]) -> None:
        self._updates = [size for size in sizes if size.kind in ("parameter", "update")]
        self._say(*_passed(sizes), _sums(sizes))

    def snapshot(self, weights: Path, state: Path) -> None:
        kind = "HDF5 file" if weights.suffix == ".h5" else "binary proto file"
        self._say(f"Snapshotting to {kind} {weights}", f"Snapshotting solver state to {kind} {state}")

    def stopped(self, reason: str) -> None:
        self._say("Optimization stopped early.")

    def finished(self) -> None:
        self._say("Optimization Done.")

    def warned(self, diagnostic: Diagnostic) -> None:
        self._write(f"{diagnostic.code.id}: {diagnostic.message}", "W")

    def _say(self, *messages: str) -> None:
        for message in messages:
            self._write(message, "I")

    def _outputs(self, phase: str, graph: Graph | None, outputs: Mapping[str, Array]) -> None:
        """A line for each value of each output, numbered; outputs in the order of the alphabet, as in Caffe."""
        weights = _loss_weights(graph) if graph else {}
        values = [(name, float(value)) for name in sorted(outputs) for value in outputs[name].reshape(-1)]
        for number, (name, value) in enumerate(values):
            weight = weights.get(name, 0.0)
            loss = f" (* {weight:g} = {weight * value:g} loss)" if weight else ""
            self._say(f"    {phase} net output #{number}: {name} = {value:g}{loss}")


def _loss_weights(graph: Graph) -> dict[str, float]:
    values = (graph.values[v] for v in graph.outputs)
    return {value.name: graph.nodes[value.producer].loss_weights[value.top] for value in values}


# ---------------------------------------------------------------- debug_info


def _passed(sizes: Sequence[Size]) -> Iterable[str]:
    """Forward and backward, layer by layer: blobs, then the layer's parameters."""
    for kind, blobs, params, title, blob in (
        ("forward", "data", "parameter", "Forward", "top"),
        ("backward", "diff", "gradient", "Backward", "bottom"),
    ):
        own: dict[str, list[Size]] = {}
        for size in sizes:
            if size.kind == params:
                own.setdefault(size.layer, []).append(size)
        passed = [size for size in sizes if size.kind == kind]
        for layer, group in groupby(passed, key=lambda size: size.layer):
            for size in group:
                yield f"    [{title}] Layer {layer}, {blob} blob {size.blob} {blobs}: {size.mean_abs:g}"
            for size in own.get(layer, ()):
                yield f"    [{title}] Layer {layer}, param blob {size.position} {blobs}: {size.mean_abs:g}"
        seen = {size.layer for size in passed}
        for layer in reversed([layer for layer in own if layer not in seen]):  # no bottom of theirs gets a gradient
            for size in own[layer]:
                yield f"    [{title}] Layer {layer}, param blob {size.position} {blobs}: {size.mean_abs:g}"


def _sums(sizes: Sequence[Size]) -> str:
    kinds = ("parameter", "gradient")
    sums = [sum(size.mean_abs * size.count for size in sizes if size.kind == kind) for kind in kinds]
    norms = [math.sqrt(sum(size.squares for size in sizes if size.kind == kind)) for kind in kinds]
    norm = f"L1 norm = ({sums[0]:g}, {sums[1]:g}); L2 norm = ({norms[0]:g}, {norms[1]:g})"
    return f"    [Backward] All net params (data, diff): {norm}"


def _updated(sizes: Sequence[Size]) -> Iterable[str]:
    data = {(size.layer, size.position): size.mean_abs for size in sizes if size.kind == "parameter"}
    for size in sizes:
        if size.kind == "update":
            before = data[size.layer, size.position]
            param = f"param {size.position} data: {before:g}; diff: {size.mean_abs:g}"
            yield f"    [Update] Layer {size.layer}, {param}"
