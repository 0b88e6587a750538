"""Machine code from functions, by numba. Imported when a kernel is not in the cache, and only then.

What numba compiles is the function with its operands as parameters; what is called is a wrapper of it that takes a line
of memory (`lines`). The result is object code, which runs in a process without numba (`objects`).
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from netc.jit.kinds import Kind, Nothing
from netc.jit.lines import UnsupportedError, kind_of, type_of, wrapper
from netc.jit.numbas import (
    codegen,
    compiler,
    compiler_lock,
    dispatcher,
    event,
    extending,
    numba,
    serialize,
    target,
    types,
)
from netc.jit.objects import Made, Object
from netc.kernel_files import KernelFiles


def listen(tell: Callable[[], None]) -> None:
    """Have `tell` called each time numba compiles something for a dispatcher of its own."""

    class Listener(event.Listener):  # type: ignore[misc]
        def on_start(self, event: Any) -> None:
            tell()

        def on_end(self, event: Any) -> None:
            pass

    event.register("numba:compile", Listener())


# ---------------------------------------------------------------- compiling


def made(function: Callable[..., Any], options: Mapping[str, Any], leading: int, kinds: Sequence[Kind]) -> Made:
    """Compile a function of `leading` integers and operands of these kinds, to be called as `lines.wrapper` says.

    Raises what numba raises.
    """
    with compiler_lock.global_compiler_lock, _rare_collection():
        try:
            return _made(function, options, leading, kinds)
        except UnsupportedError:
            return Made(None, Nothing(), True)


def _made(function: Callable[..., Any], options: Mapping[str, Any], leading: int, kinds: Sequence[Kind]) -> Made:
    library = _Library(target.target_context.codegen(), function.__qualname__)
    library.enable_object_caching()
    way = _Compiler(function, target, dict(options), {}, compiler.Compiler, library)
    found = way.compile((*[types.intp] * leading, *map(type_of, kinds)), None)
    result = kind_of(found.signature.return_type)
    if found.environment.consts or found.reload_init:
        raise UnsupportedError(f"{function.__qualname__} needs the interpreter")
    library.add_ir_module(wrapper(found.fndesc, leading, kinds, result))
    return library.made(found.fndesc.llvm_cfunc_wrapper_name, result)


class _Compiler(dispatcher._FunctionCompiler):  # type: ignore[misc]
    """numba's way from a function to a library, without its own ways in."""

    def __init__(self, *given: Any) -> None:
        *given_on, self._library = given
        super().__init__(*given_on)

    def _compile_core(self, args: Any, return_type: Any) -> Any:
        flags = compiler.Flags()
        self.targetdescr.options.parse_as_flags(flags, self.targetoptions)
        flags.no_cpython_wrapper = flags.no_cfunc_wrapper = flags.no_compile = True
        flags.enable_pyobject = False
        return compiler.compile_extra(
            target.typing_context, target.target_context, self.py_func, args=args, return_type=return_type,
            flags=flags, locals=self.locals, library=self._library,
        )  # fmt: skip


class _Library(codegen.JITCodeLibrary):  # type: ignore[misc]
    """A library that is made for its object code, and never loaded by numba."""

    def made(self, symbol: str, result: Kind) -> Made:
        seen = set()
        for library in self._linking_libraries:
            if library not in seen:
                seen.add(library)
                self._final_module.link_in(library._get_module_for_linking(), preserve=True)
        self._optimize_final_module()
        self._final_module.verify()
        self._finalize_dynamic_globals()
        self._verify_declare_only_symbols()
        imports = tuple(_declared(self._final_module))
        if any(name.startswith(("Py", "_Py")) for name in imports):  # exceptions with arguments that the run makes
            raise UnsupportedError(f"{self.name} needs the interpreter")
        code = self._codegen._tm.emit_object(self._final_module)
        return Made(Object(symbol, imports, code), result, not self._dynamic_globals)


def _declared(module: Any) -> Iterator[str]:
    """The names that a module takes from elsewhere."""
    for one in (*module.functions, *module.global_variables):
        if one.is_declaration and not one.name.startswith("llvm."):
            yield one.name


@contextmanager
def _rare_collection() -> Iterator[None]:
    """numba makes millions of objects, of which few are garbage in circles: looking for these takes a sixth."""
    before = gc.get_threshold()
    gc.set_threshold(200_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)


# ---------------------------------------------------------------- what numba itself has to do


def raised(place: int) -> BaseException:
    """The exception that a function has raised; place: what it left in the line."""

    class Raised(ctypes.Structure):
        _fields_ = (("data", ctypes.c_void_p), ("size", ctypes.c_int32), ("hash", ctypes.c_void_p))

    found = Raised.from_address(place)
    kind, arguments, _ = serialize.loads(ctypes.string_at(found.data, found.size))
    error: BaseException = kind(*(arguments or ()))
    return error


def dispatcher_of(function: Callable[..., Any], options: dict[str, Any], files: KernelFiles) -> Any:
    """numba's own dispatcher, for functions that others call, and for what does not go into a line."""
    made = numba.njit(**options)(function)
    made._cache = _Cache(files)
    return made


class _Cache:
    """In place of numba's cache of a function, with netc's files under it."""

    cache_path = ""  # where numba's would be

    def __init__(self, files: KernelFiles) -> None:
        self._files = files

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        target_context.refresh()
        found = self._files.load(sig)
        return None if found is None else compiler.CompileResult._rebuild(target_context, *found)

    def save_overload(self, sig: Any, data: Any) -> None:
        if not data.library.has_dynamic_globals and all(one.can_cache for one in data.lifted):
            self._files.keep(sig, data._reduce(), serialize.dumps)

    def enable(self) -> None:
        """numba's interface, as the next two: there is nothing to switch, and file names are hashes."""

    disable = flush = enable


def intrinsic(function: Callable[..., Any]) -> Any:
    """numba's intrinsic; integer literals arrive as literal types."""
    return extending.intrinsic(prefer_literal=True)(function)
