"""Which names of blobs, layers and runs are taken, phase by phase."""

from __future__ import annotations

from collections import defaultdict


class Taken:
    """Names in use: two things of disjoint phases may share one."""

    def __init__(self) -> None:
        self._phases: dict[str, set[str]] = defaultdict(set)
        self._last: dict[tuple[str, frozenset[str]], int] = {}

    def add(self, name: str, phases: frozenset[str]) -> str:
        """Take a name as it is."""
        self._phases[name] |= phases
        return name

    def free(self, name: str, phases: frozenset[str]) -> bool:
        return name not in self._phases or not self._phases[name] & phases

    def fresh(self, name: str, phases: frozenset[str]) -> str:
        """Take a name, with `_2`, `_3`, ... if it is in use in one of these phases."""
        if self.free(name, phases):
            return self.add(name, phases)
        return self.counted(name + "_", phases, 2)

    def counted(self, name: str, phases: frozenset[str], first: int = 1) -> str:
        """Take a name followed by the first free number."""
        number = self._last.get((name, phases), first - 1) + 1
        while not self.free(f"{name}{number}", phases):
            number += 1
        self._last[name, phases] = number
        return self.add(f"{name}{number}", phases)
