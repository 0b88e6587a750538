"""Does a training run look sane? The first loss, dead ReLUs, gradients that vanish or explode, histograms."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Literal

import numpy as np

from netc.api.units import units_of
from netc.errors import Code, Diagnostic
from netc.graph import Node
from netc.layer import Array, Call
from netc.plan.model import Plan
from netc.role import Guess
from netc.run import Net
from netc.solve.events import Events, Step

FIRST_LOSS = Code(
    "RUN042",
    "the first loss is not that of a guess",
    why="A classifier that knows nothing gives each of K classes the probability 1/K, and its loss is -log(1/K): 2.303 "
    "for 10 classes, 6.908 for 1000. A first loss far above it means that the first scores are far too large (inputs "
    "that are not scaled, fillers with too large a std); far below it, that labels leak into the inputs, or that few "
    "classes occur. This is a warning.",
    example='inner_product_param { num_output: 10 weight_filler { type: "gaussian" std: 10 } }',
    fix="Scale the inputs (`transform_param { scale: 0.00390625 }`), and use the filler xavier or msra.",
)
LOG_FLT_MIN = Code(
    "RUN043",
    "the loss is 87.3365, -log of the smallest float",
    why="The probability that the net gives the right class is exactly zero in float32, so the loss is cut at "
    "-log(FLT_MIN) = 87.3365, and there is no gradient that leads back. The scores have grown far too large. This is a "
    "warning.",
    example="base_lr: 10",
    fix="Lower base_lr, add warmup_iter or clip_gradients, scale the inputs, and look for labels that are wrong.",
)
DEAD = Code(
    "RUN044",
    "dead ReLUs",
    why="These outputs are zero for every sample of the batch, at every position. A ReLU that is zero everywhere gets "
    "no gradient and never comes back. A few are normal; many mean that the learning rate is too high, or that the "
    "biases or the inputs are far off. This is a warning.",
    example="base_lr: 1  # a few updates push the biases far below zero",
    fix="Lower base_lr, use the filler msra, put BatchNorm before the ReLU, or use `negative_slope: 0.1`.",
)
VANISHING = Code(
    "RUN045",
    "vanishing gradients",
    why="The gradient of this layer's weights is less than a ten-thousandth of that of another layer, or zero: the "
    "layer hardly learns. Each Sigmoid leaves a quarter of a gradient at most, so that eight of them one after the "
    "other do this, as do fillers that are too small. In nets that learn, layers differ by a factor of some hundreds "
    "at most. Compared are root mean squares of what is not zero. This is a warning.",
    example='weight_filler { type: "gaussian" std: 0.0001 }  # in ten layers, one after the other',
    fix="Use ReLU, BatchNorm, the filler msra (xavier for TanH), or sums around the layers (as in ResNet).",
)
EXPLODING = Code(
    "RUN046",
    "exploding gradients",
    why="The gradient is a hundred times larger than the weights that it is to change, or not finite: the first update "
    "throws them away. This is a warning.",
    example='weight_filler { type: "gaussian" std: 10 }',
    fix="Lower base_lr, use clip_gradients, scale the inputs, and use the filler xavier or msra.",
)

LOG_MIN = -math.log(float(np.finfo(np.float32).tiny))
VANISHED = 1e-4
"""A gradient below this share of another layer's has vanished."""
BINS = 16


@dataclass(frozen=True, slots=True)
class Spread:
    """How the values of an array are distributed: `histogram` counts them in equal steps from least to most."""

    mean: float
    std: float
    least: float
    most: float
    norm: float
    zeros: float
    histogram: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Activity:
    """A top after forward; units and dead: channels of a ReLU, and those that are zero for the whole batch."""

    layer: str
    type: str
    blob: str
    spread: Spread
    units: int = 0
    dead: int = 0


