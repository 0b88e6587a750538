"""What lowering knows of a layer type."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from netc.plan.model import Step
from netc.run.lowering.builder import Builder
from netc.run.lowering.model import Layout


@dataclass(frozen=True, slots=True)
class Rule:
    """Compiled steps for one type of layer.

    accepts: the layout of its tops if these fields and shapes are known, else None; says what its arrays must be like
    (`Builder.want`). forward and backward emit rows.
    """

    types: tuple[str, ...]
    accepts: Callable[[Builder, int], Layout | None]
    forward: Callable[[Builder, int], None]
    backward: Callable[[Builder, Step], None]
