"""What a net asks of an executor, and what it gives one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np

from netc.layer import Array, Call
from netc.plan.model import Plan
from netc.run.parameters import Parameters
from netc.writes import Writes


class Feed(Protocol):
    """Where a data layer's tops come from: `next` writes one batch into arrays of the tops' shapes."""

    def next(self, out: Sequence[Array]) -> None: ...


Observer = Callable[[Literal["forward", "backward"], int, Call], None]
"""Called after a layer's forward or backward, with its index and its arrays; it may look, not change."""


Buckets = tuple[frozenset[int], ...]
"""Of each bucket, the parameters (by index) whose gradients it has a piece of."""


@dataclass
class Storage:
    """What lives outside the executor's own memory.

    inputs: values that the caller sets, by value index, plain arrays of the planned shape.
    seeds: gradients that the caller puts on outputs, by value index.
    iteration: forward passes so far; the counter of all random draws.
    writes: where layers may write files.
    """

    plan: Plan
    dtype: np.dtype[Any]
    parameters: Parameters
    inputs: dict[int, Array]
    feeds: Mapping[str, Feed]
    seed: int = 0
    iteration: int = 0
    seeds: dict[int, Array] = field(default_factory=dict)
    observer: Observer | None = None
    writes: Writes = field(default_factory=Writes)


class Executor(Protocol):
    """Runs a plan. Layers are given by index, ranges include both ends; arrays come back plain (NCHW).

    value, gradient: None where the memory holds something else by now.
    state: the buffers that layers keep from one iteration to the next, by layer index and name.
    """

    @property
    def planned_bytes(self) -> int:
        """The size of its arena, of which it allocates all that it does not share with others."""

    @property
    def own_bytes(self) -> int:
        """The part of it that replicas do not share: blobs and workspace."""

    def replica(self, storage: Storage) -> Executor:
        """One that runs the same on blobs of its own; the storage's parameters are the same arrays."""

    def forward(self, first: int, last: int) -> float:
        """Run these layers; returns the weighted sum of their losses."""

    def backward(self, first: int, last: int) -> None:
        """Run the backward of these layers, from the last to the first; adds to the parameters' gradients."""

    def backward_by_buckets(self, buckets: Buckets, done: Callable[[], None]) -> None:
        """Run all of backward, and call `done` for each bucket in turn, when it is done with it and with those before.

        Then no more is added to the gradients of its parameters, and none of them is read again.
        """

    def value(self, index: int) -> Array | None: ...

    def gradient(self, index: int) -> Array | None: ...

    def state(self) -> dict[tuple[int, str], Array]: ...

    def memory(self, layer: int) -> dict[str, Any]:
        """What a layer that runs by its own kernels keeps between calls, besides arrays."""
