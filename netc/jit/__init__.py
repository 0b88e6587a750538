"""Kernels: functions that are compiled when they are first called, and kept on disk as object code.

`import numba` takes 0.3 s, and nothing needs it whose kernels have been compiled before: what compiles (`compiler`) is
imported when a kernel is not in the cache. Code that emits LLVM is written against the names here; those of numba are
looked up when they are used.
"""

from netc.jit.apart import announce_compilation
from netc.jit.callees import Foreign, Intrinsic, Later, intrinsic
from netc.jit.host import BF16, FEATURES, UNKNOWN_BF16, UNKNOWN_FEATURES, bf16, features
from netc.jit.kernels import Kernel, kernel
from netc.jit.together import compile_all
from netc.jit.units import Entry, Unit
from netc.kernel_files import cache_warning

ir = Later("llvmlite.ir")
cgutils = Later("numba.core.cgutils")
numba_types = Later("numba.core.types")
carray = Foreign("numba", "carray")
prange = Foreign("numba", "prange")

__all__ = [
    "BF16",
    "FEATURES",
    "UNKNOWN_BF16",
    "UNKNOWN_FEATURES",
    "Entry",
    "Intrinsic",
    "Kernel",
    "Unit",
    "announce_compilation",
    "bf16",
    "cache_warning",
    "carray",
    "cgutils",
    "compile_all",
    "features",
    "intrinsic",
    "ir",
    "kernel",
    "numba_types",
    "prange",
]
