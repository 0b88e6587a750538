"""Kernels: the decorator that compiles them and the on-disk cache. The only importer of numba.

`import numba` takes 0.2 s, and most commands never run a kernel, so a `Kernel` compiles on its first call. Compiled
code is kept by `netc.kernel_files`, under a hash of all that it is made of (`netc.kernel_key`), of numba's version and
of the processor: stale machine code would give wrong numbers silently.

What an interrupt leaves of numba in the middle of its work is not known. So kernels are compiled in a thread of their
own, where Python runs no handlers of signals: an interrupt ends the waiting, and the compiling goes on to its end.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.metadata
import os
import sys
import threading
import types
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, cast, overload

from netc import kernel_files, kernel_key
from netc.errors import Code, Diagnostic, NetError

UNKNOWN_FEATURES = Code(
    "RUN002",
    "NETC_FEATURES has an unknown value",
    why="The variable makes kernels use fewer vector instructions than the processor has, for tests.",
    example="NETC_FEATURES=sse netc time nets/digits.net",
    fix="Use avx512, avx2 or plain, or unset it.",
)

T = TypeVar("T")
BASE_OPTIONS = {"error_model": "numpy"}
_lock = threading.RLock()  # taken in threads that no interrupt reaches

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
        self._compiled: Callable[..., Any] | None = None
        functools.update_wrapper(self, function)

    def __call__(self, *args: Any) -> Any:
        return (self._compiled or self.compiled)(*args)

    @property
    def compiled(self) -> Callable[..., Any]:
        """numba's dispatcher, with the kernels that this one calls resolved."""
        return self._compiled or _apart(self._make)

    def _make(self) -> Callable[..., Any]:
        with _lock:
            if self._compiled is None:
                options = {**BASE_OPTIONS, "nogil": True, **self.options}
                dispatcher = _numba().njit(**options)(_resolved(self.function))
                dispatcher._cache = _Cache(self)
                compile_one = dispatcher._compile_for_args
                dispatcher._compile_for_args = lambda *args, **kws: _apart(lambda: compile_one(*args, **kws))
                self._compiled = dispatcher
            return self._compiled


@overload
def kernel(function: Callable[..., Any], /) -> Kernel: ...
@overload
def kernel(**options: Any) -> Callable[[Callable[..., Any]], Kernel]: ...
def kernel(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Make a function a `Kernel`; options are numba's (`parallel`, `fastmath`, `inline`...)."""
    if function is not None:
        return Kernel(function, options)
    return lambda f: Kernel(f, options)


class Entry(ABC):
    """A function that is compiled once, and called by the address of its machine code.

    A body may close over integers only (they are part of numba's cache key, other objects never hit the cache).
    kernels: what the body calls by these names, instead of its module's.
    """

    def __init__(self, function: Callable[..., None], kernels: dict[str, Kernel] | None = None) -> None:
        self.function = function
        self.kernels = kernels or {}
        self._compiled: Any = None

    @property
    def compiled(self) -> Any:
        """numba's C function; there is one, since its address is in the tables of nets."""
        return self._compiled or _apart(self._make)

    def _make(self) -> Any:
        with _lock:
            if self._compiled is None:
                compiled = self.callback(_resolved(self.function, self.kernels))
                compiled._cache = _Cache(self)
                compiled.compile()
                self._compiled = compiled
            return self._compiled

    @abstractmethod
    def callback(self, body: Callable[..., None]) -> Any:
        """numba's C function that runs the body."""

    @property
    def address(self) -> int:
        """Where the machine code starts; valid as long as this object lives."""
        return cast(int, self.compiled.address)


def compile_all(entries: Iterable[Entry]) -> None:
    """Compile entries, or load them from the cache, and tell whoever listens how far it is."""
    missing = [e for e in dict.fromkeys(entries) if e._compiled is None]
    for done, one in enumerate(missing):
        if _on_progress is not None:
            _on_progress(done, len(missing))
        _ = one.compiled
    if _on_progress is not None and missing:
        _on_progress(len(missing), len(missing))


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
    called = {n: g.compiled for n in kernel_key.names_of(function.__code__) if isinstance(g := known.get(n), Kernel)}
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


def cache_warning() -> Diagnostic | None:
    """Why compiled kernels could not be kept, if they could not."""
    return kernel_files.warning


def _apart(work: Callable[[], T]) -> T:
    """Do work in a thread of its own and wait for it; in another thread than the main one, do it there."""
    if threading.current_thread() is not threading.main_thread():
        return work()
    found: list[T] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            found.append(work())
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run, name="netc-compile")
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return found[0]


class _Cache:
    """In place of numba's cache of a function, with netc's files under it."""

    cache_path = ""  # where numba's would be

    def __init__(self, root: Kernel | Entry) -> None:
        name = "-".join(f"{f.__module__}.{f.__qualname__}" for f in _functions_of(root))
        key = kernel_key.key(_functions_of(root), _unwrap)
        dumps = importlib.import_module("numba.core.serialize").dumps
        self._files = kernel_files.KernelFiles(name, key and f"{key} {_machine()}", dumps)
        self._result = importlib.import_module("numba.core.compiler").CompileResult

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        target_context.refresh()
        found = self._files.load(self._signature(sig, target_context.codegen()))
        return None if found is None else self._result._rebuild(target_context, *found)

    def save_overload(self, sig: Any, data: Any) -> None:
        if not data.library.has_dynamic_globals and all(one.can_cache for one in data.lifted):
            self._files.keep(self._signature(sig, data.codegen), data._reduce())

    def _signature(self, sig: Any, codegen: Any) -> object:
        return sig, codegen.magic_tuple()

    def enable(self) -> None:
        """numba's interface, as the next two: there is nothing to switch, and file names are hashes."""

    disable = flush = enable


def _functions_of(root: Kernel | Entry) -> list[Callable[..., Any]]:
    """The function, what makes machine code of it, and the kernels that it calls by other names."""
    if isinstance(root, Kernel):
        return [root.function]
    return [root.function, type(root).callback, *(kernel.function for kernel in root.kernels.values())]


def _unwrap(value: object) -> tuple[object, ...] | None:
    """What a kernel, an entry, or one of numba's wrappers of functions stands for."""
    if isinstance(value, Kernel):
        return value.function, value.options
    if isinstance(value, Entry):
        return value.function, value.kernels
    for name in ("py_func", "_defn"):  # a dispatcher, an intrinsic
        inner = vars(value).get(name) if hasattr(value, "__dict__") else None
        if isinstance(inner, types.FunctionType):
            return (inner,)
    return None


@functools.cache
def _machine() -> str:
    """What machine code depends on besides its source."""
    numba, host = _numba(), importlib.import_module("llvmlite.binding")
    digest = hashlib.sha256()
    for part in (
        numba.__version__,
        importlib.metadata.version("llvmlite"),
        importlib.metadata.version("numpy"),
        sys.version,
        BASE_OPTIONS,
        numba.config.CPU_NAME or host.get_host_cpu_name(),
        numba.config.CPU_FEATURES or host.get_host_cpu_features().flatten(),
    ):
        digest.update(str(part).encode() + b"\0")
    return digest.hexdigest()[:32]