@dataclass(frozen=True, slots=True)
class Gradient:
    """The gradient of a parameter blob, and the L2 norm of the blob itself."""

    layer: str
    blob: str
    spread: Spread
    weight_norm: float

    @property
    def ratio(self) -> float:
        """Norm of the gradient over the norm of the weights (infinite where these are zero)."""
        return self.spread.norm / self.weight_norm if self.weight_norm else math.inf


@dataclass(frozen=True, slots=True)
class Inspection:
    """One iteration, looked into: all tops in the order of forward, all parameter gradients in that of the layers."""

    iteration: int
    activities: tuple[Activity, ...]
    gradients: tuple[Gradient, ...]
    arrays: Mapping[str, Array] = field(default_factory=dict, repr=False)

    def findings(self) -> list[Diagnostic]:
        """Warnings: RUN044, RUN045, RUN046."""
        return [*_dead(self.activities), *_flow(self.gradients)]


def inspected(found: Inspection) -> dict[str, object]:
    """What a line of the metrics file holds of it."""
    return {
        "activations": [
            {"layer": a.layer, "blob": a.blob, **asdict(a.spread), "units": a.units, "dead": a.dead}
            for a in found.activities
        ],
        "gradients": [{"blob": g.blob, "weight_norm": g.weight_norm, **asdict(g.spread)} for g in found.gradients],
    }


class Inspector(Events):
    """An observer of a solver's train net that looks into chosen iterations; `report` gets what it saw.

    wanted: says whether an iteration (counted from 0) is looked into; the first one that this process runs always is.
    keep: names arrays worth keeping whole, for histograms of finer steps.
    """

    def __init__(
        self, net: Net, wanted: Callable[[int], bool], report: Callable[[Inspection], None], keep: bool = False
    ) -> None:
        self.net = net
        self.wanted = wanted
        self.report = report
        self.keep = keep
        self.active = True
        self._clear()

    def _clear(self) -> None:
        self._activities: dict[tuple[int, int], Activity] = {}
        self._gradients: dict[str, Gradient] = {}
        self._arrays: dict[str, Array] = {}

    def __call__(self, kind: Literal["forward", "backward"], layer: int, call: Call) -> None:
        if not self.active:
            return
        node = self.net.graph.nodes[layer]
        if kind == "forward":
            for index, (value, top) in enumerate(zip(node.tops, call.tops, strict=True)):
                self._look(node, index, self.net.graph.values[value].name, top)
            return
        for blob in self.net.parameters.of_layer(layer):
            if (diff := blob.diff) is not None:
                name = blob.param.name
                weight = float(np.linalg.norm(blob.array.astype(np.float64)))
                self._gradients[name] = Gradient(node.name, name, spread(diff), weight)
                self._keep(f"gradients/{name}", diff)

    def _look(self, node: Node, index: int, name: str, top: Array) -> None:
        units, dead = units_of(self.net.graph, node, top)
        self._activities[node.index, index] = Activity(node.name, node.type.name, name, spread(top), units, dead)
        self._keep(f"activations/{node.name}", top)

    def _keep(self, name: str, array: Array) -> None:
        if self.keep:
            self._arrays[name] = array.copy()

    def stepped(self, step: Step) -> None:
        if self.active:
            self.report(self.found(step.iteration - 1))
        self.active = self.wanted(step.iteration)

    def found(self, iteration: int) -> Inspection:
        """What was seen since the last time that this was asked."""
        gradients = [self._gradients[p.param.name] for p in self.net.learned if p.param.name in self._gradients]
        found = Inspection(iteration, tuple(self._activities.values()), tuple(gradients), self._arrays)
        self._clear()
        return found


def spread(array: Array) -> Spread:
    """The distribution of an array's finite values (the norm is of all)."""
    flat = array.reshape(-1).astype(np.float64)
    norm = float(np.linalg.norm(flat))
    flat = flat[np.isfinite(flat)]
    if not flat.size:
        return Spread(math.nan, math.nan, math.nan, math.nan, norm, 0.0, (0,) * BINS)
    counts = np.histogram(flat, BINS)[0]
    zeros = float((flat == 0).mean())
    low, high = float(flat.min()), float(flat.max())
    return Spread(float(flat.mean()), float(flat.std()), low, high, norm, zeros, tuple(map(int, counts)))


