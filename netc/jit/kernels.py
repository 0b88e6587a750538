"""What is compiled: `Kernel`s that Python and other kernels call, and `Entry`s that are called by their address.

What an interrupt leaves of numba in the middle of its work is not known. So kernels are compiled in a thread of their
own, where Python runs no handlers of signals: an interrupt ends the waiting, and the compiling goes on to its end.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
import struct
import threading
import types
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, cast, overload

from netc import kernel_key
from netc.jit import host, kinds
from netc.jit.kept import Kept
from netc.jit.kinds import Kind
from netc.jit.later import Foreign, Later
from netc.jit.objects import Loaded, Object

T = TypeVar("T")
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


@functools.cache
def _compiler() -> Any:
    """`netc.jit.compiler`, and with it numba: costly to import."""
    compiler = importlib.import_module("netc.jit.compiler")
    compiler.listen(_announce)
    return compiler


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
            raise _compiler().raised(error)
        return kinds.value_of(self._result, iter(self._results.unpack(*places))) if places else None


class Kernel:
    """A function that is compiled at its first call, for the kinds of values of each call."""

    def __init__(self, function: Callable[..., Any], options: dict[str, Any]) -> None:
        self.function = function
        self.options = {**host.OPTIONS, **options}
        self._known: dict[Any, Callable[..., Any]] = {}
        self._compiled: Any = None
        functools.update_wrapper(self, function)

    def __call__(self, *args: Any) -> Any:
        return (self._known.get(kinds.mark(args)) or self.version(*args))(*args)

    def version(self, *args: Any) -> Callable[..., Any]:
        """The machine code for arguments like these."""
        mark = kinds.mark(args)
        if mark not in self._known:
            apart(lambda: self._make(mark, args))
        return self._known[mark]

    def _make(self, mark: Any, args: tuple[Any, ...]) -> None:
        with _lock:
            if mark not in self._known:
                given = tuple(map(kinds.kind_of, args))
                complete = len(args) == self.function.__code__.co_argcount and not self.options.get("parallel")
                native = self._native(cast(tuple[Kind, ...], given)) if complete and all(given) else None
                self._known[mark] = native or self.compiled

    def _native(self, given: tuple[Kind, ...]) -> Native | None:
        """None: only numba's dispatcher can do it."""
        kept = self._kept.load(given)
        if kept is None:
            kept = self._compile(given)
        made, result = kept
        return None if made is None else Native(Loaded(made), given, result)

    def _compile(self, given: tuple[Kind, ...]) -> tuple[Object | None, Kind]:
        compiler = _compiler()
        try:
            found = compile_now(resolved(self.function), self.options, 0, given)
        except compiler.UnsupportedError:
            found = compiler.Compiled(None, kinds.Nothing(), True)
        if found.whole:
            self._kept.keep(given, (found.object, found.result))
        return found.object, found.result

    @functools.cached_property
    def _kept(self) -> Kept:
        return Kept(functions_of(self), unwrap)

    @property
    def compiled(self) -> Any:
        """numba's dispatcher, with the kernels that this one calls resolved: for other kernels, and odd arguments."""
        return self._compiled or apart(self._dispatcher)

    def _dispatcher(self) -> Any:
        with _lock:
            if self._compiled is None:
                compiler = _compiler()
                made = compiler.dispatcher_of(resolved(self.function), self.options, self._kept.files)
                compile_one = made._compile_for_args
                made._compile_for_args = lambda *args, **kws: apart(lambda: compile_one(*args, **kws))
                self._compiled = made
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


class Intrinsic:
    """A function that emits LLVM code where a kernel calls it; integer literals arrive as literal types."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        functools.update_wrapper(self, function)

    def __call__(self, *args: Any) -> Any:
        raise TypeError(f"{self.function.__qualname__} is for kernels, which are compiled")

    @functools.cached_property
    def compiled(self) -> Any:
        return _compiler().intrinsic(self.function)


def intrinsic(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function an `Intrinsic`."""
    return Intrinsic(function)


