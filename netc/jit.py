"""Kernels: the decorator that compiles them and the on-disk cache. The only importer of numba.

`import numba` takes 0.2 s, and most commands never run a kernel, so a `Kernel` compiles on its first call. Compiled
code is kept by `netc.kernel_files`, under a hash of the kernel's source file, of every file it takes a kernel or a
netc kernel tool from, of numba's version and of the processor: stale machine code would give wrong numbers silently.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.metadata
import os
import sys
import types
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, cast, overload

from netc import kernel_files
from netc.errors import Code, Diagnostic, NetError

UNKNOWN_FEATURES = Code(
    "RUN002",
    "NETC_FEATURES has an unknown value",
    why="The variable makes kernels use fewer vector instructions than the processor has, for tests.",
    example="NETC_FEATURES=sse netc time nets/digits.net",
    fix="Use avx512, avx2 or plain, or unset it.",
)

_on_compile: Callable[[], None] | None = None


_on_progress: Callable[[int, int], None] | None = None


def announce_compilation(
    callback: Callable[[], None] | None, progress: Callable[[int, int], None] | None = None
) -> None:
    """Call `callback` each time a kernel is really compiled (not loaded from the cache).

    progress: called with how many of the kernels that a net needs are there, and how many these are.
    """
    global _on_compile, _on_progress
    _on_compile, _on_progress = callback, progress


class Kernel:
    """A function that numba compiles at its first call, for the argument types of each call."""

    def __init__(self, function: Callable[..., Any], options: dict[str, Any]) -> None:
        self.function = function
        self.options = options
        functools.update_wrapper(self, function)

    def __call__(self, *args: Any) -> Any:
        return self.compiled(*args)

    @functools.cached_property
    def compiled(self) -> Callable[..., Any]:
        """numba's dispatcher, with the kernels that this one calls resolved."""
        options = {"nogil": True, "error_model": "numpy", **self.options}
        dispatcher = _numba().njit(**options)(_resolved(self.function))
        dispatcher._cache = _cache_of(dispatcher.py_func)
        return cast(Callable[..., Any], dispatcher)


