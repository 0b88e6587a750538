"""What was converted, held to netc's numbers: both run on the same inputs, layer by layer.

Any target takes part by a `Runner` (netc/convert/model.py), which gives the values that it knows by their index in the
net's graph. Values are compared in the order in which layers make them, so the first difference is where it starts.

A layer that chooses (the best boxes, the largest value) may choose otherwise where rounding has moved what was nearly
equal. It is then run again by netc on the target's own values: if that gives what the target has, the layer is as it
should be, and the layers after it are compared on the target's choice. What is drawn at random is not compared, and
the layers after it are on what the target has drawn. Rows of what is found go on in the target's order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from netc.api.made_up import fill_inputs
from netc.convert.alone import run_alone
from netc.convert.codes import DIFFERS
from netc.convert.model import Checkable
from netc.errors import Diagnostic
from netc.graph import Node
from netc.layer import Array, Shape, format_shape
from netc.plan import plan
from netc.plan.model import Plan
from netc.run.net import Net

TOLERANCE = 1e-4
ROUNDED = 2e-2
"""The tolerance for a net of which one side has parameters in FP16, which keeps three digits of each."""
HUGE = 1e30  # from here on a sum overflows in one order of its terms and not in another
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

    worst: the largest error below the tolerance, with its layer; first: the first difference above it, if any. moved:
    the layers that chose otherwise because of rounding. overflown: the first layer with values beyond HUGE; what
    comes after it shows little.
    """

    runner: str
    runs: int
    compared: int
    computed: int
    worst: Difference | None
    first: Difference | None
    moved: tuple[str, ...] = ()
    overflown: str = ""

    @property
    def problem(self) -> Diagnostic | None:
        """The first difference, as a diagnostic (CNV013)."""
        if self.first is None:
            return None
        node, found = self.first.node, self.first
        message = f'layer "{node.name}" ({node.type.name}) is the first that differs on {self.runner}: {found.said}'
        return Diagnostic(DIFFERS, message, node.record.span, help=DIFFERS.fix)


def check(it: Checkable, inputs: Iterable[Inputs], tolerance: float | None = None) -> Checked:
    """Run both on each of these inputs, until a value differs by more than the tolerance (TOLERANCE or ROUNDED, if it
    is None).

    An error is the largest difference of a blob's values, divided by the largest value of the blob; rows of things
    found (detections) are compared as sets. Raises NetError as the runner does, and as planning for shapes that cannot
    be.
    """
    if tolerance is None:
        tolerance = ROUNDED if it.rounded else TOLERANCE
    runner, own = it.start(), it.net()
    worst, moved, overflown = None, dict[str, None](), ""
    runs, compared, computed = 0, 0, 0
    for given in inputs:
        runs, compared, computed = runs + 1, 0, 0
        _plan(own, {name: array.shape for name, array in given.items()})
        run = _Run(own, given, runner(given), tolerance)
        for found in run.differences():
            computed += 1
            if found is None:
                continue
            compared += 1
            if not found.error <= tolerance:
                return Checked(runner.name, runs, compared, computed, worst, found, tuple(moved))
            if worst is None or found.error > worst.error:
                worst = found
        moved |= dict.fromkeys(run.moved)
        overflown = overflown or run.overflown
    return Checked(runner.name, runs, compared, computed, worst, None, tuple(moved), overflown)


def random_inputs(it: Checkable, runs: int = 2, seed: int = 0) -> Iterator[Inputs]:
    """Made-up inputs that the net's layers can take: `runs` times in its own shapes, once in each other size."""
    own = it.net()
    for number, shapes in enumerate([{}] * runs + list(it.sizes)):
        net = Net(_plan(own, shapes))
        fill_inputs(net, seed + number)
        yield {name: array.copy() for name, array in net.inputs.items()}


def _plan(net: Net, shapes: Mapping[str, Shape]) -> Plan:
    """The net at these shapes of its inputs, its own where they are not said."""
    inputs = {name: array.shape for name, array in net.inputs.items()} | dict(shapes)
    return plan(net.graph, training=False, inputs=inputs)


