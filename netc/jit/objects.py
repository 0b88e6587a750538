"""Object code in memory: what `compiler` made, now or in an earlier process. LLVM's linker does it, without numba."""

from __future__ import annotations

import ctypes
import functools
import importlib
import itertools
from dataclasses import dataclass
from typing import Any

from netc.jit.kinds import Kind

END_OF_ARRAY = "NRT_MemInfo_call_dtor"
"""Called at the end of an array that a kernel has made; code that makes none has the call, and never gets there. Code
that makes one has other names of numba's memory, too."""
_count = itertools.count()


@dataclass(frozen=True, slots=True)
class Object:
    """symbol: the function that is called; imports: names that the code takes from elsewhere."""

    symbol: str
    imports: tuple[str, ...]
    code: bytes


@dataclass(frozen=True, slots=True)
class Made:
    """What has been made of a function: object code (None: only numba's dispatcher can do it), and what it gives back.

    whole: it says all there is to say, so it can be kept for other processes.
    """

    object: Object | None
    result: Kind
    whole: bool


class Loaded:
    """Object code at an address, as long as this lives."""

    def __init__(self, made: Object) -> None:
        builder = _llvm().JITLibraryBuilder()
        builder.add_object_img(made.code).add_current_process().export_symbol(made.symbol)
        if any(name.startswith("NRT_") and name != END_OF_ARRAY for name in made.imports):
            importlib.import_module("netc.jit.numbas").start()
        for name in made.imports:
            builder.import_symbol(name, _address(name))
        self._library = builder.link(_linker(), f"kernel {next(_count)}")
        self.address: int = self._library[made.symbol]


def _llvm() -> Any:
    return importlib.import_module("llvmlite.binding")


@functools.cache
def _linker() -> Any:
    llvm = _llvm()
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.create_lljit_compiler()


def _address(name: str) -> int:
    """Of a function of the process; of those that numba brings along, after it is imported."""
    find = _llvm().address_of_symbol
    if (found := find(name)) is None:
        if name == END_OF_ARRAY:
            return ctypes.cast(ctypes.CDLL(None).abort, ctypes.c_void_p).value or 0
        importlib.import_module("netc.jit.numbas").start()
        found = find(name)
    if found is None:
        raise RuntimeError(f"a kernel needs {name}, which is not there")
    return int(found)
