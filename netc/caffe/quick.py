"""The fast executor behind a pycaffe net: programs by shape, and by what a script looks at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from netc import run
from netc.api.planner import Planner
from netc.api.recent import Recent
from netc.layer import Array, Shape
from netc.plan.model import Plan
from netc.run.executor import Executor, Storage
from netc.run.values import Watch

if TYPE_CHECKING:
    from netc.run.parameters import Parameters

MOST_PROGRAMS = 32
MOST_BYTES = 1 << 29


@dataclass(frozen=True, slots=True)
class Program:
    """A plan in memory."""

    plan: Plan
    storage: Storage
    executor: Executor


@dataclass(frozen=True, slots=True)
class Pass:
    """A pass that only the fast executor has run: from these inputs up to a layer. stamps: of the parameters."""

    inputs: dict[str, Array]
    last: int
    iteration: int
    stamps: tuple[int, ...]


class Quick:
    """Programs of one net. `planner` plans forward only, and no blob is kept but those that are asked for.

    first: those of the net that this one is a replica of, which they share programs with, and that net.
    """

    def __init__(self, planner: Planner, first: tuple[Quick, run.Net] | None = None) -> None:
        self.planner, self.first = planner, first
        self._parameters: Parameters | None = None
        self._watch: Watch | None = None
        self._programs: Recent[Program] = Recent(MOST_PROGRAMS, lambda p: p.executor.planned_bytes, MOST_BYTES)

    def plan(self, net: run.Net, shapes: Mapping[str, Shape], layers: int, shown: tuple[str, ...]) -> Plan:
        """The first layers, for inputs of these shapes; shown: blobs that are there afterwards. Raises NetError."""
        plan = self.planner(shapes, layers=layers, outputs=shown)
        net.parameters.check(plan)
        return plan

    def program(self, net: run.Net, shapes: Mapping[str, Shape], layers: int, shown: tuple[str, ...]) -> Program:
        """The same in memory; the net's parameters are the program's. Raises NetError."""
        if self._parameters is not net.parameters:
            self._programs.clear()
            self._parameters, self._watch = net.parameters, None

        def make() -> Program:
            storage = replace(net._storage, plan=plan, inputs={}, feeds={}, seeds={}, observer=None)
            if self.first is not None:
                quick, original = self.first
                base = quick.program(original, shapes, layers, shown)
                storage.plan = base.plan
                return Program(base.plan, storage, base.executor.replica(storage))
            fast: Any = import_module("netc.run.fast")  # costly to import
            return Program(plan, storage, cast(Executor, fast.executor(storage)))

        plan = self.plan(net, shapes, layers, shown)
        found = self._programs.get((tuple(sorted(shapes.items())), layers, shown), make)
        if self._watch is None:
            packed: Any = import_module("netc.run.packed")
            team = cast(Any, found.executor).team
            self._watch = Watch([blob.values for blob in net.parameters.all], packed.Checksum(team))
        return found

    def stamps(self) -> tuple[int, ...]:
        """Of all parameters, once a program has run."""
        assert self._watch is not None
        return self._watch.stamps()


def can_be_quick(net: run.Net) -> bool:
    """Whether a net gives the same if it is run again from its inputs, and if no layer is run alone.

    It predicts, its inputs are what a script fills, no layer keeps a state, writes files or is a script's own.
    """
    nodes, layers = net.plan.graph.nodes, net.plan.layers
    filled = all(v in net._storage.inputs for n in nodes if n.type.source for v in n.tops)
    odd = any(n.type.role.foreign or n.type.role.writes for n in nodes)
    keeps = any(buffer.kind == "state" for layer in layers for buffer in layer.setup.buffers)
    return net.graph.state.phase == "TEST" and not net.feeds and filled and not odd and not keeps