def _dead(activities: Sequence[Activity]) -> list[Diagnostic]:
    many = [a for a in activities if a.dead * 3 > a.units * 2 > 0]
    return [
        Diagnostic(
            DEAD,
            f'layer "{a.layer}": {a.dead} of {a.units} outputs are zero for the whole batch',
            help="lower base_lr, or use the filler msra",
            severity="warning",
        )
        for a in many
    ]


def _flow(gradients: Sequence[Gradient]) -> list[Diagnostic]:
    found = []
    weights = [g for g in gradients if g.blob.rpartition("/")[2] in ("weights", "0") or g.weight_norm]
    largest = max((_rms(g) for g in weights if math.isfinite(g.spread.norm)), default=0.0)
    for g in weights:
        norm = g.spread.norm
        if not math.isfinite(norm) or (g.weight_norm and norm > 100 * g.weight_norm):
            message = f'"{g.blob}" has a gradient of norm {norm:.3g}; its own norm is {g.weight_norm:.3g}'
            help = "lower base_lr, or use clip_gradients"
            found.append(Diagnostic(EXPLODING, message, help=help, severity="warning"))
        elif largest and _rms(g) < VANISHED * largest:
            message = f'"{g.blob}" has a gradient of {_rms(g):.3g} a value; the largest of a layer is {largest:.3g}'
            help = "use ReLU, BatchNorm or another filler"
            found.append(Diagnostic(VANISHING, message, help=help, severity="warning"))
    return found


def _rms(g: Gradient) -> float:
    """Of what is not zero: most rows of an embedding get no gradient from a batch."""
    return g.spread.norm / math.sqrt(max(1.0, sum(g.spread.histogram) * (1 - g.spread.zeros)))


# ---------------------------------------------------------------- losses


def guesses(plan: Plan) -> dict[str, Guess]:
    """The loss of a net that knows nothing, by output name, for the losses that tell it."""
    found = {}
    for node in plan.graph.nodes:
        ask = node.type.role.guess
        guess = ask(node.record, [plan.shapes[v] for v in node.bottoms]) if ask and node.tops else None
        if guess is not None:
            found[plan.graph.values[node.tops[0]].name] = guess
    return found


class Losses(Events):
    """Warns of a first loss that is not a guess's (RUN042, for a net that starts fresh), and of 87.3365 (RUN043)."""

    def __init__(self, plan: Plan, events: Events, fresh: bool = True) -> None:
        self.events = events
        self.expected = guesses(plan) if fresh else {}
        self.first: dict[str, float] = {}
        self._stuck = False

    def started(self, iteration: int, last: int) -> None:
        if iteration:
            self.expected = {}

    def stepped(self, step: Step) -> None:
        if step.iteration == 1:
            self._first_losses(step)
        if not self._stuck and any(v.size == 1 and abs(float(v.sum()) - LOG_MIN) < 1e-3 for v in step.outputs.values()):
            self._stuck = True
            message = f"iteration {step.iteration - 1}: the loss is 87.3365 = -log(FLT_MIN): probabilities are zero"
            help = "lower base_lr, and scale the inputs"
            self.events.warned(Diagnostic(LOG_FLT_MIN, message, help=help, severity="warning"))

    def _first_losses(self, step: Step) -> None:
        for name, guess in self.expected.items():
            if name not in step.outputs:
                continue
            self.first[name] = loss = float(step.outputs[name].sum())
            if not 0.5 * guess.loss <= loss <= 2 * guess.loss:
                message = f'the first "{name}" is {loss:.4g}; -log(1/{guess.classes}) would be {guess.loss:.4g}'
                help = "look at the scale of the inputs, at the fillers and at the labels"
                self.events.warned(Diagnostic(FIRST_LOSS, message, help=help, severity="warning"))
