"""The contract of an update rule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from netc.layer import Array


@dataclass(slots=True)
class Update:
    """One parameter's update: flat arrays of one float type, and the numbers of this iteration.

    The rule writes the update into `diff` (as Caffe does) and subtracts it from `data`. `rate` is the learning rate
    times lr_mult, `decay` the weight decay times decay_mult, `iteration` counts from 0; `p` is the SolverParameter.
    """

    data: Array
    diff: Array
    history: tuple[Array, ...]
    rate: float
    decay: float
    iteration: int
    p: Any

    def number(self, value: float) -> Any:
        """A number in the arrays' own float type."""
        return self.data.dtype.type(value)


@dataclass(frozen=True, slots=True)
class Limit:
    """Values that a field may have with a rule: `low` <= value < `high`."""

    field: str
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Rule:
    """An update rule. `doc` is its module's docstring, with formula and source.

    histories: blobs of memory per parameter, zero at first; a snapshot lists the first of every parameter, then the
    second of every parameter, as Caffe does.
    decoupled: the rule applies the weight decay itself, it is not added to the gradient.
    """

    name: str
    doc: str
    update: Callable[[Update], None]
    histories: int = 1
    decoupled: bool = False
    limits: tuple[Limit, ...] = ()
