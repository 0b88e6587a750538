"""Launches: which kernel runs on which memory, made before memory exists; and the table that they are bound to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from netc.jit import Entry

WIDTH = 64  # int64s a row of the table: its header, and the kernel's arguments
HEADER = 3  # the kernel's address; whether the first thread does it alone; how many rows must have ended before it


@runtime_checkable
class Movable(Protocol):
    """An operand that holds references, and can be had with others in their place."""

    def moved(self, to: Callable[[Ref], Ref]) -> object: ...


@dataclass(frozen=True, slots=True)
class Ref:
    """A place in memory: `offset` bytes into array number `array`; false where there is none.

    In the body of a kernel it is an address, an integer.
    """

    array: int
    offset: int = 0

    def __add__(self, offset: int) -> Ref:
        return Ref(self.array, self.offset + offset)

    def __sub__(self, other: Ref) -> int:
        assert self.array == other.array
        return self.offset - other.offset

    def __bool__(self) -> bool:
        return self.array >= 0

    def moved(self, to: Callable[[Ref], Ref]) -> Ref:
        return to(self)


@dataclass(frozen=True, slots=True)
class Region(Ref):
    """`nbytes` bytes from a place on: a whole array, or a part of one."""

    nbytes: int = 0

    def part(self, first: int, nbytes: int) -> Region:
        """`nbytes` bytes from byte `first` on."""
        assert 0 <= first <= first + nbytes <= self.nbytes
        return Region(self.array, self.offset + first, nbytes)

    def cut(self, nbytes: int) -> tuple[Region, Region]:
        """The first `nbytes` bytes, and the rest."""
        return self.part(0, nbytes), self.part(nbytes, self.nbytes - nbytes)

    def moved(self, to: Callable[[Ref], Ref]) -> Region:
        place = to(self)
        return Region(place.array, place.offset, self.nbytes)


NOTHING = Region(-1)
"""An operand that is not there: false, and the address 0."""

Argument = int | Ref


@dataclass(frozen=True, slots=True)
class Launch:
    """One kernel on its operands (`netc.fast.machine.operands`); arguments: the same as they stand in the table.

    wait: all threads must have ended it before the next one starts.
    """

    kernel: Entry
    operands: Mapping[str, object]
    arguments: tuple[Argument, ...]
    label: str = ""
    wait: bool = True

    @property
    def refs(self) -> list[Ref]:
        """The references among its arguments."""
        return [a for a in self.arguments if isinstance(a, Ref) and a]

    def shift(self, moved: Callable[[Ref], Ref]) -> Launch:
        """The launch on other memory: every reference replaced by what `moved` gives for it."""
        operands = {n: x.moved(moved) if isinstance(x, Movable) else x for n, x in self.operands.items()}
        arguments = tuple(moved(a) if isinstance(a, Ref) and a else a for a in self.arguments)
        return replace(self, arguments=arguments, operands=operands)


def together(launches: Sequence[Launch]) -> list[Launch]:
    """Launches that touch different memory: threads wait only after the last one."""
    return [replace(launch, wait=False) for launch in launches[:-1]] + list(launches[-1:])


def labelled(launches: Launch | Iterable[Launch], label: str) -> list[Launch]:
    """Launches that are called so where times are shown; with an empty label as they were."""
    given = [launches] if isinstance(launches, Launch) else launches
    return [replace(launch, label=label) if label else launch for launch in given]


class Start(NamedTuple):
    """When a launch starts, and with whom: how many of those before must have ended; whether one thread does it."""

    after: int
    alone: bool = False


def in_waves(launches: Sequence[Launch]) -> list[Start]:
    """Their starts by what each says of itself (`Launch.wait`)."""
    found, after = [], 0
    for number, launch in enumerate(launches, 1):
        found.append(Start(after))
        after = number if launch.wait else after
    return found


def bind(
    launches: Sequence[Launch], address: Callable[[int], int], starts: Sequence[Start] | None = None
) -> NDArray[np.int64]:
    """The table: one row of `WIDTH` int64s a launch, references replaced by addresses. starts: else `in_waves`."""
    table = np.zeros((len(launches), WIDTH), np.int64)
    starts = in_waves(launches) if starts is None else starts
    for row, launch, start in zip(table, launches, starts, strict=True):
        values = [(address(a.array) + a.offset if a else 0) if isinstance(a, Ref) else a for a in launch.arguments]
        row[:HEADER] = launch.kernel.address, start.alone, start.after
        row[HEADER : HEADER + len(values)] = values
    return table