class Entry:
    """A function that is compiled once, and called by the address of its machine code.

    A body may close over integers only. What is called takes a line, and two integers that the body takes first.
    kernels: what the body calls by these names, instead of its module's.
    """

    leading = 2

    def __init__(self, function: Callable[..., None], kernels: dict[str, Kernel] | None = None) -> None:
        self.function = function
        self.kernels = kernels or {}
        self._loaded: Loaded | None = None

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Of what is in the line."""
        return ()

    @property
    def is_loaded(self) -> bool:
        """Whether the machine code is there, so that the kernel can be called."""
        return self._loaded is not None

    def find(self) -> bool:
        """Load it from the cache if it is there."""
        with _lock:
            if self._loaded is None and (kept := self.kept.load(self.kinds)) is not None:
                self._loaded = Loaded(kept)
            return self.is_loaded

    def compile(self) -> None:
        """Compile it, and keep it for other processes."""
        with _lock:
            if not self.find():
                body = resolved(self.function, self.kernels)
                found = compile_now(body, dict(host.OPTIONS), self.leading, self.kinds)
                if found.whole:
                    self.kept.keep(self.kinds, found.object)
                self._loaded = Loaded(found.object)

    @functools.cached_property
    def kept(self) -> Kept:
        return Kept(functions_of(self), unwrap)

    @property
    def address(self) -> int:
        """Where the machine code starts; valid as long as this object lives."""
        if self._loaded is None:
            apart(self.compile)
        assert self._loaded is not None
        return self._loaded.address


def compile_all(entries: Iterable[Entry]) -> None:
    """Compile entries, or load them from the cache, and tell whoever listens how far it is."""
    missing = [e for e in dict.fromkeys(entries) if not e.is_loaded]
    if missing:
        apart(lambda: _compile(missing))


def _compile(missing: list[Entry]) -> None:
    for done, one in enumerate(missing):
        if _on_progress is not None:
            _on_progress(done, len(missing))
        one.compile()
    if _on_progress is not None:
        _on_progress(len(missing), len(missing))


def compile_now(*given: Any) -> Any:
    _announce()
    return _compiler().compiled(*given)


def _announce() -> None:
    if _on_compile is not None:
        _on_compile()


def resolved(function: Callable[..., Any], kernels: dict[str, Kernel] | None = None) -> Callable[..., Any]:
    """The function with what numba calls in place of kernels and intrinsics among its globals.

    kernels: what the function calls by these names instead.
    """
    function = cast(types.FunctionType, function)
    known = {**function.__globals__, **(kernels or {})}
    found = ((name, known.get(name)) for name in kernel_key.names_of(function.__code__))
    called = {name: one.compiled for name, one in found if isinstance(one, Kernel | Intrinsic | Foreign)}
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


def apart(work: Callable[[], T]) -> T:
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


def functions_of(root: Kernel | Entry) -> list[Callable[..., Any]]:
    """The function, and the kernels that it calls by other names."""
    return [root.function, *(k.function for k in root.kernels.values())] if isinstance(root, Entry) else [root.function]


def unwrap(value: object) -> tuple[object, ...] | None:
    """What a kernel, an entry, or something else that kernels call stands for."""
    if isinstance(value, Kernel):
        return value.function, value.options
    if isinstance(value, Entry):
        return value.function, value.kernels
    if isinstance(value, Intrinsic):
        return (value.function,)
    if isinstance(value, Foreign):
        return value.module, value.name
    if isinstance(value, Later):
        return (vars(value)["_module"],)
    for name in ("py_func", "_defn"):  # numba's own dispatchers and intrinsics
        inner = vars(value).get(name) if hasattr(value, "__dict__") else None
        if isinstance(inner, types.FunctionType):
            return (inner,)
    return None
