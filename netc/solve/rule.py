"""The contract of an update rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from netc.jit import Kernel
from netc.solve.ranges import Range


@dataclass(frozen=True, slots=True)
class Moment:
    """What the numbers of a parameter's update follow from.

    `rate` is the learning rate times lr_mult, `decay` the weight decay times decay_mult, `done` how many updates the
    parameter has had (the iteration, counted from 0, where it has one in each); `p` is the SolverParameter.
    """

    rate: float
    decay: float
    done: int
    p: Any


@dataclass(frozen=True, slots=True)
class Rule:
    """An update rule. `doc` is its module's docstring, with formula and source.

    update: the kernel (data, diff, one array for each of `histories`, numbers): flat arrays of one float type. It
    writes the update into `diff` (as Caffe does) and subtracts it from `data`. `numbers` makes its last argument.
    histories: blobs of memory per parameter, zero at first; a snapshot lists the first of every parameter, then the
    second of every parameter, as Caffe does.
    decoupled: the rule applies the weight decay itself, it is not added to the gradient.
    ranges: which values the fields may have that it computes with, where not every value of `netc.solve.ranges`.
    """

    name: str
    doc: str
    update: Kernel
    numbers: Callable[[Moment], tuple[float, ...]]
    histories: int = 1
    decoupled: bool = False
    ranges: Mapping[str, Range] = field(default_factory=dict, hash=False)
