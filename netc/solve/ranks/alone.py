"""One process, which is all ranks that there are."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TypeVar

from netc.solve.ranks.protocol import Message

T = TypeVar("T")


class Alone:
    """The `Ranks` of a run in one process: nobody to wait for, and nothing to send."""

    rank = 0
    size = 1

    def broadcast(self, value: T, root: int = 0) -> T:
        return value

    def gather(self, value: T) -> list[T]:
        return [value]

    def begin(self, sent: Sequence[Message], received: Sequence[Message], label: int = 0) -> Callable[[], None]:
        return self.barrier

    def overlaps(self, threads: int) -> bool:
        return False

    def barrier(self) -> None:
        pass

    def close(self) -> None:
        pass

    def abort(self, code: int) -> None:
        os._exit(code)


ALONE = Alone()
