"""One function for operands of given kinds: what is compiled at once, kept in one file, and loaded."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any

from netc import kernel_key
from netc.jit import host
from netc.jit.apart import LOCK, apart, compiler, tell
from netc.jit.callees import Callee, Part, resolved, unwrap
from netc.jit.kinds import Kind
from netc.jit.objects import Loaded, Made
from netc.kernel_files import KernelFiles


def files_of(function: Callable[..., Any], kernels: Mapping[str, Callee], options: Mapping[str, Any]) -> KernelFiles:
    """The files of a function that calls kernels by these names, in the kernel cache."""
    called = [part for one in kernels.values() for part in one.parts() if isinstance(part, FunctionType)]
    functions: list[Callable[..., Any]] = [function, *called]
    name = "-".join(f"{f.__module__}.{f.__qualname__}" for f in functions)
    key = kernel_key.key(functions, unwrap)
    return KernelFiles(name, key and f"{key} {host.machine()} {sorted(options.items())}")


class Unit(ABC):
    """A function for operands of given kinds. kernels: what it calls by these names; options: numba's.

    leading: how many integers it takes before its operands.
    """

    leading = 0

    def __init__(self, function: Callable[..., Any], kernels: Mapping[str, Callee], options: Mapping[str, Any]) -> None:
        self.function, self.kernels, self.options = function, kernels, options
        self.is_loaded = False

    @property
    @abstractmethod
    def kinds(self) -> tuple[Kind, ...]:
        """Of its operands."""

    @property
    @abstractmethod
    def files(self) -> KernelFiles:
        """Where it is kept."""

    @abstractmethod
    def load(self, made: Made) -> None:
        """Make it what is called."""

    def find(self) -> bool:
        """Load it from the cache, if it is there."""
        with LOCK:
            if not self.is_loaded and (kept := self.files.load(self.kinds)) is not None:
                self._load(kept)
            return self.is_loaded

    def compile(self) -> None:
        """Load it from the cache, or compile it and keep it for other processes."""
        with LOCK:
            if not self.find():
                self.take(self.make())

    def make(self) -> Made:
        """Compile it."""
        tell()
        found: Made = compiler().made(resolved(self.function, self.kernels), self.options, self.leading, self.kinds)
        return found

    def take(self, made: Made) -> None:
        """Load and keep what was made of it, here or in another process."""
        with LOCK:
            if not self.is_loaded:
                if made.whole:
                    self.files.keep(self.kinds, made)
                self._load(made)

    def _load(self, made: Made) -> None:
        self.load(made)
        self.is_loaded = True


class Entry(Unit, Part):
    """A function that is compiled once, and called by the address of its machine code.

    What is called takes a line and two integers; the body takes the integers first. It may close over integers only.
    """

    leading = 2

    def __init__(self, function: Callable[..., None], kernels: Mapping[str, Callee] | None = None) -> None:
        super().__init__(function, kernels or {}, host.OPTIONS)
        self._loaded: Loaded | None = None

    def parts(self) -> tuple[object, ...]:
        return self.function, self.kernels

    @property
    def kinds(self) -> tuple[Kind, ...]:
        return ()

    @functools.cached_property
    def files(self) -> KernelFiles:
        return files_of(self.function, self.kernels, self.options)

    def load(self, made: Made) -> None:
        if made.object is None:
            raise TypeError(f"{self.function.__qualname__} needs the interpreter, or gives something back")
        self._loaded = Loaded(made.object)

    @property
    def address(self) -> int:
        """Where the machine code starts; valid as long as this object lives."""
        if self._loaded is None:
            apart(self.compile)
        assert self._loaded is not None
        return self._loaded.address
