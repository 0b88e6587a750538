"""Units as another process can be told of them, and what is told back."""

from __future__ import annotations

import importlib
import marshal
import pickle
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO, Any, cast

from netc.jit.kernels import Kernel
from netc.jit.kinds import Kind
from netc.jit.objects import Made
from netc.jit.units import Unit, files_of
from netc.kernel_files import KernelFiles

PLAIN = (int, float, str, bool, type(None))


@dataclass(frozen=True, slots=True)
class Written:
    """A function: its code, and the module whose names it sees."""

    module: str
    qualname: str
    code: bytes
    defaults: tuple[Any, ...] | None
    closure: tuple[Any, ...]

    def read(self) -> types.FunctionType:
        names = vars(importlib.import_module(self.module))
        cells = tuple(map(types.CellType, self.closure))
        found = types.FunctionType(marshal.loads(self.code), names, None, self.defaults, cells)
        found.__qualname__ = self.qualname
        return found


@dataclass(frozen=True, slots=True)
class Task:
    """A unit. kernels: functions and options of what it calls by these names; key: that of its files."""

    function: Written
    kernels: Mapping[str, tuple[Written, dict[str, Any]]]
    options: Mapping[str, Any]
    leading: int
    kinds: tuple[Kind, ...]
    key: str

    def made(self) -> Made | None:
        """Compile it; None if it is not the same here: its file has changed, or a value that it sees."""
        kernels = {name: Kernel(function.read(), options) for name, (function, options) in self.kernels.items()}
        unit = _Told(self, self.function.read(), kernels)
        return unit.make() if unit.files.key == self.key else None


def task_of(unit: Unit) -> Task | None:
    """None where another process cannot make the same of it."""
    function, key = _written(unit.function), unit.files.key
    kernels = {n: (_written(k.function), k.options) for n, k in unit.kernels.items() if isinstance(k, Kernel)}
    if function is None or key is None or len(kernels) < len(unit.kernels) or not all(f for f, _ in kernels.values()):
        return None
    known = cast(dict[str, tuple[Written, dict[str, Any]]], kernels)
    return Task(function, known, dict(unit.options), unit.leading, unit.kinds, key)


def _written(function: Callable[..., Any]) -> Written | None:
    assert isinstance(function, types.FunctionType)
    closure = tuple(cell.cell_contents for cell in function.__closure__ or ())
    values = (*closure, *(function.__defaults__ or ()))
    if function.__module__ == "__main__" or not all(isinstance(value, PLAIN) for value in values):
        return None
    code = marshal.dumps(function.__code__)
    return Written(function.__module__, function.__qualname__, code, function.__defaults__, closure)


class _Told(Unit):
    """The unit of a task."""

    def __init__(self, task: Task, function: Callable[..., Any], kernels: Mapping[str, Kernel]) -> None:
        super().__init__(function, kernels, task.options)
        self.leading, self._kinds = task.leading, task.kinds

    @property
    def kinds(self) -> tuple[Kind, ...]:
        return self._kinds

    @property
    def files(self) -> KernelFiles:
        return files_of(self.function, self.kernels, self.options)

    def load(self, made: Made) -> None:
        """It is for the process that asks."""


def send(stream: IO[bytes], message: object) -> None:
    """Raises OSError where nobody reads any more."""
    pickle.dump(message, stream)
    stream.flush()


def receive(stream: IO[bytes]) -> Any:
    """What a process of this program has sent; raises EOFError where nobody sends any more."""
    return pickle.load(stream)
