"""Fitting training into a budget of memory: which layers run again in backward instead of keeping their values.

What a layer makes can be dropped in forward and made again in backward (T. Chen et al., Training Deep Nets with
Sublinear Memory Cost, 2016). Three kinds of choices are tried, and each with longer and longer runs of such layers
between values that are kept: cheap layers (ReLU, Scale, Pooling, LRN, Dropout, sums...), then all. A longer run keeps
less, but more of it is there at a time when it is run again; so each choice is measured by the plan that it gives.
Of those that fit, the one of least work is taken, and its first layers keep their values again as far as there is room.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from math import prod

from netc.errors import Code, Diagnostic, NetError
from netc.graph import Node
from netc.plan.model import Plan
from netc.plan.recompute import why_not_recompute
from netc.plan.usage import Usage

TOO_SMALL = Code(
    "PLN010",
    "the net does not fit into the budget of memory",
    why="Parameters, their gradients and the solver's memory are always there, and at each step of backward some "
    "values have to be. Running layers again in backward saves the rest, but not these.",
    example="netc summary nets/vgg16.net --memory --phase TRAIN --budget 100MB",
    fix="Give at least what the message says, or use a smaller batch or smaller inputs; iter_size makes up for a "
    "smaller batch.",
)
RUNS = (1, 2, 3, 4, 6, 8, 16, 32, 64)  # layers run again between two that keep their values
STEPS = 5  # of the search for how many of the first layers may keep theirs
VALUE_COST = 40  # multiply-adds that going over one value takes as long as (memory is slow)

Make = Callable[[Collection[int]], Plan]
Measure = Callable[[Plan], Usage]


@dataclass(frozen=True)
class Fit:
    """A plan within a budget. before: what it took without running layers again; least: what can be reached.

    macs: multiply-adds done again in each step (`step_macs`: of a step without); values: how many are made again.
    """

    plan: Plan
    usage: Usage
    before: Usage
    macs: int
    values: int
    step_macs: int

    @property
    def slower(self) -> float:
        """An estimate of the time added to a step, as a share of it."""
        return (self.macs + VALUE_COST * self.values) / max(1, self.step_macs)


def fit(make: Make, measure: Measure, budget: int) -> Fit:
    """The plan of least work whose memory is within the budget (bytes).

    make: plans the net with these layers run again; measure: the memory of a plan on the executor that will run it.
    Raises NetError(PLN010) with the least that can be reached.
    """
    base = make(())
    before = measure(base)
    if before.total <= budget:
        return _fit(base, before, base, before)
    found: dict[frozenset[int], tuple[Plan, Usage]] = {}

    def tried(layers: Collection[int]) -> Usage:
        key = frozenset(layers)
        if key not in found:
            plan = make(key)
            found[key] = plan, measure(plan)
        return found[key][1]

    choices = sorted(dict.fromkeys(_choices(base)), key=lambda layers: cost(base, layers))
    for layers in choices:
        if tried(layers).total <= budget:
            best = _fewest(base, layers, lambda some: tried(some).total <= budget)
            return _fit(*found[best], base, before)
    least = min((usage.total for _, usage in found.values()), default=before.total)
    raise NetError(Diagnostic(TOO_SMALL, _message(base, budget, least, before), help=TOO_SMALL.fix))


def _message(plan: Plan, budget: int, least: int, before: Usage) -> str:
    name = f'net "{plan.graph.name}"' if plan.graph.name else "the net"
    always = before.parameters + before.gradients + before.history
    return (
        f"{name} needs at least {megabytes(least)}, however many layers run again in backward, and the budget is "
        f"{megabytes(budget)}; as it is, it takes {megabytes(before.total)}, of which parameters, their gradients and "
        f"the solver's memory are {megabytes(always)}"
    )


def megabytes(count: int) -> str:
    """Bytes in units of 1e6, rounded up in the last digit that is shown."""
    return f"{-(-count // 100_000) / 10:.1f} MB"


def _fit(plan: Plan, usage: Usage, base: Plan, before: Usage) -> Fit:
    macs = sum(plan.layers[i].setup.macs for i in plan.recomputed)
    values = sum(_values(plan, i) for i in plan.recomputed)
    layers = range(len(base.layers))
    step = sum(_passes(base, i) * (base.layers[i].setup.macs + VALUE_COST * _values(base, i)) for i in layers)
    return Fit(plan, usage, before, macs, values, step)


def _passes(plan: Plan, layer: int) -> int:
    """Forward, and the gradients that backward computes."""
    planned = plan.layers[layer]
    learned = any(plan.params[p].learned for p in planned.params)
    return 1 + (int(learned) + int(any(planned.bottom_gradient))) * planned.needs_backward


def _values(plan: Plan, layer: int) -> int:
    return sum(prod(plan.shapes[v]) for v in plan.graph.nodes[layer].tops)


def cost(plan: Plan, layers: Collection[int]) -> int:
    """What running these layers once takes, in multiply-adds."""
    return sum(plan.layers[i].setup.macs + VALUE_COST * _values(plan, i) for i in layers)


# ---------------------------------------------------------------- which layers


def _choices(plan: Plan) -> Iterator[frozenset[int]]:
    possible = {n.index for n in plan.graph.nodes if _may_recompute(plan, n.index)}
    cheap = {
        i for i in possible if not any(plan.params[p].learned for p in plan.layers[i].params) or _is_scale(plan, i)
    }
    for layers in (cheap, possible):
        for run in RUNS:
            chosen = _runs(plan, layers, run)
            if chosen:
                yield chosen


def _is_scale(plan: Plan, layer: int) -> bool:
    return plan.layers[layer].setup.macs <= 4 * _values(plan, layer)


def _may_recompute(plan: Plan, layer: int) -> bool:
    node, setup = plan.graph.nodes[layer], plan.layers[layer].setup
    if node.type.loss or _never(node) or layer in plan.skipped or not node.bottoms:
        return False
    if why_not_recompute(node, setup, [p.setup for p in plan.layers]) is not None:
        return False
    readers = [plan.graph.nodes[reader] for v in node.tops for reader, _ in plan.graph.values[v].consumers]
    return bool(readers) and not any(_never(reader) for reader in readers)


def _never(node: Node) -> bool:
    """A layer that may not run twice, or that is free anyway because its bottoms can live in its top."""
    return node.type.role.joins or node.type.role.foreign


def _runs(plan: Plan, possible: Collection[int], longest: int) -> frozenset[int]:
    """Layers to run again, at most `longest` in a row, from values that are kept anyway or are made again, too."""
    kept = _kept(plan)
    depth: dict[int, int] = {}  # of the layers chosen: how many have to run before what they make is there again
    for node in plan.graph.nodes:
        producers = [plan.graph.values[v].producer for v in node.bottoms]
        if node.index in plan.skipped and producers[0] in depth:
            depth[node.index] = depth[producers[0]]
            continue
        if node.index not in possible:
            continue
        there = all(producers[i] in depth or v in kept for i, v in enumerate(node.bottoms))
        run = 1 + max((depth.get(p, 0) for p in producers), default=0)
        if there and run <= longest:
            depth[node.index] = run
    return frozenset(depth) - plan.skipped


def _kept(plan: Plan) -> set[int]:
    """Values that are in memory after forward, whatever runs again: what the layers read, and inputs."""
    turn = len(plan.forward)
    return {v for v, slot in enumerate(plan.data) if plan.slots[slot].last >= turn}


def _fewest(plan: Plan, layers: frozenset[int], fits: Callable[[Collection[int]], bool]) -> frozenset[int]:
    """As few of them as fit, if the last ones keep their values: these are needed again first."""
    order: Sequence[int] = sorted(layers)
    low, high = 0, len(order)  # the first `high` are enough
    for _ in range(STEPS):
        middle = (low + high) // 2
        if middle == low:
            break
        if fits(order[:middle]):
            high = middle
        else:
            low = middle
    return frozenset(order[:high])
