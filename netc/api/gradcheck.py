"""Is backward the derivative of forward? A numeric check of a whole net, in float64."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from netc import run
from netc.api.definition import Definition
from netc.api.made_up import fill_inputs
from netc.api.planning import plan_state
from netc.api.session import first_batches, open_feeds
from netc.data import OnBadRecord
from netc.errors import Code, Diagnostic, NetError
from netc.graph import Graph, State, build
from netc.layer import Array, Shape
from netc.plan.model import Plan
from netc.solve.fit import fit, missing

NO_LOSS = Code(
    "RUN054",
    "the net has no loss, or nothing that is learned",
    why="A gradient check compares the gradient of the loss with how the loss changes when a parameter does. Without a "
    "loss, or with every parameter frozen, there is nothing to compare.",
    example="netc gradcheck deploy.prototxt",
    fix="Give the net that is trained; lr_mult: 0 freezes a parameter.",
)

STEPS = (1e-4, 1e-5, 1e-6, 1e-7)
"""Of central differences. A kink (ReLU, max pooling) within a step gives nonsense, and a smaller step avoids it."""
GROUPS = 4
"""Of one class each: fewer of them are often all of the same one, and then many losses have no gradient."""
_OFF_ZERO = 0.1
_SMALL = 1e-7  # derivatives below this share of the blob's largest are compared with that share


@dataclass(frozen=True, slots=True)
class Checked:
    """One parameter blob: how many of its values were checked, and the largest relative error among them.

    worst: index of that value; analytic, numeric: its two derivatives. kinks: values with no derivative to compare with
    (the loss has a corner within every step), left out. excuse: why its gradient is not the derivative (a layer that it
    goes through has a formula of its own, `Setup.own_gradient`), or empty. zero: every value of its gradient is exactly
    zero, so that it says nothing to be right.
    """

    layer: str
    blob: str
    shape: tuple[int, ...]
    values: int
    error: float
    worst: int
    analytic: float
    numeric: float
    kinks: int
    excuse: str = ""
    zero: bool = False

    def fine(self, tolerance: float) -> bool:
        """Whether the error is within the tolerance, and enough values could be compared."""
        return self.error <= tolerance and self.kinks * 2 <= self.values

    def wrong(self, tolerance: float) -> bool:
        """Whether the error is a mistake: neither within the tolerance nor excused."""
        return not self.fine(tolerance) and not self.excuse


def gradcheck(
    definition: Definition,
    *,
    state: State | None = None,
    batch: int = 4,
    inputs: Mapping[str, Shape] | None = None,
    values: int = 20,
    seed: int = 0,
    on_bad_record: OnBadRecord = "stop",
) -> Iterator[Checked]:
    """Check the gradient of each learned blob, at up to `values` of its values drawn at random.

    The net runs in float64 on its first batch (of `batch` samples, or more: at least four of the groups that a source
    keeps `together`; random numbers where the data is not there); dropout and other draws are the same in every pass.
    Blobs that start as zeros are moved off zero: through weights that are zero no gradient reaches what lies before,
    and with biases that are zero a black image stands at the corner of each ReLU. The derivative is
    (f(x + h) - f(x - h)) / 2h;
    the error is relative to the larger of the two derivatives, and for tiny ones to a 1e-7th of the blob's largest.
    inputs, on_bad_record: as in `Net`.
    Raises NetError: RUN054, and what planning the net raises.
    """
    state = state or State("TRAIN")
    batch = _whole_groups(batch, build(definition.record, definition.types, state))
    plan = plan_state(definition, state, training=True, batch=batch, inputs=inputs)
    net = _net(plan, seed, on_bad_record)
    if not net.learned or not any(w for n in net.graph.nodes for w in n.loss_weights):
        message = f'net "{net.graph.name}" has no loss, or no learned parameter'
        raise NetError(Diagnostic(NO_LOSS, message, net.graph.record.span))
    check = _Check(net)
    generator = np.random.default_rng(seed)
    excuses = _excuses(net.plan)
    for parameter in net.learned:
        assert parameter.gradient is not None
        size = parameter.array.size
        drawn = np.sort(generator.choice(size, min(values, size), replace=False))
        gradient = check.gradients[parameter.param.index].reshape(-1)
        floor = max(_SMALL * float(np.abs(gradient).max(initial=0.0)), 1e-12)
        results = [check.compare(parameter.data.reshape(-1), int(i), float(gradient[i]), floor) for i in drawn]
        smooth = [r for r in results if r.error < math.inf]
        worst = max(smooth, key=lambda r: r.error, default=_Result(0, math.inf, math.nan, math.nan))
        name, shape = parameter.param.name, parameter.shape
        kinks = len(results) - len(smooth)
        found = (worst.error, worst.index, worst.analytic, worst.numeric, kinks)
        excuse = excuses.get(parameter.param.index, "")
        yield Checked(parameter.owner, name, shape, len(drawn), *found, excuse, not gradient.any())


def _whole_groups(batch: int, graph: Graph) -> int:
    """The least batch of so many samples that holds whole groups of what sources keep `together`, at least GROUPS."""
    sources = (n for n in graph.nodes if n.type.source and n.type.param)
    messages = [getattr(node.record, str(node.type.param)) for node in sources]
    sizes = [int(p.together) for p in messages if "together" in p.message_type.fields and p.together]
    whole = math.lcm(*sizes)
    return -(-max(batch, GROUPS * max(sizes, default=0)) // whole) * whole


def _excuses(plan: Plan) -> dict[int, str]:
    """For each parameter whose gradient goes through a layer with a formula of its own, what that layer says of it."""
    values: dict[int, str] = {}
    found: dict[int, str] = {}
    for node, layer in reversed(list(zip(plan.graph.nodes, plan.layers, strict=True))):
        behind = next((values[top] for top in node.tops if top in values), "")
        blobs = zip(layer.params, layer.setup.params, strict=True)
        found.update({index: own for index, blob in blobs if (own := blob.own_gradient or behind)})
        if own := layer.setup.own_gradient or behind:
            values.update(dict.fromkeys(node.bottoms, own))
    return found


def _net(plan: Plan, seed: int, on_bad_record: OnBadRecord) -> run.Net:
    feeds = first_batches(open_feeds(plan, seed, on_bad_record))
    net = run.Net(plan, dtype=np.float64, seed=seed, feeds=feeds)
    fill_inputs(net, seed)
    fit(net, missing(net), 1)  # statistics of the data that nothing has estimated yet would make everything zero
    generator = np.random.default_rng(seed)
    for blob in net.learned:
        if not blob.array.any():
            blob.data[...] = _OFF_ZERO * generator.standard_normal(blob.shape)
    return net


@dataclass(frozen=True, slots=True)
class _Result:
    index: int
    error: float
    analytic: float
    numeric: float


class _Check:
    """The same pass again and again: the state that layers keep is put back before each."""

    def __init__(self, net: run.Net) -> None:
        self.net = net
        self.iteration = net.iteration
        self.state = {key: array.copy() for key, array in net.state.items()}
        self.blobs = [
            (p.data, p.data.copy()) for p in net.parameters.all if p.gradient is None
        ]  # BatchNorm's statistics
        net.zero_param_diffs()
        self.loss()
        net.backward()
        self.gradients: dict[int, Any] = {
            p.param.index: diff.copy() for p in net.learned if (diff := p.diff) is not None
        }

    def loss(self) -> float:
        self.net.iteration = self.iteration
        state = self.net.state
        for key, array in self.state.items():
            state[key][...] = array
        for data, before in self.blobs:
            data[...] = before
        self.net.forward()
        return float(self.net.loss)

    def compare(self, flat: Array, index: int, analytic: float, floor: float) -> _Result:
        """The best of the steps; an infinite error where one-sided slopes differ at every step (a kink)."""
        value = flat[index]
        middle = self.loss()
        best: _Result | None = None
        for size in STEPS:
            step = size * max(1.0, abs(float(value)))
            flat[index] = value + step
            above = self.loss()
            flat[index] = value - step
            below = self.loss()
            flat[index] = value
            numeric = (above - below) / (2 * step)
            noise = 1e-15 * max(abs(middle), 1.0) / step
            error = max(0.0, abs(analytic - numeric) - noise) / max(abs(analytic), abs(numeric), floor)
            if best is None or error < best.error:
                best = _Result(index, error, analytic, numeric)
            if error < 1e-6:
                return best
            left, right = (middle - below) / step, (above - middle) / step
        assert best is not None
        low, high = min(left, right), max(left, right)
        slack = max(noise, 1e-3 * (high - low))  # of the loss's curvature within the step, and of rounding
        apart = high - low > 1e-4 * max(abs(low), abs(high), floor)
        kink = apart and low - slack <= analytic <= high + slack
        return _Result(index, math.inf, analytic, numeric) if kink and best.error > 1e-4 else best
