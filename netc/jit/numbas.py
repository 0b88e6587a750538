"""numba's modules, of which types say nothing: whatever of netc imports numba imports it here."""

from __future__ import annotations

import importlib
from typing import Any

from netc.jit import host

numba: Any = importlib.import_module("numba")
ir: Any = importlib.import_module("llvmlite.ir")
extending: Any = importlib.import_module("numba.extending")
codegen: Any = importlib.import_module("numba.core.codegen")
compiler: Any = importlib.import_module("numba.core.compiler")
compiler_lock: Any = importlib.import_module("numba.core.compiler_lock")
dispatcher: Any = importlib.import_module("numba.core.dispatcher")
event: Any = importlib.import_module("numba.core.event")
serialize: Any = importlib.import_module("numba.core.serialize")
types: Any = importlib.import_module("numba.core.types")
typing: Any = importlib.import_module("numba.core.typing")
arrayobj: Any = importlib.import_module("numba.np.arrayobj")
numpy_support: Any = importlib.import_module("numba.np.numpy_support")
target: Any = importlib.import_module("numba.core.registry").cpu_target


def start() -> None:
    """Have numba make its own functions known to LLVM."""
    target.target_context.refresh()


if host.forced():
    numba.config.CPU_NAME, numba.config.CPU_FEATURES = host.processor()
