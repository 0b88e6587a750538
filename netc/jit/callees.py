"""What kernels call, and what numba is given in its place when a kernel is compiled."""

from __future__ import annotations

import functools
import importlib
import types
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, cast

from netc import kernel_key


class Part(ABC):
    """Something that machine code may depend on."""

    @abstractmethod
    def parts(self) -> tuple[object, ...]:
        """The values that it stands for in a kernel's key."""


class Callee(Part):
    """Something that kernels call."""

    @property
    @abstractmethod
    def compiled(self) -> Any:
        """What numba takes in its place."""


class Later(Part):
    """A module that is imported when something is asked of it."""

    def __init__(self, module: str) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        found = getattr(importlib.import_module(self._module), name)
        setattr(self, name, found)
        return found

    def parts(self) -> tuple[object, ...]:
        return (self._module,)


class Foreign(Callee):
    """A function of a library."""

    def __init__(self, module: str, name: str) -> None:
        self._module, self._name = module, name

    @property
    def compiled(self) -> Any:
        return getattr(importlib.import_module(self._module), self._name)

    def __call__(self, *args: Any, **options: Any) -> Any:
        return self.compiled(*args, **options)

    def parts(self) -> tuple[object, ...]:
        return self._module, self._name


class Intrinsic(Callee):
    """A function that emits LLVM code where a kernel calls it; integer literals arrive as literal types."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        functools.update_wrapper(self, function)

    def __call__(self, *args: Any) -> Any:
        raise TypeError(f"{self.function.__qualname__} is for kernels, which are compiled")

    @functools.cached_property
    def compiled(self) -> Any:
        return importlib.import_module("netc.jit.compiler").intrinsic(self.function)

    def parts(self) -> tuple[object, ...]:
        return (self.function,)


def intrinsic(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function an `Intrinsic`."""
    return Intrinsic(function)


def resolved(function: Callable[..., Any], others: Mapping[str, Callee]) -> Callable[..., Any]:
    """The function with what numba takes in place of what it calls among its globals; by some names it calls others."""
    function = cast(types.FunctionType, function)
    known = {**function.__globals__, **others}
    found = ((name, known.get(name)) for name in kernel_key.names_of(function.__code__))
    called = {name: one.compiled for name, one in found if isinstance(one, Callee)}
    if not called:
        return function
    copy = types.FunctionType(
        function.__code__,
        {**function.__globals__, **called},
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    return functools.update_wrapper(copy, function, updated=())


def unwrap(value: object) -> tuple[object, ...] | None:
    """What a value stands for in a key, where that is not itself."""
    if isinstance(value, Part):
        return value.parts()
    for name in ("py_func", "_defn"):  # numba's own dispatchers and intrinsics
        inner = vars(value).get(name) if hasattr(value, "__dict__") else None
        if isinstance(inner, types.FunctionType):
            return (inner,)
    return None
