"""Interrupts between passes, not inside them.

Python runs the handlers of signals between any two instructions of the main thread, and what they raise (Ctrl-C's
KeyboardInterrupt) tears whatever runs there: a batch read from one source and not from the other, half of the layers'
statistics. Inside `with Held():` handlers run at once, but the first exception that one raises waits for the end of
the block. The second is raised where it is, so that nothing that hangs is out of reach; whoever uses the block knows
then that it did not come to its end.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from importlib import import_module
from types import FrameType
from typing import Any

NAMES = (
    "INT", "TERM", "HUP", "ALRM", "QUIT", "USR1", "USR2", "VTALRM", "PROF", "XCPU", "BREAK", "CHLD", "IO", "WINCH",
    "CONT", "TSTP",
)  # fmt: skip
NUMBERS = tuple(number for name in NAMES if (number := getattr(signal, f"SIG{name}", None)) is not None)
_signal: Any = import_module("_signal")  # `signal` without turning numbers into enumerations: ten times as fast


class _Handler:
    """In place of a signal's handler. It holds what that raises while its block is open, and is that one otherwise."""

    __slots__ = ("block", "own")

    def __init__(self, own: Callable[[int, FrameType | None], object], block: Held) -> None:
        self.own = own
        self.block = block

    def __call__(self, number: int, frame: FrameType | None) -> None:
        try:
            self.own(number, frame)
        except BaseException as error:
            if not self.block.open or self.block.error is not None:
                raise
            self.block.error = error


class Held:
    """`with Held():` raises what signal handlers raise after the block. Blocks may stand in each other.

    In other threads than the main one there is nothing to hold: Python runs no handlers there.
    """

    __slots__ = ("error", "handlers", "open")
    current: Held | None = None

    def __init__(self) -> None:
        self.open = False
        self.error: BaseException | None = None
        self.handlers: list[tuple[int, _Handler]] = []

    def __enter__(self) -> None:
        outer = Held.current
        if threading.current_thread() is not threading.main_thread() or (outer is not None and outer.open):
            return
        for number in NUMBERS:
            own = _signal.getsignal(number)
            if callable(own):
                handler = _Handler(own.own if isinstance(own, _Handler) else own, self)  # one that an exception left
                self.handlers.append((number, handler))
                _signal.signal(number, handler)
        Held.current = self
        self.open = True  # until here handlers raise as ever, and what is in their place is harmless

    def __exit__(self, *_: object) -> None:
        if not self.open:
            return
        self.open = False
        for number, handler in self.handlers:
            if _signal.getsignal(number) is handler:
                _signal.signal(number, handler.own)
        if self.error is not None:
            raise self.error
