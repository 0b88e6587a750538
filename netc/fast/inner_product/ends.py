"""What becomes of an inner product's sums: a factor and a shift for each output, then an activation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from netc.fast.machine.access import Access, of
from netc.fast.machine.activation import Activation
from netc.fast.machine.addresses import floats
from netc.fast.machine.launch import NOTHING, Ref, Region
from netc.fast.machine.lines import clipped, sloped
from netc.jit import kernel


@dataclass(frozen=True, slots=True)
class Ends:
    """factor, shift: one float for each output; without a factor it is 1, without a shift 0. relu: values below 0
    become 0. slopes: or what they are multiplied by, one float for each output."""

    factor: Region = NOTHING
    shift: Region = NOTHING
    relu: bool = False
    slopes: Region = NOTHING

    @staticmethod
    def of(factor: Region, shift: Region, activation: Activation) -> Ends:
        return Ends(factor, shift, activation.relu, activation.slopes)

    def moved(self, to: Callable[[Ref], Ref]) -> Ends:
        factor, shift, slopes = (x.moved(to) if x else x for x in (self.factor, self.shift, self.slopes))
        return replace(self, factor=factor, shift=shift, slopes=slopes)

    def touched(self) -> Iterator[Access]:
        """What is read."""
        return (of("read", memory) for memory in (self.factor, self.shift, self.slopes))


@kernel
def finish(sums: int, first: int, count: int, ends: Ends) -> None:
    """Of outputs first..first+count-1, whose sums are at this address."""
    values = floats(sums, count)
    for i in range(count):
        value = values[i]
        if ends.factor:
            value *= floats(ends.factor, first + count)[first + i]
        if ends.shift:
            value += floats(ends.shift, first + count)[first + i]
        if ends.slopes:
            value = sloped(value, floats(ends.slopes, first + count)[first + i])
        values[i] = clipped(value) if ends.relu else value
