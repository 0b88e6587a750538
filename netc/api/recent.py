"""The last things that were made, by key: plans and programs of one net for several shapes of its inputs."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import RLock
from typing import Generic, TypeVar

V = TypeVar("V")


class Recent(Generic[V]):
    """Keeps what was asked for last: at most `most` things, of a weight of at most `limit` together (one at least)."""

    def __init__(self, most: int, weigh: Callable[[V], int] = lambda _: 0, limit: int = 0) -> None:
        self.most, self.weigh, self.limit = most, weigh, limit
        self._lock = RLock()
        self._found: OrderedDict[Hashable, V] = OrderedDict()

    def __len__(self) -> int:
        return len(self._found)

    def get(self, key: Hashable, make: Callable[[], V]) -> V:
        """What was made for this key, made now if it is not there. Threads wait for each other."""
        with self._lock:
            if key not in self._found:
                self._found[key] = make()
            self._found.move_to_end(key)
            while len(self) > 1 and (len(self) > self.most or sum(map(self.weigh, self._found.values())) > self.limit):
                self._found.popitem(last=False)
            return self._found[key]

    def all(self) -> list[V]:
        """What is kept."""
        with self._lock:
            return list(self._found.values())

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._found.clear()
