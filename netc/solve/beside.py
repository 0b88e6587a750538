"""Backward, and beside it a thread that exchanges gradients with other ranks as backward ends with them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

import numpy as np


class GivenUpError(Exception):
    """Backward has been broken off."""


class Ready:
    """How many buckets of gradients are ready, in their order."""

    def __init__(self) -> None:
        self._told: SimpleQueue[bool] = SimpleQueue()
        self._count = 0

    def tell(self) -> None:
        """One more is."""
        self._told.put(True)

    def give_up(self) -> None:
        """No more will be."""
        self._told.put(False)

    def __call__(self, least: int) -> int:
        """Wait for so many, and say how many there are by then. Raises GivenUpError."""
        while self._count < least or not self._told.empty():
            if not self._told.get():
                raise GivenUpError
            self._count += 1
        return self._count


class Beside:
    """The thread."""

    def __init__(self) -> None:
        self._thread: ThreadPoolExecutor | None = None

    def run(self, backward: Callable[[Callable[[], None]], None], exchange: Callable[[Ready], None]) -> None:
        """Run both at once. backward: is given what tells that one more bucket is ready."""
        self._thread = self._thread or ThreadPoolExecutor(1, "netc-exchange")
        ready = Ready()
        exchanged = self._thread.submit(_quietly, exchange, ready)
        try:
            backward(ready.tell)
        except BaseException:
            ready.give_up()
            raise
        exchanged.result()

    def end(self) -> None:
        """Wait for what was broken off."""
        if self._thread is not None:
            self._thread.shutdown()
            self._thread = None


def _quietly(exchange: Callable[[Ready], None], ready: Ready) -> None:
    with np.errstate(all="ignore"):  # which is each thread's own; what is not finite is said by name
        exchange(ready)