class _Run:
    """One run on both sides, layer by layer.

    theirs: the runner's values; moved: layers that chose otherwise; overflown: the first with values beyond HUGE.
    """

    def __init__(self, net: Net, inputs: Inputs, theirs: Mapping[int, Array], tolerance: float) -> None:
        self.net, self.theirs, self.tolerance = net, theirs, tolerance
        self.values: dict[int, Array] = {}
        for value in _fed(net):
            self.values[value] = np.asarray(inputs[net.graph.values[value].name], np.float32)
        self.moved: list[str] = []
        self.overflown = ""

    def differences(self) -> Iterator[Difference | None]:
        """For each value that a layer computes, how far the runner's is from it; None where the runner has none."""
        fed = set(_fed(self.net))
        for node in self.net.graph.nodes:
            if fed & set(node.tops):
                continue
            tops = run_alone(self.net, node, [self.values[v] for v in node.bottoms])
            found = self._compare(node, tops)
            if self.net.plan.layers[node.index].setup.random:
                found, tops = [None] * len(tops), self._theirs(node, tops)
            elif any(d is not None and not d.error <= self.tolerance for d in found) and _chooses(node):
                again = self._on_their_values(node)
                if all(d is None or d.error <= self.tolerance for d in again):
                    found, tops = again, self._theirs(node, tops)
                    self.moved.append(node.name)
            elif node.type.role.rows:
                tops = self._theirs(node, tops)
            if not self.overflown and not all(_is_usual(top).all() for top in tops):
                self.overflown = node.name
            self.values |= dict(zip(node.tops, tops, strict=True))
            self._drop(node)
            yield from found

    def _theirs(self, node: Node, tops: tuple[Array, ...]) -> tuple[Array, ...]:
        return tuple(self.theirs.get(v, top) for v, top in zip(node.tops, tops, strict=True))

    def _on_their_values(self, node: Node) -> list[Difference | None]:
        return self._compare(
            node, run_alone(self.net, node, [self.theirs.get(v, self.values[v]) for v in node.bottoms])
        )

    def _compare(self, node: Node, tops: tuple[Array, ...]) -> list[Difference | None]:
        return [
            Difference(node, self.net.graph.values[value].name, *_compared(node, value, top, self.theirs[value]))
            if value in self.theirs
            else None
            for value, top in zip(node.tops, tops, strict=True)
        ]

    def _drop(self, node: Node) -> None:
        """Let go of the values that nobody reads any more."""
        for value in node.bottoms:
            if all(reader <= node.index for reader, _ in self.net.graph.values[value].consumers):
                self.values.pop(value, None)


def _fed(net: Net) -> list[int]:
    """The values that the caller fills."""
    return [v for n in net.graph.nodes if n.type.source and n.type.forward is None for v in n.tops]


def _chooses(node: Node) -> bool:
    """Whether nearly equal values may give quite another top: rows of what is found, places of maxima, the cells that
    the corners of a region are rounded to."""
    role = node.type.role
    return bool(role.rows or role.apart) or role.picks or (role.family == "pooling" and len(node.tops) > 1)


def _compared(node: Node, value: int, expected: Array, found: Array) -> tuple[float, str]:
    """The error, and where and by what the values differ."""
    if node.type.role.rows and value == node.tops[0]:
        return _as_sets(expected, found)
    if expected.shape != found.shape:
        return np.inf, f"its shape is {format_shape(found.shape)}, netc's {format_shape(expected.shape)}"
    if not expected.size:
        return 0.0, "there are no values"
    scale = max(SMALLEST, float(np.abs(expected[_is_usual(expected)]).max(initial=0)))
    with np.errstate(invalid="ignore"):
        errors = np.atleast_1d(np.abs(expected - found) / scale)
    same = (expected == found) | ~(_is_usual(expected) | _is_usual(found))
    errors = np.where(same, 0, np.nan_to_num(errors, nan=np.inf, posinf=np.inf)).reshape(-1)
    worst = int(errors.argmax())
    ours, theirs = float(expected.flat[worst]), float(found.flat[worst])
    place = ", ".join(map(str, np.unravel_index(worst, expected.shape)))
    said = f"[{place}] is {theirs:.7g}, netc's {ours:.7g}, {errors[worst]:.2g} of the largest value"
    return float(errors[worst]), said


def _is_usual(values: Array) -> NDArray[np.bool_]:
    """Which values are numbers, and not so large that rounding makes them infinite."""
    with np.errstate(invalid="ignore"):
        usual: NDArray[np.bool_] = np.abs(values) < HUGE
    return usual


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