@overload
def kernel(function: Callable[..., Any], /) -> Kernel: ...
@overload
def kernel(**options: Any) -> Callable[[Callable[..., Any]], Kernel]: ...
def kernel(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Make a function a `Kernel`; options are numba's (`parallel`, `fastmath`, `inline`...)."""
    if function is not None:
        return Kernel(function, options)
    return lambda f: Kernel(f, options)


class Entry:
    """A compiled function that a step table calls by address: `body(row, tid, nth)`, three integers, no result.

    `row` is the address of the kernel's row (int64s); `tid` of `nth` says which thread's share of the work to do.
    A body may close over integers only (they are part of numba's cache key, other objects never hit the cache).
    kernels: what the body calls by these names, instead of its module's.
    """

    def __init__(self, function: Callable[..., None], kernels: dict[str, Kernel] | None = None) -> None:
        self.function = function
        self.kernels = kernels or {}

    @functools.cached_property
    def compiled(self) -> Any:
        body = _resolved(self.function, self.kernels)
        compiled = self.callback(body)
        compiled._cache = _cache_of(body, *self.kernels.values())
        compiled.compile()
        return compiled

    def callback(self, body: Callable[..., None]) -> Any:
        """numba's C function of three integers that runs the body."""
        integer = _numba().types.intp
        ccallback = importlib.import_module("numba.core.ccallback")
        return ccallback.CFunc(body, ((integer,) * 3, _numba().types.void), {}, {"error_model": "numpy"})

    @property
    def address(self) -> int:
        """Where the machine code starts; valid as long as this object lives."""
        return cast(int, self.compiled.address)


def compile_all(entries: Iterable[Entry]) -> None:
    """Compile entries, or load them from the cache, and tell whoever listens how far it is."""
    missing = [e for e in dict.fromkeys(entries) if "compiled" not in vars(e)]
    for done, one in enumerate(missing):
        if _on_progress is not None:
            _on_progress(done, len(missing))
        _ = one.compiled
    if _on_progress is not None and missing:
        _on_progress(len(missing), len(missing))


def entry(function: Callable[..., None]) -> Entry:
    """Make a function an `Entry`."""
    return Entry(function)


def intrinsic(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that emits LLVM code where a kernel calls it; integer literals arrive as literal types."""
    return cast(Callable[..., Any], _numba().extending.intrinsic(prefer_literal=True)(function))


FEATURES = ("avx512", "avx2", "plain")


@functools.cache
def features() -> str:
    """The vector instructions that kernels use: "avx512", "avx2" (with FMA) or "plain".

    `$NETC_FEATURES` forces them down, never up. Other processors than x86 are "plain": LLVM then picks what they have.
    """
    host = importlib.import_module("llvmlite.binding").get_host_cpu_features()
    best = "avx512" if host.get("avx512f") else "avx2" if host.get("avx2") and host.get("fma") else "plain"
    wanted = os.environ.get("NETC_FEATURES", best)
    if wanted not in FEATURES:
        message = f"NETC_FEATURES={wanted} is not one of {', '.join(FEATURES)}"
        raise NetError(Diagnostic(UNKNOWN_FEATURES, message))
    return max(best, wanted, key=FEATURES.index)


def _force_features(numba: Any) -> None:
    """Tell LLVM about a processor with no more than `features()`, where the environment asks for that."""
    level = features()
    if "NETC_FEATURES" not in os.environ or level == "avx512":
        return
    x86 = importlib.import_module("llvmlite.binding").get_process_triple().startswith(("x86_64", "i686"))
    numba.config.CPU_NAME = ("haswell" if level == "avx2" else "x86-64") if x86 else "generic"
    numba.config.CPU_FEATURES = "+avx2,+fma" if level == "avx2" else ""


def __getattr__(name: str) -> Any:
    """numba's tools for kernels that emit vector code, imported when first asked for."""
    if name == "ir":
        return importlib.import_module("llvmlite.ir")
    if name in {"ccallback", "cgutils", "numba_types"}:
        return importlib.import_module(f"numba.core.{name.removeprefix('numba_')}")
    if name == "prange":
        return _numba().prange
    if name == "numba":
        return _numba()
    raise AttributeError(name)


@functools.cache
def _numba() -> Any:
    import numba  # noqa: PLC0415 - 0.2 s that most commands never need
    import numba.core.event  # noqa: PLC0415
    import numba.extending  # noqa: PLC0415

    _force_features(numba)

    class Compiled(numba.core.event.Listener):  # type: ignore[misc, name-defined, unused-ignore]
        def on_start(self, event: Any) -> None:
            if _on_compile is not None:
                _on_compile()

        def on_end(self, event: Any) -> None:
            pass

    numba.core.event.register("numba:compile", Compiled())  # type: ignore[no-untyped-call]
    return numba


def _resolved(function: Callable[..., Any], kernels: dict[str, Kernel] | None = None) -> Callable[..., Any]:
    """The function with compiled dispatchers in place of the `Kernel`s among its globals, and of others by name."""
    function = cast(types.FunctionType, function)
    known = {**function.__globals__, **(kernels or {})}
    called = {n: g.compiled for n in _names(function.__code__) if isinstance(g := known.get(n), Kernel)}
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


def _names(code: types.CodeType) -> set[str]:
    found = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found |= _names(constant)
    return found


def cache_warning() -> Diagnostic | None:
    """Why compiled kernels could not be kept, if they could not."""
    return kernel_files.warning


def _cache_of(function: Callable[..., Any], *kernels: Kernel) -> Any:
    """numba's cache of a function that is made with these kernels, with netc's files under it."""
    numba = _numba()
    caching = importlib.import_module("numba.core.caching")
    numba.config.CACHE_DIR = str(kernel_files.directory())  # numba finds no place for some modules otherwise
    cache = caching.FunctionCache(function)
    functions = [function, *(k.function for k in kernels)]
    name = "-".join(f"{f.__module__}.{f.__qualname__}" for f in functions)
    key = "-".join(_key(sys.modules[f.__module__]) for f in functions)
    dumps = importlib.import_module("numba.core.serialize").dumps
    cache._cache_file = kernel_files.KernelFiles(name, key, dumps)
    return cache


@functools.cache
def _key(module: types.ModuleType) -> str:
    """A hash of what the machine code of a module's kernels depends on."""
    numba = _numba()
    digest = hashlib.sha256()
    for file in sorted(_sources(module, set())):
        digest.update(Path(file).read_bytes())
    host = importlib.import_module("llvmlite.binding")
    for part in (
        numba.__version__,
        importlib.metadata.version("llvmlite"),
        sys.version,
        numba.config.CPU_NAME or host.get_host_cpu_name(),
        numba.config.CPU_FEATURES or host.get_host_cpu_features().flatten(),
    ):
        digest.update(str(part).encode())
    return digest.hexdigest()[:16]


def _sources(module: types.ModuleType, seen: set[str]) -> set[str]:
    """The module's file, those of the kernels among its globals and of the netc kernel tools there, transitively."""
    file = getattr(module, "__file__", None)
    if file is None or file in seen:
        return seen
    seen.add(file)
    for value in list(vars(module).values()):
        is_module = isinstance(value, types.ModuleType)
        name = value.__name__ if is_module else getattr(value, "__module__", None)
        tool = str(name).startswith(("netc.kernels", "netc.fast")) and not str(name).startswith("netc.fast.program")
        wanted = isinstance(value, Kernel | Entry) or tool
        if wanted and name in sys.modules:
            _sources(sys.modules[name], seen)
    return seen
