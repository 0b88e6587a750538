"""What was converted, held to netc's numbers: both run on the same inputs, layer by layer.

Any target takes part by a `Runner` (netc/convert/model.py), which gives the values that it knows by their index in the
net's graph. Values are compared in the order in which layers make them, so the first difference is where it starts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from netc.api.made_up import fill_inputs
from netc.convert.codes import DIFFERS
from netc.convert.model import Checkable, Runner
from netc.errors import Diagnostic
from netc.graph import Node
from netc.layer import Array, Shape, format_shape
from netc.plan import plan
from netc.run.net import Net

TOLERANCE = 1e-4
SMALLEST = 0.01  # what a blob's largest value counts as at least: where terms cancel, rounding is all that is left

Inputs = Mapping[str, Array]
"""Values for each of the net's inputs, by blob name; their shapes are those at which the net is to run."""


@dataclass(frozen=True)
class Difference:
    """How far a layer's top is from netc's: `error`, relative to the blob's largest value; `said`, where, by what."""

    node: Node
    blob: str
    error: float
    said: str


@dataclass(frozen=True)
class Checked:
    """runs: on how many inputs; compared, computed: values compared in a run, of how many that netc computes.

    worst: the largest error below the tolerance, with its layer; first: the first difference above it, if any.
    """

    runner: str
    runs: int
    compared: int
    computed: int
    worst: Difference | None
    first: Difference | None

    @property
    def problem(self) -> Diagnostic | None:
        """The first difference, as a diagnostic (CNV013)."""
        if self.first is None:
            return None
        node, found = self.first.node, self.first
        message = f'layer "{node.name}" ({node.type.name}) is the first that differs on {self.runner}: {found.said}'
        return Diagnostic(DIFFERS, message, node.record.span, help=DIFFERS.fix)


def check(it: Checkable, inputs: Iterable[Inputs], tolerance: float = TOLERANCE) -> Checked:
    """Run both on each of these inputs, until a value differs by more than the tolerance.

    An error is the largest difference of a blob's values, divided by the largest value of the blob; rows of things
    found (detections) are compared as sets. Raises NetError as the runner does, and as planning for shapes that cannot
    be.
    """
    runner, own = it.start(), it.net()
    runs, compared, computed, worst = 0, 0, 0, None
    for given in inputs:
        net = _kept(own, {name: array.shape for name, array in given.items()})
        for name, array in given.items():
            net.set_input(name, array)
        runs, compared, computed = runs + 1, 0, 0
        for found in _differences(net, runner, given):
            computed += 1
            if found is None:
                continue
            compared += 1
            if not found.error <= tolerance:
                return Checked(runner.name, runs, compared, computed, worst, found)
            if worst is None or found.error > worst.error:
                worst = found
    return Checked(runner.name, runs, compared, computed, worst, None)


def random_inputs(it: Checkable, runs: int = 2, seed: int = 0) -> Iterator[Inputs]:
    """Made-up inputs that the net's layers can take: `runs` times in its own shapes, once in each other size."""
    own = it.net()
    for number, shapes in enumerate([{}] * runs + list(it.sizes)):
        net = _kept(own, shapes)
        fill_inputs(net, seed + number)
        yield {name: array.copy() for name, array in net.inputs.items()}


def _kept(net: Net, shapes: Mapping[str, Shape]) -> Net:
    """The net at these shapes of its inputs, with every value kept."""
    inputs = {name: array.shape for name, array in net.inputs.items()} | dict(shapes)
    return Net(plan(net.graph, training=False, inputs=inputs, keep=True), params=net)


def _differences(net: Net, runner: Runner, inputs: Inputs) -> Iterator[Difference | None]:
    """For each value that a layer computes, how far the runner's is from it; None where the runner has none."""
    net.forward()
    theirs = runner(inputs)
    for node in net.graph.nodes:
        for value in () if node.type.source and node.type.forward is None else node.tops:
            expected = net.executor.value(value)
            if value not in theirs or expected is None:
                yield None
                continue
            blob = net.graph.values[value].name
            yield Difference(node, blob, *_compared(node, value, expected, theirs[value]))


def _compared(node: Node, value: int, expected: Array, found: Array) -> tuple[float, str]:
    """The error, and where and by what the values differ."""
    if node.type.role.rows and value == node.tops[0]:
        return _as_sets(expected, found)
    if expected.shape != found.shape:
        return np.inf, f"its shape is {format_shape(found.shape)}, netc's {format_shape(expected.shape)}"
    if not expected.size:
        return 0.0, "there are no values"
    scale = max(SMALLEST, float(np.abs(expected[np.isfinite(expected)]).max(initial=0)))
    with np.errstate(invalid="ignore"):
        errors = np.abs(expected - found) / scale
    errors[(expected == found) | (np.isnan(expected) & np.isnan(found))] = 0
    errors = np.nan_to_num(errors, nan=np.inf, posinf=np.inf)
    at = np.unravel_index(int(errors.argmax()), errors.shape)
    place = ", ".join(map(str, at))
    said = f"[{place}] is {found[at]:.7g}, netc's {expected[at]:.7g}, {errors[at]:.2g} of the largest value"
    return float(errors[at]), said


def _as_sets(expected: Array, found: Array) -> tuple[float, str]:
    """Rows, each with the nearest one of the other side that is not taken yet."""
    ours = expected.reshape(-1, expected.shape[-1])
    theirs = found.reshape(-1, found.shape[-1]) if found.shape[-1:] == expected.shape[-1:] else found.reshape(0, 0)
    if len(ours) != len(theirs):
        return np.inf, f"it has {len(theirs)} rows, netc's {len(ours)}"
    scale = np.maximum(np.abs(ours).max(axis=0, initial=0), SMALLEST)
    free, worst, said = np.ones(len(theirs), bool), 0.0, "there are no rows"
    for row in ours:
        errors = np.where(free, (np.abs(theirs - row) / scale).max(axis=1), np.inf)
        at = int(errors.argmin())
        free[at] = False
        if not errors[at] <= worst or said == "there are no rows":
            worst, numbers = float(errors[at]), " ".join(f"{n:.5g}" for n in row)
            said = f"its row nearest to netc's [{numbers}] is {worst:.2g} away"
    return worst, said
