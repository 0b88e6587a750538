"""Compiling in a thread of its own, one thing at a time, and telling who listens.

What an interrupt leaves of numba in the middle of its work is not known. So kernels are compiled in a thread of their
own, where Python runs no handlers of signals: an interrupt ends the waiting, and the compiling goes on to its end.
"""

from __future__ import annotations

import functools
import importlib
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")
LOCK = threading.RLock()
"""Taken by what compiles and loads, in threads that no interrupt reaches."""

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


def tell() -> None:
    """Something is compiled."""
    if _on_compile is not None:
        _on_compile()


def tell_progress(done: int, total: int) -> None:
    """So many of so many kernels are there."""
    if _on_progress is not None:
        _on_progress(done, total)


@functools.cache
def compiler() -> Any:
    """`netc.jit.compiler`, and with it numba: costly to import."""
    found = importlib.import_module("netc.jit.compiler")
    found.listen(tell)
    return found


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
