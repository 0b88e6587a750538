"""What lowering knows of a family of layer types."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from netc.fast.program.builder import Builder
from netc.fast.program.lowered import Layout
from netc.plan.model import Step


@dataclass(frozen=True, slots=True)
class Family:
    """Compiled steps for layers of some types. The functions get a layer's index, `backward` its step of the plan.

    accepts: the layout of its tops if these fields and shapes are known, else None; says what its arrays must be like
    (`Builder.want`). forward and backward emit launches. absorb: enter the layers that this one does into
    `Builder.fused`. both_ways: it does the backward of these together with its own, else they have steps of their own.
    """

    types: tuple[str, ...]
    accepts: Callable[[Builder, int], Layout | None]
    forward: Callable[[Builder, int], None]
    backward: Callable[[Builder, Step], None]
    absorb: Callable[[Builder, int], None] | None = None
    both_ways: bool = False
