"""What lowering knows of a layer type."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from netc.plan.model import Step
from netc.run.lowering.builder import Builder


@dataclass(frozen=True, slots=True)
class Rule:
    """Compiled steps for one type of layer.

    accepts: whether these fields and shapes are known; says what its arrays must be like (`Builder.want`). Tops of
    accepted layers are blocked. forward and backward emit rows.
    """

    types: tuple[str, ...]
    accepts: Callable[[Builder, int], bool]
    forward: Callable[[Builder, int], None]
    backward: Callable[[Builder, Step], None]
