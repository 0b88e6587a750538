"""What a kernel does with each of its sums at last: nothing, or below 0 a multiple of it (ReLU, leaky ReLU, PReLU)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from netc.fast.machine.launch import NOTHING, Ref, Region
from netc.jit import kernel


@dataclass(frozen=True, slots=True)
class Activation:
    """relu: values below 0 become 0. slopes: or what they are multiplied by, in blocks as a packed bias."""

    relu: bool = False
    slopes: Region = NOTHING

    def moved(self, to: Callable[[Ref], Ref]) -> Activation:
        return replace(self, slopes=self.slopes.moved(to)) if self.slopes else self


IDENTITY = Activation()
RELU = Activation(relu=True)


@kernel(inline="always")
def code(activation: Activation, offset: int) -> Any:
    """What `Below` takes of channels whose slopes are `offset` bytes from the first."""
    return activation.slopes + offset if activation.slopes else activation.relu
