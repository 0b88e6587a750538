"""The plan while it is made: what the passes read and fill in, one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from netc.errors import Report
from netc.graph import Graph, Node
from netc.layer import Setup, Shape
from netc.plan.model import ArenaSize, Field, Param, SlotKind, Step
from netc.plan.turns import Turn


@dataclass(frozen=True, slots=True)
class Options:
    """What the caller asks of a plan; see `netc.plan.plan`.

    alias: arrays may live in the storage of others. reuse: memory is used again when what it holds is dead.
    recompute: layers to run again in backward. turn: what learns from which losses. whole: the layers with the weights
    that losses have whatever the turn.
    """

    training: bool
    given: Mapping[str, tuple[Shape, ...]]
    inputs: Mapping[str, Shape]
    batch: int | None
    keep: bool
    alias: bool
    reuse: bool
    recompute: frozenset[int] = frozenset()
    turn: Turn | None = None
    whole: tuple[Node, ...] = ()


@dataclass(slots=True)
class Array:
    """A slot before it has a place, alive from step `first` to step `last`; -1 is before the first step.

    `storage` is the index of the array whose memory it lives in (its own, unless they share).
    """

    kind: SlotKind
    owner: int
    name: str
    shape: Shape
    dtype: str
    nbytes: int
    storage: int
    first: int
    last: int
    offset: int = 0


@dataclass
class Draft:
    """Passes fill these lists in; entries of layers and values that cannot be are None, and reported."""

    graph: Graph
    options: Options
    report: Report
    setups: list[Setup | None] = field(default_factory=list)
    shapes: list[Shape | None] = field(default_factory=list)
    assumed: list[str] = field(default_factory=list)
    params: list[Param] = field(default_factory=list)
    layer_params: list[tuple[int, ...]] = field(default_factory=list)
    needs_backward: list[bool] = field(default_factory=list)
    bottom_gradient: list[tuple[bool, ...]] = field(default_factory=list)
    fields: list[Field | None] = field(default_factory=list)
    arrays: list[Array] = field(default_factory=list)
    data: list[int] = field(default_factory=list)
    diff: list[int | None] = field(default_factory=list)
    buffers: list[dict[str, int]] = field(default_factory=list)
    forward: list[Step] = field(default_factory=list)
    backward: list[Step] = field(default_factory=list)
    skipped: set[int] = field(default_factory=set)
    recomputed: set[int] = field(default_factory=set)
    backward_data: list[int] = field(default_factory=list)
    backward_buffers: list[dict[str, int]] = field(default_factory=list)
    arena: ArenaSize = field(default_factory=lambda: ArenaSize(0, 0, 0))

    @property
    def steps(self) -> int:
        return len(self.forward) + len(self.backward)

    def setup(self, layer: int) -> Setup:
        """The setup of a layer; after `shapes` has finished without errors there is one for each."""
        found = self.setups[layer]
        assert found is not None
        return found

    def shape(self, value: int) -> Shape:
        """The shape of a value; after `shapes` has finished without errors there is one for each."""
        found = self.shapes[value]
        assert found is not None
        return found
