"""Kernels that declare their operands: as parameters, once, by name and type.

    @entry
    def _scaled(tid: int, nth: int, x: Read[Blocked], y: Write[Blocked], factor: float) -> None: ...

    launch = _scaled(x=x, y=y, factor=0.5)

A call makes a launch, and mypy checks it like any call. In the compiled body the same names are what the launch gave:
of a blob its addresses and sizes (`x.inner`, `x.line`, `x.w`, what its class names as `OPERAND`), of a dataclass or a
NamedTuple of integers its fields, of a `Region` its address, of a float a float32, of a bool an integer. `tid` of
`nth` says which thread's share of the work to do.

What a launch reads and writes follows from the declaration: all of the blob, or all of the array. A kernel that does
otherwise says so in a function of its operands, right below its body (`Entry.touches`).
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from types import SimpleNamespace
from typing import Annotated, Any, Concatenate, Generic, ParamSpec, TypeVar, cast, get_args, get_type_hints

from netc import jit
from netc.fast.machine.access import Access, Mode, of
from netc.fast.machine.launch import Argument, Launch, Ref, Region
from netc.fast.machine.layout import Blocked, Plain
from netc.jit import Kernel
from netc.jit.kinds import FLOAT, INTEGER, Fields, Kind

T = TypeVar("T")
P = ParamSpec("P")

Read = Annotated[T, "read"]
"""What was there matters."""
Write = Annotated[T, "write"]
"""What was there does not matter, and all of it is there afterwards."""
Update = Annotated[T, "update"]
"""Both."""
Scratch = Annotated[T, "scratch"]
"""Written and read by the launch alone."""

Touches = Callable[[Any], Iterable[Access]]


@dataclass(frozen=True, slots=True)
class Operand:
    """One parameter of a kernel: the fields it passes (None: itself), and what is done with it (None: not said)."""

    kind: type
    names: tuple[str, ...] | None
    mode: Mode | None

    @property
    def compiled(self) -> Kind:
        """What the body gets."""
        if self.names is not None:
            return Fields(self.names)
        return FLOAT if self.kind is float else INTEGER

    def arguments(self, value: Any) -> tuple[Argument, ...]:
        """What the value of an operand takes in a line of the table."""
        if self.names is not None:
            return tuple(getattr(value, name) for name in self.names)
        return (bits(value),) if self.kind is float else (value if isinstance(value, Ref) else int(value),)


def bits(value: float) -> int:
    """The bits of a float32, as an integer."""
    return int.from_bytes(struct.pack("<f", value), "little")


class Entry(jit.Entry, Generic[P]):
    """A kernel that a table calls: calling it with its operands by name makes a launch."""

    def __init__(self, function: Callable[Concatenate[int, int, P], None], kernels: Mapping[str, Kernel]) -> None:
        super().__init__(function, dict(kernels))
        self._touches: Touches | None = None

    def __call__(self, *args: P.args, **given: P.kwargs) -> Launch:
        if args or given.keys() != self.operands.keys():
            wrong = sorted(given.keys() ^ self.operands.keys()) or "operands without names"
            raise TypeError(f"{self.function.__qualname__}: {wrong}")
        arguments = [a for name, operand in self.operands.items() for a in operand.arguments(given[name])]
        return Launch(self, given, tuple(arguments))

    @functools.cached_property
    def operands(self) -> dict[str, Operand]:
        hints = get_type_hints(self.function, include_extras=True)
        names = [name for name in hints if name not in ("tid", "nth", "return")]
        return {name: _operand(hints[name]) for name in names}

    @functools.cached_property
    def kinds(self) -> tuple[Kind, ...]:
        return tuple(operand.compiled for operand in self.operands.values())

    def touches(self, function: Touches) -> Touches:
        """Say what a launch reads and writes, given its operands as attributes."""
        self._touches = function
        return function

    def accesses(self, operands: Mapping[str, object]) -> Iterator[Access]:
        """What a launch on these operands reads and writes."""
        if self._touches is not None:
            yield from self._touches(SimpleNamespace(**operands))
            return
        for name, operand in self.operands.items():
            if operand.mode is not None:
                yield of(operand.mode, cast(Region | Blocked | Plain, operands[name]))
            elif hasattr(operands[name], "moved"):
                raise TypeError(f"{self.function.__qualname__} does not say what it does with {name}")


def touched(launch: Launch) -> list[Access]:
    """What a launch reads and writes."""
    assert isinstance(launch.kernel, Entry)
    return [access for access in launch.kernel.accesses(launch.operands) if not access.empty]


def _operand(hint: Any) -> Operand:
    kind, *modes = get_args(hint) if hasattr(hint, "__metadata__") else (hint,)
    return Operand(kind, _fields(kind), modes[0] if modes else None)


def _fields(kind: Any) -> tuple[str, ...] | None:
    if issubclass(kind, Ref):
        return None
    if hasattr(kind, "OPERAND"):
        return tuple(kind.OPERAND)
    if is_dataclass(kind):
        return tuple(f.name for f in fields(kind))
    return getattr(kind, "_fields", None)


def entry(function: Callable[Concatenate[int, int, P], None]) -> Entry[P]:
    """Make a function an `Entry`."""
    return Entry(function, {})


def entry_with(**kernels: Kernel) -> Callable[[Callable[Concatenate[int, int, P], None]], Entry[P]]:
    """Make a function an `Entry` whose body calls these kernels by these names."""
    return lambda function: Entry(function, kernels)
