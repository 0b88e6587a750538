"""Names of layers, which are labels: two layers may have the same one, as in Caffe."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence


class Keys:
    """Gives layers keys that are unique: of those with one name the first keeps it, the second is `name#2`."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names, self._given, self._counts = set(names), set[str](), Counter[str]()

    def key(self, name: str) -> str:
        """The key of the next layer of this name."""
        self._counts[name] += 1
        key = name if self._counts[name] == 1 else f"{name}#{self._counts[name]}"
        while key in self._given or (key != name and key in self._names):
            self._counts[name] += 1
            key = f"{name}#{self._counts[name]}"
        self._given.add(key)
        return key


def paired(ours: Sequence[str], theirs: Sequence[str]) -> dict[int, int]:
    """Which of their layers each of ours belongs to, by name; layers of ours that have none are left out.

    As many layers of one name as they have belong to theirs in their order; otherwise our first belongs to their last,
    which is what Caffe's loading by name comes to.
    """
    places, there = defaultdict[str, list[int]](list), defaultdict[str, list[int]](list)
    for at, name in enumerate(ours):
        places[name].append(at)
    for at, name in enumerate(theirs):
        there[name].append(at)
    found: dict[int, int] = {}
    for name, mine in places.items():
        if len(mine) == len(there[name]):
            found.update(zip(mine, there[name], strict=True))
        elif there[name]:
            found[mine[0]] = there[name][-1]
    return found
