"""Kernels: functions that Python and other kernels call, compiled at their first call."""

from __future__ import annotations

import ctypes
import functools
import struct
from collections.abc import Callable
from typing import Any, cast, overload

from netc.jit import host, kinds
from netc.jit.apart import LOCK, apart, compiler
from netc.jit.callees import Callee, resolved
from netc.jit.kinds import Kind
from netc.jit.objects import Loaded, Made
from netc.jit.units import Unit, files_of
from netc.kernel_files import KernelFiles


class Kernel(Callee):
    """A function that is compiled at its first call, for the kinds of values of each call."""

    def __init__(self, function: Callable[..., Any], options: dict[str, Any]) -> None:
        self.function = function
        self.options = {**host.OPTIONS, **options}
        self._known: dict[Any, Callable[..., Any]] = {}
        self._versions: dict[tuple[Kind, ...], Version] = {}
        self._compiled: Any = None
        functools.update_wrapper(self, function)

    def __call__(self, *args: Any) -> Any:
        return (self._known.get(kinds.mark(args)) or self._find(args))(*args)

    def _find(self, args: tuple[Any, ...]) -> Callable[..., Any]:
        """What does calls with arguments like these."""
        version = self._version(args)
        if version is not None:
            apart(version.compile)
        found = version.native if version is not None and version.native is not None else self.compiled
        return self._known.setdefault(kinds.mark(args), found)

    def version(self, *args: Any) -> Version:
        """The kernel for arguments like these. Raises TypeError where only numba's dispatcher can take them."""
        found = self._version(args)
        if found is None:
            raise TypeError(f"{self.function.__qualname__}: these arguments do not go into a line")
        return found

    def _version(self, args: tuple[Any, ...]) -> Version | None:
        given = tuple(map(kinds.kind_of, args))
        if len(args) != self.function.__code__.co_argcount or self.options.get("parallel") or not all(given):
            return None
        found = cast(tuple[Kind, ...], given)
        return self._versions.setdefault(found, Version(self, found))

    def parts(self) -> tuple[object, ...]:
        return self.function, self.options

    @functools.cached_property
    def files(self) -> KernelFiles:
        """Where its versions are kept."""
        return files_of(self.function, {}, self.options)

    @property
    def compiled(self) -> Any:
        """numba's dispatcher, with the kernels that this one calls resolved: for other kernels, and odd arguments."""
        return self._compiled or apart(self._dispatcher)

    def _dispatcher(self) -> Any:
        with LOCK:
            if self._compiled is None:
                made = compiler().dispatcher_of(resolved(self.function, {}), self.options, self.files)
                compile_one = made._compile_for_args
                made._compile_for_args = lambda *args, **kws: apart(lambda: compile_one(*args, **kws))
                self._compiled = made
            return self._compiled


class Version(Unit):
    """A kernel for values of given kinds. native: does calls; None where numba's dispatcher has to."""

    def __init__(self, kernel: Kernel, given: tuple[Kind, ...]) -> None:
        super().__init__(kernel.function, {}, kernel.options)
        self.native: Native | None = None
        self._kernel, self._given = kernel, given

    @property
    def kinds(self) -> tuple[Kind, ...]:
        return self._given

    @property
    def files(self) -> KernelFiles:
        return self._kernel.files

    def load(self, made: Made) -> None:
        if made.object is not None:
            self.native = Native(Loaded(made.object), self.kinds, made.result)


class Native:
    """A function of Python values as machine code."""

    def __init__(self, loaded: Loaded, given: tuple[Kind, ...], result: Kind) -> None:
        self._loaded = loaded
        self._pack, self._flat = struct.Struct("=" + kinds.code_of(given)).pack, kinds.flat(given)
        self._results = struct.Struct("=" + kinds.code_of((result,)))
        self._result, self._size = result, self._results.size
        pointers = [ctypes.c_char_p] * (2 if self._size else 1)
        self._call = ctypes.CFUNCTYPE(ctypes.c_void_p, *pointers)(loaded.address)  # leaves the GIL

    def __call__(self, *args: Any) -> Any:
        places = [ctypes.create_string_buffer(self._size)] if self._size else []
        if error := self._call(self._pack(*self._flat(args)), *places):
            raise compiler().raised(error)
        return kinds.value_of(self._result, iter(self._results.unpack(*places))) if places else None


@overload
def kernel(function: Callable[..., Any], /) -> Kernel: ...
@overload
def kernel(**options: Any) -> Callable[[Callable[..., Any]], Kernel]: ...
def kernel(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Make a function a `Kernel`; options are numba's (`parallel`, `fastmath`, `inline`...)."""
    if function is not None:
        return Kernel(function, options)
    return lambda f: Kernel(f, options)
