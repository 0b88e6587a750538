"""What has been compiled of one function, in the kernel cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from netc import kernel_key
from netc.jit import host
from netc.kernel_files import KernelFiles


class Kept:
    """Object code by the kinds of operands. functions: what it is made of, the first of which calls the others."""

    def __init__(self, functions: list[Callable[..., Any]], unwrap: kernel_key.Unwrap) -> None:
        name = "-".join(f"{f.__module__}.{f.__qualname__}" for f in functions)
        key = kernel_key.key(functions, unwrap)
        self.files = KernelFiles(name, key and f"{key} {host.machine()}")

    def load(self, signature: object) -> Any:
        """What was kept, or None."""
        return self.files.load(signature)

    def keep(self, signature: object, data: object) -> None:
        self.files.keep(signature, data)
